//! One IMAP session's numbering of its mailbox.
//!
//! A [`View`] stands at one change and moves over whole changes. Between commands
//! it holds that number and the unique identifiers as runs; no state is pinned.
//! While it holds an expunge that it must not tell yet (RFC 9051 §7.5.1), it
//! stands before that change: nothing of that change or of a later one is told,
//! and no mod-sequence above it ([`View::modseq_told`]). So a client that takes
//! the highest MODSEQ it saw as its own never misses an expunge (RFC 7162 §3.2.5).

use crate::known::Known;
use crate::mailbox::Mailbox;
use crate::numbering::Numbering;
use crate::outcome::{Part, Refusal};
use crate::state::{Slot, State};
use crate::table::Table;
use std::collections::BTreeMap;
use terms::{MailboxId, MailboxName, ModSeq, Uid, UidSet, UidValidity};

/// One session's numbering of the mailbox that it has selected.
#[derive(Clone, Debug)]
pub struct View {
    mailbox: MailboxId,
    name: MailboxName,
    uid_validity: UidValidity,
    version: ModSeq,
    numbering: Numbering,
    /// One more than the highest identifier that this view has taken in.
    next: u32,
    recent: UidSet,
    keywords_told: ModSeq,
    /// Rows whose flags at just this change the session knows.
    known: Known,
    gone: bool,
}

/// What a session is to be told, in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The mailbox was deleted, or its UIDVALIDITY is another: nothing more will
    /// come, the view stays as it is.
    pub gone: bool,
    /// The mailbox's new name.
    pub renamed: Option<MailboxName>,
    /// EXPUNGE by message number, in the order to be sent.
    pub expunged: Vec<u32>,
    /// The same as VANISHED. RFC 7162 §3.2.10.
    pub vanished: UidSet,
    /// EXISTS: how many messages there are now, where that has grown.
    pub exists: Option<u32>,
    /// RECENT, where that has changed. RFC 3501 §7.3.2.
    pub recent: Option<u32>,
    /// The list of keywords has grown: FLAGS and PERMANENTFLAGS again.
    pub keywords: bool,
    /// Messages that the session has had and whose flags have changed: FETCH.
    pub changed: UidSet,
    /// Expunges are held back.
    pub held: bool,
}

impl Told {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        let held = self.held;
        *self
            == Self {
                held,
                ..Self::default()
            }
    }
}

/// Up to where messages were told as \Recent, for all sessions of an account on
/// this node. RFC 3501 §2.3.2: to one session at the most.
#[derive(Clone, Debug, Default)]
pub struct RecentMarks {
    marks: BTreeMap<MailboxId, u32>,
}

impl RecentMarks {
    /// The identifier up to which messages of the mailbox were told.
    pub fn told(&self, mailbox: &Mailbox) -> u32 {
        let mark = self.marks.get(&mailbox.id).copied().unwrap_or(0);
        mark.max(mailbox.recent_told)
    }

    /// What is to be noted with the next change.
    pub fn notes(&self, state: &State) -> Vec<crate::Note> {
        let marks = self.marks.iter();
        marks
            .filter(|(id, mark)| {
                state
                    .mailbox(**id)
                    .is_some_and(|mailbox| mailbox.recent_told < **mark)
            })
            .filter_map(|(id, mark)| {
                Some(crate::Note::RecentTold {
                    mailbox: *id,
                    uid: Uid::new(*mark)?,
                })
            })
            .collect()
    }

    fn claim(&mut self, mailbox: &Mailbox, upto: u32) -> u32 {
        let told = self.told(mailbox);
        let mark = self.marks.entry(mailbox.id).or_default();
        *mark = (*mark).max(told).max(upto);
        told
    }
}

impl View {
    /// SELECT or EXAMINE. RFC 9051 §6.3.2. With `marks` (SELECT) the session is
    /// the one that is told of messages as \Recent.
    ///
    /// # Errors
    /// `NoSuchMailbox`; `Needed` if the table is not loaded.
    pub fn open(
        state: &State,
        mailbox: MailboxId,
        marks: Option<&mut RecentMarks>,
    ) -> Result<Self, Refusal> {
        let record = state.mailbox(mailbox).ok_or(Refusal::NoSuchMailbox)?;
        let table = state.table(mailbox)?;
        let mut view = Self {
            mailbox,
            name: record.name.clone(),
            uid_validity: record.uid_validity,
            version: state.head(),
            numbering: Numbering::new(&table.uids()),
            next: next_of(record),
            recent: UidSet::new(),
            keywords_told: record.keywords_changed,
            known: Known::default(),
            gone: false,
        };
        if let Some(marks) = marks {
            let told = marks.claim(record, view.next.saturating_sub(1));
            let unseen_from = Uid::new(told.saturating_add(1)).unwrap_or(Uid::MAX);
            view.recent = view
                .numbering
                .uids()
                .intersection(&UidSet::range(unseen_from, Uid::MAX));
        }
        Ok(view)
    }

