//! Entries by key, in blocks: a block is a section on disk.

use super::{Domain, Record};
use crate::acl::Grantee;
use crate::persistent::Map;
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{AccountId, ModSeq, UidValidity};

/// What stands at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Account(Arc<Record>),
    Alias(AccountId),
    Domain(Arc<Domain>),
    Floor(UidValidity),
    Shares(Arc<Vec<Grantee>>),
}

impl Entry {
    /// About how many octets it takes on disk.
    fn weight(&self) -> usize {
        let settings = |map: &BTreeMap<String, String>| -> usize {
            map.iter()
                .map(|(key, value)| key.len() + value.len() + 4)
                .sum()
        };
        let verifiers = |list: &[String]| -> usize { list.iter().map(|v| v.len() + 3).sum() };
        match self {
            Self::Account(record) => {
                let devices = record.devices.iter();
                let devices = devices.map(|d| d.name.len() + verifiers(&d.verifiers) + 16);
                let uses = record.uses.values().map(|(_, from)| from.len() + 16);
                verifiers(&record.verifiers)
                    + devices.sum::<usize>()
                    + uses.sum::<usize>()
                    + settings(&record.settings)
                    + 48
            }
            Self::Alias(_) => 17,
            Self::Domain(domain) => settings(&domain.settings) + 64,
            Self::Floor(_) => 6,
            Self::Shares(with) => with.len() * 17 + 4,
        }
    }
}

/// Consecutive entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Its name on disk; never given again.
    pub serial: u32,
    pub changed: ModSeq,
    pub entries: Vec<(Arc<str>, Entry)>,
}

impl Block {
    const ENTRIES_MAX: usize = 512;
    const OCTETS_MAX: usize = 256 << 10;

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(known, _)| (**known).cmp(key))
    }

    pub(super) fn weight(&self) -> usize {
        let entries = self.entries.iter();
        entries
            .map(|(key, entry)| key.len() + 2 + entry.weight())
            .sum()
    }
}

/// All entries, ascending by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    /// By the first key that each was made for; the first stands at the empty text.
    map: Map<Arc<str>, Arc<Block>>,
    pub(super) next_serial: u32,
}

impl Blocks {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        let (_, block) = self.map.at_or_below(key)?;
        let at = block.find(key).ok()?;
        block.entries.get(at).map(|(_, entry)| entry)
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = (&str, &Block)> + '_ {
        self.map.iter().map(|(first, block)| (&**first, &**block))
    }

    pub(super) fn range_from<'a>(
        &'a self,
        key: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a> {
        let first = self
            .map
            .at_or_below(key)
            .map(|(first, _)| Arc::clone(first));
        let first: Arc<str> = first.unwrap_or_else(|| Arc::from(""));
        let skip = self
            .map
            .get(&*first)
            .map_or(0, |block| block.find(key).unwrap_or_else(|at| at));
        self.map
            .range_from(&*first)
            .flat_map(|(_, block)| block.entries.iter())
            .skip(skip)
            .map(|(key, entry)| (&**key, entry))
    }

    pub(super) fn insert(&mut self, number: ModSeq, key: &str, entry: Entry) -> Option<Entry> {
        if self.map.is_empty() {
            let block = self.new_block(number);
            self.map.insert(Arc::from(""), Arc::new(block));
        }
        let first = Arc::clone(self.map.at_or_below(key)?.0);
        let block = Arc::make_mut(self.map.get_mut(&*first)?);
        block.changed = number;
        let old = match block.find(key) {
            Ok(at) => {
                let known = block.entries.get_mut(at);
                known.map(|known| std::mem::replace(&mut known.1, entry))
            }
            Err(at) => {
                block.entries.insert(at, (Arc::from(key), entry));
                None
            }
        };
        if block.entries.len() > Block::ENTRIES_MAX
            || (block.entries.len() > 1 && block.weight() > Block::OCTETS_MAX)
        {
            self.split(number, &first);
        }
        old
    }

    fn split(&mut self, number: ModSeq, first: &str) {
        let mut right = self.new_block(number);
        if let Some(block) = self.map.get_mut(first) {
            let block = Arc::make_mut(block);
            right.entries = block.entries.split_off(block.entries.len() / 2);
        }
        if let Some((key, _)) = right.entries.first() {
            self.map.insert(Arc::clone(key), Arc::new(right));
        }
    }

    fn new_block(&mut self, number: ModSeq) -> Block {
        let serial = self.next_serial;
        self.next_serial = serial.saturating_add(1);
        Block {
            serial,
            changed: number,
            entries: Vec::new(),
        }
    }

    pub(super) fn remove(&mut self, number: ModSeq, key: &str) -> Option<Entry> {
        let first = Arc::clone(self.map.at_or_below(key)?.0);
        let at = self.map.get(&*first)?.find(key).ok()?;
        let block = Arc::make_mut(self.map.get_mut(&*first)?);
        block.changed = number;
        let (_, entry) = block.entries.remove(at);
        if block.entries.is_empty() && !first.is_empty() {
            self.map.remove(&*first);
        }
        Some(entry)
    }

    /// Takes a block as it was read; blocks must not overlap.
    pub(super) fn take(&mut self, first: Arc<str>, block: Block) -> bool {
        let ascending = block.entries.is_sorted_by(|a, b| a.0 < b.0);
        let above = block.entries.first().is_none_or(|entry| entry.0 >= first);
        ascending && above && self.map.insert(first, Arc::new(block)).is_none()
    }

    /// Whether the blocks that were taken follow each other.
    pub(super) fn is_whole(&self) -> bool {
        let mut last: Option<&str> = None;
        for (first, block) in self.blocks() {
            let (low, high) = (block.entries.first(), block.entries.last());
            if last.is_none() && !first.is_empty() || last.is_some_and(|last| last >= first) {
                return false;
            }
            if low.is_some_and(|low| &*low.0 < first) {
                return false;
            }
            last = Some(high.map_or(first, |high| &*high.0));
        }
        true
    }
}
