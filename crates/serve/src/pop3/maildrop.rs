//! One session's maildrop: the snapshot, what is marked, how messages go out.

use super::session::Stop;
use crate::accounts::Account;
use crate::auth::Login;
use crate::limits::OctetsHeld;
use crate::stream::{Node, Stream};
use account::{Collect, Command, DropEntry, DropWindow};
use bytes::Bytes;
use proto::pop3::reply::{self, ResponseCode};
use proto::wire::{DotEncoder, TopFilter};
use std::collections::VecDeque;
use std::sync::Arc;
use store::{BlobError, Store};
use terms::BlobId;
use tracing::warn;

/// How much of a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// All of it.
    Whole,
    /// Its header and so many lines.
    Top(u64),
}

/// Octets that one read of a blob asks for.
const READ_OCTETS: u64 = 64 << 10;

/// A message that is no longer is read to its end before it is promised.
const AHEAD_OCTETS: u64 = 1 << 20;

/// Pieces of a message that have been read before it goes out.
#[derive(Default)]
struct Ahead {
    pieces: VecDeque<Bytes>,
    _held: Option<OctetsHeld>,
}

/// A maildrop, and what a session has marked in it.
pub(super) struct Maildrop {
    account: Account,
    store: Arc<dyn Store>,
    snapshot: account::Maildrop,
    /// By DELE in this session: message n is at n - 1.
    deleted: Vec<bool>,
    /// What STAT says.
    messages: u32,
    octets: u64,
}

impl Maildrop {
    /// INBOX as it is now. RFC 1939 §4 asks for a lock here, so that nobody else
    /// changes the drop: a snapshot does the same for every session.
    pub(super) async fn open(login: &Login, store: Arc<dyn Store>) -> Result<Self, ResponseCode> {
        let account = login.account.clone();
        let device = login.device;
        let opened = account
            .read(|state| account::Maildrop::open(state, device, DropWindow::Uncollected))
            .await;
        let (_, snapshot) = opened.map_err(|error| {
            warn!(account = %account.id(), ?error, "a maildrop cannot be opened");
            ResponseCode::SysTemp
        })?;
        let mut maildrop = Self {
            account,
            store,
            deleted: Vec::new(),
            messages: 0,
            octets: 0,
            snapshot,
        };
        maildrop.reset();
        Ok(maildrop)
    }

