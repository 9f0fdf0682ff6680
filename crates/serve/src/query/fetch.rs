//! FETCH: answers streamed through a bounded buffer. RFC 9051 §6.4.5.

use super::derive::derived_rows;
use super::downgraded::{Form, downgraded};
use super::octets::{MessageOctets, Source};
use super::section::{
    Value, Wanted, binary_value, cut, is_whole, kept_fields, render, section_of, section_value,
};
use super::{BATCH_MESSAGES, Message, Messages};
use crate::stream::{Stream, StreamError};
use bytes::Bytes;
use mime::Derived;
use proto::imap::response::{fetch_item_name, flag_list, string};
use proto::imap::write_date_time;
use std::io::Write as _;
use std::sync::Arc;
use store::{BlobError, Store};
use terms::{FetchItem, InternalDate, UidSet};
use tracing::warn;

/// Answers are handed to the stream when so much has gathered.
const LINE_OCTETS: usize = 16 << 10;

/// Octets that are looked at before others have their turn.
const TURN_OCTETS: u64 = 64 << 10;

/// One FETCH of some items.
pub struct Fetch<'a> {
    /// Where the messages are.
    pub store: &'a dyn Store,
    /// What is asked for, macros resolved; for UID FETCH with UID among them.
    pub items: &'a [FetchItem],
    /// Whether internationalised messages go as they are: to others they go in
    /// the form of RFC 6858. RFC 9755 §8.
    pub utf8: bool,
    /// Whether what lies in a message/global is shown, as in IMAP4rev2.
    pub global: bool,
    /// Answers are UIDFETCH, with the unique identifier in front. RFC 9586 §3.3.
    pub uid_only: bool,
}

/// What came of a FETCH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Messages of which some items are missing because they cannot be read:
    /// the command ends with NO.
    pub unreadable: UidSet,
    /// Messages of which a part cannot be decoded: NO `[UNKNOWN-CTE]`. RFC 3516 §4.3.
    pub undecodable: UidSet,
}

impl Fetch<'_> {
    /// Whether FETCH of these items sets \Seen. RFC 9051 §6.4.5.
    pub fn sets_seen(items: &[FetchItem]) -> bool {
        items.iter().any(|item| {
            matches!(
                item,
                FetchItem::Body { peek: false, .. }
                    | FetchItem::Binary { peek: false, .. }
                    | FetchItem::Rfc822
                    | FetchItem::Rfc822Text
            )
        })
    }

    /// Writes `* n FETCH (…)` for each message. Not cancel safe.
    ///
    /// # Errors
    /// The connection is of no use any more: it has failed, the node has too much
    /// to do, or a message could not be read on after its length was announced.
    pub async fn run<'m>(
        &self,
        stream: &mut Stream,
        messages: Messages<'m>,
    ) -> Result<Fetched, StreamError> {
        let mut answer = Answer {
            fetch: self,
            stream,
            wanted: self.items.iter().map(wanted).collect(),
            looked_at: 0,
            line: Vec::with_capacity(LINE_OCTETS),
            is_open: false,
            found: Fetched::default(),
        };
        let mut messages = messages.peekable();
        if !self.items.iter().any(needs_derived) {
            for message in messages {
                answer.shown(&message, None).await?;
            }
        } else {
            while messages.peek().is_some() {
                let batch: Vec<Message<'m>> = messages.by_ref().take(BATCH_MESSAGES).collect();
                answer.batch(&batch).await?;
                // A batch may have been computed without any wait.
                tokio::task::yield_now().await;
            }
        }
        answer.hand_over().await?;
        Ok(answer.found)
    }
}

/// The fields that an item wants, if it wants fields.
fn wanted(item: &FetchItem) -> Option<Arc<Wanted>> {
    match item {
        FetchItem::Body { section, .. } => Wanted::of(section).map(Arc::new),
        _ => None,
    }
}

/// Whether the derived row is needed for it.
fn needs_derived(item: &FetchItem) -> bool {
    match item {
        FetchItem::BinarySize(_)
        | FetchItem::Binary { .. }
        | FetchItem::BodyStructureShort
        | FetchItem::BodyStructure
        | FetchItem::Envelope
        | FetchItem::Preview { .. } => true,
        item => section_of(item).is_some_and(|(section, _)| !is_whole(&section)),
    }
}

