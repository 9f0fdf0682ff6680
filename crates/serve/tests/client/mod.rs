//! What tests need of an IMAP client: its end of the wire, what its lines say, and
//! chance.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf};

use crate::decode;

/// What has happened in one run, to be printed if it fails.
#[derive(Clone, Debug)]
pub(crate) struct Story(Rc<Telling>);

#[derive(Debug)]
struct Telling {
    seed: u64,
    lines: RefCell<Vec<String>>,
}

impl Story {
    pub(crate) fn of(seed: u64) -> Self {
        let lines = RefCell::default();
        Self(Rc::new(Telling { seed, lines }))
    }

    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lines.borrow_mut().push(line.into());
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.lines.borrow().join("\n");
            eprintln!("{lines}\nRESTANTE_SEED={} fails", self.seed);
        }
    }
}

/// The seeds to be played: `RESTANTE_SEED` alone, the first `RESTANTE_SEEDS`, or
/// as many as are usual.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    match (number("RESTANTE_SEED"), number("RESTANTE_SEEDS")) {
        (Some(seed), None) => seed..seed + 1,
        (first, count) => {
            let first = first.unwrap_or(0);
            first..first + count.unwrap_or(usual)
        }
    }
}

/// The client's end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: DuplexStream,
    received: Vec<u8>,
    name: String,
    story: Story,
    /// It is IMAP: lines have literals, and another program must understand them.
    is_imap: bool,
}

impl Wire {
    /// Of IMAP.
    pub(crate) fn new(stream: DuplexStream, name: impl Into<String>, story: Story) -> Self {
        Self {
            stream,
            received: Vec::new(),
            name: name.into(),
            story,
            is_imap: true,
        }
    }

    /// Of another protocol.
    pub(crate) fn other(stream: DuplexStream, name: &str, story: Story) -> Self {
        Self {
            is_imap: false,
            ..Self::new(stream, name, story)
        }
    }

    /// Where the first line ends.
    fn end(&self) -> Option<usize> {
        if self.is_imap {
            return decode::response_end(&self.received);
        }
        let end = self.received.iter().position(|&octet| octet == b'\n');
        end.map(|end| end + 1)
    }

    /// Sends a line.
    pub(crate) async fn say(&mut self, text: &str) {
        self.story.add(format!("{} C: {text}", self.name));
        let octets = format!("{text}\r\n");
        self.stream
            .write_all(octets.as_bytes())
            .await
            .expect("taken");
    }

    /// The next response, its literals included, without its CRLF.
    pub(crate) async fn line(&mut self) -> String {
        poll_fn(|cx| self.poll_line(cx)).await
    }

    /// The next response, if it has come.
    pub(crate) async fn line_now(&mut self) -> Option<String> {
        let line = poll_fn(|cx| match self.poll_line(cx) {
            Poll::Ready(line) => Poll::Ready(Some(line)),
            Poll::Pending => Poll::Ready(None),
        });
        line.await
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        loop {
            if let Some(end) = self.end() {
                let octets: Vec<u8> = self.received.drain(..end).collect();
                if self.is_imap {
                    let decoded = decode::decoded(&octets);
                    decoded.unwrap_or_else(|failure| panic!("{failure}"));
                }
                let line = String::from_utf8_lossy(&octets);
                let line = line.strip_suffix("\r\n").expect("a whole line");
                self.story.add(format!("{} S: {line}", self.name));
                return Poll::Ready(line.to_owned());
            }
            let mut octets = [0; 8_192];
            let mut buffer = ReadBuf::new(&mut octets);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => {
                    assert!(read.is_ok() && !buffer.filled().is_empty(), "closed");
                    self.received.extend_from_slice(buffer.filled());
                }
            }
        }
    }
}

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    /// Once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

pub(crate) type Flags = BTreeSet<String>;

/// The number that follows `name`.
pub(crate) fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The flags that follow `FLAGS (`, but for \Recent.
pub(crate) fn flags_in(text: &str) -> Option<Flags> {
    let (_, flags) = text.split_once("FLAGS (")?;
    let flags = flags.split(')').next()?.split_whitespace();
    let flags = flags.filter(|flag| *flag != "\\Recent");
    Some(flags.map(str::to_owned).collect())
}

/// The numbers of a set without `*`, in the order that it has.
pub(crate) fn numbers_of(set: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
        assert!(first > 0 && first <= last, "{range}");
        first..=last
    };
    set.split(',').flat_map(range).collect()
}
