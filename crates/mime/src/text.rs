//! Octets of a text part as Unicode: transfer encodings, charsets, HTML.
//!
//! Decoding never fails: what cannot be decoded is passed over or replaced.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;
use std::borrow::Cow;

/// How a body is encoded. RFC 2045 §6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary, or none.
    #[default]
    Identity,
    /// quoted-printable (RFC 2045 §6.7)
    QuotedPrintable,
    /// base64 (RFC 2045 §6.8)
    Base64,
    /// One that is not known: its octets are taken as they stand.
    Unknown,
}

impl TransferEncoding {
    /// From the field's token.
    pub fn from_token(token: &[u8]) -> Self {
        if token.eq_ignore_ascii_case(b"quoted-printable") {
            Self::QuotedPrintable
        } else if token.eq_ignore_ascii_case(b"base64") {
            Self::Base64
        } else if [&b""[..], b"7bit", b"8bit", b"binary"]
            .iter()
            .any(|name| token.eq_ignore_ascii_case(name))
        {
            Self::Identity
        } else {
            Self::Unknown
        }
    }

    /// The octets that were encoded.
    pub fn decode<'a>(self, octets: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Identity | Self::Unknown => Cow::Borrowed(octets),
            Self::QuotedPrintable => Cow::Owned(decode_quoted_printable(octets)),
            Self::Base64 => Cow::Owned(decode_base64(octets)),
        }
    }
}

/// A text part's body as Unicode.
pub fn decode_text(octets: &[u8], encoding: TransferEncoding, charset: &[u8]) -> String {
    decode_charset(&encoding.decode(octets), charset).into_owned()
}

/// Octets of a charset as Unicode. UTF-8 is believed whatever the label says
/// where that is US-ASCII, unknown or none; else those are taken for Windows-1252.
pub fn decode_charset<'a>(octets: &'a [u8], charset: &[u8]) -> Cow<'a, str> {
    let label = charset.trim_ascii().to_ascii_lowercase();
    let vague = matches!(label.as_slice(), b"" | b"us-ascii" | b"ascii");
    // What browsers refuse to decode has an encoding that replaces all of it.
    let encoding = Encoding::for_label(&label).filter(|encoding| *encoding != REPLACEMENT);
    if encoding == Some(UTF_8) {
        return String::from_utf8_lossy(octets);
    }
    if let Some(encoding) = encoding.filter(|_| !vague) {
        return encoding.decode(octets).0;
    }
    // UTF-7, DOS code pages and others that are found in mail alone.
    if let Some(decode) = charset_decoder(&label).filter(|_| !vague) {
        return Cow::Owned(decode(octets));
    }
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0,
    }
}

/// The text that an HTML part shows.
pub fn html_to_text(html: &str) -> String {
    mail_parser::decoders::html::html_to_text(html)
}

/// RFC 2045 §6.7; what is no code stands for itself.
pub(crate) fn decode_quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        // Blanks at the end of a line were added on the way (§6.7, rule 3).
        let (text, end) = split_line_end(line);
        let text = text.trim_ascii_end();
        let (text, soft) = match text.strip_suffix(b"=") {
            Some(text) => (text, true),
            None => (text, false),
        };
        decode_codes(text, &mut out);
        if !soft {
            out.extend_from_slice(end);
        }
    }
    out
}

fn split_line_end(line: &[u8]) -> (&[u8], &[u8]) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    line.split_at_checked(text.len()).unwrap_or((line, &[]))
}

/// `=XX` as the octet it stands for.
pub(crate) fn decode_codes(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (plain, code) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let octet = match code.get(1..3) {
            Some(&[high, low]) => hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(octet.unwrap_or(b'='));
        rest = code
            .get(if octet.is_some() { 3 } else { 1 }..)
            .unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// RFC 2045 §6.8; characters outside the alphabet are passed over, padding ends a
/// run, after which another may follow.
pub(crate) fn decode_base64(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for &octet in octets {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                count = 0;
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_encodings_are_undone() {
        for (encoded, expected) in [
            (&b"a=20b=\r\nc=3D \t\r\nd"[..], &b"a bc=\r\nd"[..]),
            (b"a=zz=4", b"a=zz=4"),
            (b"=e9=E9=", b"\xe9\xe9"),
            (b"", b""),
        ] {
            assert_eq!(decode_quoted_printable(encoded), expected);
        }
        for (encoded, expected) in [
            (&b"SGVs\r\nbG8="[..], &b"Hello"[..]),
            (b"SGVsbG8", b"Hello"),
            (b"SGVsbA==SGVsbA==", b"HellHell"),
            (b"!!", b""),
        ] {
            assert_eq!(decode_base64(encoded), expected);
        }
    }

    #[test]
    fn charsets_are_decoded() {
        for (octets, charset, expected) in [
            (&b"gr\xfcn"[..], "iso-8859-1", "grün"),
            (b"gr\xfcn", "", "grün"),
            (b"gr\xfcn", "x-unknown", "grün"),
            ("grün".as_bytes(), "us-ascii", "grün"),
            (b"gr\xfcn", "UTF-8", "gr\u{fffd}n"),
            (b"\xc4\xe3\xba\xc3", "GB2312", "你好"),
            (b"\x83n\x83\x8d\x81[", "Shift_JIS", "ハロー"),
            (b"+ZYeB9FH6ckh5Pg-", "utf-7", "文致出版社"),
            (b"\x9b\x9c", "ibm850", "ø£"),
            (b"\xfe\xff\x00\xe1", "utf-16", "á"),
        ] {
            assert_eq!(
                decode_charset(octets, charset.as_bytes()),
                expected,
                "{charset}"
            );
        }
    }
}
