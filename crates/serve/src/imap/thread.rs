//! THREAD and UID THREAD.

use super::Imap;
use super::progress::Progress;
use super::user::{Done, User};
use crate::query::threads;
use crate::stream::Stream;
use proto::imap::{SearchProgram, Tag};
use std::sync::Arc;
use terms::ThreadAlgorithm;

/// Of an answer so many octets are made at once.
const OCTETS_AT_ONCE: usize = 16 << 10;

impl User {
    /// RFC 5256 §3
    pub(super) async fn thread(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        tag: &Tag,
        uid: bool,
        algorithm: ThreadAlgorithm,
        program: SearchProgram,
    ) -> Done {
        let mut matches = match self.matches(stream, imap, tag, uid, program).await? {
            Ok(matches) => matches,
            Err(reply) => return Ok(reply),
        };
        if let Some(reply) = matches.incomplete() {
            return Ok(reply);
        }
        let Some(selected) = &self.selected else {
            return Ok(Self::nothing_selected());
        };
        let node = Arc::clone(stream.node());
        let store = &**imap.directory.store();
        let messages = matches.snapshot.messages(selected, &matches.uids);
        let work = Box::pin(threads(&node, store, algorithm, uid, messages));
        let progress = Progress::unknown();
        let found = match progress.of_work(stream, tag, work).await? {
            Ok(found) => found,
            Err(reply) => return Ok(reply.telling(matches.tell)),
        };
        matches.readable &= found.readable;
        let mut out = b"* THREAD".to_vec();
        if !found.threads.is_empty() {
            out.push(b' ');
        }
        let mut writing = found.threads.write();
        while writing.some(&mut out, OCTETS_AT_ONCE) {
            stream.send(&out).await?;
            out.clear();
            tokio::task::yield_now().await;
        }
        out.extend_from_slice(b"\r\n");
        stream.send(&out).await?;
        Ok(matches.reply("threaded"))
    }
}
