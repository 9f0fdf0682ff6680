//! FETCH and UID FETCH.

use super::enabled::Enabled;
use super::message_limit::{Highest, beyond};
use super::reply::{Reply, Tell};
use super::selected::{Selected, Shown};
use super::session::emit;
use super::store::in_parts;
use super::user::{Done, User};
use super::{Imap, resync};
use crate::accounts::{Account, ExecuteError, Unavailable};
use crate::query::{Fetch, Message, Messages};
use crate::stream::{Stream, StreamError};
use account::{Command, Outcome, Part, Refusal, Rights, Row, State, Table};
use proto::imap::FetchModifiers;
use proto::imap::response::{self, Code};
use std::sync::Arc;
use terms::{
    FetchItem, Flag, FlagSet, Keyword, ModSeq, SequenceSet, StoreMode, StoreOp, SystemFlag, Uid,
    UidSet,
};

/// Messages that an implied \Seen covers in one change.
const SEEN_MESSAGES: usize = 1_000;

impl User {
    /// RFC 3501 §6.4.5. The octets go at once; \Seen is set, and told, after those
    /// of each thousand messages.
    pub(super) async fn fetch(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        uid: bool,
        set: &SequenceSet,
        items: &[FetchItem],
        modifiers: &FetchModifiers,
    ) -> Done {
        if modifiers.vanished && !self.enabled.qresync {
            // RFC 7162 §3.2.6
            return Ok(Reply::bad("VANISHED takes ENABLE QRESYNC"));
        }
        let limit = self.message_limit().of_others();
        if let (Some(range), Some(limit)) = (modifiers.partial, limit)
            && range.span() > limit
        {
            // RFC 9738 §3.1
            return Ok(beyond(limit));
        }
        if items.contains(&FetchItem::ModSeq) {
            self.enable_condstore(stream);
        }
        let enabled = self.enabled;
        let Some(selected) = &mut self.selected else {
            return Ok(Self::nothing_selected());
        };
        let uids = match selected.resolve(set, uid) {
            Ok(uids) => uids,
            Err(reply) => return Ok(reply),
        };
        let tell = if uid { Tell::All } else { Tell::ButExpunges };
        let account = selected.account.clone();
        if enabled.condstore {
            // What stands before the rows that are shown is told before them.
            selected.tell(stream, &account, tell, enabled).await?;
        }
        let snapshot = match Snapshot::take(&account, selected, &uids, !uid).await {
            Ok(snapshot) => snapshot,
            Err(unavailable) => return Ok(Reply::from(unavailable).telling(tell)),
        };
        let mut uids = if uid {
            uids.difference(&snapshot.hidden())
        } else {
            uids
        };
        if let Some(range) = modifiers.partial {
            // RFC 9394 §3.3, §3.4: before CHANGEDSINCE, wherever it stands.
            uids = uids.at_places(range.places(uids.count()));
        }
        if let Some(since) = modifiers.changed_since {
            if modifiers.vanished {
                let earlier = snapshot.vanished(selected, since, set);
                emit(stream, |out| response::vanished(out, true, &earlier));
            }
            uids = snapshot.changed_since(selected, since, &uids);
        }
        let Highest { uids, limited } = Highest::of(uids, limit);
        let work = Work {
            imap,
            items,
            uid,
            tell,
            enabled,
            newest_first: limited.is_some(),
        };
        let done = work.run(stream, &account, selected, &snapshot, &uids);
        Ok(done.await?.limited(limited))
    }
}

/// A FETCH whose messages are known.
struct Work<'a> {
    imap: &'a Imap,
    items: &'a [FetchItem],
    uid: bool,
    tell: Tell,
    enabled: Enabled,
    /// RFC 9738 §3.1
    newest_first: bool,
}

