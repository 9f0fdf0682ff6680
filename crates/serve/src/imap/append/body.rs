//! One message on its way in.

use super::Reply;
use crate::limits::{Octets, OctetsHeld};
use crate::stream::Node;
use account::NewMessage;
use bytes::Bytes;
use proto::imap::response::Code;
use std::sync::Arc;
use store::{BlobSink, PutError, Store};
use terms::{BlobId, FlagSet, InternalDate};

/// Of the account's share, of [`Node::appends`] and of [`Node::octets`].
type Held = [OctetsHeld; 3];

/// What a message takes that is looked at at its end: it, and its storable form.
const DEFERRED_FACTOR: u64 = 3;

/// Room for a whole message. Those that wait for it wait for one another first,
/// not in the line of all who want octets.
pub(super) async fn hold(
    node: &Node,
    share: &Octets,
    octets: u64,
    deferred: bool,
) -> Result<Held, Reply> {
    let factor = if deferred { DEFERRED_FACTOR } else { 1 };
    let count = count(node, octets.saturating_mul(factor));
    let both = async {
        let of_account = share.take(count).await;
        let of_appends = node.appends.take(count).await;
        [of_account, of_appends, node.octets.take(count).await]
    };
    let wait = node.limits.octets_wait;
    let held = node.env.timeout(wait, both).await;
    held.map_err(|_| Trouble::Crowded.reply())
}

/// Room for more of a message. Nobody waits who holds some: two could wait for
/// one another.
pub(super) fn hold_more(node: &Node, share: &Octets, octets: u64) -> Result<Held, Reply> {
    let count = count(node, octets.saturating_mul(DEFERRED_FACTOR));
    let held = || {
        Some([
            share.try_take(count)?,
            node.appends.try_take(count)?,
            node.octets.try_take(count)?,
        ])
    };
    held().ok_or_else(|| Trouble::Crowded.reply())
}

fn count(node: &Node, octets: u64) -> usize {
    let count = usize::try_from(octets).unwrap_or(usize::MAX);
    count.min(node.appends.max())
}

/// What the header of a message may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Octets below 128. RFC 9755 §4.
    Ascii,
    /// Any octets, which mean nothing: old mail.
    Any,
    /// UTF-8, which makes the message internationalised.
    Utf8,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// It has NULs, which only a literal8 may have, and only in parts.
    Nul,
    /// Its header has octets that it may not have.
    RawHeader,
    TooBig,
    Full,
    Failed,
    Crowded,
}

impl Trouble {
    fn reply(self) -> Reply {
        match self {
            Self::Nul => Reply::no(Code::UnknownCte, "the message has NULs"),
            Self::RawHeader => {
                let text = "the header has octets above 127: ENABLE UTF8=ACCEPT first";
                Reply::no(Code::Cannot, text)
            }
            Self::TooBig => Reply::no(Code::TooBig, "the message is too big"),
            Self::Full => Reply::no(Code::Unavailable, "the server has no space left"),
            Self::Failed => Reply::no(Code::Unavailable, "the message could not be stored"),
            Self::Crowded => Reply::no(Code::Unavailable, "too much to do, try later"),
        }
    }
}

impl From<PutError> for Trouble {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Full => Self::Full,
            PutError::TooLong => Self::TooBig,
            PutError::Failed(why) => {
                tracing::error!(%why, "a message could not be stored");
                Self::Failed
            }
        }
    }
}

/// A message on its way in. It is gathered in memory, because it is parsed as a
/// whole, and goes to the store as it comes, unless it is `deferred`: then its
/// form in the store is found at its end.
pub(super) struct Body {
    node: Arc<Node>,
    blob: BlobId,
    sink: Box<dyn BlobSink>,
    octets: Vec<u8>,
    /// How many of them the sink has.
    written: usize,
    deferred: bool,
    /// The octets that come now may be NULs.
    nul: bool,
    trouble: Option<Trouble>,
    held: Held,
}

impl Body {
    /// A message longer than this goes to the store as it comes, in pieces of it.
    const PIECE_OCTETS: usize = 256 << 10;

    pub(super) fn new(
        node: &Arc<Node>,
        store: &Arc<dyn Store>,
        held: Held,
        octets: u64,
        deferred: bool,
    ) -> Self {
        let blob = BlobId(node.env.random_u128());
        let room = usize::try_from(octets).unwrap_or(0).min(Self::PIECE_OCTETS);
        Self {
            // A bare LF becomes one octet more, so that its length is not known.
            sink: store.blob_sink(blob, None),
            node: Arc::clone(node),
            blob,
            octets: Vec::with_capacity(room),
            written: 0,
            deferred,
            nul: false,
            trouble: None,
            held,
        }
    }

    /// How many octets it has by now.
    pub(super) fn octets(&self) -> u64 {
        self.octets.len() as u64
    }

    /// Why it will not be taken, if that is known by now.
    pub(super) fn trouble(&self) -> Option<Reply> {
        self.trouble.map(Trouble::reply)
    }

