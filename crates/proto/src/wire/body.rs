//! Message bodies as DATA and BDAT carry them, turned into what is stored: every
//! line ends in CRLF, and there is no NUL.

/// What was changed on the way, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyChanges {
    /// Bare LFs that became CRLF.
    pub bare_lfs: u64,
    /// NULs that became 0x80.
    pub nuls: u64,
}

/// What one call has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// How many octets of the input were taken; the rest follows the body.
    pub taken: usize,
    /// The body has ended.
    pub ended: bool,
}

/// Rewrites octets, and knows where CRLF was.
#[derive(Debug, Default)]
struct Normaliser {
    after_cr: bool,
    after_crlf: bool,
    changes: BodyChanges,
}

impl Normaliser {
    /// Takes octets up to and with the next CRLF, or all; returns how many.
    ///
    /// A bare LF becomes CRLF in `out` but is no CRLF to us: whoever takes it for
    /// one sees another end of the message than we do ("SMTP smuggling"). A bare
    /// CR stays as it is. RFC 5321 §2.3.8.
    fn line(&mut self, octets: &[u8], out: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        loop {
            let rest = octets.get(taken..).unwrap_or_default();
            if let Some(&last) = rest.last() {
                let at = memchr::memchr2(b'\n', 0, rest);
                let run = rest.get(..at.unwrap_or(rest.len())).unwrap_or_default();
                out.extend_from_slice(run);
                let Some(at) = at else {
                    self.after_cr = last == b'\r';
                    self.after_crlf = false;
                    return octets.len();
                };
                let after_cr = run.last().map_or(self.after_cr, |&octet| octet == b'\r');
                self.after_cr = false;
                self.after_crlf = false;
                taken += at + 1;
                if rest.get(at) == Some(&0) {
                    out.push(0x80);
                    self.changes.nuls += 1;
                } else if after_cr {
                    out.push(b'\n');
                    self.after_crlf = true;
                    return taken;
                } else {
                    out.extend_from_slice(b"\r\n");
                    self.changes.bare_lfs += 1;
                }
            } else {
                return octets.len();
            }
        }
    }
}

/// Takes the text that follows DATA. RFC 5321 §4.1.1.4.
///
/// Only CRLF, dot, CRLF ends it; no other form with bare CRs or LFs does.
#[derive(Debug)]
pub struct DataDecoder {
    text: Normaliser,
    state: DataState,
}

/// What of the end's octets has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataState {
    /// CRLF, or the beginning.
    LineStart,
    /// CRLF and a dot, which is held back.
    Dot,
    /// CRLF, a dot and CR, the last two held back.
    DotCr,
    /// Something else.
    Text,
    /// All.
    Ended,
}

impl Default for DataDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl DataDecoder {
    /// After the CRLF of the DATA command.
    pub fn new() -> Self {
        Self {
            text: Normaliser::default(),
            state: DataState::LineStart,
        }
    }

    /// What was changed so far.
    pub fn changes(&self) -> BodyChanges {
        self.text.changes
    }

    /// Takes octets and appends what they mean to `out`: at most one octet more
    /// than twice as many.
    pub fn decode(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Decoded {
        let mut taken = 0;
        while self.state != DataState::Ended
            && let Some(rest) = octets.get(taken..)
            && let Some(&next) = rest.first()
        {
            match (self.state, next) {
                (DataState::LineStart, b'.') => {
                    self.state = DataState::Dot;
                    taken += 1;
                }
                (DataState::Dot, b'\r') => {
                    self.state = DataState::DotCr;
                    taken += 1;
                }
                (DataState::DotCr, b'\n') => {
                    self.state = DataState::Ended;
                    taken += 1;
                }
                (DataState::DotCr, _) => {
                    // The CR was an ordinary one: it was held back, the dot goes.
                    out.push(b'\r');
                    self.text.after_cr = true;
                    self.state = DataState::Text;
                }
                // RFC 5321 §4.5.2: the dot at the beginning of any other line goes.
                (DataState::LineStart | DataState::Dot | DataState::Text, _) => {
                    taken += self.text.line(rest, out);
                    self.state = if self.text.after_crlf {
                        DataState::LineStart
                    } else {
                        DataState::Text
                    };
                }
                (DataState::Ended, _) => break,
            }
        }
        Decoded {
            taken,
            ended: self.state == DataState::Ended,
        }
    }
}

/// Takes the chunks that follow BDAT commands. RFC 3030 §2. There are no dots in
/// them and their length is given, so the end is not looked for; the rules for
/// line ends and NUL are the same, over the borders of chunks too.
#[derive(Debug, Default)]
pub struct ChunkDecoder {
    text: Normaliser,
    /// How much of the present chunk has not come.
    left: u64,
}

impl ChunkDecoder {
    /// Before the first chunk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next chunk, of so many octets, begins.
    pub fn begin(&mut self, octets: u64) {
        self.left = octets;
    }

    /// What was changed so far.
    pub fn changes(&self) -> BodyChanges {
        self.text.changes
    }

