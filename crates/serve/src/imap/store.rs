//! STORE and UID STORE.

use super::enabled::Enabled;
use super::message_limit::Highest;
use super::reply::{Reply, Tell};
use super::selected::Shown;
use super::user::{Done, User};
use crate::stream::{Stream, StreamError};
use account::{COMMIT_ROWS_MAX, Command, Outcome, Row, State, Told, View};
use proto::imap::response::Code;
use terms::{ModSeq, SequenceSet, StoreOp, Uid, UidSet};

/// What a STORE asks for, but for the messages.
pub(super) struct Wanted {
    /// UID STORE.
    pub(super) uid: bool,
    pub(super) op: StoreOp,
    pub(super) silent: bool,
    /// RFC 7162 §3.1.3.
    pub(super) unchanged_since: Option<ModSeq>,
    /// It is answered so: found when the messages are known. RFC 9738 §3.1.
    pub(super) newest_first: bool,
}

/// What some of the messages have come to.
#[derive(Default)]
struct Came {
    /// Some of them are not there any more.
    missing: bool,
    /// These have changed since UNCHANGEDSINCE.
    modified: UidSet,
}

impl User {
    /// RFC 3501 §6.4.6, RFC 7162 §3.1.3. A large one is done in parts of 10,000
    /// messages.
    pub(super) async fn store(
        &mut self,
        stream: &mut Stream,
        set: &SequenceSet,
        mut wanted: Wanted,
    ) -> Done {
        if wanted.unchanged_since.is_some() {
            self.enable_condstore(stream);
        }
        let Some(selected) = &mut self.selected else {
            return Ok(Self::nothing_selected());
        };
        let tell = wanted.tell();
        let uids = match selected.resolve(set, wanted.uid) {
            Ok(uids) => uids,
            Err(reply) => return Ok(reply),
        };
        if let Some(reply) = selected.locked() {
            return Ok(reply.telling(tell));
        }
        let Highest { uids, limited } = Highest::of(uids, self.message_limit().of_others());
        wanted.newest_first = limited.is_some();
        let mut all = Came::default();
        for part in in_parts(&uids, COMMIT_ROWS_MAX, wanted.newest_first) {
            match self.store_part(stream, part, &wanted).await? {
                Ok(came) => {
                    all.missing |= came.missing;
                    all.modified.extend(&came.modified);
                }
                Err(reply) => return Ok(reply.telling(tell)),
            }
        }
        let reply = self.stored(&all, &wanted).limited(limited);
        Ok(reply.telling(tell))
    }

    /// How a STORE ends that has done what it could.
    fn stored(&self, came: &Came, wanted: &Wanted) -> Reply {
        // RFC 2180 §4.2.3: the others are done. By unique identifier, those that are
        // not there are passed over (RFC 3501 §6.4.8).
        let missing = came.missing && !wanted.uid;
        if !came.modified.is_empty() {
            let modified = match &self.selected {
                Some(selected) if !wanted.uid => selected.view.numbers_of(&came.modified),
                _ => came.modified.clone(),
            };
            let code = Code::Modified(modified);
            // RFC 7162 §3.1.3, example 11: MODIFIED stands in a NO too.
            return if missing {
                Reply::no(code, "some of the messages have been expunged")
            } else {
                Reply::ok("some of the messages have changed").with(code)
            };
        }
        if missing {
            let text = "some of the messages have been expunged";
            return Reply::no(Code::ExpungeIssued, text);
        }
        Reply::ok("stored")
    }