    /// Octets that are held for it from now on.
    pub(super) fn hold(&mut self, more: Held) {
        for (held, more) in self.held.iter_mut().zip(more) {
            held.merge(more);
        }
    }

    /// Octets come that may have NULs, or may not.
    pub(super) fn expect(&mut self, literal8: bool) {
        self.nul = literal8 && self.deferred;
    }

    /// Takes octets as they come. After trouble they are forgotten.
    pub(super) async fn take(&mut self, octets: &[u8]) {
        if self.trouble.is_none()
            && let Err(trouble) = self.try_take(octets).await
        {
            self.trouble = Some(trouble);
            self.octets = Vec::new();
        }
    }

    async fn try_take(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        if !self.nul && octets.contains(&0) {
            return Err(Trouble::Nul);
        }
        if self.deferred {
            self.octets.extend_from_slice(octets);
            return self.check_size();
        }
        with_crlf(octets, &mut self.octets);
        self.check_size()?;
        while self.octets.len() - self.written >= Self::PIECE_OCTETS {
            self.write(Self::PIECE_OCTETS).await?;
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), Trouble> {
        if self.octets() > self.node.limits.message_octets_max {
            return Err(Trouble::TooBig);
        }
        Ok(())
    }

    async fn write(&mut self, count: usize) -> Result<(), Trouble> {
        let end = self.octets.len().min(self.written + count);
        let piece = self.octets.get(self.written..end).unwrap_or_default();
        self.sink.write(piece).await?;
        self.written = end;
        Ok(())
    }

    /// The message is whole: stores it, with what is derived from it.
    pub(super) async fn finish(
        self,
        flags: FlagSet,
        internal_date: Option<InternalDate>,
        header: Header,
    ) -> Result<NewMessage, Reply> {
        let message = self.store(header).await;
        let message = message.map_err(Trouble::reply)?;
        Ok(NewMessage {
            flags,
            internal_date,
            internationalised: message.downgraded_size.is_some(),
            ..message
        })
    }

    async fn store(mut self, header: Header) -> Result<NewMessage, Trouble> {
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        if self.deferred {
            let octets = std::mem::take(&mut self.octets);
            let storable = compute(&self.node, octets, storable).await?;
            self.octets = storable.ok_or(Trouble::Nul)?;
            self.check_size()?;
        }
        if header == Header::Ascii && !header_of(&self.octets).is_ascii() {
            return Err(Trouble::RawHeader);
        }
        while self.written < self.octets.len() {
            self.write(Self::PIECE_OCTETS).await?;
        }
        let size = u32::try_from(self.octets.len()).map_err(|_| Trouble::TooBig)?;
        let mut message = NewMessage {
            lacks_final_crlf: !self.octets.ends_with(b"\r\n"),
            ..NewMessage::new(self.blob, size)
        };
        let octets = std::mem::take(&mut self.octets);
        let (derived, form) = compute(&self.node, octets, move |octets| {
            // What POP3 gives to clients without UTF8: its size is kept. RFC 6856 §2.1.
            let form = (header == Header::Utf8 && std::str::from_utf8(header_of(&octets)).is_ok())
                .then(|| mime::downgrade(&octets))
                .flatten();
            (mime::derive(&octets), form.map(|form| form.len()))
        })
        .await?;
        let form = form.map(u32::try_from).transpose();
        message.downgraded_size = form.map_err(|_| Trouble::TooBig)?;
        self.sink.finish(Bytes::from(derived)).await?;
        Ok(message)
    }
}

/// The header. In old mail octets above 127 may be anything in it, and nothing but the
/// octets themselves says what.
fn header_of(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    end.and_then(|end| message.get(..end)).unwrap_or(message)
}

/// Parsing more than this is done beside the sessions.
const COMPUTE_OCTETS: usize = 64 << 10;

async fn compute<T: Send + 'static>(
    node: &Node,
    octets: Vec<u8>,
    work: impl FnOnce(Vec<u8>) -> T + Send + 'static,
) -> Result<T, Trouble> {
    if octets.len() <= COMPUTE_OCTETS {
        return Ok(work(octets));
    }
    let done = node.env.compute(move || work(octets)).await;
    done.ok_or(Trouble::Failed)
}

/// Appends octets with CRLF for each bare LF, of which the store holds none.
fn with_crlf(octets: &[u8], out: &mut Vec<u8>) {
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                out.extend_from_slice(text);
                if out.last() != Some(&b'\r') {
                    out.push(b'\r');
                }
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
}

/// The form in which the store keeps a message that may have NULs; `None` if it
/// cannot. RFC 3516 §4.3.
fn storable(octets: Vec<u8>) -> Option<Vec<u8>> {
    let encoded = mime::encode_binary(&octets).ok()?;
    let mut out = Vec::with_capacity(encoded.len() + encoded.len() / 64);
    with_crlf(&encoded, &mut out);
    Some(out)
}
