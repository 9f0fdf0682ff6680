//! What a session knows of flags that it has not been told yet, because it has set them
//! itself.

use std::collections::BTreeMap;
use terms::{ModSeq, Uid, UidSet};

/// Rows whose flags at just one change a session knows. Bounded: what would be too much
/// is told again, which does no harm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    changes: BTreeMap<ModSeq, UidSet>,
    /// Runs of all sets.
    runs: usize,
}

impl Known {
    /// Runs at the most; each takes 8 octets, and a change about 100.
    const RUNS_MAX: usize = 1_000;

    /// The rows' flags at this change are known.
    pub(crate) fn add(&mut self, number: ModSeq, uids: &UidSet) {
        if self.runs.saturating_add(uids.run_count()) > Self::RUNS_MAX || uids.is_empty() {
            return;
        }
        let known = self.changes.entry(number).or_default();
        let before = known.run_count();
        known.extend(uids);
        self.runs = self.runs.saturating_sub(before) + known.run_count();
    }

    /// Whether the row's flags at this change are known.
    pub(crate) fn has(&self, number: ModSeq, uid: Uid) -> bool {
        let known = self.changes.get(&number);
        known.is_some_and(|known| known.contains(uid))
    }

    /// Forgets all changes up to this one.
    pub(crate) fn forget(&mut self, upto: ModSeq) {
        self.changes = self.changes.split_off(&upto.next());
        self.runs = self.changes.values().map(UidSet::run_count).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    #[test]
    fn a_change_is_known_of_its_rows_until_it_is_told() {
        let mut known = Known::default();
        known.add(ModSeq(7), &UidSet::single(uid(1)));
        known.add(ModSeq(7), &UidSet::single(uid(2)));
        known.add(ModSeq(9), &UidSet::single(uid(5)));
        assert_eq!((known.changes.len(), known.runs), (2, 2));
        assert!(known.has(ModSeq(7), uid(1)) && known.has(ModSeq(7), uid(2)));
        assert!(!known.has(ModSeq(9), uid(1)) && !known.has(ModSeq(8), uid(1)));
        known.forget(ModSeq(8));
        assert!(!known.has(ModSeq(7), uid(1)) && known.has(ModSeq(9), uid(5)));
        assert_eq!((known.changes.len(), known.runs), (1, 1));
    }

    #[test]
    fn however_many_changes_come_it_stays_small() {
        let mut known = Known::default();
        let every_other: UidSet = (1..200).map(|at| uid(at * 2)).collect();
        for number in 1..100_000 {
            known.add(ModSeq(number), &UidSet::single(uid(1)));
            known.add(ModSeq(number), &every_other);
        }
        assert!(known.runs <= Known::RUNS_MAX && known.changes.len() <= Known::RUNS_MAX);
        assert!(known.has(ModSeq(1), uid(4)) && !known.has(ModSeq(99_999), uid(1)));
        known.forget(ModSeq(100_000));
        known.add(ModSeq(100_001), &UidSet::single(uid(1)));
        assert!(known.has(ModSeq(100_001), uid(1)));
    }
}
