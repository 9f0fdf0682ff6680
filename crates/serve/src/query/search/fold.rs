//! Texts to look for. RFC 9051 §6.4.4 wants substrings that match whatever their
//! case, RFC 5255 §4.2 says how texts are compared.

use memchr::memmem;
use mime::unicode_casemap;

/// A text to look for.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    folded: String,
    finder: memmem::Finder<'static>,
}

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        let folded = unicode_casemap(text);
        Self {
            finder: memmem::Finder::new(folded.as_bytes()).into_owned(),
            folded,
        }
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Whether a text that has been folded has it.
    pub(super) fn is_in_folded(&self, folded: &[u8]) -> bool {
        self.finder.find(folded).is_some()
    }

    /// Whether `text` has it, case and composition aside.
    pub(super) fn is_in(&self, text: &str) -> bool {
        if text.is_ascii() {
            // What is plain folds to what is plain.
            return self.folded.is_ascii() && self.is_in_ascii(text.as_bytes());
        }
        self.is_in_folded(unicode_casemap(text).as_bytes())
    }

    /// Looks in pieces that stay in the cache.
    fn is_in_ascii(&self, text: &[u8]) -> bool {
        const PIECE_OCTETS: usize = 16 << 10;
        let overlap = self.folded.len();
        let mut folded = Vec::with_capacity(text.len().min(PIECE_OCTETS + overlap));
        let mut start = 0;
        loop {
            let end = text.len().min(start + PIECE_OCTETS + overlap);
            let piece = text.get(start..end).unwrap_or_default();
            folded.clear();
            folded.extend(piece.iter().map(u8::to_ascii_uppercase));
            if self.is_in_folded(&folded) {
                return true;
            }
            if end == text.len() {
                return false;
            }
            start += PIECE_OCTETS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_matter() {
        for (needle, text, expected) in [
            ("hello", "Say HELLO.", true),
            ("HELLO", "hell o", false),
            ("", "", true),
            ("grün", "GRÜN", true),
            ("gru\u{308}n", "das Grün", true),
            ("σας", "ΣΑΣ", true),
            ("ﬁnd", "to ﬁND", true),
            // Titlecase comes before decomposition (RFC 5051 §2).
            ("find", "to ﬁnd", false),
            ("ü", "plain", false),
            ("k", "\u{212a}", true),
        ] {
            let found = Needle::new(needle).is_in(text);
            assert_eq!(found, expected, "{needle} in {text}");
        }
    }

    #[test]
    fn matches_across_pieces_are_found() {
        for before in [16_380, 16_384, 40_000] {
            let text = format!("{}Needle{}", "x".repeat(before), "y".repeat(20_000));
            assert!(Needle::new("needle").is_in(&text));
            assert!(!Needle::new("needles").is_in(&text));
        }
    }
}
