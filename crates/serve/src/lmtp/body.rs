//! A message on its way in: gathered, bounded, understood, put into the store.
//!
//! It is gathered in memory, because it is parsed once it is whole; the octets
//! count as in flight. A long one goes to the store as it comes, so that a large
//! message does not arrive there in one piece. Whatever goes wrong, the rest of
//! the text is still read and forgotten: the client is told at its end.

use crate::limits::OctetsHeld;
use crate::stream::Node;
use bytes::Bytes;
use proto::smtp::{EnhancedCode, Reply};
use std::sync::Arc;
use std::time::Duration;
use store::{BlobSink, PutError, Store};
use terms::BlobId;

/// Why a message cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Longer than messages may be.
    TooBig,
    /// It has NULs, and they are not wanted.
    Nul,
    /// No octets in flight were free for too long.
    Crowded,
    /// The store has no space left.
    Full,
    /// The store failed.
    Failed,
}

impl Trouble {
    /// What each recipient is answered.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::TooBig => too_big(),
            Self::Nul => Reply::new(550, EnhancedCode(5, 6, 0), "the message has NULs"),
            Self::Crowded => Reply::new(451, EnhancedCode(4, 3, 2), "too much to do, try later"),
            Self::Full => Reply::new(452, EnhancedCode(4, 3, 1), "no space left, try later"),
            Self::Failed => Reply::new(451, EnhancedCode(4, 3, 0), "storing failed, try later"),
        }
    }
}

/// RFC 1870 §6.1.
pub(super) fn too_big() -> Reply {
    Reply::new(552, EnhancedCode(5, 3, 4), "the message is too big")
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

/// A message that has been stored and waits to be bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) blob: BlobId,
    pub(super) octets: u32,
    pub(super) lacks_final_crlf: bool,
    /// Octets of its RFC 6858 form, where it has been asked for one and has one.
    pub(super) downgraded: Option<u32>,
}

/// A message that is coming.
pub(super) struct Body {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    blob: BlobId,
    /// The trace lines, then the message.
    octets: Vec<u8>,
    /// How many of them are trace lines.
    trace_octets: usize,
    /// Our share of the octets in flight.
    held: Option<OctetsHeld>,
    /// When the text has grown to this, it is time to begin with the store.
    look_octets: usize,
    sink: Option<Box<dyn BlobSink>>,
    /// How many octets the sink has.
    written: usize,
    trouble: Option<Trouble>,
}

impl Body {
    /// A message longer than this goes to the store as it comes.
    const EARLY_OCTETS: usize = 256 << 10;
    /// One call of the decoder gives so much at the most.
    const READ_OCTETS: usize = 128 << 10;
    /// Several long messages may hold what each of them still needs: the first
    /// that has waited so long gives way, and its sender tries again.
    const GROW_WAIT: Duration = Duration::from_secs(30);
    /// Parsing more than this is done beside the sessions.
    const COMPUTE_OCTETS: u64 = 64 << 10;

    /// A message that begins with `trace`.
    pub(super) fn new(node: Arc<Node>, store: Arc<dyn Store>, blob: BlobId, trace: String) -> Self {
        let octets = trace.into_bytes();
        Self {
            node,
            store,
            blob,
            trace_octets: octets.len(),
            octets,
            held: None,
            look_octets: Self::EARLY_OCTETS,
            sink: None,
            written: 0,
            trouble: None,
        }
    }

