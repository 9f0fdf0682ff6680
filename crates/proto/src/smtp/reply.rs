//! Replies.

use bytes::BufMut;
use std::borrow::Cow;

/// An enhanced status code: class, subject, detail. RFC 3463 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedCode(pub u8, pub u16, pub u16);

/// One reply. RFC 5321 §4.2, RFC 2034 §4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// Stands at the beginning of each line's text; none in the greeting and in
    /// the answer to LHLO (RFC 2034 §4).
    pub enhanced: Option<EnhancedCode>,
    /// The text; line breaks in it make lines.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced code.
    pub fn new(code: u16, enhanced: EnhancedCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            enhanced: Some(enhanced),
            text: text.into(),
        }
    }

    /// A reply without.
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            enhanced: None,
            text: text.into(),
        }
    }

    /// Whether it says that the thing was done.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Appends its lines to `out`.
    pub fn write(&self, out: &mut impl BufMut) {
        let enhanced = match self.enhanced {
            Some(EnhancedCode(class, subject, detail)) => format!("{class}.{subject}.{detail} "),
            None => String::new(),
        };
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            out.put_slice(format!("{}{mark}{enhanced}", self.code).as_bytes());
            // A reply's text may quote the peer: no control octet gets through.
            for octet in line.bytes().filter(|octet| !octet.is_ascii_control()) {
                out.put_u8(octet);
            }
            out.put_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_reply() {
        let mut out = Vec::new();
        Reply::plain(250, "host\nSIZE 10\nPIPELINING").write(&mut out);
        Reply::new(550, EnhancedCode(5, 1, 1), "no such user <a\rb>".to_owned()).write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "250-host\r\n250-SIZE 10\r\n250 PIPELINING\r\n550 5.1.1 no such user <ab>\r\n"
        );
    }
}
