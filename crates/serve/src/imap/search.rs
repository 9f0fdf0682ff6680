//! SEARCH and UID SEARCH.

use super::Imap;
use super::user::{Done, User};
use crate::stream::Stream;
use proto::imap::SearchProgram;
use proto::imap::response;
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
        let matches = match self.matches(stream, imap, uid, program).await? {
            Ok(matches) => matches,
            Err(reply) => return Ok(reply),
        };
        let Some(selected) = &self.selected else {
            return Ok(Self::nothing_selected());
        };
        let mut out = b"* SEARCH".to_vec();
        for (index, found) in matches.uids.iter().enumerate() {
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
                tokio::task::yield_now().await;
            }
        }
        if let Some(modseq) = matches.modseq {
            response::search_modseq(&mut out, modseq);
        }
        out.extend_from_slice(b"\r\n");
        stream.send(&out).await?;
        Ok(matches.reply("searched"))
    }
}

/// The sets of message numbers among the criteria.
pub(super) fn numbers_in(key: &SearchKey) -> Vec<&SequenceSet> {
    let leaves = leaves(key).into_iter();
    leaves
        .filter_map(|key| match key {
            SearchKey::Sequence(set) => Some(set),
            _ => None,
        })
        .collect()
}

/// Whether MODSEQ is among the criteria.
pub(super) fn has_modseq(key: &SearchKey) -> bool {
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
