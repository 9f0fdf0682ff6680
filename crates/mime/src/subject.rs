//! The base subject, by which mail is sorted and threaded. RFC 5256 §2.1.

use crate::words::decode_words;

/// A subject without what replies and forwards put around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseSubject {
    /// What is left.
    pub text: String,
    /// Whether something was taken away that says so.
    pub is_reply_or_forward: bool,
}

/// How many octets of a subject are looked at.
const OCTETS_MAX: usize = 1_000;

/// The base subject of a Subject field's value.
pub fn base_subject(value: &[u8]) -> BaseSubject {
    // Step 1: as Unicode, with single blanks.
    let decoded = decode_words(value.get(..4 * OCTETS_MAX).unwrap_or(value));
    let mut subject = decoded.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = subject.floor_char_boundary(OCTETS_MAX);
    subject.truncate(end);

    let mut text = subject.as_str();
    let mut is_reply_or_forward = false;
    loop {
        // Step 2: trailers.
        while let Some(rest) = strip_suffix_ignoring_case(text.trim_end(), "(fwd)") {
            text = rest;
            is_reply_or_forward = true;
        }
        text = text.trim_end();
        // Steps 3 to 5: leaders, then a blob if that leaves something.
        loop {
            if let Some((rest, marked)) = strip_leader(text) {
                is_reply_or_forward |= marked;
                text = rest;
            } else if let Some(rest) = strip_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            } else {
                break;
            }
        }
        // Step 6: a forward that encloses the subject.
        let inner =
            strip_prefix_ignoring_case(text, "[fwd:").and_then(|rest| rest.strip_suffix(']'));
        let Some(inner) = inner else {
            break;
        };
        text = inner.trim();
        is_reply_or_forward = true;
    }
    BaseSubject {
        text: text.to_owned(),
        is_reply_or_forward,
    }
}

/// subj-leader: blobs, then `re:`, `fw:` or `fwd:`; or a blank.
fn strip_leader(text: &str) -> Option<(&str, bool)> {
    if let Some(rest) = text.strip_prefix(' ') {
        return Some((rest, false));
    }
    let mut rest = text;
    while let Some(after) = strip_blob(rest) {
        rest = after;
    }
    let rest = ["fwd", "re", "fw"]
        .iter()
        .find_map(|word| strip_prefix_ignoring_case(rest, word))?
        .trim_start();
    let rest = strip_blob(rest).unwrap_or(rest);
    rest.strip_prefix(':').map(|rest| (rest, true))
}

/// subj-blob: `[…]` and the blanks after it.
fn strip_blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let (blob, rest) = inner.split_once(']')?;
    (!blob.contains('[')).then(|| rest.trim_start())
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_subjects() {
        for (subject, expected, marked) in [
            ("Hello", "Hello", false),
            ("Re: Hello", "Hello", true),
            ("RE:Re: FWD : Hello (fwd) (FWD)", "Hello", true),
            ("[list] Re: [tag] Hello", "Hello", true),
            ("Re[2]: Hello", "Hello", true),
            ("re [x] : Hello", "Hello", true),
            ("[only a blob]", "[only a blob]", false),
            ("[a] [b]", "[b]", false),
            ("[Fwd: [list] Re: Hello]", "Hello", true),
            ("=?utf-8?q?Re:_gr=C3=BCn?=", "grün", true),
            ("Report: x", "Report: x", false),
            ("  a \t b ", "a b", false),
            ("Re:", "", true),
            ("", "", false),
            ("[fwd:]", "", true),
            ("éfwd: x", "éfwd: x", false),
        ] {
            let base = base_subject(subject.as_bytes());
            assert_eq!(
                (base.text.as_str(), base.is_reply_or_forward),
                (expected, marked),
                "{subject}"
            );
        }
    }
}
