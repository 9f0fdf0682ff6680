//! SORT and UID SORT.

use super::Imap;
use super::user::{Done, User};
use crate::query::sorted;
use crate::stream::Stream;
use proto::imap::SearchProgram;
use proto::imap::response;
use std::sync::Arc;
use terms::{SortCriterion, Uid};

/// Numbers written before the output is relieved.
const NUMBERS_AT_ONCE: usize = 4_000;

impl User {
    /// RFC 5256 §3, RFC 5957 §3
    pub(super) async fn sort(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        uid: bool,
        criteria: &[SortCriterion],
        program: SearchProgram,
    ) -> Done {
        let mut matches = match self.matches(stream, imap, uid, program).await? {
            Ok(matches) => matches,
            Err(reply) => return Ok(reply),
        };
        let Some(selected) = &self.selected else {
            return Ok(Self::nothing_selected());
        };
        let node = Arc::clone(stream.node());
        let store = &**imap.directory.store();
        let messages = matches.snapshot.messages(selected, &matches.uids);
        let sorted = sorted(&node, store, criteria, messages).await?;
        matches.readable &= sorted.readable;
        let number = |one: &Uid| match uid {
            true => Some(one.value()),
            false => selected.view.number(*one),
        };
        let mut out = b"* SORT".to_vec();
        for piece in sorted.uids.chunks(NUMBERS_AT_ONCE) {
            for number in piece.iter().filter_map(number) {
                response::search_number(&mut out, number);
            }
            stream.send(&out).await?;
            out.clear();
            tokio::task::yield_now().await;
        }
        if let Some(modseq) = matches.modseq {
            response::search_modseq(&mut out, modseq);
        }
        out.extend_from_slice(b"\r\n");
        stream.send(&out).await?;
        Ok(matches.reply("sorted"))
    }
}
