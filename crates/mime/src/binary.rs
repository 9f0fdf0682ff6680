//! Messages with octets that no store takes, made storable. RFC 3516 §4.3.

use crate::cut;
use crate::header::Fields;
use crate::text::TransferEncoding;
use crate::walk::{Node, Shape, walk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::fmt;

/// The message has NULs that no transfer encoding can hide: in a header, between
/// parts, or in a part that says it is encoded already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstorable;

impl fmt::Display for Unstorable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message has NULs outside the bodies of its parts")
    }
}

impl std::error::Error for Unstorable {}

/// Octets of a part in one line of base64. RFC 2045 §6.8: 76 characters.
const LINE_OCTETS: usize = 57;

/// The message with those parts in base64 that have NULs, or that are said to be
/// binary and have a bare CR or LF, which a store that knows lines would change.
///
/// # Errors
/// If that does not rid it of all NULs.
pub fn encode_binary(message: &[u8]) -> Result<Cow<'_, [u8]>, Unstorable> {
    let nodes = walk(message);
    let wanted = || nodes.iter().filter(|node| wants_base64(message, node));
    let Some(first) = wanted().next() else {
        return match memchr::memchr(0, message) {
            Some(_) => Err(Unstorable),
            None => Ok(Cow::Borrowed(message)),
        };
    };
    let mut out = Vec::with_capacity(message.len() / 3 * 4 + 256);
    out.extend_from_slice(cut(message, 0, first.header));
    let mut at = first.header;
    for node in wanted() {
        out.extend_from_slice(cut(message, at, node.header));
        header(cut(message, node.header, node.body), &mut out);
        body(cut(message, node.body, node.end), &mut out);
        at = node.end;
    }
    out.extend_from_slice(cut(message, at, message.len()));
    match memchr::memchr(0, &out) {
        Some(_) => Err(Unstorable),
        None => Ok(Cow::Owned(out)),
    }
}

fn wants_base64(message: &[u8], node: &Node<'_>) -> bool {
    let token = node.head.encoding.as_deref().unwrap_or(b"7bit");
    if node.shape != Shape::Leaf
        || TransferEncoding::from_token(token) != TransferEncoding::Identity
    {
        return false;
    }
    let body = cut(message, node.body, node.end);
    memchr::memchr(0, body).is_some()
        || token.eq_ignore_ascii_case(b"binary") && has_bare_line_end(body)
}

fn has_bare_line_end(octets: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', octets).any(|at| match octets.get(at) {
        Some(b'\r') => octets.get(at + 1) != Some(&b'\n'),
        _ => at
            .checked_sub(1)
            .and_then(|before| octets.get(before))
            .is_none_or(|&before| before != b'\r'),
    })
}

/// The part's header, with its Content-Transfer-Encoding in place of what there is.
fn header(header: &[u8], out: &mut Vec<u8>) {
    const FIELD: &str = "Content-Transfer-Encoding";
    let mut length = 0;
    for field in Fields::new(header) {
        length += field.raw.len();
        if !field.is(FIELD) {
            out.extend_from_slice(field.raw);
        }
    }
    // Last: a first line that is folded must not become a part of it.
    out.extend_from_slice(FIELD.as_bytes());
    out.extend_from_slice(b": base64\r\n");
    out.extend_from_slice(cut(header, length, header.len()));
}

fn body(octets: &[u8], out: &mut Vec<u8>) {
    for (index, line) in octets.chunks(LINE_OCTETS).enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &[u8], expected: Result<&[u8], Unstorable>) {
        let encoded = encode_binary(message);
        assert_eq!(
            encoded.as_deref(),
            expected.as_deref(),
            "{}",
            message.escape_ascii()
        );
    }

    #[test]
    fn parts_with_nuls_become_base64() {
        check(b"A: b\r\n\r\nplain\n", Ok(b"A: b\r\n\r\nplain\n"));
        check(
            b"A: b\r\n\r\na\0b",
            Ok(b"A: b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBi"),
        );
        check(
            b"A: b\r\ncontent-transfer-encoding:\r\n binary\r\nC: d\r\n\r\na\nb",
            Ok(b"A: b\r\nC: d\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpi"),
        );
        check(
            b"Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: binary\r\n\r\n--x\r\n\r\na\0\r\n--x\r\n\r\nplain\r\n--x\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n--x--\r\n",
            Ok(b"Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: binary\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\nYQA=\r\n--x\r\n\r\nplain\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n--x--\r\n"),
        );
        let long = [b"A: b\r\n\r\n".as_slice(), &[0; 60]].concat();
        let encoded = encode_binary(&long).unwrap();
        assert!(encoded.ends_with(b"AAAA\r\nAAAA"));
    }

    #[test]
    fn nuls_elsewhere_are_refused() {
        check(b"A: \0\r\n\r\nb", Err(Unstorable));
        check(
            b"Content-Transfer-Encoding: base64\r\n\r\n\0",
            Err(Unstorable),
        );
        check(
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n\0\r\n--x\r\n\r\na\r\n--x--\r\n",
            Err(Unstorable),
        );
    }
}
