//! Lines of a command stream.

/// What came out of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its end.
    Whole(&'a [u8]),
    /// A line longer than allowed has ended and was thrown away; the next one is
    /// read as usual. Answer with an error.
    TooLong,
    /// A line has no end within [`LineReader::SKIP_OCTETS_MAX`]: answer and close.
    Endless,
}

/// Cuts octets into lines that end in CRLF, or in a bare LF from sloppy clients.
///
/// A line that is longer than its limit is skipped up to its end, so that one
/// answer goes out for it and what follows is understood again.
#[derive(Debug, Default)]
pub struct LineReader {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// How many octets of a line that is too long have been thrown away.
    skipped: usize,
    /// `partial` holds a line that was handed out.
    handed_out: bool,
}

impl LineReader {
    /// How much of a line that is too long is skipped before its sender is given
    /// up, in octets. Ours.
    pub const SKIP_OCTETS_MAX: usize = 65_536;

    /// At the beginning of a line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no part of a line is held.
    pub fn is_between_lines(&self) -> bool {
        self.skipped == 0 && (self.handed_out || self.partial.is_empty())
    }

    /// Forgets whatever has come of the present line: after STARTTLS what was sent
    /// in the clear must not be taken for a part of the protected stream.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the next line off `input`, `None` when all of it has been taken and
    /// no line has ended. `octets_max` says how long, its end included, a line may
    /// be that begins with the octets it is given (at least all of the line that
    /// has come, so commands can have limits of their own).
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        octets_max: impl Fn(&[u8]) -> usize,
    ) -> Option<Line<'a>> {
        if self.handed_out {
            self.partial = Vec::new();
            self.handed_out = false;
        }
        let Some(end) = memchr::memchr(b'\n', input) else {
            return self.hold(std::mem::take(input), octets_max);
        };
        let (piece, rest) = input.split_at_checked(end + 1)?;
        *input = rest;
        if self.skipped > 0 {
            let skipped = self.skipped.saturating_add(piece.len());
            self.skipped = 0;
            return Some(if skipped > Self::SKIP_OCTETS_MAX {
                Line::Endless
            } else {
                Line::TooLong
            });
        }
        let line = if self.partial.is_empty() {
            piece
        } else {
            self.handed_out = true;
            self.partial.extend_from_slice(piece);
            &self.partial
        };
        if line.len() > octets_max(line) {
            return Some(if line.len() > Self::SKIP_OCTETS_MAX {
                Line::Endless
            } else {
                Line::TooLong
            });
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(Line::Whole(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Keeps the beginning of a line, or counts it if it is too long already.
    fn hold<'a>(&mut self, piece: &[u8], octets_max: impl Fn(&[u8]) -> usize) -> Option<Line<'a>> {
        if piece.is_empty() {
            return None;
        }
        if self.skipped == 0 {
            // The whole of the piece is kept before the limit is asked for: what
            // command it is may stand in it. A piece is what one read gave, so
            // this stays bounded.
            self.partial.extend_from_slice(piece);
            if self.partial.len() < octets_max(&self.partial) {
                return None;
            }
            self.skipped = self.partial.len();
            self.partial = Vec::new();
        } else {
            self.skipped = self.skipped.saturating_add(piece.len());
        }
        // Not back to zero: the rest of this line must not be read as commands.
        (self.skipped > Self::SKIP_OCTETS_MAX).then_some(Line::Endless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limit(line: &[u8]) -> usize {
        if line.starts_with(b"LONG") { 40 } else { 12 }
    }

    fn lines(octets: &[u8], piece: usize) -> Vec<String> {
        let mut reader = LineReader::new();
        let mut lines = Vec::new();
        for mut input in octets.chunks(piece) {
            while let Some(line) = reader.next(&mut input, limit) {
                lines.push(match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    Line::TooLong => "<long>".into(),
                    Line::Endless => return [lines, vec!["<endless>".into()]].concat(),
                });
            }
        }
        lines
    }

    #[test]
    fn lines_end_in_crlf_or_lf_and_have_limits() {
        let check = |input: &str, expected: &[&str]| {
            for piece in [1, 2, 3, 7, 4096] {
                assert_eq!(
                    lines(input.as_bytes(), piece),
                    expected,
                    "{input:?} by {piece}"
                );
            }
        };
        check("a\r\nb\nc", &["a", "b"]);
        check("\r\n\n", &["", ""]);
        check("a\rb\r\r\n", &["a\rb\r"]);
        check("0123456789\r\nx\n", &["0123456789", "x"]);
        check("0123456789a\r\nx\n", &["<long>", "x"]);
        check("0123456789a\nx\n", &["0123456789a", "x"]);
        check(
            "LONG 0123456789 0123456789\r\nx\n",
            &["LONG 0123456789 0123456789", "x"],
        );
        check(&format!("LONG{}\nx\n", "y".repeat(40)), &["<long>", "x"]);
        check(&format!("{}\nx\n", "y".repeat(65_535)), &["<long>", "x"]);
        check(&format!("{}\nx\n", "y".repeat(65_536)), &["<endless>"]);
        check(&"y".repeat(70_000), &["<endless>"]);
    }

    #[test]
    fn an_idle_reader_holds_nothing() {
        let mut reader = LineReader::new();
        let mut first: &[u8] = b"ab";
        assert_eq!(reader.next(&mut first, limit), None);
        assert!(!reader.is_between_lines());
        let mut second: &[u8] = b"c\r\n";
        assert_eq!(reader.next(&mut second, limit), Some(Line::Whole(b"abc")));
        let mut nothing: &[u8] = b"";
        assert_eq!(reader.next(&mut nothing, limit), None);
        assert!(reader.is_between_lines());
        assert_eq!(reader.partial.capacity(), 0);
    }

    proptest! {
        #[test]
        fn the_cutting_does_not_matter(text in "[ab\r\nL]{0,80}", piece in 1usize..20) {
            prop_assert_eq!(lines(text.as_bytes(), piece), lines(text.as_bytes(), 1000));
        }
    }
}