    /// Where the decoder puts what it decodes. Call [`Body::settle`] after it.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        // A long one grows by quarters, not by doubling: what it takes is in
        // flight, and others need that too.
        let length = self.octets.len();
        if length >= Self::EARLY_OCTETS && self.octets.capacity() - length < Self::READ_OCTETS {
            self.octets.reserve_exact(length / 4 + Self::READ_OCTETS);
        }
        &mut self.octets
    }

    /// What has gone wrong.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Makes the message unwanted: what follows is forgotten.
    pub(super) fn spoil(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
        self.octets = Vec::new();
        self.held = None;
        self.sink = None;
    }

    /// Accounts for what was decoded.
    pub(super) async fn settle(&mut self) {
        let trouble = match self.trouble {
            Some(_) => {
                self.octets.clear();
                return;
            }
            None => self.try_settle().await,
        };
        if let Err(trouble) = trouble {
            self.spoil(trouble);
        }
    }

    async fn try_settle(&mut self) -> Result<(), Trouble> {
        let text_octets = (self.octets.len() - self.trace_octets.min(self.octets.len())) as u64;
        if text_octets > self.node.limits.message_octets_max {
            return Err(Trouble::TooBig);
        }
        self.hold().await?;
        if self.octets.len() < self.look_octets {
            return Ok(());
        }
        if self.sink.is_none() && !self.finish_header() {
            // No blank line yet: look again when there is as much once more.
            self.look_octets = self.octets.len() * 2;
            return Ok(());
        }
        self.write().await?;
        self.look_octets = self.octets.len() + Self::EARLY_OCTETS;
        Ok(())
    }

    /// Has as many octets in flight as the text takes in memory.
    async fn hold(&mut self) -> Result<(), Trouble> {
        let have = self.held.as_ref().map_or(0, OctetsHeld::count);
        let wanted = self.octets.capacity();
        if wanted <= have {
            return Ok(());
        }
        let more = match self.node.octets.try_take(wanted - have) {
            Some(more) => more,
            None => self
                .node
                .env
                .timeout(
                    self.node.limits.octets_wait.min(Self::GROW_WAIT),
                    self.node.octets.take(wanted - have),
                )
                .await
                .map_err(|_| Trouble::Crowded)?,
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }

    /// Takes the Return-Path out where the header is whole; `false`: it is not.
    fn finish_header(&mut self) -> bool {
        let text = self.octets.get(self.trace_octets..).unwrap_or_default();
        let length = mime::header_length(text);
        let header = text.get(..length).unwrap_or_default();
        if !(header.ends_with(b"\r\n\r\n") || header == b"\r\n") {
            return false;
        }
        super::trace::remove_return_path(&mut self.octets, self.trace_octets);
        true
    }

    /// Gives the store what it has not had.
    async fn write(&mut self) -> Result<(), Trouble> {
        let (store, blob) = (&self.store, self.blob);
        let sink = self.sink.get_or_insert_with(|| store.blob_sink(blob, None));
        while let Some(rest) = self.octets.get(self.written..)
            && !rest.is_empty()
        {
            let piece = rest.get(..Self::EARLY_OCTETS).unwrap_or(rest);
            sink.write(piece).await?;
            self.written += piece.len();
        }
        Ok(())
    }

    /// The message is whole: stores it, with what is derived from it. Of an
    /// internationalised one the size of the form for older clients is kept too.
    pub(super) async fn finish(mut self, internationalised: bool) -> Result<Stored, Trouble> {
        self.settle().await;
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        if self.sink.is_none() {
            super::trace::remove_return_path(&mut self.octets, self.trace_octets);
        }
        let length = self.octets.len() as u64;
        let mut stored = Stored {
            blob: self.blob,
            octets: u32::try_from(length).map_err(|_| Trouble::TooBig)?,
            lacks_final_crlf: !self.octets.ends_with(b"\r\n"),
            downgraded: None,
        };
        if self.sink.is_none() {
            self.sink = Some(self.store.blob_sink(self.blob, Some(length)));
        }
        self.write().await?;
        let octets = std::mem::take(&mut self.octets);
        let read = move || {
            let form = internationalised
                .then(|| mime::downgrade(&octets))
                .flatten();
            (mime::derive(&octets), form.map(|form| form.len()))
        };
        let (derived, form) = if length <= Self::COMPUTE_OCTETS {
            read()
        } else {
            let read = self.node.env.compute(read).await;
            read.ok_or(Trouble::Failed)?
        };
        let derived = Bytes::from(derived);
        let form = form.map(u32::try_from).transpose();
        stored.downgraded = form.map_err(|_| Trouble::TooBig)?;
        match self.sink {
            Some(sink) => sink.finish(derived).await?,
            None => return Err(Trouble::Failed),
        }
        Ok(stored)
    }
}
