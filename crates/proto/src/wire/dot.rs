//! Multi-line responses: dot-stuffing, and the part of a message that TOP shows.

use bytes::BufMut;

/// Writes a multi-line response: puts a second dot before each line that begins
/// with one, and the final line with its dot after the last. RFC 1939 §3.
#[derive(Debug)]
pub struct DotEncoder {
    last: u8,
    before_last: u8,
}

impl Default for DotEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl DotEncoder {
    /// At the beginning of a response's first line.
    pub fn new() -> Self {
        Self {
            last: b'\n',
            before_last: b'\r',
        }
    }

    /// Appends the next octets of the message to `out`, stuffed.
    pub fn encode(&mut self, octets: &[u8], out: &mut impl BufMut) {
        let mut rest = octets;
        let mut at_line_start = !self.lacks_final_crlf();
        let mut after_cr = self.last == b'\r';
        while !rest.is_empty() {
            if at_line_start && rest.first() == Some(&b'.') {
                out.put_u8(b'.');
            }
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let Some((line, after)) = rest.split_at_checked(end) else {
                break;
            };
            out.put_slice(line);
            at_line_start = line.ends_with(b"\r\n") || (after_cr && line == b"\n");
            after_cr = false;
            rest = after;
        }
        if let [.., before_last, last] = *octets {
            (self.before_last, self.last) = (before_last, last);
        } else if let [only] = *octets {
            (self.before_last, self.last) = (self.last, only);
        }
    }

    /// Whether [`DotEncoder::finish`] will add a CRLF that the message has not.
    pub fn lacks_final_crlf(&self) -> bool {
        (self.before_last, self.last) != (b'\r', b'\n')
    }

    /// Ends the response, with a CRLF before the dot where the message has none.
    pub fn finish(self, out: &mut impl BufMut) {
        if self.lacks_final_crlf() {
            out.put_slice(b"\r\n");
        }
        out.put_slice(b".\r\n");
    }
}

/// Lets pass what TOP shows: the header, the empty line, and the first `lines`
/// lines of the body. RFC 1939 §7.
#[derive(Debug)]
pub struct TopFilter {
    lines_left: u64,
    in_header: bool,
    /// How many octets of the present line have come, counted up to two, or two
    /// where the first is no CR.
    line_octets: u8,
    done: bool,
}

impl TopFilter {
    /// At the beginning of a message.
    pub fn new(lines: u64) -> Self {
        Self {
            lines_left: lines,
            in_header: true,
            line_octets: 0,
            done: false,
        }
    }

    /// Whether nothing more will pass.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The part of the next octets, from their beginning, that passes.
    pub fn pass<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let mut passed = 0;
        while !self.done {
            let rest = octets.get(passed..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.line_octets = match (self.line_octets, rest) {
                    (held, b"") => held,
                    (0, b"\r") => 1,
                    _ => 2,
                };
                passed = octets.len();
                break;
            };
            let line = rest.get(..end).unwrap_or_default();
            let is_empty = matches!((self.line_octets, line), (0, b"" | b"\r") | (1, b""));
            self.line_octets = 0;
            passed += end + 1;
            if self.in_header {
                self.in_header = !is_empty;
                self.done = is_empty && self.lines_left == 0;
            } else {
                self.lines_left = self.lines_left.saturating_sub(1);
                self.done = self.lines_left == 0;
            }
        }
        octets.get(..passed).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::DataDecoder;
    use proptest::prelude::*;

    fn encode(message: &[u8], piece: usize) -> Vec<u8> {
        let mut encoder = DotEncoder::new();
        let mut out = Vec::new();
        for octets in message.chunks(piece) {
            encoder.encode(octets, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    #[test]
    fn lines_that_begin_with_a_dot_get_another() {
        let check = |message: &str, expected: &str| {
            for piece in [1, 2, 3, 4096] {
                let out = encode(message.as_bytes(), piece);
                assert_eq!(String::from_utf8_lossy(&out), expected, "by {piece}");
            }
        };
        check("", ".\r\n");
        check(".", "..\r\n.\r\n");
        check("a\r\n.\r\n..b\r\n", "a\r\n..\r\n...b\r\n.\r\n");
        check("a", "a\r\n.\r\n");
        check("a\r", "a\r\r\n.\r\n");
        check("a.b\r\n", "a.b\r\n.\r\n");
        // Only CRLF makes a line: whoever takes the dots out sees it so too.
        check("a\n.\r.\n.\r\n", "a\n.\r.\n.\r\n.\r\n");
    }

    #[test]
    fn top_shows_the_header_and_so_many_lines() {
        let check = |message: &str, lines: u64, expected: &str| {
            for piece in [1, 2, 3, 4096] {
                let mut top = TopFilter::new(lines);
                let mut out = Vec::new();
                for octets in message.as_bytes().chunks(piece) {
                    out.extend_from_slice(top.pass(octets));
                }
                assert_eq!(String::from_utf8_lossy(&out), expected, "by {piece}");
            }
        };
        let message = "A: b\r\n c\r\n\r\none\r\n\r\nthree\r\n";
        check(message, 0, "A: b\r\n c\r\n\r\n");
        check(message, 1, "A: b\r\n c\r\n\r\none\r\n");
        check(message, 2, "A: b\r\n c\r\n\r\none\r\n\r\n");
        check(message, 3, message);
        check(message, u64::MAX, message);
        check("A: b\r\n", 0, "A: b\r\n");
        check("\r\nbody\r\n", 0, "\r\n");
        check("", 5, "");
        check(
            "A: b\r\n\r\r\nmore\r\n\r\n",
            0,
            "A: b\r\n\r\r\nmore\r\n\r\n",
        );
    }

    proptest! {
        #[test]
        fn what_is_stuffed_comes_back(lines in proptest::collection::vec("[.a\r]{0,4}", 0..12),
                                      piece in 1usize..9) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let wire = encode(message.as_bytes(), piece);
            let mut decoder = DataDecoder::new();
            let mut out = Vec::new();
            for (index, octets) in wire.chunks(piece).enumerate() {
                let decoded = decoder.decode(octets, &mut out);
                prop_assert_eq!(decoded.taken, octets.len());
                prop_assert_eq!(decoded.ended, (index + 1) * piece >= wire.len());
            }
            prop_assert_eq!(out, message.into_bytes());
        }
    }
}
