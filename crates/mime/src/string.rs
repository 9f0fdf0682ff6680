//! Strings as IMAP writes them.

/// Longest quoted string: RFC 9051 §4.3 leaves them without a limit, but a client
/// that reads lines has one, and a literal says its length first.
const QUOTED_OCTETS_MAX: usize = 4_096;

/// A `nstring` (RFC 9051 §9).
pub(crate) fn put_nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A `string`: quoted, or a literal where quoting cannot carry it. RFC 3501 §9:
/// QUOTED-CHAR has neither CR nor LF nor 8-bit octets, and neither form has NUL,
/// which is left out. A long one is a literal too.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |octet: &u8| *octet < 0x80 && !matches!(octet, 0 | b'\r' | b'\n' | b'"' | b'\\');
    let short = text.len() <= QUOTED_OCTETS_MAX;
    if short && text.iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    let literal = |octet: &u8| *octet >= 0x80 || matches!(octet, b'\r' | b'\n');
    if !short || text.iter().any(literal) {
        let nuls = text.iter().filter(|octet| **octet == 0).count();
        out.extend_from_slice(format!("{{{}}}\r\n", text.len() - nuls).as_bytes());
        out.extend(text.iter().filter(|octet| **octet != 0));
        return;
    }
    out.push(b'"');
    for &octet in text.iter().filter(|octet| **octet != 0) {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_string(&mut out, text);
        out
    }

    #[test]
    fn strings_take_the_form_that_carries_them() {
        assert_eq!(string(b""), b"\"\"");
        assert_eq!(string(b"a b"), b"\"a b\"");
        assert_eq!(string(b"a\"\\"), b"\"a\\\"\\\\\"");
        assert_eq!(string(b"a\0b"), b"\"ab\"");
        assert_eq!(string("é".as_bytes()), b"{2}\r\n\xc3\xa9");
        assert_eq!(string(b"\0a\rb"), b"{3}\r\na\rb");
        let long = [b'x'; QUOTED_OCTETS_MAX + 1];
        assert!(string(&long[1..]).starts_with(b"\"xx"));
        assert!(string(&long).starts_with(b"{4097}\r\nxx"));
        assert_eq!(string(&long).len(), long.len() + 8);
    }
}