    /// Which mailbox.
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Its name, as told.
    pub fn name(&self) -> &MailboxName {
        &self.name
    }

    /// Its validity when it was selected.
    pub fn uid_validity(&self) -> UidValidity {
        self.uid_validity
    }

    /// The change up to which the session has been told everything: what
    /// HIGHESTMODSEQ may say at the most.
    pub fn version(&self) -> ModSeq {
        self.version
    }

    /// The HIGHESTMODSEQ that may be told.
    pub fn highest_modseq(&self, state: &State) -> ModSeq {
        state.mailbox(self.mailbox).map_or(self.version, |mailbox| {
            mailbox.highest_modseq.min(self.version)
        })
    }

    /// The MODSEQ that a FETCH may tell for a row: that of the row, but none of a
    /// change that the view has not reached.
    pub fn modseq_told(&self, modseq: ModSeq) -> ModSeq {
        modseq.min(self.version)
    }

    /// How many messages the session has been told of.
    pub fn exists(&self) -> u32 {
        self.numbering.len()
    }

    /// The messages that are \Recent in this session.
    pub fn recent(&self) -> &UidSet {
        &self.recent
    }

    /// The unique identifiers of all messages that the session has been told of.
    pub fn uids(&self) -> UidSet {
        self.numbering.uids()
    }

    /// The highest unique identifier that the session has been told of: `*`.
    pub fn last_uid(&self) -> Option<Uid> {
        self.numbering.last()
    }

    /// The unique identifier of a message number.
    pub fn uid(&self, number: u32) -> Option<Uid> {
        self.numbering.uid(number)
    }

    /// The message number of a unique identifier.
    pub fn number(&self, uid: Uid) -> Option<u32> {
        self.numbering.number(uid)
    }

    /// The unique identifiers of message numbers; numbers that there are not are
    /// left out.
    pub fn uids_of(&self, numbers: &UidSet) -> UidSet {
        self.numbering.uids_of(numbers)
    }

    /// The message numbers of unique identifiers; those that the session has not
    /// been told of are left out.
    pub fn numbers_of(&self, uids: &UidSet) -> UidSet {
        self.numbering.numbers_of(uids)
    }

    /// The session knows the flags that these rows have since just this change:
    /// its own STORE has answered them, or was `.SILENT`. While an expunge is held back
    /// that is remembered of so many; of others they are told again.
    pub fn know(&mut self, number: ModSeq, uids: &UidSet) {
        if number > self.version {
            self.known.add(number, uids);
        }
    }

    /// Whether the mailbox has changed beyond what the session has been told.
    pub fn is_behind(&self, state: &State) -> bool {
        !self.gone
            && state.mailbox(self.mailbox).is_none_or(|mailbox| {
                mailbox.highest_modseq > self.version
                    || mailbox.keywords_changed > self.keywords_told
                    || mailbox.name != self.name
                    || mailbox.uid_validity != self.uid_validity
            })
    }

    /// Messages that the session counts and that are not there any more.
    ///
    /// # Errors
    /// `Needed` if the table must be loaded.
    pub fn ghosts(&self, state: &State) -> Result<UidSet, Refusal> {
        if state.mailbox(self.mailbox).is_none() {
            return Ok(self.numbering.uids());
        }
        let table = self.table(state)?;
        Ok(match table.expunged_since(self.version) {
            Some(uids) => self.numbering.intersection(&uids),
            None => self.numbering.uids().difference(&table.uids()),
        })
    }