impl Work<'_> {
    async fn run(
        &self,
        stream: &mut Stream,
        account: &Account,
        selected: &mut Selected,
        snapshot: &Snapshot,
        uids: &UidSet,
    ) -> Done {
        let (items, tell) = (self.items, self.tell);
        if let Some(record) = snapshot.state.mailbox(selected.mailbox())
            && items.contains(&FetchItem::Flags)
        {
            emit(stream, |out| selected.write_new_keywords(out, record));
        }
        let sets_seen = Fetch::sets_seen(items)
            && selected.locked().is_none()
            // RFC 4314 §4: kept for those who have the right s.
            && selected.rights.has(Rights::SEEN);
        let at_once = if sets_seen { SEEN_MESSAGES } else { usize::MAX };
        let (mut readable, mut decodable) = (true, true);
        for part in in_parts(uids, at_once, self.newest_first) {
            let fetched = {
                let fetch = Fetch {
                    store: &**self.imap.directory.store(),
                    items,
                    utf8: self.enabled.utf8,
                    global: self.enabled.rev2,
                    uid_only: self.enabled.uid_only,
                };
                let messages = if self.newest_first {
                    snapshot.messages_from_newest(selected, &part)
                } else {
                    snapshot.messages(selected, &part)
                };
                fetch.run(stream, messages).await?
            };
            readable &= fetched.unreadable.is_empty();
            decodable &= fetched.undecodable.is_empty();
            if sets_seen {
                let seen = part.difference(&fetched.unreadable);
                let unseen = snapshot.unseen(&seen);
                if let Err(reply) = self.set_seen(stream, account, selected, unseen).await? {
                    return Ok(reply.telling(tell));
                }
            }
        }
        if !readable {
            let text = "some of the messages cannot be read";
            return Ok(Reply::no(Code::Corruption, text).telling(tell));
        }
        if !decodable {
            let text = "the transfer encoding of a part is not known";
            return Ok(Reply::no(Code::UnknownCte, text).telling(tell));
        }
        if !self.uid && snapshot.has_lost(selected, uids) {
            // RFC 2180 §4.1.2
            let text = "some of the messages have been moved away";
            return Ok(Reply::no(Code::ExpungeIssued, text).telling(tell));
        }
        Ok(Reply::ok("fetched").telling(tell))
    }

    /// Sets \Seen and tells the flags.
    async fn set_seen(
        &self,
        stream: &mut Stream,
        account: &Account,
        selected: &mut Selected,
        uids: UidSet,
    ) -> Result<Result<(), Reply>, StreamError> {
        if uids.is_empty() {
            return Ok(Ok(()));
        }
        let mailbox = selected.mailbox();
        let command = Command::Store {
            mailbox,
            uids,
            op: StoreOp {
                mode: StoreMode::Add,
                flags: FlagSet::from_iter([Flag::System(SystemFlag::Seen)]),
            },
            unchanged_since: None,
        };
        let (number, changed) = match account.execute(command).await {
            Ok(Outcome::Stored {
                number: Some(number),
                changed,
                ..
            }) => (number, changed),
            // Somebody else was faster, or deleted the mailbox.
            Ok(_) | Err(ExecuteError::Refused(Refusal::NoSuchMailbox)) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error.into())),
        };
        if self.enabled.condstore {
            // With all that stands before it, by ascending mod-sequence.
            selected
                .tell(stream, account, self.tell, self.enabled)
                .await?;
            return Ok(Ok(()));
        }
        let state = match account.with_table(mailbox).await {
            Ok(state) => state,
            Err(unavailable) => return Ok(Err(unavailable.into())),
        };
        let shown = Shown::of_news(self.enabled).with_uid(self.uid);
        selected.write_rows(stream, &state, &changed, shown).await?;
        selected.view.know(number, &changed);
        Ok(Ok(()))
    }
}

/// What a FETCH reads from: one state, however long it takes.
pub(super) struct Snapshot {
    state: Arc<State>,
    table: Option<Arc<Table>>,
    /// Messages that were expunged without the session being told. RFC 2180
    /// §4.1.1: they can still be read.
    ghosts: UidSet,
}

impl Snapshot {
    /// Takes one for `uids`; with `by_number` it can show ghosts too.
    pub(super) async fn take(
        account: &Account,
        selected: &Selected,
        uids: &UidSet,
        by_number: bool,
    ) -> Result<Self, Unavailable> {
        let mailbox = selected.mailbox();
        let ghosts = |state: &State| {
            let ghosts = selected.view.ghosts(state).unwrap_or_default();
            ghosts.intersection(uids)
        };
        let mut state = account.with_table(mailbox).await?;
        let shows = by_number || state.mailbox(mailbox).is_none();
        if shows && !ghosts(&state).is_empty() {
            let parts = vec![Part::Table(mailbox), Part::Expunged];
            state = account.with(parts).await?;
        }
        Ok(Self {
            ghosts: ghosts(&state),
            table: state.table(mailbox).ok().cloned(),
            state,
        })
    }

