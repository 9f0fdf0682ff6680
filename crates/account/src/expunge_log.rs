//! What was expunged from a mailbox, and by which change. RFC 7162 §3.2.

use std::sync::Arc;
use terms::{ModSeq, UidSet};

/// Expunges of one mailbox, ascending by change, down to a floor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpungeLog {
    floor: ModSeq,
    parts: Vec<Arc<LogPart>>,
    entries: usize,
}

/// Some entries of the log: a section on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogPart {
    /// Its name on disk, ascending.
    pub serial: u32,
    pub changed: ModSeq,
    pub entries: Vec<(ModSeq, Arc<UidSet>)>,
    /// Runs in all entries.
    pub runs: usize,
}

impl LogPart {
    const ENTRIES_MAX: usize = 256;
    /// A run takes up to ten octets on disk, and a section up to a megabyte.
    const RUNS_MAX: usize = 32_768;

    fn is_full(&self, runs: usize) -> bool {
        self.entries.len() >= Self::ENTRIES_MAX || self.runs + runs > Self::RUNS_MAX
    }

    fn last(&self) -> ModSeq {
        self.entries.last().map_or(ModSeq::ZERO, |entry| entry.0)
    }
}

impl ExpungeLog {
    /// Entries that are kept at the least; a tenth beyond, the oldest are forgotten.
    pub const ENTRIES_MAX: usize = 100_000;

    /// A log that knows nothing of what was before `floor`.
    pub(crate) fn starting_at(floor: ModSeq) -> Self {
        Self {
            floor,
            ..Self::default()
        }
    }

    /// Expunges by this change and by those before it may be missing.
    pub fn floor(&self) -> ModSeq {
        self.floor
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether nothing was expunged.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The entries, ascending by change.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (ModSeq, &UidSet)> + '_ {
        self.parts
            .iter()
            .flat_map(|part| part.entries.iter().map(|(number, uids)| (*number, &**uids)))
    }

    /// The entries after `number`.
    pub fn entries_since(&self, number: ModSeq) -> impl Iterator<Item = (ModSeq, &UidSet)> + '_ {
        let from = self.parts.partition_point(|part| part.last() <= number);
        let parts = self.parts.get(from..).unwrap_or_default();
        parts
            .iter()
            .flat_map(|part| part.entries.iter().map(|(n, uids)| (*n, &**uids)))
            .filter(move |(n, _)| *n > number)
    }

    /// All that was expunged after `number`; `None` if that is below the floor.
    pub fn since(&self, number: ModSeq) -> Option<UidSet> {
        if number < self.floor {
            return None;
        }
        let mut all = UidSet::new();
        for (_, uids) in self.entries_since(number) {
            all.extend(uids);
        }
        Some(all)
    }

    pub(crate) fn parts(&self) -> &[Arc<LogPart>] {
        &self.parts
    }

    pub(crate) fn octets(&self) -> usize {
        self.parts
            .iter()
            .map(|part| part.entries.len() * 40 + part.runs * 8)
            .sum()
    }

    /// Takes a part as it was read; parts come ascending.
    pub(crate) fn push_part(&mut self, part: LogPart) -> bool {
        let above = self
            .parts
            .last()
            .is_none_or(|last| last.serial < part.serial);
        if above {
            self.entries += part.entries.len();
            self.parts.push(Arc::new(part));
        }
        above
    }

    pub(crate) fn set_floor(&mut self, floor: ModSeq) {
        self.floor = floor;
    }

    /// Files an expunge.
    pub(crate) fn push(&mut self, number: ModSeq, uids: &UidSet) {
        let mut piece = UidSet::new();
        for (first, last) in uids.runs() {
            piece.insert_range(first, last);
            if piece.run_count() >= LogPart::RUNS_MAX {
                self.push_piece(number, std::mem::take(&mut piece));
            }
        }
        if !piece.is_empty() {
            self.push_piece(number, piece);
        }
    }

    fn push_piece(&mut self, number: ModSeq, uids: UidSet) {
        let runs = uids.run_count();
        if self.parts.last().is_none_or(|part| part.is_full(runs)) {
            let serial = self
                .parts
                .last()
                .map_or(0, |part| part.serial.wrapping_add(1));
            self.parts.push(Arc::new(LogPart {
                serial,
                ..LogPart::default()
            }));
        }
        if let Some(shared) = self.parts.last_mut() {
            let part = Arc::make_mut(shared);
            part.changed = number;
            part.runs += runs;
            part.entries.push((number, Arc::new(uids)));
            self.entries += 1;
        }
    }

    /// Forgets whole parts and entries up to `floor`.
    pub(crate) fn trim(&mut self, floor: ModSeq, number: ModSeq) {
        self.floor = self.floor.max(floor);
        self.parts.retain(|part| part.last() > floor);
        if let Some(shared) = self.parts.first_mut()
            && shared.entries.first().is_some_and(|entry| entry.0 <= floor)
        {
            let part = Arc::make_mut(shared);
            part.entries.retain(|entry| entry.0 > floor);
            part.runs = part.entries.iter().map(|entry| entry.1.run_count()).sum();
            part.changed = number;
        }
        self.entries = self.parts.iter().map(|part| part.entries.len()).sum();
    }
}
