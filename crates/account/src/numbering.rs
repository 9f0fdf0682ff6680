//! Message numbers and unique identifiers.

use terms::{Uid, UidSet};

/// A run of consecutive identifiers, and how many stand before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u32,
    last: u32,
    before: u32,
}

impl Run {
    fn end(self) -> u32 {
        self.before + (self.last - self.first) + 1
    }
}

/// Ascending identifiers, numbered from one on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbering {
    runs: Vec<Run>,
}

impl Numbering {
    pub(crate) fn new(uids: &UidSet) -> Self {
        let mut numbering = Self::default();
        numbering.append(uids);
        numbering
    }

    pub(crate) fn len(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.end())
    }

    pub(crate) fn last(&self) -> Option<Uid> {
        self.runs.last().and_then(|run| Uid::new(run.last))
    }

    pub(crate) fn uids(&self) -> UidSet {
        let mut set = UidSet::new();
        for run in &self.runs {
            if let (Some(first), Some(last)) = (Uid::new(run.first), Uid::new(run.last)) {
                set.insert_range(first, last);
            }
        }
        set
    }

    /// Takes in identifiers above all others.
    pub(crate) fn append(&mut self, uids: &UidSet) {
        for (first, last) in uids.runs() {
            let (first, last) = (first.value(), last.value());
            let before = self.len();
            match self.runs.last_mut() {
                Some(run) if run.last >= first => {}
                Some(run) if run.last + 1 == first => run.last = last,
                _ => self.runs.push(Run {
                    first,
                    last,
                    before,
                }),
            }
        }
    }

    /// Takes identifiers out: one pass over the runs.
    pub(crate) fn remove(&mut self, uids: &UidSet) {
        let mut kept: Vec<Run> = Vec::with_capacity(self.runs.len() + uids.run_count());
        let mut put = |first: u32, last: u32| {
            let before = kept.last().map_or(0, |run| run.end());
            if first <= last {
                kept.push(Run {
                    first,
                    last,
                    before,
                });
            }
        };
        let cuts: Vec<(u32, u32)> = uids.runs().map(|(a, b)| (a.value(), b.value())).collect();
        let mut cuts = cuts.into_iter().peekable();
        for run in &self.runs {
            let mut first = run.first;
            while cuts.next_if(|cut| cut.1 < first).is_some() {}
            while let Some(&(low, high)) = cuts.peek().filter(|cut| cut.0 <= run.last) {
                put(first, low.saturating_sub(1));
                first = high.saturating_add(1);
                if high > run.last || cuts.next().is_none() {
                    break;
                }
            }
            put(first, run.last);
        }
        self.runs = kept;
    }

    /// Those of `uids` that are numbered.
    pub(crate) fn intersection(&self, uids: &UidSet) -> UidSet {
        let mut both = UidSet::new();
        for (first, last) in uids.runs() {
            let (first, last) = (first.value(), last.value());
            let from = self.runs.partition_point(|run| run.last < first);
            let runs = self.runs.get(from..).unwrap_or_default();
            for run in runs.iter().take_while(|run| run.first <= last) {
                let (low, high) = (run.first.max(first), run.last.min(last));
                if let (Some(low), Some(high)) = (Uid::new(low), Uid::new(high)) {
                    both.insert_range(low, high);
                }
            }
        }
        both
    }

    pub(crate) fn uid(&self, number: u32) -> Option<Uid> {
        let index = number.checked_sub(1)?;
        let at = self.runs.partition_point(|run| run.end() <= index);
        let run = self.runs.get(at)?;
        Uid::new(run.first + (index - run.before))
    }

    pub(crate) fn number(&self, uid: Uid) -> Option<u32> {
        let uid = uid.value();
        let at = self.runs.partition_point(|run| run.last < uid);
        let run = self.runs.get(at).filter(|run| run.first <= uid)?;
        Some(run.before + (uid - run.first) + 1)
    }

    pub(crate) fn numbers_of(&self, uids: &UidSet) -> UidSet {
        let mut numbers = UidSet::new();
        let number = |uid| self.number(uid).and_then(Uid::new);
        // A run of identifiers that are all numbered is a run of numbers.
        for (first, last) in self.intersection(uids).runs() {
            if let (Some(first), Some(last)) = (number(first), number(last)) {
                numbers.insert_range(first, last);
            }
        }
        numbers
    }

    pub(crate) fn has_any(&self, uids: &UidSet) -> bool {
        uids.runs().any(|(first, last)| {
            let at = self.runs.partition_point(|run| run.last < first.value());
            self.runs
                .get(at)
                .is_some_and(|run| run.first <= last.value())
        })
    }

    pub(crate) fn uids_of(&self, numbers: &UidSet) -> UidSet {
        let mut set = UidSet::new();
        for (first, last) in numbers.runs() {
            let (mut low, high) = (first.value(), last.value().min(self.len()));
            while low <= high {
                let at = self.runs.partition_point(|run| run.end() < low);
                let Some(run) = self.runs.get(at) else { break };
                let end = run.end().min(high);
                let uid = |number: u32| Uid::new(run.first + (number - 1 - run.before));
                if let (Some(first), Some(last)) = (uid(low), uid(end)) {
                    set.insert_range(first, last);
                }
                low = end + 1;
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_list(
            start in prop::collection::btree_set(1u32..80, 0..40),
            gone in prop::collection::btree_set(1u32..80, 0..20),
            new in prop::collection::btree_set(80u32..120, 0..20),
            asked in prop::collection::btree_set(1u32..90, 0..20),
        ) {
            let set = |uids: &BTreeSet<u32>| -> UidSet {
                uids.iter().filter_map(|&uid| Uid::new(uid)).collect()
            };
            let mut numbering = Numbering::new(&set(&start));
            let both: BTreeSet<u32> = start.intersection(&gone).copied().collect();
            prop_assert_eq!(numbering.intersection(&set(&gone)), set(&both));
            numbering.remove(&set(&gone));
            numbering.append(&set(&new));
            let list: Vec<u32> = start.difference(&gone).chain(&new).copied().collect();
            prop_assert_eq!(numbering.len() as usize, list.len());
            for (index, &uid) in list.iter().enumerate() {
                let number = index as u32 + 1;
                prop_assert_eq!(numbering.uid(number), Uid::new(uid));
                prop_assert_eq!(numbering.number(Uid::new(uid).unwrap()), Some(number));
            }
            prop_assert_eq!(numbering.uid(0), None);
            prop_assert_eq!(numbering.uid(list.len() as u32 + 1), None);
            let expected: UidSet = asked
                .iter()
                .filter_map(|&number| list.get(number as usize - 1))
                .filter_map(|&uid| Uid::new(uid))
                .collect();
            prop_assert_eq!(numbering.uids_of(&set(&asked)), expected.clone());
            let back: UidSet = asked
                .iter()
                .filter(|&&number| number as usize <= list.len())
                .filter_map(|&number| Uid::new(number))
                .collect();
            prop_assert_eq!(numbering.numbers_of(&expected), back);
            prop_assert_eq!(
                numbering.has_any(&set(&asked)),
                asked.iter().any(|uid| list.contains(uid))
            );
        }
    }
}