    /// Messages that a UID command or a SEARCH passes over, because they are not
    /// there any more. In a mailbox that has gone itself everything is shown.
    pub(super) fn hidden(&self) -> UidSet {
        match &self.table {
            Some(_) => self.ghosts.clone(),
            None => UidSet::new(),
        }
    }

    /// Those of `uids` that have changed after `since`, as the session sees them.
    /// RFC 7162 §3.1.4.1. Costs by what has changed.
    fn changed_since(&self, selected: &Selected, since: ModSeq, uids: &UidSet) -> UidSet {
        match &self.table {
            Some(table) => {
                let changed = table.changed_since(since);
                let seen = changed.filter(|row| selected.view.modseq_told(row.modseq) > since);
                uids.intersection(&seen.map(|row| row.uid).collect())
            }
            None => UidSet::new(),
        }
    }

    /// The highest mod-sequence of these messages, as the session sees them.
    pub(super) fn highest_modseq(&self, selected: &Selected, uids: &UidSet) -> Option<ModSeq> {
        let rows = self.table.as_ref()?.rows_in(uids);
        rows.map(|row| selected.view.modseq_told(row.modseq)).max()
    }

    /// Those of `set` that were expunged after `since`, but for those that the
    /// session still counts. RFC 7162 §3.2.6. `*` stands for the last that was ever
    /// given, or whoever asks for `1:*` would not hear of the last ones.
    fn vanished(&self, selected: &Selected, since: ModSeq, set: &SequenceSet) -> UidSet {
        let record = self.state.mailbox(selected.mailbox());
        let given = record.and_then(resync::last_given);
        let among = set.resolve(given.map(Uid::value));
        resync::expunged_since(&self.state, selected, since, &among)
    }

    /// The messages, ascending; ghosts too, unless they have gone for good.
    pub(super) fn messages<'a>(&'a self, selected: &'a Selected, uids: &'a UidSet) -> Messages<'a> {
        let mailbox = selected.mailbox();
        if let (Some(table), Some(record)) = (&self.table, self.state.mailbox(mailbox))
            && self.ghosts.intersection(uids).is_empty()
        {
            let keywords = record.keywords.as_slice();
            let rows = table.rows_in(uids);
            return Box::new(rows.filter_map(move |row| self.message(selected, row, keywords)));
        }
        let found = uids.iter();
        Box::new(found.filter_map(move |uid| self.one(selected, uid)))
    }

    /// The same, descending.
    fn messages_from_newest<'a>(
        &'a self,
        selected: &'a Selected,
        uids: &'a UidSet,
    ) -> Messages<'a> {
        let found = uids.iter().rev();
        Box::new(found.filter_map(move |uid| self.one(selected, uid)))
    }

    fn one<'a>(&'a self, selected: &Selected, uid: Uid) -> Option<Message<'a>> {
        let found = self.state.row_or_ghost(selected.mailbox(), uid);
        let (row, keywords) = found.ok().flatten()?;
        self.message(selected, row, keywords)
    }

    fn message<'a>(
        &self,
        selected: &Selected,
        row: Row<'a>,
        keywords: &'a [Keyword],
    ) -> Option<Message<'a>> {
        Some(Message {
            number: selected.view.number(row.uid)?,
            row: Row {
                modseq: selected.view.modseq_told(row.modseq),
                ..row
            },
            keywords,
            account: self.state.account(),
            is_recent: selected.view.recent().contains(row.uid),
        })
    }

    /// Whether there are ghosts among `uids` that cannot be read any more: a MOVE took
    /// them away, or they have gone for good.
    fn has_lost(&self, selected: &Selected, uids: &UidSet) -> bool {
        let found = |uid| self.state.row_or_ghost(selected.mailbox(), uid);
        let ghosts = self.ghosts.intersection(uids);
        ghosts.iter().any(|uid| !matches!(found(uid), Ok(Some(_))))
    }

    /// Those of `uids` that are there and have no \Seen.
    fn unseen(&self, uids: &UidSet) -> UidSet {
        match &self.table {
            Some(table) => table
                .rows_in(uids)
                .filter(|row| !row.flags.has(SystemFlag::Seen))
                .map(|row| row.uid)
                .collect(),
            None => UidSet::new(),
        }
    }
}
