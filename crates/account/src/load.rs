//! From sections and commits to a state, whole or in part.

use crate::apply::touched;
use crate::changes::{Change, Changes};
use crate::codec::parts::{Kind, take_chunk, take_expunged_part, take_log_part};
use crate::codec::root::{mailbox_of, take_folding, take_root};
use crate::expunged::Expunged;
use crate::fold::Folding;
use crate::outcome::Part;
use crate::persistent::Map;
use crate::state::{ExpungedSlot, Slot, State, Tail};
use crate::table::Table;
use std::fmt;
use std::sync::Arc;
use terms::{AccountId, MailboxId, Malformed, ModSeq, Reader};

/// How much is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The root alone: the sections hold it, the commits are those after its own
    /// number.
    Root,
    /// Everything: the sections are all there are, the commits those after
    /// `covers`.
    All,
}

/// A section as the store has it.
#[derive(Clone, Copy, Debug)]
pub struct StoredSection<'a> {
    /// Its name.
    pub key: u64,
    /// The change at which it stands.
    pub number: ModSeq,
    /// What it holds.
    pub octets: &'a [u8],
}

/// What the store has of an account.
#[derive(Clone, Debug, Default)]
pub struct Stored<'a> {
    /// The newest checkpoint's `covers`.
    pub covers: ModSeq,
    /// Ascending by key.
    pub sections: Vec<StoredSection<'a>>,
    /// Payloads, ascending.
    pub commits: Vec<&'a [u8]>,
}

/// Why a state could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The root is in several pieces: ask for these, too.
    MorePieces(Vec<u64>),
    /// What was loaded does not fit the state: load all of it anew.
    Stale,
    /// A commit is missing before this change, or a section.
    Gap(ModSeq),
    /// Octets are not what the format says.
    Malformed(Malformed),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MorePieces(keys) => {
                write!(f, "{} more pieces of the root are needed", keys.len())
            }
            Self::Stale => f.write_str("the account has changed meanwhile"),
            Self::Gap(number) => write!(f, "something is missing before change {number}"),
            Self::Malformed(malformed) => malformed.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<Malformed> for LoadError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

type Result<T> = std::result::Result<T, LoadError>;