    /// The table, or what has come to it, if that is enough for this view.
    fn table<'a>(&self, state: &'a State) -> Result<&'a Table, Refusal> {
        match state.slots.get(&self.mailbox) {
            None => Err(Refusal::NoSuchMailbox),
            Some(Slot::Loaded(table)) => Ok(table),
            Some(Slot::Tail(tail))
                if tail.since <= self.version && tail.elsewhere <= self.version =>
            {
                Ok(&tail.table)
            }
            Some(Slot::Tail(_)) => Err(Refusal::Needed(Part::Table(self.mailbox))),
        }
    }

    /// Moves on to `state` as far as it may and says what the session is to be
    /// told. Without `may_expunge` (during FETCH, STORE, SEARCH by message number,
    /// RFC 9051 §7.5.1) it stops before the first expunge. Costs by what has
    /// changed, not by the size of the mailbox.
    ///
    /// # Errors
    /// `Needed` if the table must be loaded; nothing has been told then.
    pub fn advance(
        &mut self,
        state: &State,
        may_expunge: bool,
        marks: Option<&mut RecentMarks>,
    ) -> Result<Told, Refusal> {
        let mut told = Told::default();
        if self.gone {
            return Ok(told);
        }
        let record = state.mailbox(self.mailbox);
        let Some(record) = record.filter(|record| record.uid_validity == self.uid_validity) else {
            self.gone = true;
            told.gone = true;
            return Ok(told);
        };
        if record.name != self.name {
            self.name = record.name.clone();
            told.renamed = Some(record.name.clone());
        }
        if record.highest_modseq <= self.version {
            self.version = self.version.max(state.head());
            self.known = Known::default();
            return Ok(told);
        }
        let table = self.table(state)?;
        let target = self.target(table, state.head(), may_expunge, &mut told);
        if target == state.head() {
            self.take_expunges(table, &mut told);
        }
        self.take_changes(table, target, &mut told);
        self.take_arrivals(record, table, target, marks, &mut told);
        if record.keywords_changed > self.keywords_told {
            self.keywords_told = record.keywords_changed;
            told.keywords = true;
        }
        self.version = target;
        self.known.forget(target);
        Ok(told)
    }

    /// The change up to which the view may move.
    fn target(&self, table: &Table, head: ModSeq, may_expunge: bool, told: &mut Told) -> ModSeq {
        if may_expunge {
            return head;
        }
        if table.log.floor() > self.version {
            told.held = true;
            return self.version;
        }
        let mut entries = table.log.entries_since(self.version);
        let first = entries.find(|(_, uids)| self.numbering.has_any(uids));
        match first {
            None => head,
            Some((number, _)) => {
                told.held = true;
                ModSeq(number.0.saturating_sub(1)).max(self.version)
            }
        }
    }

    fn take_expunges(&mut self, table: &Table, told: &mut Told) {
        let gone = match table.expunged_since(self.version) {
            Some(uids) => self.numbering.intersection(&uids),
            None => self.numbering.uids().difference(&table.uids()),
        };
        if gone.is_empty() {
            return;
        }
        // The highest first: numbers below it stay what they are.
        told.expunged = gone
            .iter()
            .rev()
            .filter_map(|uid| self.numbering.number(uid))
            .collect();
        self.numbering.remove(&gone);
        self.recent = self.recent.difference(&gone);
        told.vanished = gone;
    }

    fn take_changes(&self, table: &Table, target: ModSeq, told: &mut Told) {
        for row in table.changed_since(self.version) {
            if row.uid.value() >= self.next || row.modseq > target {
                continue;
            }
            let known = self.known.has(row.modseq, row.uid);
            if !known && self.numbering.number(row.uid).is_some() {
                told.changed.insert(row.uid);
            }
        }
    }

    fn take_arrivals(
        &mut self,
        record: &Mailbox,
        table: &Table,
        target: ModSeq,
        marks: Option<&mut RecentMarks>,
        told: &mut Told,
    ) {
        let mut new = UidSet::new();
        if let Some(from) = Uid::new(self.next) {
            for row in table.rows_from(from) {
                // One that has changed after the target, or came after it, waits,
                // and so do those behind it.
                if row.modseq > target {
                    break;
                }
                new.insert(row.uid);
            }
        }
        let Some(last) = new.last() else { return };
        self.next = last.value().saturating_add(1);
        self.numbering.append(&new);
        told.exists = Some(self.numbering.len());
        if let Some(marks) = marks {
            let before = marks.claim(record, last.value());
            if let Some(from) = Uid::new(before.saturating_add(1)) {
                self.recent
                    .extend(&new.intersection(&UidSet::range(from, Uid::MAX)));
            }
            told.recent = Some(u32::try_from(self.recent.count()).unwrap_or(u32::MAX));
        }
    }
}

/// UIDNEXT as a number that may lie beyond the last identifier.
fn next_of(mailbox: &Mailbox) -> u32 {
    mailbox.uid_next.map_or(u32::MAX, Uid::value)
}
