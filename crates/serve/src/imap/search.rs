//! SEARCH and UID SEARCH.

use super::Imap;
use super::fetch::Snapshot;
use super::reply::{Reply, Tell};
use super::user::{Done, User};
use crate::query::Search;
use crate::stream::Stream;
use proto::imap::SearchProgram;
use proto::imap::response::{self, Code};
use std::sync::Arc;
use terms::{SearchKey, SequenceSet};

/// Numbers written before the output is relieved.
const NUMBERS_AT_ONCE: usize = 4_000;

impl User {
    /// RFC 3501 §6.4.4
    pub(super) async fn search(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        uid: bool,
        program: SearchProgram,
    ) -> Done {
        if let SearchProgram::Keys(key) = &program
            && has_modseq(key)
        {
            self.enable_condstore(stream);
        }
        let Some(selected) = &self.selected else {
            return Ok(Self::nothing_selected());
        };
        let key = match program {
            SearchProgram::Keys(key) => key,
            SearchProgram::UnknownCharset => {
                return Ok(Reply::no(Code::BadCharset, "the charset is not known"));
            }
        };
        let numbers = numbers_in(&key);
        // RFC 9051 §7.5.1: nor in a UID SEARCH whose criteria have message numbers.
        let tell = if uid && numbers.is_empty() {
            Tell::All
        } else {
            Tell::ButExpunges
        };
        for set in numbers {
            // `*` in an empty mailbox is no number that is not there: it matches
            // nothing.
            if !(selected.view.exists() == 0 && set.has_last())
                && let Err(reply) = selected.resolve(set, false)
            {
                return Ok(reply);
            }
        }
        let all = selected.view.uids();
        let snapshot = match Snapshot::take(&self.account, selected, &all, false).await {
            Ok(snapshot) => snapshot,
            Err(unavailable) => return Ok(Reply::from(unavailable).telling(tell)),
        };
        let node = Arc::clone(stream.node());
        let search = Search {
            node: &node,
            store: &**imap.directory.store(),
            last_number: Some(selected.view.exists()).filter(|&count| count > 0),
            last_uid: selected.view.last_uid(),
            saved: None,
            now: node.env.now(),
        };
        // RFC 2180 §4.3: what has been expunged matches nothing.
        let there = all.difference(&snapshot.hidden());
        let found = search
            .run(&key, snapshot.messages(selected, &there))
            .await?;
        let mut out = b"* SEARCH".to_vec();
        for (index, found) in found.uids.iter().enumerate() {
            let number = if uid {
                Some(found.value())
            } else {
                selected.view.number(found)
            };
            if let Some(number) = number {
                response::search_number(&mut out, number);
            }
            if index % NUMBERS_AT_ONCE == NUMBERS_AT_ONCE - 1 {
                stream.send(&out).await?;
                out.clear();
            }
        }
        if has_modseq(&key)
            && let Some(modseq) = snapshot.highest_modseq(selected, &found.uids)
        {
            response::search_modseq(&mut out, modseq);
        }
        out.extend_from_slice(b"\r\n");
        stream.send(&out).await?;
        if !found.unreadable.is_empty() {
            let text = "some of the messages cannot be read";
            return Ok(Reply::no(Code::Corruption, text).telling(tell));
        }
        Ok(Reply::ok("searched").telling(tell))
    }
}

/// The sets of message numbers among the criteria.
fn numbers_in(key: &SearchKey) -> Vec<&SequenceSet> {
    let leaves = leaves(key).into_iter();
    leaves
        .filter_map(|key| match key {
            SearchKey::Sequence(set) => Some(set),
            _ => None,
        })
        .collect()
}

/// Whether MODSEQ is among the criteria.
fn has_modseq(key: &SearchKey) -> bool {
    let modseq = |key: &&SearchKey| matches!(key, SearchKey::ModSeq(_));
    leaves(key).iter().any(modseq)
}

/// The criteria that are made of no others.
fn leaves(key: &SearchKey) -> Vec<&SearchKey> {
    match key {
        SearchKey::And(keys) => keys.iter().flat_map(leaves).collect(),
        SearchKey::Or(one, other) => [one, other]
            .into_iter()
            .flat_map(|key| leaves(key))
            .collect(),
        SearchKey::Not(key) => leaves(key),
        key => vec![key],
    }
}
