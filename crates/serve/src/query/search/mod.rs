//! SEARCH. RFC 9051 §6.4.4.
//!
//! Each message is asked first what its row alone can answer, then what its
//! derived row can; blobs are read only for what is still open then.

mod fold;
mod plan;
mod text;

use super::derive::{derived_rows, remade};
use super::octets::blob_size;
use super::{BATCH_MESSAGES, Message, Messages};
use crate::stream::{Node, StreamError};
use crate::work::Work;
use futures::future::BoxFuture;
use mime::{Derived, SearchText};
use plan::{Plan, Resolve};
use std::sync::Arc;
use store::{BlobError, Store};
use terms::{InternalDate, SearchKey, Timestamp, Uid, UidSet};
use text::{Looked, header_has, kept_field_has};
use tracing::warn;

/// What asking a message takes, as [`Work`] counts, beside its leaves.
const ROW_UNITS: usize = 250;

/// What a leaf takes that a row answers.
const LEAF_UNITS: usize = 10;

/// What a leaf takes for each octet of the fields that are looked at.
const FIELD_OCTET_UNITS: usize = 4;

/// The texts of longer messages are not kept.
const SEARCHABLE_OCTETS_MAX: u64 = 256 << 10;

/// One SEARCH in a mailbox.
pub struct Search<'a> {
    /// What all sessions share.
    pub node: &'a Node,
    /// Where the messages are.
    pub store: &'a dyn Store,
    /// How many messages the session sees: what `*` is among numbers.
    pub last_number: Option<u32>,
    /// The largest UID that the session sees: what `*` is among UIDs.
    pub last_uid: Option<Uid>,
    /// What `$` stands for. RFC 9051 §6.4.4.1.
    pub saved: Option<&'a UidSet>,
    /// For YOUNGER and OLDER.
    pub now: Timestamp,
}

/// What came of a SEARCH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// The messages that match.
    pub uids: UidSet,
    /// Messages of which it cannot be said because they cannot be read.
    pub unreadable: UidSet,
}

