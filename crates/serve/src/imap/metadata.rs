//! GETMETADATA and SETMETADATA. RFC 5464.
//!
//! What RFC 5464 calls annotations of the server is kept for each account.

use super::reply::Reply;
use super::special_use::with_uses;
use super::user::{Done, User, existing};
use crate::accounts::{Account, ExecuteError};
use crate::stream::Stream;
use account::{Command, METADATA_LIMITS, Metadata, Refusal, Rights};
use proto::imap::response::{self, Code};
use proto::imap::{GetMetadata, Mailbox, MetadataDepth, MetadataOptions, SetMetadata};
use std::sync::Arc;
use terms::{MailboxId, MailboxName};

/// Of which mailbox annotations are; `None`: of the account itself.
pub(super) type Of = Option<MailboxId>;

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
                if let Some(annotations) = &mut self.annotations {
                    annotations.was_set(account.id(), of, own);
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
pub(super) fn is_private(entry: &str) -> bool {
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
