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
use futures::future::BoxFuture;
use mime::{Derived, SearchText};
use plan::{Plan, Resolve};
use store::{BlobError, Store};
use terms::{InternalDate, SearchKey, Timestamp, Uid, UidSet};
use text::{Looked, header_has, kept_field_has};
use tracing::warn;

/// Messages that are asked by their rows before another task may run.
const ROWS_MAX: usize = 4_096;

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
        let resolve = Resolve {
            last_number: self.last_number,
            last_uid: self.last_uid.map(Uid::value),
            saved: self.saved,
            now_seconds: self.now.seconds(),
        };
        let plan = resolve.plan(key);
        let mut found = Searched::default();
        let mut open: Vec<Message<'m>> = Vec::new();
        for (index, message) in messages.enumerate() {
            match by_row(&plan, &message) {
                Some(true) => found.uids.insert(message.row.uid),
                Some(false) => {}
                None => open.push(message),
            }
            if open.len() == BATCH_MESSAGES {
                self.batch(&plan, &open, &mut found).await?;
                open.clear();
            }
            if index % ROWS_MAX == ROWS_MAX - 1 {
                tokio::task::yield_now().await;
            }
        }
        self.batch(&plan, &open, &mut found).await?;
        Ok(found)
    }

    /// Messages whose rows alone do not tell.
    async fn batch(
        &self,
        plan: &Plan,
        open: &[Message<'_>],
        found: &mut Searched,
    ) -> Result<(), StreamError> {
        if open.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = open.iter().map(|message| message.row).collect();
        let derived = derived_rows(self.node, self.store, &rows).await?;
        for (message, octets) in open.iter().zip(&derived) {
            let matches = match octets {
                Ok(octets) => self.message(plan, message, octets).await?,
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
    ) -> Result<Result<bool, BlobError>, StreamError> {
        let Ok(derived) = Derived::decode(octets) else {
            return Ok(Err(BlobError::Damaged(message.row.blob)));
        };
        if let Some(matches) = by_derived(plan, message, &derived) {
            return Ok(Ok(matches));
        }
        if plan.looks_through_texts()
            && derived.search_text == SearchText::Missing
            && blob_size(&message.row) <= SEARCHABLE_OCTETS_MAX
        {
            return self.searchable(plan, message).await;
        }
        let looked = Looked::new(self.node, self.store, &message.row, &derived);
        by_blob(plan, message, &looked).await
    }
}

impl Search<'_> {
    /// A message whose texts nobody has looked through yet: they are kept.
    async fn searchable(
        &self,
        plan: &Plan,
        message: &Message<'_>,
    ) -> Result<Result<bool, BlobError>, StreamError> {
        let octets = match remade(self.node, self.store, &message.row).await? {
            Ok(octets) => octets,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(derived) = Derived::decode(&octets) else {
            return Ok(Err(BlobError::Damaged(message.row.blob)));
        };
        if let Some(matches) = by_derived(plan, message, &derived) {
            return Ok(Ok(matches));
        }
        let looked = Looked::new(self.node, self.store, &message.row, &derived);
        by_blob(plan, message, &looked).await
    }
}

/// What the row alone says; `None` where it cannot tell.
fn by_row(plan: &Plan, message: &Message<'_>) -> Option<bool> {
    evaluate(plan, &|plan| leaf_by_row(plan, message))
}

/// What the row and the derived row say.
fn by_derived(plan: &Plan, message: &Message<'_>, derived: &Derived<'_>) -> Option<bool> {
    evaluate(plan, &|plan| leaf_by_derived(plan, message, derived))
}

/// True or false as soon as the leaves that can be answered decide it.
fn evaluate(plan: &Plan, leaf: &impl Fn(&Plan) -> Option<bool>) -> Option<bool> {
    match plan {
        Plan::Constant(value) => Some(*value),
        Plan::And(plans) => {
            let mut all = Some(true);
            for plan in plans {
                match evaluate(plan, leaf) {
                    Some(false) => return Some(false),
                    Some(true) => {}
                    None => all = None,
                }
            }
            all
        }
        Plan::Or(one, other) => match evaluate(one, leaf) {
            Some(true) => Some(true),
            Some(false) => evaluate(other, leaf),
            None => evaluate(other, leaf).filter(|matches| *matches),
        },
        Plan::Not(plan) => evaluate(plan, leaf).map(|matches| !matches),
        plan => leaf(plan),
    }
}

fn leaf_by_row(plan: &Plan, message: &Message<'_>) -> Option<bool> {
    let row = &message.row;
    Some(match plan {
        Plan::Flag(flag) => row.flags.has(*flag),
        Plan::Keyword(keyword) => message.keywords().any(|one| one == keyword),
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

fn leaf_by_derived(plan: &Plan, message: &Message<'_>, derived: &Derived<'_>) -> Option<bool> {
    match plan {
        Plan::SentDate(compare) => {
            Some(derived.sent.is_some_and(|sent| compare.holds(sent.date())))
        }
        Plan::Header(names, needle) => kept_field_has(&message.row, derived, names, needle),
        Plan::Body(needle) => match derived.search_text {
            SearchText::Kept { body, .. } => Some(needle.is_in_folded(body)),
            SearchText::Missing | SearchText::TooLong => None,
        },
        Plan::Text(needle) => match derived.search_text {
            SearchText::Kept { header, body } => Some(
                needle.is_in_folded(header)
                    || needle.is_in_folded(body)
                    || header_has(message.row.prefix, needle),
            ),
            SearchText::Missing | SearchText::TooLong => None,
        },
        plan => leaf_by_row(plan, message),
    }
}

/// What is left: reads the blob for what nothing else answers. Boxed, because it
/// recurses as deep as keys nest.
fn by_blob<'a>(
    plan: &'a Plan,
    message: &'a Message<'a>,
    looked: &'a Looked<'a>,
) -> BoxFuture<'a, Result<Result<bool, BlobError>, StreamError>> {
    Box::pin(async move {
        if let Some(matches) = by_derived(plan, message, looked.derived) {
            return Ok(Ok(matches));
        }
        match plan {
            Plan::And(plans) => {
                for plan in plans {
                    let matches = by_blob(plan, message, looked).await?;
                    if !matches!(matches, Ok(true)) {
                        return Ok(matches);
                    }
                }
                Ok(Ok(true))
            }
            Plan::Or(one, other) => {
                let matches = by_blob(one, message, looked).await?;
                if !matches!(matches, Ok(false)) {
                    return Ok(matches);
                }
                by_blob(other, message, looked).await
            }
            Plan::Not(plan) => {
                let matches = by_blob(plan, message, looked).await?;
                Ok(matches.map(|matches| !matches))
            }
            Plan::Header(names, needle) => looked.field_has(names, needle).await,
            Plan::Body(needle) => looked.body_has(needle).await,
            Plan::Text(needle) => looked.text_has(needle).await,
            _ => Ok(Ok(false)),
        }
    })
}