impl State {
    /// The state that sections and commits add up to.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(account: AccountId, scope: Scope, stored: &Stored<'_>) -> Result<Self> {
        let mut state = Self::new(account);
        let root_number = match root_octets(stored)? {
            Some((number, octets)) => {
                state.take_root(number, &octets, stored.covers)?;
                number
            }
            None => ModSeq::ZERO,
        };
        let rows_number = match scope {
            Scope::All => {
                state.slots = state.slots_of_sections(stored)?;
                let sections = state.sections_of(stored, Some(Part::Expunged))?;
                state.expunged.list = Arc::new(expunged_of_sections(&sections)?);
                stored.covers
            }
            Scope::Root => {
                state.unload_all(root_number);
                root_number
            }
        };
        if rows_number > root_number {
            return Err(LoadError::Gap(rows_number));
        }
        for payload in &stored.commits {
            state.replay(payload, root_number, rows_number)?;
        }
        Ok(state)
    }

    fn take_root(&mut self, number: ModSeq, octets: &[u8], covers: ModSeq) -> Result<()> {
        let mut r = Reader::new(octets);
        let root = take_root(&mut r)?;
        let folding = take_folding(&mut r)?;
        r.finish()?;
        if root.account != self.root.account || root.head != number || folding.covers > covers {
            return Err(r.malformed("the root of this account").into());
        }
        self.root = Arc::new(root);
        self.folding = Arc::new(Folding {
            covers,
            root: number,
            ..folding
        });
        Ok(())
    }

    /// The same as loading everything, without the sections that the root names and
    /// that are not there. Says of how many of them nobody counts what was in them.
    pub(crate) fn begin_salvage(&mut self, stored: &Stored<'_>) -> Result<u32> {
        let Some((number, octets)) = root_octets(stored)? else {
            return Err(LoadError::Gap(stored.covers));
        };
        self.take_root(number, &octets, stored.covers)?;
        let there: Vec<u64> = stored.sections.iter().map(|section| section.key).collect();
        let named = self.folding.stored.iter().map(|(key, ())| *key);
        let gone: Vec<u64> = named
            .filter(|key| there.binary_search(key).is_err())
            .collect();
        let folding = Arc::make_mut(&mut self.folding);
        for key in &gone {
            folding.stored.remove(key);
        }
        self.slots = self.slots_of_sections(stored)?;
        let sections = self.sections_of(stored, Some(Part::Expunged))?;
        self.expunged.list = Arc::new(expunged_of_sections(&sections)?);
        if stored.covers > number {
            return Err(LoadError::Gap(stored.covers));
        }
        for payload in &stored.commits {
            self.replay(payload, number, stored.covers)?;
        }
        let uncounted = gone
            .iter()
            .filter(|key| !matches!(Kind::of(**key), Some(Kind::Chunk | Kind::Root)));
        Ok(u32::try_from(uncounted.count()).unwrap_or(u32::MAX))
    }

    /// Files a commit; what sections have already is passed over.
    fn replay(&mut self, payload: &[u8], root_at: ModSeq, rows_at: ModSeq) -> Result<()> {
        let changes = Changes::decode(payload)?;
        let mut expected = self.root.head.max(rows_at);
        for (number, change) in &changes.list {
            let new = *number > root_at;
            if new {
                let jumps = matches!(change, Change::Epoch { .. });
                if *number != expected.next() && !jumps {
                    return Err(LoadError::Gap(*number));
                }
                expected = *number;
                Arc::make_mut(&mut self.root).file(*number, change);
            }
            if *number > rows_at {
                self.file_rows(*number, change);
            }
        }
        if changes.last().is_some_and(|last| last > root_at) {
            self.committed(payload.len());
            let root = Arc::make_mut(&mut self.root);
            for note in &changes.notes {
                root.file_note(note);
            }
        }
        Ok(())
    }

    /// Files a commit that somebody else has made directly after this state.
    ///
    /// # Errors
    /// `Gap` if it is not the next one; the state is then of no use.
    pub fn follow(&mut self, payload: &[u8]) -> Result<()> {
        let head = self.head();
        self.replay(payload, head, head)
    }

    fn unload_all(&mut self, since: ModSeq) {
        self.slots = Map::new();
        let ids: Vec<MailboxId> = self.root.mailboxes.iter().map(|(id, _)| *id).collect();
        for id in ids {
            // Nothing came to a table that has neither rows nor a past.
            let empty = self
                .mailbox(id)
                .is_some_and(|mailbox| mailbox.table_changed == mailbox.created);
            let slot = if empty {
                Slot::Loaded(Arc::default())
            } else {
                Slot::Tail(Tail::after(since))
            };
            self.slots.insert(id, slot);
        }
        let all = self.root.expunged_changed == ModSeq::ZERO;
        self.expunged = ExpungedSlot {
            list: Arc::default(),
            since: (!all).then_some(since),
        };
    }

    fn slots_of_sections(&self, stored: &Stored<'_>) -> Result<Map<MailboxId, Slot>> {
        let mut tables: Map<MailboxId, Table> = Map::new();
        for mailbox in self.root.mailboxes.values() {
            tables.insert(mailbox.id, self.empty_table(mailbox.id));
        }
        for section in self.sections_of(stored, None)? {
            let kind = Kind::of(section.key);
            if !matches!(kind, Some(Kind::Chunk | Kind::Log)) {
                continue;
            }
            // The mailbox may have been deleted since: its rows are of no use.
            if let Some(table) = tables.get_mut(&mailbox_of(section.key)) {
                take_table_section(table, section)?;
            }
        }
        Ok(tables
            .iter()
            .map(|(id, table)| (*id, Slot::Loaded(Arc::new(table.clone()))))
            .collect())
    }

    /// The sections that the root names, of one part or of all; others are left
    /// over from before and say nothing.
    fn sections_of<'a, 's>(
        &self,
        stored: &'a Stored<'s>,
        part: Option<Part>,
    ) -> Result<Vec<&'a StoredSection<'s>>> {
        let keys: Vec<u64> = match part {
            Some(part) => self.keys_of(part),
            None => self.folding.stored.iter().map(|(key, ())| *key).collect(),
        };
        let mut sections = stored.sections.iter().peekable();
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            while sections.next_if(|section| section.key < key).is_some() {}
            match sections.next_if(|section| section.key == key) {
                Some(section) => found.push(section),
                None if Kind::of(key) == Some(Kind::Root) => {}
                None => return Err(LoadError::Gap(stored.covers)),
            }
        }
        Ok(found)
    }

    fn empty_table(&self, mailbox: MailboxId) -> Table {
        let mut table = Table::default();
        if let Some(mailbox) = self.mailbox(mailbox) {
            table.log.set_floor(mailbox.log_floor);
        }
        table
    }

    /// Takes in a part that was not loaded: `stored` holds the sections that
    /// [`State::keys_of`] named and the commits after `covers`.
    ///
    /// # Errors
    /// See [`LoadError`]; the state has not changed then.
    pub fn attach(&mut self, part: Part, stored: &Stored<'_>) -> Result<()> {
        if self.is_loaded(part) {
            return Ok(());
        }
        // Only the last fold that this state knows of says which sections there are.
        if stored.covers != self.folding.covers {
            return Err(LoadError::Stale);
        }
        let commits = self.commits_until_head(stored)?;
        match part {
            Part::Table(mailbox) => self.attach_table(mailbox, stored, &commits),
            Part::Expunged => {
                let sections = self.sections_of(stored, Some(part))?;
                let mut slot = ExpungedSlot {
                    list: Arc::new(expunged_of_sections(&sections)?),
                    since: None,
                };
                for (number, change) in &commits {
                    slot.file(*number, change);
                }
                let oldest = slot.list.batches().map(|batch| batch.time).next();
                if oldest.is_some() != self.root.expunged_oldest.is_some() {
                    return Err(LoadError::Stale);
                }
                self.expunged = slot;
                Ok(())
            }
        }
    }

    fn attach_table(
        &mut self,
        mailbox: MailboxId,
        stored: &Stored<'_>,
        commits: &[(ModSeq, Change)],
    ) -> Result<()> {
        let mut table = self.empty_table(mailbox);
        for section in self.sections_of(stored, Some(Part::Table(mailbox)))? {
            take_table_section(&mut table, section)?;
        }
        let mut slot = Slot::Loaded(Arc::new(table));
        for (number, change) in commits {
            if let Change::Epoch { mailboxes, .. } = change {
                for after in mailboxes.iter().filter(|after| after.id == mailbox) {
                    slot.file_epoch(*number, after);
                }
            } else if touched(change).contains(&Some(mailbox)) {
                slot.file(*number, mailbox, change);
            }
        }
        let record = self.mailbox(mailbox).ok_or(LoadError::Stale)?;
        let whole = match &slot {
            Slot::Loaded(table) => table.len() == record.counts.messages as usize,
            Slot::Tail(_) => false,
        };
        if !whole {
            return Err(LoadError::Stale);
        }
        self.slots.insert(mailbox, slot);
        Ok(())
    }

    /// The changes after `covers` up to this state; later ones are left out.
    fn commits_until_head(&self, stored: &Stored<'_>) -> Result<Vec<(ModSeq, Change)>> {
        let mut changes = Vec::new();
        let mut last = stored.covers;
        for payload in &stored.commits {
            for (number, change) in Changes::decode(payload)?.list {
                if number <= stored.covers || number > self.head() {
                    continue;
                }
                if number != last.next() && !matches!(change, Change::Epoch { .. }) {
                    return Err(LoadError::Gap(number));
                }
                last = number;
                changes.push((number, change));
            }
        }
        if last != self.head() {
            return Err(LoadError::Gap(self.head()));
        }
        Ok(changes)
    }

    /// Forgets a part; what comes to it from now on is kept.
    pub fn unload(&mut self, part: Part) {
        let head = self.head();
        match part {
            Part::Table(mailbox) => {
                if let Some(slot) = self.slots.get_mut(&mailbox)
                    && matches!(slot, Slot::Loaded(_))
                {
                    *slot = Slot::Tail(Tail::after(head));
                }
            }
            Part::Expunged => {
                if self.expunged.since.is_none() {
                    self.expunged = ExpungedSlot {
                        list: Arc::default(),
                        since: Some(head),
                    };
                }
            }
        }
    }
}

