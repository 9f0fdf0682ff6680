//! Encoded words in header fields. RFC 2047.

use crate::header::unfold;
use crate::text::{decode_base64, decode_charset, decode_codes};
use memchr::memmem;

/// A field's value as Unicode: unfolded, encoded words decoded, octets beyond
/// ASCII read as UTF-8 or else as Windows-1252.
pub fn decode_words(value: &[u8]) -> String {
    let value = unfold(value);
    let mut out = String::with_capacity(value.len());
    let mut pending = Pending::default();
    let mut rest: &[u8] = &value;
    let mut ends = Ends::of(&value);
    while let Some(at) = memmem::find(rest, b"=?") {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        let Some((word, after)) = split_word(from, &mut ends) else {
            let (plain, after) = rest.split_at_checked(at + 2).unwrap_or((rest, &[]));
            pending.flush(&mut out);
            out.push_str(&decode_charset(plain, b""));
            rest = after;
            continue;
        };
        // RFC 2047 §6.2: blanks between two encoded words are not shown.
        if !pending.is_word || !plain.trim_ascii().is_empty() {
            pending.flush(&mut out);
            out.push_str(&decode_charset(plain, b""));
        }
        pending.push(&word, &mut out);
        rest = after;
    }
    pending.flush(&mut out);
    out.push_str(&decode_charset(rest, b""));
    out
}

struct Word<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
}

/// The encoded word that begins here, and what follows it.
fn split_word<'a>(from: &'a [u8], ends: &mut Ends<'_>) -> Option<(Word<'a>, &'a [u8])> {
    let rest = from.strip_prefix(b"=?")?;
    let mut parts = rest.splitn(3, |&octet| octet == b'?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if charset.is_empty() || charset.len() > CHARSET_OCTETS_MAX || encoding.len() != 1 {
        return None;
    }
    let end = ends.first_in(text)?;
    let (text, after) = text.split_at_checked(end)?;
    let octets = match encoding.first()? {
        b'b' | b'B' => decode_base64(text),
        b'q' | b'Q' => {
            // RFC 2047 §4.2 (2): an underline is a blank.
            let spaced: Vec<u8> = text
                .iter()
                .map(|&octet| if octet == b'_' { b' ' } else { octet })
                .collect();
            let mut octets = Vec::with_capacity(spaced.len());
            decode_codes(&spaced, &mut octets);
            octets
        }
        _ => return None,
    };
    // RFC 2231 §5: a language may follow the charset.
    let charset = charset.split(|&octet| octet == b'*').next()?;
    Some((Word { charset, octets }, after.get(2..)?))
}

/// Where encoded words end in a value. Each of its octets is looked at once, however
/// many words begin that never end.
struct Ends<'a> {
    value: &'a [u8],
    /// From where on nothing has been looked at; an end that was found lies before it.
    looked: usize,
    /// The last that was found.
    found: Option<usize>,
    /// Octets that have been looked at, twice where they were twice.
    #[cfg(test)]
    work: usize,
}

impl<'a> Ends<'a> {
    fn of(value: &'a [u8]) -> Self {
        Self {
            value,
            looked: 0,
            found: None,
            #[cfg(test)]
            work: 0,
        }
    }

    /// The place in `text` of its first `?=`. `text` is all of the value from
    /// somewhere on, never before where it was the last time.
    fn first_in(&mut self, text: &[u8]) -> Option<usize> {
        let start = self.value.len().checked_sub(text.len())?;
        if let Some(found) = self.found.filter(|&found| found >= start) {
            return Some(found - start);
        }
        let from = start.max(self.looked);
        let found = memmem::find(self.value.get(from..)?, b"?=").map(|at| from + at);
        let looked = found.map_or(self.value.len(), |found| found + 1);
        #[cfg(test)]
        {
            self.work += looked - from;
        }
        self.looked = looked;
        self.found = found;
        found.map(|found| found - start)
    }
}

/// Longest name of a charset that is looked at.
pub(crate) const CHARSET_OCTETS_MAX: usize = 60;

/// Words of one charset that follow each other are decoded together: some
/// programs cut them in the middle of a character.
#[derive(Default)]
struct Pending {
    charset: Vec<u8>,
    octets: Vec<u8>,
    is_word: bool,
}

impl Pending {
    fn push(&mut self, word: &Word<'_>, out: &mut String) {
        if !self.charset.eq_ignore_ascii_case(word.charset) {
            self.flush(out);
            self.charset = word.charset.to_vec();
        }
        self.octets.extend_from_slice(&word.octets);
        self.is_word = true;
    }

    fn flush(&mut self, out: &mut String) {
        if self.is_word {
            out.push_str(&decode_charset(&self.octets, &self.charset));
        }
        self.octets.clear();
        self.is_word = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_never_end_are_looked_at_once() {
        let value = b"=?a?q?x ".repeat(1_000);
        let mut ends = Ends::of(&value);
        for at in (0..value.len()).step_by(8) {
            assert!(split_word(&value[at..], &mut ends).is_none());
        }
        assert_eq!(ends.work, value.len() - 6);
        assert_eq!(
            decode_words(&value),
            String::from_utf8_lossy(value.trim_ascii())
        );
    }

    #[test]
    fn every_end_is_found() {
        // The first word's charset is empty, that of the second too long.
        let long = "a".repeat(CHARSET_OCTETS_MAX + 1);
        let value = format!("=??q?a?= =?{long}?q?b?= =?x?q?c?= =?y?q?d =?z?q?e?=");
        let expected = format!("=??q?a?= =?{long}?q?b?= cd =?z?q?e");
        assert_eq!(decode_words(value.as_bytes()), expected);
    }

    #[test]
    fn encoded_words_are_decoded() {
        for (value, expected) in [
            (&b" plain\r\n text\r\n"[..], "plain text"),
            (b"=?iso-8859-1?Q?gr=FCn?= tea", "grün tea"),
            (b"=?ISO-8859-1?q?a_b?= =?utf-8?b?w7w=?=", "a bü"),
            (b"a =?utf-8?q?b?=  =?utf-8?q?c?= d", "a bc d"),
            (b"=?utf-8?b?w7?= =?utf-8?b?w=?=", "\u{fffd}\u{fffd}"),
            (b"=?utf-8*en?q?=C3?= =?utf-8?q?=BC?=", "ü"),
            (b"=?broken", "=?broken"),
            (b"=?a?x?b?= =?utf-8?q?c?=", "=?a?x?b?= c"),
            (b"=?x?q?unclosed", "=?x?q?unclosed"),
            (b"raw gr\xfcn", "raw grün"),
            ("raw grün".as_bytes(), "raw grün"),
            (b"", ""),
        ] {
            let shown = decode_words(value);
            if expected.contains('\u{fffd}') {
                assert!(shown.contains('\u{fffd}'), "{shown}");
            } else {
                assert_eq!(shown, expected);
            }
        }
    }
}