impl Search<'_> {
    /// The messages that match `key`. Cancel safe: it changes nothing.
    ///
    /// # Errors
    /// The node has too much to do.
    pub async fn run<'m>(
        &self,
        key: &SearchKey,
        messages: Messages<'m>,
    ) -> Result<Searched, StreamError> {
        let mut messages = messages.peekable();
        let mut resolve = Resolve {
            last_number: self.last_number,
            last_uid: self.last_uid.map(Uid::value),
            saved: Arc::new(self.saved.cloned().unwrap_or_default()),
            now_seconds: self.now.seconds(),
            keywords: messages.peek().map_or(&[], |first| first.keywords),
        };
        let mut plan = resolve.plan(key);
        let mut work = Work::default();
        let mut found = Searched::default();
        let mut open: Vec<Message<'m>> = Vec::new();
        for message in messages {
            if !std::ptr::eq(message.keywords, resolve.keywords) {
                // An expunged one's keywords are places in another list.
                self.batch(&plan, &open, &mut work, &mut found).await?;
                open.clear();
                resolve.keywords = message.keywords;
                plan = resolve.plan(key);
            }
            let mut units = ROW_UNITS;
            match by_row(&plan, &message, &mut units) {
                Some(true) => found.uids.insert(message.row.uid),
                Some(false) => {}
                None => open.push(message),
            }
            work.done(units).await;
            if open.len() == BATCH_MESSAGES {
                self.batch(&plan, &open, &mut work, &mut found).await?;
                open.clear();
            }
        }
        self.batch(&plan, &open, &mut work, &mut found).await?;
        Ok(found)
    }

    /// Messages whose rows alone do not tell.
    async fn batch(
        &self,
        plan: &Plan,
        open: &[Message<'_>],
        work: &mut Work,
        found: &mut Searched,
    ) -> Result<(), StreamError> {
        if open.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = open.iter().map(|message| message.row).collect();
        let derived = derived_rows(self.node, self.store, &rows).await?;
        for (message, octets) in open.iter().zip(&derived) {
            let matches = match octets {
                Ok(octets) => self.message(plan, message, octets, work).await?,
                Err(error) => Err(error.clone()),
            };
            match matches {
                Ok(true) => found.uids.insert(message.row.uid),
                Ok(false) => {}
                Err(error) => {
                    warn!(uid = %message.row.uid, %error, "a message cannot be searched");
                    found.unreadable.insert(message.row.uid);
                }
            }
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn message(
        &self,
        plan: &Plan,
        message: &Message<'_>,
        octets: &[u8],
        work: &mut Work,
    ) -> Result<Result<bool, BlobError>, StreamError> {
        let Ok(derived) = Derived::decode(octets) else {
            return Ok(Err(BlobError::Damaged(message.row.blob)));
        };
        if let Some(matches) = by_derived(plan, message, &derived, work).await {
            return Ok(Ok(matches));
        }
        if plan.looks_through_texts()
            && derived.search_text == SearchText::Missing
            && blob_size(&message.row) <= SEARCHABLE_OCTETS_MAX
        {
            return self.searchable(plan, message, work).await;
        }
        let looked = Looked::new(self.node, self.store, &message.row, &derived);
        by_blob(plan, message, &looked, work).await
    }
}

impl Search<'_> {
    /// A message whose texts nobody has looked through yet: they are kept.
    async fn searchable(
        &self,
        plan: &Plan,
        message: &Message<'_>,
        work: &mut Work,
    ) -> Result<Result<bool, BlobError>, StreamError> {
        let octets = match remade(self.node, self.store, &message.row).await? {
            Ok(octets) => octets,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(derived) = Derived::decode(&octets) else {
            return Ok(Err(BlobError::Damaged(message.row.blob)));
        };
        if let Some(matches) = by_derived(plan, message, &derived, work).await {
            return Ok(Ok(matches));
        }
        let looked = Looked::new(self.node, self.store, &message.row, &derived);
        by_blob(plan, message, &looked, work).await
    }
}

/// What the row alone says; `None` where it cannot tell. Adds to `units` what that
/// takes.
fn by_row(plan: &Plan, message: &Message<'_>, units: &mut usize) -> Option<bool> {
    match plan {
        Plan::And(plans) => {
            let mut all = Some(true);
            for plan in plans {
                match by_row(plan, message, units) {
                    Some(false) => return Some(false),
                    Some(true) => {}
                    None => all = None,
                }
            }
            all
        }
        Plan::Or(one, other) => match by_row(one, message, units) {
            Some(true) => Some(true),
            Some(false) => by_row(other, message, units),
            None => by_row(other, message, units).filter(|matches| *matches),
        },
        Plan::Not(plan) => by_row(plan, message, units).map(|matches| !matches),
        plan => {
            *units += LEAF_UNITS;
            leaf_by_row(plan, message)
        }
    }
}

/// What the row and the derived row say: true or false as soon as the leaves that can
/// be answered decide it. Others have their turn meanwhile.
async fn by_derived(
    plan: &Plan,
    message: &Message<'_>,
    derived: &Derived<'_>,
    work: &mut Work,
) -> Option<bool> {
    // Boxed is what recurses alone.
    match plan {
        Plan::And(_) | Plan::Or(..) => combined(plan, message, derived, work).await,
        Plan::Not(plan) => match &**plan {
            plan @ (Plan::And(_) | Plan::Or(..) | Plan::Not(_)) => {
                combined(plan, message, derived, work).await
            }
            plan => leaf_by_derived(plan, message, derived, work).await,
        }
        .map(|matches| !matches),
        plan => leaf_by_derived(plan, message, derived, work).await,
    }
}

/// The same of keys that are made of others.
fn combined<'a>(
    plan: &'a Plan,
    message: &'a Message<'a>,
    derived: &'a Derived<'a>,
    work: &'a mut Work,
) -> BoxFuture<'a, Option<bool>> {
    Box::pin(async move {
        match plan {
            Plan::And(plans) => {
                let mut all = Some(true);
                for plan in plans {
                    match by_derived(plan, message, derived, work).await {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Plan::Or(one, other) => match by_derived(one, message, derived, work).await {
                Some(true) => Some(true),
                one => by_derived(other, message, derived, work)
                    .await
                    .filter(|matches| *matches || one.is_some()),
            },
            plan => by_derived(plan, message, derived, work).await,
        }
    })
}

fn leaf_by_row(plan: &Plan, message: &Message<'_>) -> Option<bool> {
    let row = &message.row;
    Some(match plan {
        Plan::Constant(value) => *value,
        Plan::Flag(flag) => row.flags.has(*flag),
        Plan::Keyword(place) => row.keywords.binary_search(place).is_ok(),
        Plan::Recent => message.is_recent,
        Plan::Numbers(set) => Uid::new(message.number).is_some_and(|number| set.contains(number)),
        Plan::Uids(set) => set.contains(row.uid),
        // RFC 9051 §6.4.4: dates "disregarding time and timezone".
        Plan::InternalDate(compare) => compare.holds(row.internal_date.date()),
        Plan::SaveDate(compare) => compare.holds(InternalDate::utc(row.save_date).date()),
        Plan::Larger(octets) => u64::from(row.size) > *octets,
        Plan::Smaller(octets) => u64::from(row.size) < *octets,
        Plan::ReceivedSince(second) => row.internal_date.seconds >= *second,
        Plan::ReceivedUntil(second) => row.internal_date.seconds <= *second,
        Plan::ModSeq(modseq) => row.modseq >= *modseq,
        Plan::EmailId(id) => *id == message.email_id(),
        _ => return None,
    })
}

async fn leaf_by_derived(
    plan: &Plan,
    message: &Message<'_>,
    derived: &Derived<'_>,
    work: &mut Work,
) -> Option<bool> {
    let prefix_units = message.row.prefix.len() * FIELD_OCTET_UNITS;
    let (matches, units) = match plan {
        Plan::SentDate(compare) => {
            let holds = derived.sent.is_some_and(|sent| compare.holds(sent.date()));
            (Some(holds), LEAF_UNITS)
        }
        Plan::Header(names, needle) => (
            kept_field_has(&message.row, derived, names, needle),
            prefix_units + header_units(derived),
        ),
        Plan::Body(needle) => match derived.search_text {
            SearchText::Kept { body, .. } => (Some(needle.is_in_folded(body)), body.len()),
            SearchText::Missing | SearchText::TooLong => (None, LEAF_UNITS),
        },
        Plan::Text(needle) => match derived.search_text {
            SearchText::Kept { header, body } => {
                let found = needle.is_in_folded(header)
                    || needle.is_in_folded(body)
                    || header_has(message.row.prefix, needle);
                (Some(found), header.len() + body.len() + prefix_units)
            }
            SearchText::Missing | SearchText::TooLong => (None, LEAF_UNITS),
        },
        plan => (leaf_by_row(plan, message), LEAF_UNITS),
    };
    work.done(units).await;
    matches
}

/// What the fields take that are kept of a header, which are no more than all of it.
fn header_units(derived: &Derived<'_>) -> usize {
    let octets = usize::try_from(derived.header_length).unwrap_or(usize::MAX);
    octets.saturating_mul(FIELD_OCTET_UNITS)
}

/// What is left: reads the blob for what nothing else answers. Boxed, because it
/// recurses as deep as keys nest.
fn by_blob<'a>(
    plan: &'a Plan,
    message: &'a Message<'a>,
    looked: &'a Looked<'a>,
    work: &'a mut Work,
) -> BoxFuture<'a, Result<Result<bool, BlobError>, StreamError>> {
    Box::pin(async move {
        if let Some(matches) = by_derived(plan, message, looked.derived, work).await {
            return Ok(Ok(matches));
        }
        match plan {
            Plan::And(plans) => {
                for plan in plans {
                    let matches = by_blob(plan, message, looked, work).await?;
                    if !matches!(matches, Ok(true)) {
                        return Ok(matches);
                    }
                }
                Ok(Ok(true))
            }
            Plan::Or(one, other) => {
                let matches = by_blob(one, message, looked, work).await?;
                if !matches!(matches, Ok(false)) {
                    return Ok(matches);
                }
                by_blob(other, message, looked, work).await
            }
            Plan::Not(plan) => {
                let matches = by_blob(plan, message, looked, work).await?;
                Ok(matches.map(|matches| !matches))
            }
            Plan::Header(names, needle) => looked.field_has(names, needle, work).await,
            Plan::Body(needle) => looked.body_has(needle, work).await,
            Plan::Text(needle) => looked.text_has(needle, work).await,
            _ => Ok(Ok(false)),
        }
    })
}
