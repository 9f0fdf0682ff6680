//! One session's maildrop: the snapshot, what is marked, how messages go out.

use super::language::Language;
use super::policy::Lock;
use super::session::Stop;
use super::transaction::Replies;
use crate::accounts::{Account, ExecuteError};
use crate::auth::Login;
use crate::limits::OctetsHeld;
use crate::stream::{Node, Stream};
use account::{Collect, Command, DropWindow, HoldSettings, Refusal, Row, SeenAfterRetr};
use bytes::Bytes;
use proto::pop3::reply::ResponseCode;
use proto::wire::{DotEncoder, TopFilter};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use store::{BlobError, Store};
use terms::{BlobId, EmailNumber, FlagSet, MailboxId, StoreMode, StoreOp, SystemFlag, Uid};
use tracing::warn;

/// How much of a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// All of it.
    Whole,
    /// Its header and so many lines.
    Top(u64),
}

/// What a session sees, and what its QUIT does.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) window: DropWindow,
    /// What it deletes and reads counts; else it is hidden for the session alone.
    pub(super) collects: bool,
    /// The client has said UTF8.
    pub(super) utf8: bool,
}

/// Octets that one read of a blob asks for.
const READ_OCTETS: u64 = 64 << 10;

/// A message that is no longer is kept when it has been read to its end, which
/// comes before it is promised; a longer one is read once more.
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
    view: View,
    hold: HoldSettings,
    /// By DELE in this session.
    deleted: Marks,
    /// By RETR, or by a TOP that gave all.
    read: Marks,
    /// Those of them that were read while a RETR collected.
    taken: Marks,
    /// What STAT says.
    messages: u32,
    octets: u64,
    _lock: Option<Lock>,
}

/// Some messages of a drop, by their numbers.
#[derive(Default)]
struct Marks(Vec<u64>);

impl Marks {
    fn place(number: u32) -> (usize, u64) {
        let index = number.saturating_sub(1);
        ((index / 64) as usize, 1 << (index % 64))
    }

    fn has(&self, number: u32) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|marks| marks & bit != 0)
    }

    fn set(&mut self, number: u32) {
        let (word, bit) = Self::place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(marks) = self.0.get_mut(word) {
            *marks |= bit;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|marks| *marks == 0)
    }
}

impl Maildrop {
    /// INBOX as it is now. RFC 1939 §4 asks for a lock here, so that nobody else
    /// changes the drop: a snapshot does the same for every session.
    pub(super) async fn open(
        login: &Login,
        store: Arc<dyn Store>,
        view: View,
        lock: Option<Lock>,
    ) -> Result<Self, ResponseCode> {
        let account = login.account.clone();
        let device = login.device;
        let opened = account
            .read(|state| account::Maildrop::open(state, device, view.window))
            .await;
        let (state, snapshot) = opened.map_err(|error| {
            warn!(account = %account.id(), ?error, "a maildrop cannot be opened");
            ResponseCode::SysTemp
        })?;
        let mut maildrop = Self {
            account,
            store,
            view,
            hold: state.hold(),
            deleted: Marks::default(),
            read: Marks::default(),
            taken: Marks::default(),
            messages: 0,
            octets: 0,
            snapshot,
            _lock: lock,
        };
        maildrop.reset();
        Ok(maildrop)
    }

    /// The hold of its account, as it was at the login.
    pub(super) fn hold(&self) -> HoldSettings {
        self.hold
    }

