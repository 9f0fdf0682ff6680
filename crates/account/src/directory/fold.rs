//! Loading the directory, and folding its log into sections.

use super::State;
use super::change::{Change, Changes};
use super::codec::{VERSION, put_block, put_entry, take_block};
use crate::codec::{put_number, put_time, take_number, take_time, take_version};
use crate::digest::Fnv;
use crate::load::{LoadError, Stored};
use crate::persistent::Map;
use terms::{AccountId, ModSeq, Reader, Writer};

/// What is known of the log and of the sections that the store has.
#[derive(Clone, Debug, Default)]
pub(super) struct Folding {
    covers: ModSeq,
    stored: Map<u64, ()>,
    octets: u64,
    commits: u32,
}

/// A checkpoint of the directory for the store: always of everything, so all its
/// sections stand at `number`, and so does `covers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The number of the last change in it.
    pub number: ModSeq,
    /// Keys and octets of the sections that have changed.
    pub sections: Vec<(u64, Vec<u8>)>,
    /// Keys of the sections that have gone.
    pub removed: Vec<u64>,
    octets: u64,
    commits: u32,
}

/// Octets of the log below which nothing is folded.
const LOG_OCTETS_MIN: u64 = 64 << 10;
/// Commits after which the log is folded.
const LOG_COMMITS_MAX: u32 = 512;

/// The root is section 0; blocks stand above.
fn block_key(serial: u32) -> u64 {
    1 << 60 | u64::from(serial)
}

impl State {
    /// The directory that sections and commits add up to: all sections there are
    /// and the commits after `covers`.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(stored: &Stored<'_>) -> Result<Self, LoadError> {
        let mut state = Self::new();
        let mut root_seen = stored.sections.is_empty();
        let mut expected = 0;
        for section in &stored.sections {
            state.folding.stored.insert(section.key, ());
            if section.key == 0 {
                expected = state.take_root(section.octets)?;
                root_seen = true;
                continue;
            }
            let (first, block) = take_block(section.octets)?;
            if block_key(block.serial) != section.key || !state.blocks.take(first, block) {
                return Err(LoadError::Gap(section.number));
            }
        }
        let whole = state.blocks.blocks().count() as u64 == expected && state.blocks.is_whole();
        if !root_seen || !whole || state.head != stored.covers {
            return Err(LoadError::Gap(stored.covers));
        }
        state.folding.covers = stored.covers;
        state.note_all();
        for payload in &stored.commits {
            state.follow(payload)?;
        }
        Ok(state)
    }

    /// Says how many blocks there are.
    fn take_root(&mut self, octets: &[u8]) -> Result<u64, LoadError> {
        let mut r = Reader::new(octets);
        take_version(&mut r, VERSION)?;
        self.head = take_number(&mut r)?;
        self.blocks.next_serial = r.varint32()?;
        let blocks = r.varint()?;
        for _ in 0..r.count(17)? {
            let id = AccountId(r.u128()?);
            self.removals.insert(id, take_time(&mut r)?);
        }
        r.finish()?;
        Ok(blocks)
    }

    fn root_octets(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(VERSION);
        put_number(&mut w, self.head);
        w.varint(self.blocks.next_serial.into());
        w.varint(self.blocks.blocks().count() as u64);
        w.varint(self.removals.len() as u64);
        for (id, time) in self.removals.iter() {
            w.u128(id.0);
            put_time(&mut w, *time);
        }
        w.into_octets()
    }

    fn note_all(&mut self) {
        let blocks = self.blocks.clone();
        for (key, entry) in blocks.range_from("") {
            self.note(key, None, Some(entry));
        }
    }

    /// Files a commit that was made directly after this state.
    ///
    /// # Errors
    /// `Gap` if it is not the next one; the state is then of no use.
    pub fn follow(&mut self, payload: &[u8]) -> Result<(), LoadError> {
        let changes = Changes::decode(payload)?;
        for (number, change) in &changes.list {
            if *number != self.head.next() && *change != Change::Epoch {
                return Err(LoadError::Gap(*number));
            }
            self.file(*number, change);
        }
        self.committed(payload.len());
        Ok(())
    }

    /// A commit with a payload of so many octets has been made, and applied.
    pub fn committed(&mut self, payload_octets: usize) {
        self.folding.octets = self.folding.octets.saturating_add(payload_octets as u64);
        self.folding.commits = self.folding.commits.saturating_add(1);
    }

    /// What the newest checkpoint covers, as far as this state knows.
    pub fn covers(&self) -> ModSeq {
        self.folding.covers
    }

    /// Whether the log should be folded now.
    pub fn fold_due(&self) -> bool {
        let folding = &self.folding;
        folding.commits >= LOG_COMMITS_MAX
            || (folding.octets > LOG_OCTETS_MIN && folding.octets > self.dirty_octets() / 2)
    }

    fn dirty_octets(&self) -> u64 {
        let covers = self.folding.covers;
        let dirty = self.blocks.blocks().filter(|(_, b)| b.changed > covers);
        dirty.map(|(_, block)| block.weight() as u64).sum()
    }

    /// The checkpoint to be written.
    pub fn fold(&self) -> Fold {
        let mut sections = vec![(0, self.root_octets())];
        let mut current = Map::<u64, ()>::new();
        current.insert(0, ());
        for (first, block) in self.blocks.blocks() {
            let key = block_key(block.serial);
            current.insert(key, ());
            if block.changed > self.folding.covers || !self.folding.stored.contains(&key) {
                sections.push((key, put_block(first, block)));
            }
        }
        let stored = self.folding.stored.iter().map(|(key, ())| *key);
        Fold {
            number: self.head,
            sections,
            removed: stored.filter(|key| !current.contains(key)).collect(),
            octets: self.folding.octets,
            commits: self.folding.commits,
        }
    }

    /// The store has taken the checkpoint.
    pub fn folded(&mut self, fold: &Fold) {
        let folding = &mut self.folding;
        for (key, _) in &fold.sections {
            folding.stored.insert(*key, ());
        }
        for key in &fold.removed {
            folding.stored.remove(key);
        }
        folding.covers = fold.number;
        folding.octets = folding.octets.saturating_sub(fold.octets);
        folding.commits = folding.commits.saturating_sub(fold.commits);
    }

    /// A number that follows from all that the changes add up to: every release
    /// finds the same for the same log.
    pub fn digest(&self) -> u128 {
        let mut hash = Fnv::new();
        let mut w = Writer::new();
        put_number(&mut w, self.head);
        for (id, time) in self.removals.iter() {
            w.u128(id.0);
            put_time(&mut w, *time);
        }
        for (key, entry) in self.blocks.range_from("") {
            w.text(key);
            put_entry(&mut w, entry);
        }
        hash.write(&w.into_octets());
        hash.finish()
    }
}
