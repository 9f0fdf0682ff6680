//! The messages that SEARCH, SORT and THREAD are about.

use super::Imap;
use super::fetch::Snapshot;
use super::message_limit::{Highest, Limited, beyond, scope};
use super::progress::Progress;
use super::reply::{Reply, Tell};
use super::search::{TEXTS_MAX, has_modseq, numbers_in, texts_in};
use super::user::User;
use crate::query::Search;
use crate::stream::{Stream, StreamError};
use proto::imap::response::Code;
use proto::imap::{SearchProgram, Tag};
use std::sync::Arc;
use terms::{ModSeq, UidSet};

/// What a search has found.
pub(super) struct Matches {
    /// What it was found in.
    pub(super) snapshot: Snapshot,
    /// The messages.
    pub(super) uids: UidSet,
    /// All could be read.
    pub(super) readable: bool,
    /// The highest mod-sequence of the messages, where MODSEQ was among the
    /// criteria. RFC 7162 §3.1.6.
    pub(super) modseq: Option<ModSeq>,
    /// What may be told at the command's end.
    pub(super) tell: Tell,
    /// There were more messages than a command looks at. RFC 9738 §3.1.
    pub(super) limited: Option<Limited>,
}

impl Matches {
    /// How the command ends.
    pub(super) fn reply(&self, done: &'static str) -> Reply {
        let reply = if self.readable {
            Reply::ok(done)
        } else {
            Reply::no(Code::Corruption, "some of the messages cannot be read")
        };
        reply.limited(self.limited).telling(self.tell)
    }

    /// The answer where they are all needed, and some have not been looked at. RFC 9738
    /// §3.3.
    pub(super) fn incomplete(&self) -> Option<Reply> {
        let limited = self.limited?;
        Some(beyond(limited.limit).telling(self.tell))
    }
}

impl User {
    /// Searches the selected mailbox. RFC 3501 §6.4.4, RFC 5256 §3.
    pub(super) async fn matches(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        tag: &Tag,
        uid: bool,
        program: SearchProgram,
    ) -> Result<Result<Matches, Reply>, StreamError> {
        if let SearchProgram::Keys(key) = &program
            && has_modseq(key)
        {
            self.enable_condstore(stream);
        }
        let (enabled, limit) = (self.enabled, self.message_limit().of_others());
        let Some(selected) = &mut self.selected else {
            return Ok(Err(Self::nothing_selected()));
        };
        let key = match program {
            SearchProgram::Keys(key) => key,
            SearchProgram::UnknownCharset => {
                let text = "the charset is not known";
                return Ok(Err(Reply::no(Code::BadCharset, text)));
            }
        };
        let numbers = numbers_in(&key);
        // RFC 9051 §7.5.1: nor in a UID SEARCH whose criteria have message numbers.
        let tell = if uid && numbers.is_empty() {
            Tell::All
        } else {
            Tell::ButExpunges
        };
        if texts_in(&key) > TEXTS_MAX {
            let text = "a search looks for that many texts at the most";
            return Ok(Err(Reply::no(Code::Limit, text).telling(tell)));
        }
        for set in numbers {
            // `*` in an empty mailbox is no number that is not there: it matches
            // nothing.
            if !(selected.view.exists() == 0 && set.has_last())
                && let Err(reply) = selected.resolve(set, false)
            {
                return Ok(Err(reply));
            }
        }
        if has_modseq(&key) {
            // No mod-sequence is told, nor found, beyond what the session has been told:
            // that is made up for first.
            let account = selected.account.clone();
            selected.tell(stream, &account, tell, enabled).await?;
        }
        let all = selected.view.uids();
        let snapshot = match Snapshot::take(&selected.account, selected, &all, false).await {
            Ok(snapshot) => snapshot,
            Err(unavailable) => return Ok(Err(Reply::from(unavailable).telling(tell))),
        };
        let node = Arc::clone(stream.node());
        let search = Search {
            node: &node,
            store: &**imap.directory.store(),
            last_number: Some(selected.view.exists()).filter(|&count| count > 0),
            last_uid: selected.view.last_uid(),
            saved: Some(&selected.saved),
            now: node.env.now(),
        };
        // RFC 2180 §4.3: what has been expunged matches nothing.
        let mut there = all.difference(&snapshot.hidden());
        let mut limited = None;
        if let Some(limit) = limit {
            // RFC 9738 §3.1: the messages count that are looked at, not those found.
            if let Some(scope) = scope(selected, &key) {
                there = there.intersection(&scope);
            }
            let highest = Highest::of(there, Some(limit));
            (there, limited) = (highest.uids, highest.limited);
        }
        let progress = Progress::of(there.count());
        let messages = progress.count(snapshot.messages(selected, &there));
        let work = Box::pin(search.run(&key, messages));
        let found = match progress.of_work(stream, tag, work).await? {
            Ok(found) => found,
            Err(reply) => return Ok(Err(reply.telling(tell))),
        };
        let modseq = has_modseq(&key)
            .then(|| snapshot.highest_modseq(selected, &found.uids))
            .flatten();
        Ok(Ok(Matches {
            modseq,
            uids: found.uids,
            readable: found.unreadable.is_empty(),
            snapshot,
            tell,
            limited,
        }))
    }
}