impl Tail {
    fn after(since: ModSeq) -> Self {
        Self {
            table: Arc::default(),
            since,
            elsewhere: ModSeq::ZERO,
        }
    }
}

/// The root's number and octets, its pieces put together.
fn root_octets(stored: &Stored<'_>) -> Result<Option<(ModSeq, Vec<u8>)>> {
    let mut pieces = stored
        .sections
        .iter()
        .filter(|section| Kind::of(section.key) == Some(Kind::Root));
    let Some(first) = pieces.next() else {
        return Ok(None);
    };
    let mut r = Reader::new(first.octets);
    let count = r.varint()?;
    let mut octets = r.raw(r.remaining())?.to_vec();
    if first.key != 0 || count == 0 || count > u64::from(PIECES_MAX) {
        return Err(r.malformed("the first piece of the root").into());
    }
    let mut expected = 1;
    for piece in pieces.take_while(|piece| piece.key < count) {
        if piece.key != expected || piece.number != first.number {
            return Err(LoadError::Gap(first.number));
        }
        expected += 1;
        octets.extend_from_slice(piece.octets);
    }
    if expected < count {
        return Err(LoadError::MorePieces((1..count).collect()));
    }
    Ok(Some((first.number, octets)))
}

/// Pieces of a root at the most.
const PIECES_MAX: u32 = 1_024;

fn take_table_section(table: &mut Table, section: &StoredSection<'_>) -> Result<()> {
    let above = match Kind::of(section.key) {
        Some(Kind::Log) => table.log.push_part(take_log_part(section.octets)?),
        _ => table.push_chunk(take_chunk(section.octets)?),
    };
    if above {
        Ok(())
    } else {
        Err(LoadError::Gap(section.number))
    }
}

fn expunged_of_sections(sections: &[&StoredSection<'_>]) -> Result<Expunged> {
    let mut list = Expunged::default();
    for section in sections {
        if !list.push_part(take_expunged_part(section.octets)?) {
            return Err(LoadError::Gap(section.number));
        }
    }
    Ok(list)
}