    /// How many messages the snapshot has, the deleted ones included.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.snapshot.len()).unwrap_or(u32::MAX)
    }

    /// Messages and octets without the deleted ones. RFC 1939 §5.
    pub(super) fn stat(&self) -> (u32, u64) {
        (self.messages, self.octets)
    }

    /// Octets of a message as RETR sends them here.
    pub(super) fn size(&self, message: &Row<'_>) -> u32 {
        message.maildrop_size(self.view.utf8)
    }

    /// A message that is there and not deleted; else why not.
    pub(super) fn message(&self, number: u32) -> Result<Row<'_>, &'static str> {
        let message = self.snapshot.message(number);
        let message = message.ok_or("there is no such message")?;
        if self.deleted.has(number) {
            return Err("the message is deleted");
        }
        Ok(message)
    }

    /// The messages that are not deleted, with their numbers.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u32, Row<'_>)> {
        self.snapshot
            .messages()
            .filter(|(number, _)| !self.deleted.has(*number))
    }

    /// What UIDL calls messages.
    pub(super) fn unique_ids(&self) -> Arc<account::State> {
        self.account.snapshot()
    }

    /// DELE.
    pub(super) fn delete(&mut self, number: u32) -> Result<(), &'static str> {
        let message = self.message(number)?;
        let octets = self.size(&message);
        self.deleted.set(number);
        self.messages -= 1;
        self.octets -= u64::from(octets);
        Ok(())
    }

    /// RSET. What was read stays read: the client has it.
    pub(super) fn reset(&mut self) {
        self.deleted = Marks::default();
        self.messages = self.count();
        self.octets = self.snapshot.octets(self.view.utf8);
    }

    /// All of it has gone out. What was read before RETRs counted does not count,
    /// whenever this session ends.
    pub(super) fn mark_read(&mut self, number: u32) {
        self.read.set(number);
        if self.account.snapshot().hold().collect == Collect::Retr {
            self.taken.set(number);
        }
    }

    /// QUIT: what was deleted is collected, as one command, and what was read
    /// where that counts. Returns how many were deleted. What somebody else has
    /// expunged meanwhile counts as removed.
    pub(super) async fn update(&self) -> Result<u64, ResponseCode> {
        if !self.view.collects {
            return Ok(0);
        }
        let done = self.file().await;
        done.map_err(|error| {
            warn!(account = %self.account.id(), ?error, "a QUIT could not delete");
            ResponseCode::SysTemp
        })
    }

    /// What only adds comes first: if it cannot be done, nothing is deleted.
    async fn file(&self) -> Result<u64, ExecuteError<Refusal>> {
        if !self.read.is_empty() {
            let hold = self.account.snapshot().hold();
            if hold.seen_after_retr == SeenAfterRetr::Quit {
                self.account.execute(self.seen()).await?;
            }
            let read = |number| self.taken.has(number) && !self.deleted.has(number);
            self.collect(&hold, Collect::Retr, read).await?;
        }
        // Most sessions only look: they need not go through the drop once more.
        if self.deleted.is_empty() {
            return Ok(0);
        }
        let hold = self.account.snapshot().hold();
        let deleted = |number| self.deleted.has(number);
        self.collect(&hold, Collect::Dele, deleted).await
    }

    async fn collect(
        &self,
        hold: &HoldSettings,
        how: Collect,
        which: impl Fn(u32) -> bool,
    ) -> Result<u64, ExecuteError<Refusal>> {
        if how == Collect::Retr && hold.collect == Collect::Dele {
            return Ok(0);
        }
        let messages: Vec<(EmailNumber, Uid)> = self
            .snapshot
            .messages()
            .filter(|(number, _)| which(*number))
            .map(|(_, message)| (message.email, message.uid))
            .collect();
        let count = messages.len() as u64;
        if count > 0 {
            let command = Command::Collect {
                device: self.snapshot.device(),
                how,
                messages,
            };
            self.account.execute(command).await?;
        }
        Ok(count)
    }

    /// What was read becomes \Seen.
    fn seen(&self) -> Command {
        let read = self.snapshot.messages();
        let read = read.filter(|(number, _)| self.read.has(*number));
        Command::Store {
            mailbox: MailboxId::INBOX,
            uids: read.map(|(_, message)| message.uid).collect(),
            op: StoreOp {
                mode: StoreMode::Add,
                flags: FlagSet::from_bits(1 << (SystemFlag::Seen as u8)),
            },
            unchanged_since: None,
        }
    }

    /// RETR and TOP: sends a message, in pieces.
    pub(super) async fn send(
        &self,
        stream: &mut Stream,
        language: &Language,
        number: u32,
        range: Range,
    ) -> Result<Sent, Stop> {
        let message = match self.message(number) {
            Ok(message) => message,
            Err(why) => {
                Replies::new(stream, language).err(None, why);
                return Ok(Sent::Refused);
            }
        };
        let source = match self.source(stream, &message, range).await {
            Ok(source) => source,
            Err(error) => {
                refuse(&mut Replies::new(stream, language), &error);
                return Ok(Sent::Refused);
            }
        };
        let mut replies = Replies::new(stream, language);
        match range {
            Range::Whole => replies.ok_with("{0} octets", &[&self.size(&message)]),
            Range::Top(_) => replies.ok("top of message follows"),
        }
        let mut sending = Sending::new(range);
        let whole = match source {
            Source::Form(octets, _held) => {
                for piece in octets.chunks(READ_OCTETS as usize) {
                    sending.piece(stream, piece);
                    stream.relieve().await?;
                }
                sending.passed == octets.len() as u64
            }
            Source::Blob { mut ahead, octets } => {
                let total = message.prefix.len() as u64 + octets;
                sending.piece(stream, message.prefix);
                let mut at = 0;
                while at < octets && !sending.is_done() {
                    let read = match ahead.pieces.pop_front() {
                        Some(piece) => Ok(piece),
                        None => self.read(message.blob, at, octets).await,
                    };
                    let piece = match read {
                        Ok(piece) if !piece.is_empty() => piece,
                        Ok(_) => return Err(Stop::Cut),
                        Err(error) => {
                            let blob = message.blob;
                            warn!(%blob, %error, "a message could not be sent to its end");
                            return Err(Stop::Cut);
                        }
                    };
                    at += piece.len() as u64;
                    sending.piece(stream, &piece);
                    drop(piece);
                    stream.relieve().await?;
                }
                sending.passed == total
            }
        };
        sending.encoder.finish(stream.output());
        stream.relieve().await?;
        Ok(if whole { Sent::Whole } else { Sent::Part })
    }

    /// Where the octets come from. The first of them are read before anything is
    /// promised.
    async fn source(
        &self,
        stream: &Stream,
        message: &Row<'_>,
        range: Range,
    ) -> Result<Source, Unsent> {
        let octets = u64::from(message.size).saturating_sub(message.prefix.len() as u64);
        if message.downgraded_size.is_none() || self.view.utf8 {
            // What is found damaged later could only be told by closing.
            let ahead = self.ahead(stream.node(), message, octets, range);
            let ahead = ahead.await?;
            return Ok(Source::Blob { ahead, octets });
        }
        // RFC 6856 §2.1: the form of RFC 6858 is made of all the octets at once.
        let node = stream.node();
        let room = usize::try_from(octets)
            .unwrap_or(usize::MAX)
            .saturating_mul(3);
        let held = node
            .env
            .timeout(
                node.limits.octets_wait.min(FORM_WAIT),
                node.octets.take(room),
            )
            .await
            .map_err(|_| Unsent::Crowded)?;
        let mut whole = message.prefix.to_vec();
        let mut at = 0;
        while at < octets {
            let piece = self.read(message.blob, at, octets).await?;
            if piece.is_empty() {
                return Err(Unsent::Unreadable(BlobError::Damaged(message.blob)));
            }
            at += piece.len() as u64;
            whole.extend_from_slice(&piece);
        }
        let form = node.env.compute(move || mime::downgrade(&whole)).await;
        // There is none only if it was stored by somebody who reads mail otherwise.
        let form = form.flatten().ok_or(Unsent::NoForm)?;
        Ok(Source::Form(form, held))
    }

    /// Reads all that is to go out of a message of which nothing has been promised
    /// yet. The first octets are kept; all of them where they are few and there is
    /// room.
    async fn ahead(
        &self,
        node: &Node,
        message: &Row<'_>,
        length: u64,
        range: Range,
    ) -> Result<Ahead, BlobError> {
        let blob = message.blob;
        let first = self.read(blob, 0, length).await?;
        let mut at = first.len() as u64;
        let mut sending = Sending::new(range);
        sending.look_at(message.prefix);
        sending.look_at(&first);
        let mut ahead = Ahead::default();
        ahead.pieces.push_back(first);
        if range == Range::Whole && at < length && length <= AHEAD_OCTETS {
            let count = usize::try_from(length - at).unwrap_or(usize::MAX);
            ahead._held = node.octets.try_take(count);
        }
        while at < length && !sending.is_done() {
            let octets = self.read(blob, at, length).await?;
            if octets.is_empty() {
                return Err(BlobError::Damaged(blob));
            }
            at += octets.len() as u64;
            sending.look_at(&octets);
            if ahead._held.is_some() {
                ahead.pieces.push_back(octets);
            } else if at.is_multiple_of(AHEAD_OCTETS) {
                tokio::task::yield_now().await;
            }
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

/// What came of RETR or TOP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing was sent but why.
    Refused,
    /// The beginning of the message.
    Part,
    /// All of it.
    Whole,
}

/// How long the making of a form waits for room in memory.
const FORM_WAIT: Duration = Duration::from_secs(30);

/// Where a message's octets come from.
enum Source {
    /// From the store as they lie there: what was read first, and how many there
    /// are behind the prefix.
    Blob { ahead: Ahead, octets: u64 },
    /// Made here, and the room that they take.
    Form(Vec<u8>, OctetsHeld),
}

/// Why a message was not sent.
enum Unsent {
    Unreadable(BlobError),
    /// No room in memory for the form for clients without UTF8.
    Crowded,
    /// That form cannot be made.
    NoForm,
}

impl From<BlobError> for Unsent {
    fn from(error: BlobError) -> Self {
        Self::Unreadable(error)
    }
}

/// A message on its way out.
struct Sending {
    encoder: DotEncoder,
    top: Option<TopFilter>,
    /// Octets that went out.
    passed: u64,
}

impl Sending {
    fn new(range: Range) -> Self {
        Self {
            encoder: DotEncoder::new(),
            top: match range {
                Range::Whole => None,
                Range::Top(lines) => Some(TopFilter::new(lines)),
            },
            passed: 0,
        }
    }

    /// As if the octets had gone out.
    fn look_at(&mut self, octets: &[u8]) {
        if let Some(top) = &mut self.top {
            top.pass(octets);
        }
    }

    fn piece(&mut self, stream: &mut Stream, octets: &[u8]) {
        let octets = match &mut self.top {
            Some(top) => top.pass(octets),
            None => octets,
        };
        self.passed += octets.len() as u64;
        self.encoder.encode(octets, stream.output());
    }

    fn is_done(&self) -> bool {
        self.top.as_ref().is_some_and(TopFilter::is_done)
    }
}

/// RFC 3206 §4: whether trying again may help.
fn refuse(replies: &mut Replies<'_>, why: &Unsent) {
    let (code, text) = match why {
        Unsent::Unreadable(error) => {
            warn!(%error, "a message cannot be sent");
            match error {
                BlobError::Missing(_) | BlobError::Damaged(_) => {
                    (ResponseCode::SysPerm, "the message is damaged")
                }
                BlobError::Failed(_) => (
                    ResponseCode::SysTemp,
                    "the message cannot be read now, try later",
                ),
            }
        }
        Unsent::Crowded => (
            ResponseCode::SysTemp,
            "the message cannot be read now, try later",
        ),
        Unsent::NoForm => (
            ResponseCode::Utf8,
            "the message is for clients that say UTF8",
        ),
    };
    replies.err(Some(code), text);
}
