//! FETCH and UID FETCH.

use super::Imap;
use super::reply::{Reply, Tell};
use super::selected::Selected;
use super::session::emit;
use super::store::parts;
use super::user::{Done, User};
use crate::accounts::{Account, Unavailable};
use crate::query::{Fetch, Message};
use crate::stream::{Stream, StreamError};
use account::{Command, Outcome, Part, Refusal, Row, State, Table};
use proto::imap::response::Code;
use std::sync::Arc;
use terms::{
    FetchItem, Flag, FlagSet, Keyword, SequenceSet, StoreMode, StoreOp, SystemFlag, Uid, UidSet,
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
    ) -> Done {
        let Some(selected) = &mut self.selected else {
            return Ok(Self::nothing_selected());
        };
        let uids = match selected.resolve(set, uid) {
            Ok(uids) => uids,
            Err(reply) => return Ok(reply),
        };
        let tell = if uid { Tell::All } else { Tell::ButExpunges };
        let snapshot = match Snapshot::take(&self.account, selected, &uids, !uid).await {
            Ok(snapshot) => snapshot,
            Err(unavailable) => return Ok(Reply::from(unavailable).telling(tell)),
        };
        let uids = if uid {
            uids.difference(&snapshot.hidden())
        } else {
            uids
        };
        if let Some(record) = snapshot.state.mailbox(selected.mailbox())
            && items.contains(&FetchItem::Flags)
        {
            emit(stream, |out| selected.write_new_keywords(out, record));
        }
        let sets_seen = Fetch::sets_seen(items) && selected.locked().is_none();
        let at_once = if sets_seen { SEEN_MESSAGES } else { usize::MAX };
        let (mut readable, mut decodable) = (true, true);
        for part in parts(&uids, at_once) {
            let fetched = {
                let fetch = Fetch {
                    store: &**imap.directory.store(),
                    items,
                };
                let messages = snapshot.messages(selected, &part);
                fetch.run(stream, messages).await?
            };
            readable &= fetched.unreadable.is_empty();
            decodable &= fetched.undecodable.is_empty();
            if sets_seen {
                let seen = part.difference(&fetched.unreadable);
                let unseen = snapshot.unseen(&seen);
                if let Err(reply) = set_seen(stream, &self.account, selected, unseen, uid).await? {
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
        Ok(Reply::ok("fetched").telling(tell))
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

    /// The messages, ascending; ghosts too, unless they have gone for good.
    pub(super) fn messages<'a>(
        &'a self,
        selected: &'a Selected,
        uids: &'a UidSet,
    ) -> Box<dyn Iterator<Item = Message<'a>> + Send + 'a> {
        let message = move |row: Row<'a>, keywords: &'a [Keyword]| {
            Some(Message {
                number: selected.view.number(row.uid)?,
                row,
                keywords,
                is_recent: selected.view.recent().contains(row.uid),
            })
        };
        let mailbox = selected.mailbox();
        if let (Some(table), Some(record)) = (&self.table, self.state.mailbox(mailbox))
            && self.ghosts.intersection(uids).is_empty()
        {
            let keywords = record.keywords.as_slice();
            let rows = table.rows_in(uids);
            return Box::new(rows.filter_map(move |row| message(row, keywords)));
        }
        let found = move |uid: Uid| self.state.row_or_ghost(mailbox, uid).ok().flatten();
        let found = uids.iter().filter_map(found);
        Box::new(found.filter_map(move |(row, keywords)| message(row, keywords)))
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

/// Sets \Seen and tells the flags.
async fn set_seen(
    stream: &mut Stream,
    account: &Account,
    selected: &mut Selected,
    uids: UidSet,
    with_uid: bool,
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
        Ok(_) => return Ok(Ok(())),
        Err(crate::accounts::ExecuteError::Refused(Refusal::NoSuchMailbox)) => return Ok(Ok(())),
        Err(error) => return Ok(Err(error.into())),
    };
    let state = match account.with_table(mailbox).await {
        Ok(state) => state,
        Err(unavailable) => return Ok(Err(unavailable.into())),
    };
    let mut out = Vec::new();
    if let (Some(record), Ok(table)) = (state.mailbox(mailbox), state.table(mailbox)) {
        for row in table.rows_in(&changed) {
            selected.write_flags(&mut out, record, &row, with_uid);
        }
        selected.view.know(number, changed);
    }
    stream.send(&out).await?;
    Ok(Ok(()))
}