    /// How many messages the snapshot has, the deleted ones included.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.snapshot.len()).unwrap_or(u32::MAX)
    }

    /// Messages and octets without the deleted ones. RFC 1939 §5.
    pub(super) fn stat(&self) -> (u32, u64) {
        (self.messages, self.octets)
    }

    /// A message that is there and not deleted; else why not.
    pub(super) fn message(&self, number: u32) -> Result<&DropEntry, &'static str> {
        let entry = self.snapshot.entry(number);
        let entry = entry.ok_or("there is no such message")?;
        if self.is_deleted(number) {
            return Err("the message is deleted");
        }
        Ok(entry)
    }

    /// The messages that are not deleted, with their numbers.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u32, &DropEntry)> {
        (1..)
            .zip(self.snapshot.entries())
            .filter(|(number, _)| !self.is_deleted(*number))
    }

    fn is_deleted(&self, number: u32) -> bool {
        self.deleted.get(number as usize - 1) == Some(&true)
    }

    /// What UIDL calls messages.
    pub(super) fn unique_ids(&self) -> Arc<account::State> {
        self.account.snapshot()
    }

    /// DELE.
    pub(super) fn delete(&mut self, number: u32) -> Result<(), &'static str> {
        let octets = self.message(number)?.size;
        if self.deleted.is_empty() {
            self.deleted = vec![false; self.snapshot.len()];
        }
        if let Some(deleted) = self.deleted.get_mut(number as usize - 1) {
            *deleted = true;
            self.messages -= 1;
            self.octets -= u64::from(octets);
        }
        Ok(())
    }

    /// RSET.
    pub(super) fn reset(&mut self) {
        self.deleted = Vec::new();
        self.messages = self.count();
        self.octets = self.snapshot.octets();
    }

    /// QUIT: what was deleted is collected, as one command. Returns how many.
    /// What somebody else has expunged meanwhile counts as removed.
    pub(super) async fn update(&self) -> Result<u64, ResponseCode> {
        let deleted: Vec<_> = (1..)
            .zip(self.snapshot.entries())
            .filter(|(number, _)| self.is_deleted(*number))
            .map(|(_, entry)| (entry.email, entry.uid))
            .collect();
        if deleted.is_empty() {
            return Ok(0);
        }
        let count = deleted.len() as u64;
        let command = Command::Collect {
            device: self.snapshot.device(),
            how: Collect::Dele,
            messages: deleted,
        };
        match self.account.execute(command).await {
            Ok(_) => Ok(count),
            Err(error) => {
                warn!(account = %self.account.id(), ?error, "a QUIT could not delete");
                Err(ResponseCode::SysTemp)
            }
        }
    }

    /// RETR and TOP: sends a message, in pieces. `false`: it was refused.
    pub(super) async fn send(
        &self,
        stream: &mut Stream,
        number: u32,
        range: Range,
    ) -> Result<bool, Stop> {
        let message = match self.message(number) {
            Ok(message) => message,
            Err(why) => {
                reply::err(stream.output(), None, why);
                return Ok(false);
            }
        };
        let blob = message.blob;
        let blob_octets = u64::from(message.size)
            .saturating_sub(message.prefix.len() as u64)
            .saturating_sub(if message.lacks_final_crlf { 2 } else { 0 });
        // The first piece is read before anything is promised.
        let first = match self.read(blob, 0, blob_octets).await {
            Ok(octets) => octets,
            Err(error) => {
                refuse(stream, &error);
                return Ok(false);
            }
        };
        // What is found damaged later could only be told by closing.
        let node = Arc::clone(stream.node());
        let ahead = self.ahead(&node, blob, first.len() as u64, blob_octets);
        let mut ahead = match range {
            Range::Whole => match ahead.await {
                Ok(ahead) => ahead,
                Err(error) => {
                    refuse(stream, &error);
                    return Ok(false);
                }
            },
            Range::Top(_) => Ahead::default(),
        };
        let text = format!("{} octets", message.size);
        match range {
            Range::Whole => reply::ok(stream.output(), &text),
            Range::Top(_) => reply::ok(stream.output(), "top of message follows"),
        }
        let mut sending = Sending {
            encoder: DotEncoder::new(),
            top: match range {
                Range::Whole => None,
                Range::Top(lines) => Some(TopFilter::new(lines)),
            },
        };
        sending.piece(stream, &message.prefix);
        let mut at = first.len() as u64;
        sending.piece(stream, &first);
        drop(first);
        while at < blob_octets && !sending.is_done() {
            stream.relieve().await?;
            let read = match ahead.pieces.pop_front() {
                Some(octets) => Ok(octets),
                None => self.read(blob, at, blob_octets).await,
            };
            let octets = match read {
                Ok(octets) if !octets.is_empty() => octets,
                Ok(_) => return Err(Stop::Cut),
                Err(error) => {
                    warn!(%blob, %error, "a message could not be sent to its end");
                    return Err(Stop::Cut);
                }
            };
            at += octets.len() as u64;
            sending.piece(stream, &octets);
        }
        sending.encoder.finish(stream.output());
        stream.relieve().await?;
        Ok(true)
    }

    /// The rest of a message of which nothing has been promised yet, where it is
    /// short enough and there is room for it.
    async fn ahead(
        &self,
        node: &Node,
        blob: BlobId,
        mut at: u64,
        length: u64,
    ) -> Result<Ahead, BlobError> {
        let mut ahead = Ahead::default();
        if at >= length || length > AHEAD_OCTETS {
            return Ok(ahead);
        }
        let count = usize::try_from(length - at).unwrap_or(usize::MAX);
        ahead._held = node.octets.try_take(count);
        while ahead._held.is_some() && at < length {
            let octets = self.read(blob, at, length).await?;
            if octets.is_empty() {
                break;
            }
            at += octets.len() as u64;
            ahead.pieces.push_back(octets);
        }
        Ok(ahead)
    }

    /// The octets of a blob from `at`, as many as one read gives.
    async fn read(&self, blob: BlobId, at: u64, length: u64) -> Result<Bytes, BlobError> {
        let range = at..length.min(at + READ_OCTETS);
        if let Some(octets) = self.store.blob_now(blob, range.clone()) {
            return octets;
        }
        self.store.blob(blob, range).await
    }
}

/// A message on its way out.
struct Sending {
    encoder: DotEncoder,
    top: Option<TopFilter>,
}

impl Sending {
    fn piece(&mut self, stream: &mut Stream, octets: &[u8]) {
        let octets = match &mut self.top {
            Some(top) => top.pass(octets),
            None => octets,
        };
        self.encoder.encode(octets, stream.output());
    }

    fn is_done(&self) -> bool {
        self.top.as_ref().is_some_and(TopFilter::is_done)
    }
}

/// RFC 3206 §4: whether trying again may help.
fn refuse(stream: &mut Stream, error: &BlobError) {
    let (code, text) = match error {
        BlobError::Missing(_) | BlobError::Damaged(_) => {
            (ResponseCode::SysPerm, "the message is damaged")
        }
        BlobError::Failed(_) => (
            ResponseCode::SysTemp,
            "the message cannot be read now, try later",
        ),
    };
    warn!(%error, "a message cannot be sent");
    reply::err(stream.output(), Some(code), text);
}
