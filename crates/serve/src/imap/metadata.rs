//! GETMETADATA, SETMETADATA, and METADATA unasked. RFC 5464.
//!
//! What RFC 5464 calls annotations of the server is kept for each account.

use super::reply::Reply;
use super::special_use::with_uses;
use super::user::{Done, User, existing};
use crate::accounts::{Account, ExecuteError};
use crate::stream::{Stream, StreamError};
use account::{Command, METADATA_LIMITS, Metadata, Refusal, Rights, State};
use proto::imap::response::{self, Code};
use proto::imap::{GetMetadata, Mailbox, MetadataDepth, MetadataOptions, SetMetadata};
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{MailboxId, MailboxName, ModSeq};

/// Of which mailbox annotations are; `None`: of the account itself.
type Of = Option<MailboxId>;

/// RFC 5464 §3.3: "any one of" these, besides l.
pub(super) const ANNOTATED: Rights = Rights::READ
    .and(Rights::SEEN)
    .and(Rights::WRITE)
    .and(Rights::INSERT)
    .and(Rights::POST);

impl User {
    /// RFC 5464 §4.2
    pub(super) async fn get_metadata(&mut self, stream: &mut Stream, asked: GetMetadata) -> Done {
        let (name, account, of) = match self.annotated(asked.mailbox).await {
            Ok(found) => found,
            Err(reply) => return Ok(reply),
        };
        let state = account.snapshot();
        let Some(metadata) = state.metadata(of) else {
            return Ok(Reply::gone());
        };
        let own = account.id() == self.account.id();
        let shown = match of.and_then(|id| state.mailbox(id)) {
            _ if !own => without_private(metadata),
            Some(record) => with_uses(record),
            None => Arc::clone(metadata),
        };
        let found = Found::of(&shown, &asked.wanted);
        if !found.values.is_empty() {
            let mut out = Vec::new();
            response::metadata(&mut out, name.as_ref(), found.values, self.enabled.utf8);
            stream.send(&out).await?;
        }
        let reply = Reply::ok("that is all");
        Ok(match found.left_out {
            // RFC 5464 §4.2.1
            Some(octets) => reply.with(Code::MetadataLongEntries(octets)),
            None => reply,
        })
    }

    /// RFC 5464 §4.3: all or none.
    pub(super) async fn set_metadata(&mut self, asked: SetMetadata) -> Done {
        let (_, account, of) = match self.annotated(asked.mailbox).await {
            Ok(found) => found,
            Err(reply) => return Ok(reply),
        };
        let other = account.id() != self.account.id();
        if other && asked.entries.iter().any(|(entry, _)| is_private(entry)) {
            // RFC 5464 §4.3
            let text = "private annotations are kept of one's own mailboxes alone";
            return Ok(Reply::no(Code::MetadataNoPrivate, text));
        }
        if let Some(reply) = refused(of, &asked.entries) {
            return Ok(reply);
        }
        if let (Some(mailbox), false) = (of, other)
            && let Some(done) = self.set_uses(mailbox, &asked.entries).await
        {
            return done;
        }
        let own = asked.entries.clone();
        let command = Command::SetMetadata {
            mailbox: of,
            entries: asked.entries,
        };
        match account.execute(command).await {
            Ok(_) => {
                if let Some(known) = &mut self.annotations
                    && !other
                {
                    known.own = Some((of, own));
                }
                Ok(Reply::ok("set"))
            }
            Err(ExecuteError::Refused(Refusal::TooMany(what))) => Ok(Reply::no(
                Code::MetadataTooMany,
                format!("too many {what}, or too many octets of them"),
            )),
            Err(ExecuteError::Refused(Refusal::NoSuchMailbox)) => Ok(Reply::gone()),
            Err(error) => Ok(error.into()),
        }
    }

    /// What has the annotations: a mailbox that is there, or the account.
    async fn annotated(
        &self,
        mailbox: Option<Mailbox>,
    ) -> Result<(Option<MailboxName>, Account, Of), Reply> {
        let Some(name) = mailbox.map(existing).transpose()? else {
            self.fresh().await?;
            return Ok((None, self.account.clone(), None));
        };
        let place = self.place(name.clone()).await?;
        let found = self.found_at(place, Rights::LOOKUP).await?;
        if !found.rights.has_any(ANNOTATED) {
            return Err(self.not_allowed(Rights::READ));
        }
        Ok((Some(name), found.place.account, Some(found.id)))
    }

    /// From now on the session hears of annotations that others change. RFC 5464
    /// §4.4.
    pub(super) fn enable_metadata(&mut self) {
        if self.annotations.is_none() {
            let known = Annotations::of(&self.account.snapshot());
            self.annotations = Some(Box::new(known));
        }
    }

    /// Tells which annotations others have changed. RFC 5464 §4.4.2.
    pub(super) async fn tell_metadata(&mut self, stream: &mut Stream) -> Result<(), StreamError> {
        let Some(known) = &mut self.annotations else {
            return Ok(());
        };
        let state = self.account.snapshot();
        if state.metadata_changed() <= known.seen {
            known.own = None;
            return Ok(());
        }
        let now = Annotations::of(&state);
        let out = now.changed_since(known, &state, self.enabled.utf8);
        **known = now;
        stream.send(&out).await
    }
}

