//! Whether a client that knows nothing of this server understands what it says:
//! every response goes through imap-codec's decoder.

use imap_codec::decode::{Decoder as _, GreetingDecodeError, ResponseDecodeError};
use imap_codec::{GreetingCodec, ResponseCodec};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What the decoder does not know, and why that is right: see the file.
const NOT_KNOWN: &str = include_str!("not_known.txt");

/// Where the first response in `octets` ends, its literals included.
pub(crate) fn response_end(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let end = from + octets.get(from..)?.iter().position(|&o| o == b'\n')? + 1;
        match literal_octets(&octets[from..end]) {
            Some(count) => from = end + count,
            None => return Some(end),
        }
    }
}

/// Octets of the literal that a line announces at its end.
fn literal_octets(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line.strip_suffix(b"}\r\n")?).ok()?;
    line.rsplit_once('{')?.1.parse().ok()
}

/// Whether `octets`, a whole response, is one to imap-codec.
pub(crate) fn decoded(octets: &[u8]) -> Result<(), String> {
    let understood = match ResponseCodec::default().decode(octets) {
        Ok((rest, _)) => rest.is_empty(),
        Err(ResponseDecodeError::LiteralFound { .. }) => false,
        Err(_) => match GreetingCodec::default().decode(octets) {
            Ok((rest, _)) => rest.is_empty(),
            Err(GreetingDecodeError::Incomplete | GreetingDecodeError::Failed) => false,
        },
    };
    let text = String::from_utf8_lossy(octets);
    let text = text.trim_end();
    if understood {
        return Ok(());
    }
    if let Some(shape) = shapes().find(|shape| is_like(shape, text)) {
        NEEDED.lock().expect("no panic").insert(shape);
        return Ok(());
    }
    Err(format!("imap-codec does not understand {text:?}"))
}

/// Those of [`NOT_KNOWN`] that were needed.
static NEEDED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// What the list has and nothing needed.
pub(crate) fn unneeded() -> Vec<&'static str> {
    let needed = NEEDED.lock().expect("no panic");
    shapes().filter(|shape| !needed.contains(shape)).collect()
}

fn shapes() -> impl Iterator<Item = &'static str> {
    let lines = NOT_KNOWN.lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether `text` has the pieces that stand around `…`, in their order.
fn is_like(shape: &str, text: &str) -> bool {
    let mut pieces = shape.split('…');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}
