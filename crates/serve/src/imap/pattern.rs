//! The patterns of LIST and LSUB. RFC 3501 §6.3.8.

use terms::MailboxName;
use unicode_normalization::UnicodeNormalization as _;

/// A reference and a pattern together: `*` stands for anything, `%` for anything
/// without a separator.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// No two wildcards stand side by side.
    chars: Vec<char>,
    /// How many of them are no wildcards.
    literals: usize,
}

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
        let literals = chars.iter().filter(|&&c| !is_wildcard(c)).count();
        Self { chars, literals }
    }

    /// Whether `name` is one of those meant. Adds to `steps` how many comparisons it
    /// took: the product of both lengths at the most.
    pub(super) fn matches(&self, name: &str, steps: &mut usize) -> bool {
        *steps += 1;
        if self.literals > name.len() {
            return false;
        }
        // RFC 3501 §5.1: INBOX is INBOX in any case, alone and as first level.
        let inbox = name.strip_prefix("INBOX");
        let inbox =
            inbox.is_some_and(|rest| rest.is_empty() || rest.starts_with(MailboxName::SEPARATOR));
        // All ways to go on, instead of one after the other.
        let mut ways = Ways::default();
        let mut next = Ways::default();
        ways.add(&self.chars, 0);
        for (at, c) in name.chars().enumerate() {
            if ways.0.is_empty() {
                return false;
            }
            for &place in &ways.0 {
                *steps += 1;
                match self.chars.get(place) {
                    Some('*') => next.add(&self.chars, place),
                    Some('%') if c != MailboxName::SEPARATOR => next.add(&self.chars, place),
                    Some('%') | None => {}
                    Some(&wanted) => {
                        let same =
                            wanted == c || (inbox && at < 5 && wanted.eq_ignore_ascii_case(&c));
                        if same {
                            next.add(&self.chars, place + 1);
                        }
                    }
                }
            }
            std::mem::swap(&mut ways, &mut next);
            next.0.clear();
        }
        ways.0.last() == Some(&self.chars.len())
    }
}

fn is_wildcard(c: char) -> bool {
    matches!(c, '*' | '%')
}

/// Places in a pattern where what follows of a name may go on, ascending.
#[derive(Default)]
struct Ways(Vec<usize>);

impl Ways {
    /// Adds a place, which is no smaller than that added before, or the one before
    /// that; with a wildcard there the place behind it too.
    fn add(&mut self, pattern: &[char], place: usize) {
        if self.0.last().is_some_and(|&last| last >= place) {
            return;
        }
        match pattern.get(place) {
            Some('*') => {
                // From here all can be reached that could from before.
                self.0.clear();
                self.0.extend([place, place + 1]);
            }
            Some('%') => self.0.extend([place, place + 1]),
            _ => self.0.push(place),
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
                matches(&Pattern::new("", pattern), name),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(matches(&Pattern::new("a/", "%"), "a/b"));
    }

    #[test]
    fn a_hostile_pattern_takes_the_product_of_the_lengths() {
        let hostile = format!("*{}b", "a%".repeat(300));
        for pattern in [hostile, "*a%a".repeat(100), "%a".repeat(400)] {
            let (pattern, name) = (Pattern::new("", &pattern), "a".repeat(900));
            let mut steps = 0;
            assert!(!pattern.matches(&format!("{name}c"), &mut steps));
            assert!(steps <= 900 * pattern.chars.len(), "{steps} steps");
        }
        // What is longer than any name costs nothing.
        let mut steps = 0;
        assert!(!Pattern::new("", &"a*".repeat(2_000)).matches(&"a".repeat(900), &mut steps));
        assert_eq!(steps, 1);
    }

    /// What people ask for takes a few steps for each character of a name.
    #[test]
    fn an_ordinary_pattern_is_cheap() {
        for pattern in ["*", "%", "Archive/%", "*2024*", "Archive/2024/%/*"] {
            let mut steps = 0;
            Pattern::new("", pattern).matches("Archive/2024/Some mailbox", &mut steps);
            assert!(steps <= 60, "{pattern}: {steps} steps");
        }
    }

    fn matches(pattern: &Pattern, name: &str) -> bool {
        pattern.matches(name, &mut 0)
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
        fn agrees_with_trying_everything(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                matches(&Pattern::new("", &pattern), &name),
                model(&chars(&pattern), &chars(&name))
            );
        }
    }
}