/// What GETMETADATA finds.
pub(super) struct Found<'a> {
    /// Entries and values; NIL for one that was named and has none.
    pub(super) values: Vec<(&'a str, Option<&'a [u8]>)>,
    /// Octets of the longest value that is over MAXSIZE.
    pub(super) left_out: Option<u64>,
}

impl<'a> Found<'a> {
    pub(super) fn of(metadata: &'a Metadata, wanted: &'a MetadataOptions) -> Self {
        let mut found = Self {
            values: Vec::new(),
            left_out: None,
        };
        for (entry, value) in metadata.iter().filter(|(entry, _)| wanted.wants(entry)) {
            let octets = value.len() as u64;
            if wanted.octets_max.is_some_and(|max| octets > max) {
                found.left_out = found.left_out.max(Some(octets));
            } else {
                found.values.push((entry, Some(value)));
            }
        }
        if wanted.depth == MetadataDepth::Zero {
            let mut named: Vec<&'a String> = wanted.entries.iter().collect();
            named.sort_unstable();
            named.dedup();
            let missing = named
                .into_iter()
                .filter(|entry| !metadata.contains_key(*entry));
            found
                .values
                .extend(missing.map(|entry| (entry.as_str(), None)));
        }
        found
    }
}

/// Whether an entry is for its owner's eyes alone. RFC 5464 §3.2.
fn is_private(entry: &str) -> bool {
    entry == "/private" || entry.starts_with("/private/")
}

/// What others see of the annotations of somebody's mailbox.
pub(super) fn without_private(metadata: &Metadata) -> Metadata {
    let shared = metadata.iter().filter(|(entry, _)| !is_private(entry));
    Arc::new(
        shared
            .map(|(entry, value)| (entry.clone(), value.clone()))
            .collect(),
    )
}

/// What nobody can set.
fn refused(of: Of, entries: &[(String, Option<Vec<u8>>)]) -> Option<Reply> {
    let max = METADATA_LIMITS.value_octets_max;
    let values = entries.iter().filter_map(|(_, value)| value.as_ref());
    if values.into_iter().any(|value| value.len() > max) {
        return Some(Reply::no(
            Code::MetadataMaxSize(max),
            "the annotation is too long",
        ));
    }
    // RFC 5464 §3.2.1.1: "always read-only -- clients cannot change it".
    if of.is_none() && entries.iter().any(|(entry, _)| entry == "/shared/admin") {
        return Some(Reply::no(Code::NoPerm, "/shared/admin is the operator's"));
    }
    None
}

/// Names, and what they are set to; `None`: removed.
type Entries = Vec<(String, Option<Vec<u8>>)>;

/// The annotations that a session has been told of.
pub(super) struct Annotations {
    /// All changes up to this one.
    seen: ModSeq,
    all: BTreeMap<Of, Metadata>,
    /// What the command that runs has set: its session knows.
    own: Option<(Of, Entries)>,
}

impl Annotations {
    fn of(state: &State) -> Self {
        let account = state.metadata(None).map(|metadata| (None, metadata));
        let mailboxes = state
            .mailboxes()
            .map(|mailbox| (Some(mailbox.id), &mailbox.metadata));
        Self {
            seen: state.metadata_changed(),
            all: account
                .into_iter()
                .chain(mailboxes.filter(|(_, metadata)| !metadata.is_empty()))
                .map(|(of, metadata)| (of, Arc::clone(metadata)))
                .collect(),
            own: None,
        }
    }

    /// What is to be told to somebody who knows `old`, names in UTF-8 or not.
    fn changed_since(&self, old: &Self, state: &State, utf8: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let none = Metadata::default();
        let mut keys: Vec<Of> = self.all.keys().chain(old.all.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        for of in keys {
            let name = of
                .and_then(|id| state.mailbox(id))
                .map(|record| &record.name);
            if of.is_some() && name.is_none() {
                // It went, and its annotations with it.
                continue;
            }
            let before = old.all.get(&of).unwrap_or(&none);
            let now = self.all.get(&of).unwrap_or(&none);
            if Arc::ptr_eq(before, now) {
                continue;
            }
            let mut changed: Vec<&str> = before
                .keys()
                .chain(now.keys())
                .filter(|entry| before.get(*entry) != now.get(*entry))
                .filter(|entry| !old.is_own(of, entry, now.get(*entry)))
                .map(String::as_str)
                .collect();
            changed.sort_unstable();
            changed.dedup();
            if !changed.is_empty() {
                response::metadata_changed(&mut out, name, changed, utf8);
            }
        }
        out
    }

    /// Whether the session itself has given the entry this value.
    fn is_own(&self, of: Of, entry: &str, value: Option<&Vec<u8>>) -> bool {
        let Some((own, entries)) = &self.own else {
            return false;
        };
        let mut last = entries.iter().rev();
        let set = last.find(|(name, _)| name == entry);
        *own == of && set.is_some_and(|(_, set)| set.as_ref() == value)
    }
}