    /// Stores and answers.
    async fn store_part(
        &mut self,
        stream: &mut Stream,
        uids: UidSet,
        wanted: &Wanted,
    ) -> Result<Result<Came, Reply>, StreamError> {
        let Some(selected) = &mut self.selected else {
            return Ok(Err(Self::nothing_selected()));
        };
        let (mailbox, account) = (selected.mailbox(), selected.account.clone());
        let before = match account.with_table(mailbox).await {
            Ok(before) => before,
            Err(unavailable) => return Ok(Err(unavailable.into())),
        };
        let command = Command::Store {
            mailbox,
            uids,
            op: wanted.op.clone(),
            unchanged_since: wanted.unchanged_since,
        };
        let outcome = match account.execute(selected.within(command)).await {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Err(error.into())),
        };
        let Outcome::Stored {
            number,
            changed,
            unchanged,
            modified,
            missing,
        } = outcome
        else {
            return Ok(Ok(Came::default()));
        };
        let done = Written {
            untold: match number {
                Some(number) => untold(&selected.view, &before, number, &changed),
                None => UidSet::new(),
            },
            number,
            changed,
            unchanged,
            modified,
            missing: !missing.is_empty() && !wanted.uid,
        };
        let missing = !missing.is_empty();
        let answered = if self.enabled.condstore {
            self.answer_with_modseqs(stream, &done, wanted).await?
        } else {
            self.answer(stream, &done, wanted).await?
        };
        if let Err(reply) = answered {
            return Ok(Err(reply));
        }
        Ok(Ok(Came {
            missing,
            modified: done.modified,
        }))
    }

    /// Answers a session that does not ask for mod-sequences.
    async fn answer(
        &mut self,
        stream: &mut Stream,
        done: &Written,
        wanted: &Wanted,
    ) -> Result<Result<(), Reply>, StreamError> {
        let Some(selected) = &mut self.selected else {
            return Ok(Err(Self::nothing_selected()));
        };
        // The session knows what its own command has done, but for which messages if it
        // is told that some were not there.
        if let Some(number) = done.number.filter(|_| !wanted.silent || !done.missing) {
            let known = if wanted.silent {
                done.changed.difference(&done.untold)
            } else {
                done.changed.clone()
            };
            selected.view.know(number, &known);
        }
        let state = match selected.account.with_table(selected.mailbox()).await {
            Ok(state) => state,
            Err(unavailable) => return Ok(Err(unavailable.into())),
        };
        let mut answered = UidSet::new();
        if !wanted.silent {
            answered = done.changed.clone();
            answered.extend(&done.unchanged);
        }
        let shown = wanted.shown(self.enabled);
        selected
            .write_rows(stream, &state, &answered, shown)
            .await?;
        Ok(Ok(()))
    }

    /// Answers a session that asks for mod-sequences. What others have done before
    /// is told first: the client takes the highest mod-sequence that it sees as its
    /// own. While there is an expunge that it must not be told of, it is shown none
    /// beyond, and is told of what it has done with the expunge.
    async fn answer_with_modseqs(
        &mut self,
        stream: &mut Stream,
        done: &Written,
        wanted: &Wanted,
    ) -> Result<Result<(), Reply>, StreamError> {
        let Some(selected) = &mut self.selected else {
            return Ok(Err(Self::nothing_selected()));
        };
        let account = selected.account.clone();
        let news = selected.advance(&account, wanted.tell()).await;
        let (state, mut told) = match news {
            Some(news) => news,
            None => match selected.account.with_table(selected.mailbox()).await {
                Ok(state) => (state, Told::default()),
                Err(unavailable) => return Ok(Err(unavailable.into())),
            },
        };
        if told.gone {
            selected.write(stream, &state, told, self.enabled).await?;
            return Ok(Err(Reply::gone()));
        }
        // Rows that are still as this command has left them, or found them.
        let mut own = done.changed.clone();
        if let Ok(table) = state.table(selected.mailbox()) {
            let later = |row: &Row<'_>| Some(row.modseq) != done.number;
            let changed = table.rows_in(&done.changed);
            let later: UidSet = changed.filter(later).map(|row| row.uid).collect();
            own = own.difference(&later);
        }
        let shown = wanted.shown(self.enabled);
        let (mut with_flags, mut without) = (done.modified.clone(), UidSet::new());
        if wanted.silent {
            with_flags.extend(&own.intersection(&done.untold));
            without = own.difference(&done.untold);
        } else {
            with_flags.extend(&own);
            with_flags.extend(&done.unchanged);
        }
        told.changed = told.changed.difference(&own).difference(&with_flags);
        selected.write(stream, &state, told, self.enabled).await?;
        selected
            .write_rows(stream, &state, &with_flags, shown)
            .await?;
        let shown = Shown {
            flags: false,
            ..shown
        };
        selected.write_rows(stream, &state, &without, shown).await?;
        Ok(Ok(()))
    }
}

impl Wanted {
    /// What the answer shows.
    fn shown(&self, enabled: Enabled) -> Shown {
        Shown {
            newest_first: self.newest_first,
            ..Shown::of_news(enabled).with_uid(self.uid)
        }
    }

    /// What may be told at the command's end. RFC 9051 §7.5.1.
    fn tell(&self) -> Tell {
        if self.uid {
            Tell::All
        } else {
            Tell::ButExpunges
        }
    }
}

/// What a STORE has done.
struct Written {
    /// The change, where there was one.
    number: Option<ModSeq>,
    changed: UidSet,
    /// Those of them that others have changed before, untold to the session.
    untold: UidSet,
    unchanged: UidSet,
    modified: UidSet,
    /// Some that were named by their numbers have been expunged.
    missing: bool,
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

/// `uids` in sets of at most `count_max`, the lowest first or the highest.
pub(super) fn in_parts(uids: &UidSet, count_max: usize, newest_first: bool) -> Vec<UidSet> {
    let mut parts = parts(uids, count_max);
    if newest_first {
        parts.reverse();
    }
    parts
}

/// `uids` in ascending sets of at most `count_max`.
fn parts(uids: &UidSet, count_max: usize) -> Vec<UidSet> {
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