    /// As [`DataDecoder::decode`]; `ended` speaks of the chunk.
    pub fn decode(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Decoded {
        let length = usize::try_from(self.left).map_or(octets.len(), |left| left.min(octets.len()));
        let chunk = octets.get(..length).unwrap_or_default();
        let mut taken = 0;
        while taken < length {
            taken += self.text.line(chunk.get(taken..).unwrap_or_default(), out);
        }
        self.left -= length as u64;
        Decoded {
            taken: length,
            ended: self.left == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What was decoded, what follows, whether it ended, the changes.
    fn data(octets: &[u8], piece: usize) -> (String, String, bool, BodyChanges) {
        let mut decoder = DataDecoder::new();
        let mut out = Vec::new();
        let (mut taken, mut ended) = (0, false);
        for octets in octets.chunks(piece) {
            let decoded = decoder.decode(octets, &mut out);
            taken += decoded.taken;
            ended = decoded.ended;
            if ended {
                break;
            }
        }
        (
            out.iter().map(|&octet| char::from(octet)).collect(),
            String::from_utf8_lossy(&octets[taken..]).into_owned(),
            ended,
            decoder.changes(),
        )
    }

    #[test]
    fn only_crlf_dot_crlf_ends_the_data() {
        let check = |input: &str, message: &str, rest: &str, bare_lfs, nuls| {
            for piece in [1, 2, 3, 4096] {
                let changes = BodyChanges { bare_lfs, nuls };
                assert_eq!(
                    data(input.as_bytes(), piece),
                    (message.into(), rest.into(), true, changes),
                    "{input:?} by {piece}"
                );
            }
        };
        check(".\r\nQUIT\r\n", "", "QUIT\r\n", 0, 0);
        check("a\r\n.\r\nrest", "a\r\n", "rest", 0, 0);
        check("..\r\n...\r\n.b\r\n.\r\n", ".\r\n..\r\nb\r\n", "", 0, 0);
        // The smuggling forms: none ends the message, nothing is lost.
        check("a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", 2, 0);
        check("a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", 1, 0);
        check("a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "", 1, 0);
        check("a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", "", 0, 0);
        check("a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "", 0, 0);
        check("a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", "", 0, 0);
        check("a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", "", 0, 0);
        check("a\r\r\n.\r\n", "a\r\r\n", "", 0, 0);
        check("a\r\n\0.\r\n.\r\n", "a\r\n\u{80}.\r\n", "", 0, 1);
        check("\0\0\n\0\r\n.\r\n", "\u{80}\u{80}\r\n\u{80}\r\n", "", 1, 3);
        check("a\r\0\n\r\n.\r\n", "a\r\u{80}\r\n\r\n", "", 1, 1);
    }

    #[test]
    fn data_without_its_end_waits() {
        for input in ["", "a", "a\r\n", "a\r\n.", "a\r\n.\r", "a\n.\n", "a\r\n.\n"] {
            assert!(!data(input.as_bytes(), 1).2, "{input:?}");
        }
    }

    fn chunks(octets: &[u8], chunk: usize, piece: usize) -> (Vec<u8>, BodyChanges) {
        let mut decoder = ChunkDecoder::new();
        let mut out = Vec::new();
        for chunk in octets.chunks(chunk) {
            decoder.begin(chunk.len() as u64);
            let mut taken = 0;
            for octets in chunk.chunks(piece) {
                let decoded = decoder.decode(octets, &mut out);
                taken += decoded.taken;
                assert_eq!(decoded.ended, taken == chunk.len());
            }
        }
        (out, decoder.changes())
    }

    #[test]
    fn chunks_are_taken_to_their_length_and_no_further() {
        let mut decoder = ChunkDecoder::new();
        let mut out = Vec::new();
        decoder.begin(3);
        let decoded = decoder.decode(b"a\nbRSET\r\n", &mut out);
        assert_eq!((decoded.taken, decoded.ended), (3, true));
        decoder.begin(0);
        let decoded = decoder.decode(b"QUIT\r\n", &mut out);
        assert_eq!((decoded.taken, decoded.ended), (0, true));
        assert_eq!(out, b"a\r\nb");
        // A CRLF that two chunks share is one.
        assert_eq!(chunks(b"a\r\nb\r\n", 2, 1).0, b"a\r\nb\r\n");
        assert_eq!(chunks(b"\r\n.\r\n\0", 1, 1).0, b"\r\n.\r\n\x80");
    }

    proptest! {
        #[test]
        fn the_cutting_does_not_matter(text in "[a.\r\n\0]{0,60}", piece in 1usize..9,
                                       chunk in 1usize..9) {
            prop_assert_eq!(data(text.as_bytes(), piece), data(text.as_bytes(), 1000));
            let (whole, changes) = chunks(text.as_bytes(), 1000, 1000);
            prop_assert_eq!(chunks(text.as_bytes(), chunk, piece), (whole.clone(), changes));
            prop_assert!(!whole.contains(&0));
            let bare = whole.iter().enumerate()
                .any(|(at, &octet)| octet == b'\n' && (at == 0 || whole[at - 1] != b'\r'));
            prop_assert!(!bare);
        }
    }
}
