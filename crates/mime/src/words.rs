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
    while let Some(at) = memmem::find(rest, b"=?") {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        let Some((word, after)) = split_word(from) else {
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
fn split_word(from: &[u8]) -> Option<(Word<'_>, &[u8])> {
    let rest = from.strip_prefix(b"=?")?;
    let mut parts = rest.splitn(3, |&octet| octet == b'?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if charset.is_empty() || charset.len() > CHARSET_OCTETS_MAX || encoding.len() != 1 {
        return None;
    }
    let end = memmem::find(text, b"?=")?;
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
