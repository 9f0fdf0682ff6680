//! The patterns of LIST and LSUB. RFC 3501 §6.3.8.

use terms::MailboxName;
use unicode_normalization::UnicodeNormalization as _;

/// A reference and a pattern together: `*` stands for anything, `%` for anything
/// without a separator.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<char>);

impl Pattern {
    /// In the form of Unicode that names have. RFC 9051 §5.1.
    pub(super) fn new(reference: &str, pattern: &str) -> Self {
        let mut chars: Vec<char> = Vec::new();
        for c in reference.chars().chain(pattern.chars()).nfc() {
            // `**`, `*%` and `%*` say no more than `*`, and `%%` no more than `%`.
            match (chars.last(), c) {
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some('%'), '*') => {
                    chars.pop();
                    chars.push('*');
                }
                _ => chars.push(c),
            }
        }
        Self(chars)
    }

    /// Whether `name` is one of those meant. The work is bounded by the product
    /// of both lengths, or of their squares where `%` and `*` are mixed to hurt.
    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        // RFC 3501 §5.1: INBOX is INBOX in any case, alone and as first level.
        let inbox = name.starts_with(&['I', 'N', 'B', 'O', 'X'])
            && name.get(5).is_none_or(|&c| c == MailboxName::SEPARATOR);
        let same = |at: usize, wanted: char, c: char| {
            wanted == c || (inbox && at < 5 && wanted.eq_ignore_ascii_case(&c))
        };
        let (mut p, mut n) = (0, 0);
        // Where to go on after the last `*` and the last `%` when a way ends.
        let mut star: Option<(usize, usize)> = None;
        let mut percent: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(p), name.get(n)) {
                (None, None) => return true,
                (Some('*'), _) => {
                    p += 1;
                    star = Some((p, n));
                    percent = None;
                    continue;
                }
                (Some('%'), _) => {
                    p += 1;
                    percent = Some((p, n));
                    continue;
                }
                (Some(&wanted), Some(&c)) if same(n, wanted, c) => {
                    p += 1;
                    n += 1;
                    continue;
                }
                _ => {}
            }
            if let Some((after, from)) = percent
                && name.get(from).is_some_and(|&c| c != MailboxName::SEPARATOR)
            {
                percent = Some((after, from + 1));
                (p, n) = (after, from + 1);
            } else if let Some((after, from)) = star
                && from < name.len()
            {
                star = Some((after, from + 1));
                percent = None;
                (p, n) = (after, from + 1);
            } else {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards() {
        for (pattern, name, expected) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "ab", true),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a/*", "a", false),
            ("a*", "a", true),
            ("%/%", "a/b", true),
            ("%/c", "a/b/c", false),
            ("*/c", "a/b/c", true),
            ("*b%d", "ab/bcd", true),
            ("*b%d", "abc/d", false),
            ("inbox", "INBOX", true),
            ("inb%", "INBOX", true),
            ("Inbox/a", "INBOX/a", true),
            ("Inbox/A", "INBOX/a", false),
            ("inboxes", "INBOXES", false),
            ("", "a", false),
            ("", "", true),
            ("Entw%", "Entwürfe", true),
            ("Entwu\u{308}r%", "Entwürfe", true),
        ] {
            assert_eq!(
                Pattern::new("", pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(Pattern::new("a/", "%").matches("a/b"));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "*a%a".repeat(100);
        assert!(!Pattern::new("", &pattern).matches(&"a".repeat(199)));
        assert!(!Pattern::new("", &format!("{pattern}b")).matches(&"a".repeat(1_000)));
    }

    fn model(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((&c @ ('*' | '%'), rest)) => (0..=name.len()).any(|skip| {
                (c == '*' || !name[..skip].contains(&'/')) && model(rest, &name[skip..])
            }),
            Some((c, rest)) => name.first() == Some(c) && model(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(pattern in "[ab/*%]{0,7}", name in "[ab/]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                Pattern::new("", &pattern).matches(&name),
                model(&chars(&pattern), &chars(&name))
            );
        }
    }
}
