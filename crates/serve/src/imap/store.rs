//! STORE and UID STORE.

use super::reply::{Reply, Tell};
use super::user::{Done, User};
use crate::stream::{Stream, StreamError};
use account::{COMMIT_ROWS_MAX, Command, Outcome, State, View};
use proto::imap::response::Code;
use terms::{ModSeq, SequenceSet, StoreOp, Uid, UidSet};

/// Answers gathered before the output is relieved.
const ANSWERS_AT_ONCE: usize = 500;

impl User {
    /// RFC 3501 §6.4.6. A large one is done in parts of 10,000 messages.
    pub(super) async fn store(
        &mut self,
        stream: &mut Stream,
        uid: bool,
        set: &SequenceSet,
        op: StoreOp,
        silent: bool,
    ) -> Done {
        let Some(selected) = &mut self.selected else {
            return Ok(Self::nothing_selected());
        };
        let tell = if uid { Tell::All } else { Tell::ButExpunges };
        let uids = match selected.resolve(set, uid) {
            Ok(uids) => uids,
            Err(reply) => return Ok(reply),
        };
        if let Some(reply) = selected.locked() {
            return Ok(reply.telling(tell));
        }
        let mut missing = false;
        for part in parts(&uids, COMMIT_ROWS_MAX) {
            match self.store_part(stream, uid, part, &op, silent).await? {
                Ok(some_missing) => missing |= some_missing,
                Err(reply) => return Ok(reply.telling(tell)),
            }
        }
        // RFC 2180 §4.2.3: the others are done. By unique identifier, those that are
        // not there are passed over (RFC 3501 §6.4.8).
        if missing && !uid {
            let text = "some of the messages have been expunged";
            return Ok(Reply::no(Code::ExpungeIssued, text).telling(tell));
        }
        Ok(Reply::ok("stored").telling(tell))
    }

    /// Stores and answers; true if some of the messages are not there any more.
    async fn store_part(
        &mut self,
        stream: &mut Stream,
        uid: bool,
        uids: UidSet,
        op: &StoreOp,
        silent: bool,
    ) -> Result<Result<bool, Reply>, StreamError> {
        let Some(selected) = &mut self.selected else {
            return Ok(Err(Self::nothing_selected()));
        };
        let mailbox = selected.mailbox();
        let before = match self.account.with_table(mailbox).await {
            Ok(before) => before,
            Err(unavailable) => return Ok(Err(unavailable.into())),
        };
        let command = Command::Store {
            mailbox,
            uids,
            op: op.clone(),
            unchanged_since: None,
        };
        let outcome = match self.account.execute(command).await {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Err(error.into())),
        };
        let Outcome::Stored {
            number,
            changed,
            unchanged,
            missing,
            ..
        } = outcome
        else {
            return Ok(Ok(false));
        };
        let missing = !missing.is_empty();
        // The session knows what its own command has done.
        if let Some(number) = number {
            let known = if silent {
                changed.difference(&untold(&selected.view, &before, number, &changed))
            } else {
                changed.clone()
            };
            selected.view.know(number, known);
        }
        let state = match self.account.with_table(mailbox).await {
            Ok(state) => state,
            Err(unavailable) => return Ok(Err(unavailable.into())),
        };
        let (Some(mailbox), Ok(table)) = (state.mailbox(mailbox), state.table(mailbox)) else {
            return Ok(Ok(missing));
        };
        let mut out = Vec::new();
        selected.write_new_keywords(&mut out, mailbox);
        if !silent {
            let mut answered = changed;
            answered.extend(&unchanged);
            for (index, row) in table.rows_in(&answered).enumerate() {
                selected.write_flags(&mut out, mailbox, &row, uid);
                if index % ANSWERS_AT_ONCE == ANSWERS_AT_ONCE - 1 {
                    stream.send(&out).await?;
                    out.clear();
                    tokio::task::yield_now().await;
                }
            }
        }
        stream.send(&out).await?;
        Ok(Ok(missing))
    }
}

/// Those of `changed` that others have changed too, of which the session has not
/// been told. RFC 3501 §6.4.6: it is told of them even after `.SILENT`, so that
/// "the status of the flags is determinate without a race condition".
fn untold(view: &View, before: &State, number: ModSeq, changed: &UidSet) -> UidSet {
    // Something has come between: what it was cannot be told any more.
    if before.head().next() != number {
        return changed.clone();
    }
    match before.table(view.mailbox()) {
        Ok(table) => {
            let others = table.changed_since(view.version()).map(|row| row.uid);
            changed.intersection(&others.collect())
        }
        Err(_) => changed.clone(),
    }
}

/// `uids` in sets of at most `count_max`.
pub(super) fn parts(uids: &UidSet, count_max: usize) -> Vec<UidSet> {
    let mut parts = Vec::new();
    let (mut part, mut room) = (UidSet::new(), count_max as u64);
    for (first, last) in uids.runs() {
        let mut from = Some(first);
        while let Some(start) = from.filter(|&start| start <= last) {
            let end = u64::from(start.value()).saturating_add(room - 1);
            let end = u32::try_from(end)
                .ok()
                .and_then(Uid::new)
                .map_or(last, |end| end.min(last));
            part.insert_range(start, end);
            room -= u64::from(end.value() - start.value()) + 1;
            if room == 0 {
                parts.push(std::mem::take(&mut part));
                room = count_max as u64;
            }
            from = end.next();
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_and_no_more() {
        let uid = |value| Uid::new(value).unwrap();
        let mut uids = UidSet::range(uid(1), uid(10));
        uids.insert_range(uid(20), uid(24));
        uids.insert(Uid::MAX);
        let texts =
            |max| -> Vec<String> { parts(&uids, max).iter().map(UidSet::to_string).collect() };
        assert_eq!(texts(4), ["1:4", "5:8", "9:10,20:21", "22:24,4294967295"]);
        assert_eq!(texts(100).len(), 1);
        assert!(parts(&UidSet::new(), 4).is_empty());
    }
}