/// Whether the message's octets are needed for it.
fn needs_octets(item: &FetchItem) -> bool {
    needs_derived(item) || section_of(item).is_some()
}

struct Answer<'a> {
    fetch: &'a Fetch<'a>,
    stream: &'a mut Stream,
    /// The fields that each item wants.
    wanted: Vec<Option<Arc<Wanted>>>,
    /// Octets that have been looked at since others had their turn.
    looked_at: u64,
    /// What has been written and not handed to the stream.
    line: Vec<u8>,
    /// Whether the message's answer has begun.
    is_open: bool,
    found: Fetched,
}

impl Answer<'_> {
    async fn batch(&mut self, batch: &[Message<'_>]) -> Result<(), StreamError> {
        let node = Arc::clone(self.stream.node());
        let rows: Vec<_> = batch.iter().map(|message| message.row).collect();
        let derived = derived_rows(&node, self.fetch.store, &rows).await?;
        for (message, octets) in batch.iter().zip(&derived) {
            self.shown(message, Some(octets)).await?;
        }
        Ok(())
    }

    /// One message as the session may see it.
    async fn shown(
        &mut self,
        message: &Message<'_>,
        derived: Option<&Result<Bytes, BlobError>>,
    ) -> Result<(), StreamError> {
        let store = self.fetch.store;
        let size = message.row.downgraded_size;
        let Some(size) = size.filter(|_| !self.fetch.utf8) else {
            return self.message(message, derived, store.into()).await;
        };
        let mut shown = *message;
        shown.row.size = size;
        shown.row.prefix = &[];
        if !self.fetch.items.iter().any(needs_octets) {
            return self.message(&shown, None, store.into()).await;
        }
        let node = Arc::clone(self.stream.node());
        match downgraded(&node, store, &message.row).await? {
            Ok(Form {
                octets, derived, ..
            }) => {
                shown.row.size = u32::try_from(octets.len()).unwrap_or(size);
                self.message(&shown, Some(&Ok(derived)), Source::Form(&octets))
                    .await
            }
            Err(error) => {
                let none = Bytes::new();
                self.message(&shown, Some(&Err(error)), Source::Form(&none))
                    .await
            }
        }
    }

    /// One message, with its derived row where items need it.
    async fn message(
        &mut self,
        message: &Message<'_>,
        derived: Option<&Result<Bytes, BlobError>>,
        source: Source<'_>,
    ) -> Result<(), StreamError> {
        let octets = derived.and_then(|derived| derived.as_ref().ok());
        let decoded = octets.and_then(|octets| Derived::decode(octets).ok());
        self.is_open = false;
        for (index, item) in self.fetch.items.iter().enumerate() {
            let wanted = self.wanted.get(index).cloned().flatten();
            let before = self.line.len();
            let is_put = self.put_kept(message, item)
                || decoded.as_ref().is_some_and(|derived| {
                    self.put_derived(message, item, derived, wanted.as_deref())
                });
            if is_put {
                let looked_at = match (&decoded, wanted) {
                    (Some(derived), Some(_)) => derived.header_length,
                    _ => 0,
                };
                let written = self.line.len().saturating_sub(before) as u64;
                self.take_turns(looked_at.saturating_add(written)).await?;
                continue;
            }
            let value = match (derived, &decoded) {
                (Some(Err(error)), _) if needs_derived(item) => Err(error.clone()),
                (_, decoded) => {
                    let derived = decoded.as_ref();
                    self.value(message, item, wanted.as_ref(), derived, source)
                        .await?
                }
            };
            let written = match value {
                Ok(value) => self.put_value(message, item, value, source).await?,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                warn!(uid = %message.row.uid, %error, "a message cannot be read");
                self.found.unreadable.insert(message.row.uid);
            }
            self.take_turns(message.row.size.into()).await?;
        }
        if self.is_open {
            self.line.extend_from_slice(b")\r\n");
        }
        self.take_turns(0).await
    }

    /// Hands over what has gathered if it is much, and lets others have their turn
    /// where so many octets have been looked at, or were since they had it, that they
    /// would notice: a command may have a thousand items.
    async fn take_turns(&mut self, looked_at: u64) -> Result<(), StreamError> {
        self.looked_at = self.looked_at.saturating_add(looked_at);
        if self.looked_at >= TURN_OCTETS {
            self.looked_at = 0;
            tokio::task::yield_now().await;
        }
        if self.line.len() >= LINE_OCTETS {
            self.hand_over().await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<(), StreamError> {
        self.stream.send(&self.line).await?;
        self.line.clear();
        Ok(())
    }

    /// Writes an item's name and a blank.
    fn begin(&mut self, message: &Message<'_>, item: &FetchItem) {
        if self.is_open {
            self.line.push(b' ');
        } else {
            // Writing to memory does not fail, here and below.
            let _ = if self.fetch.uid_only {
                write!(self.line, "* {} UIDFETCH (", message.row.uid)
            } else {
                write!(self.line, "* {} FETCH (", message.number)
            };
            self.is_open = true;
        }
        fetch_item_name(&mut self.line, item);
        self.line.push(b' ');
    }

    /// Items that the row knows.
    fn put_kept(&mut self, message: &Message<'_>, item: &FetchItem) -> bool {
        let row = &message.row;
        match item {
            FetchItem::EmailId
            | FetchItem::Flags
            | FetchItem::InternalDate
            | FetchItem::ModSeq
            | FetchItem::Rfc822Size
            | FetchItem::SaveDate
            | FetchItem::ThreadId
            | FetchItem::Uid => self.begin(message, item),
            _ => return false,
        }
        let _ = match item {
            FetchItem::Uid => write!(self.line, "{}", row.uid),
            FetchItem::Rfc822Size => write!(self.line, "{}", row.size),
            FetchItem::ModSeq => write!(self.line, "({})", row.modseq),
            FetchItem::EmailId => write!(self.line, "({})", message.email_id()),
            FetchItem::Flags => {
                let recent: &[&str] = if message.is_recent {
                    &["\\Recent"]
                } else {
                    &[]
                };
                flag_list(&mut self.line, &message.flag_set(), recent);
                Ok(())
            }
            FetchItem::InternalDate => {
                write_date_time(&mut self.line, row.internal_date);
                Ok(())
            }
            FetchItem::SaveDate => {
                write_date_time(&mut self.line, InternalDate::utc(row.save_date));
                Ok(())
            }
            // RFC 8474 §5.2: NIL where the server has no threads.
            _ => {
                self.line.extend_from_slice(b"NIL");
                Ok(())
            }
        };
        true
    }

    /// Items that the derived row knows.
    fn put_derived(
        &mut self,
        message: &Message<'_>,
        item: &FetchItem,
        derived: &Derived<'_>,
        wanted: Option<&Wanted>,
    ) -> bool {
        let written = match item {
            FetchItem::Envelope => derived.envelope,
            FetchItem::BodyStructure | FetchItem::BodyStructureShort
                if derived.has_global && !self.fetch.global =>
            {
                None
            }
            FetchItem::BodyStructure => derived.bodystructure,
            FetchItem::BodyStructureShort => derived.body,
            FetchItem::Preview { .. } => {
                self.begin(message, item);
                string(&mut self.line, derived.preview.as_bytes());
                return true;
            }
            item => {
                let (Some((section, partial)), Some(wanted)) = (section_of(item), wanted) else {
                    return false;
                };
                let Some(fields) = kept_fields(message, derived, &section, wanted) else {
                    return false;
                };
                self.begin(message, item);
                if let Value::Octets(fields) = cut(Value::Octets(fields.into()), partial) {
                    begin_literal(&mut self.line, item, &fields.octets);
                    self.line.extend_from_slice(&fields.octets);
                }
                return true;
            }
        };
        let Some(written) = written else {
            return false;
        };
        self.begin(message, item);
        self.line.extend_from_slice(written);
        true
    }

    /// Items that take the blob.
    async fn value(
        &self,
        message: &Message<'_>,
        item: &FetchItem,
        wanted: Option<&Arc<Wanted>>,
        derived: Option<&Derived<'_>>,
        source: Source<'_>,
    ) -> Result<Result<Value, BlobError>, StreamError> {
        let (node, row) = (self.stream.node(), &message.row);
        let section = section_of(item);
        if let Some((section, partial)) = &section
            && is_whole(section)
        {
            return Ok(Ok(cut(Value::Range(0..u64::from(row.size)), *partial)));
        }
        let Some(derived) = derived else {
            return Ok(Err(BlobError::Damaged(row.blob)));
        };
        if let Some((section, partial)) = section {
            let value = section_value(node, source, row, derived, &section, wanted).await?;
            return Ok(value.map(|value| cut(value, partial)));
        }
        match item {
            FetchItem::Binary { path, partial, .. } => {
                let value = binary_value(node, source, row, derived, path).await?;
                Ok(value.map(|value| cut(value, *partial)))
            }
            FetchItem::BinarySize(path) => {
                let value = binary_value(node, source, row, derived, path).await?;
                Ok(value.map(|value| {
                    let size = match value {
                        Value::Octets(made) => made.octets.len() as u64,
                        Value::Range(range) => range.end - range.start,
                        Value::Nil | Value::Written(_) => 0,
                        Value::Undecodable => return Value::Undecodable,
                    };
                    Value::Written(size.to_string().into_bytes().into())
                }))
            }
            item => {
                let global = self.fetch.global;
                render(node, source, row, derived, item, global).await
            }
        }
    }

    /// Writes an item with its value.
    async fn put_value(
        &mut self,
        message: &Message<'_>,
        item: &FetchItem,
        value: Value,
        source: Source<'_>,
    ) -> Result<Result<(), BlobError>, StreamError> {
        let range = match value {
            Value::Nil => {
                self.begin(message, item);
                self.line.extend_from_slice(b"NIL");
                return Ok(Ok(()));
            }
            // Counted as in flight until they have gone.
            Value::Octets(made) => {
                self.begin(message, item);
                begin_literal(&mut self.line, item, &made.octets);
                self.put_long(&made.octets).await?;
                return Ok(Ok(()));
            }
            Value::Written(made) => {
                self.begin(message, item);
                self.put_long(&made.octets).await?;
                return Ok(Ok(()));
            }
            Value::Undecodable => {
                self.found.undecodable.insert(message.row.uid);
                return Ok(Ok(()));
            }
            Value::Range(range) => range,
        };
        let mut octets = MessageOctets::of(source, message.row, range);
        let length = octets.remaining();
        // Nothing is announced before it has been read once.
        let first = match octets.verify().await {
            Ok(()) => octets.next().await,
            Err(error) => Err(error),
        };
        let first = match first {
            Ok(first) => first.unwrap_or_default(),
            Err(error) => return Ok(Err(error)),
        };
        self.begin(message, item);
        let _ = write!(self.line, "{{{length}}}\r\n");
        self.put_long(&first).await?;
        loop {
            match octets.next().await {
                Ok(Some(piece)) => self.put_long(&piece).await?,
                Ok(None) => return Ok(Ok(())),
                Err(error) => {
                    // The client waits for octets that will not come, and any
                    // others would pass for the message.
                    warn!(uid = %message.row.uid, %error, "a message cannot be read on");
                    return Err(std::io::Error::other(error).into());
                }
            }
        }
    }

    async fn put_long(&mut self, octets: &[u8]) -> Result<(), StreamError> {
        if self.line.len() + octets.len() <= LINE_OCTETS {
            self.line.extend_from_slice(octets);
            return Ok(());
        }
        self.hand_over().await?;
        self.stream.send(octets).await
    }
}

/// How many octets a literal has; `literal8` for a binary item that has NULs (RFC
/// 3516 §4.2).
fn begin_literal(line: &mut Vec<u8>, item: &FetchItem, octets: &[u8]) {
    if matches!(item, FetchItem::Binary { .. }) && octets.contains(&0) {
        line.push(b'~');
    }
    let _ = write!(line, "{{{}}}\r\n", octets.len());
}
