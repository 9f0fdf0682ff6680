//! Sets of unique identifiers as ascending runs.

use crate::Uid;
use std::fmt;

/// A set of unique identifiers, kept as ascending runs that neither overlap nor
/// touch: a million consecutive messages cost one run.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct UidSet {
    runs: Vec<(Uid, Uid)>,
}

impl UidSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// The set of one.
    pub fn single(uid: Uid) -> Self {
        Self {
            runs: vec![(uid, uid)],
        }
    }

    /// All from `first` to `last`, in either order (RFC 9051 §9, seq-range).
    pub fn range(first: Uid, last: Uid) -> Self {
        Self {
            runs: vec![(first.min(last), first.max(last))],
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many identifiers are in it.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|&run| run_count(run)).sum()
    }

    /// How many runs it is kept as: what it costs.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// The runs, ascending, both ends included.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = (Uid, Uid)> + DoubleEndedIterator + '_ {
        self.runs.iter().copied()
    }

    /// Every identifier, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Uid> + '_ {
        self.runs
            .iter()
            .flat_map(|&(first, last)| (first.value()..=last.value()).filter_map(Uid::new))
    }

    /// The lowest.
    pub fn first(&self) -> Option<Uid> {
        self.runs.first().map(|run| run.0)
    }

    /// The highest.
    pub fn last(&self) -> Option<Uid> {
        self.runs.last().map(|run| run.1)
    }

    /// Whether `uid` is in it.
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.runs.partition_point(|run| run.1 < uid);
        self.runs.get(at).is_some_and(|run| run.0 <= uid)
    }

    /// Adds one. Cheap at the upper end.
    pub fn insert(&mut self, uid: Uid) {
        self.insert_range(uid, uid);
    }

    /// Adds all from `first` to `last`, in either order.
    pub fn insert_range(&mut self, first: Uid, last: Uid) {
        let (mut first, mut last) = (first.min(last), first.max(last));
        // Runs that end before `first - 1` stay; so do those that begin after `last + 1`.
        let from = self
            .runs
            .partition_point(|run| run.1.value() < first.value().saturating_sub(1));
        let to = self
            .runs
            .partition_point(|run| run.0.value() <= last.value().saturating_add(1));
        for &(low, high) in self.runs.get(from..to).unwrap_or_default() {
            first = first.min(low);
            last = last.max(high);
        }
        self.runs.splice(from..to.max(from), [(first, last)]);
    }

    /// Removes one.
    pub fn remove(&mut self, uid: Uid) {
        self.remove_range(uid, uid);
    }

    /// Removes all from `first` to `last`, in either order.
    pub fn remove_range(&mut self, first: Uid, last: Uid) {
        let (first, last) = (first.min(last), first.max(last));
        let from = self.runs.partition_point(|run| run.1 < first);
        let to = self.runs.partition_point(|run| run.0 <= last).max(from);
        let mut left = Vec::with_capacity(2);
        for &(low, high) in self.runs.get(from..to).unwrap_or_default() {
            if let Some(end) = Uid::new(first.value() - 1).filter(|&end| low <= end) {
                left.push((low, end));
            }
            if let Some(start) = last.next().filter(|&start| start <= high) {
                left.push((start, high));
            }
        }
        self.runs.splice(from..to, left);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        if self.runs.len() < other.runs.len() / 8 {
            let mine = std::mem::replace(self, other.clone());
            self.extend(&mine);
            return;
        }
        for &(first, last) in &other.runs {
            self.insert_range(first, last);
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        let (mut left, mut right) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        while let (Some(&&a), Some(&&b)) = (left.peek(), right.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                runs.push((first, last));
            }
            if a.1 <= b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        Self { runs }
    }

    /// What is in this and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        let mut cuts = other.runs.iter().copied().peekable();
        for &(first, last) in &self.runs {
            let mut start = Some(first);
            while let (Some(from), Some(&(low, high))) = (start, cuts.peek()) {
                if high < from {
                    cuts.next();
                    continue;
                }
                if low > last {
                    break;
                }
                if let Some(end) = Uid::new(low.value() - 1).filter(|&end| from <= end) {
                    runs.push((from, end));
                }
                start = high.next().filter(|&next| next <= last);
                if start.is_some() {
                    cuts.next();
                }
            }
            if let Some(from) = start {
                runs.push((from, last));
            }
        }
        Self { runs }
    }

    /// The identifier at position `index`, counted from zero.
    pub fn nth(&self, index: u64) -> Option<Uid> {
        let mut before = 0;
        for &run in &self.runs {
            let count = run_count(run);
            if index < before + count {
                let offset = u32::try_from(index - before).ok()?;
                return Uid::new(run.0.value().checked_add(offset)?);
            }
            before += count;
        }
        None
    }

    /// The identifiers at these places, from zero on.
    pub fn at_places(&self, places: std::ops::Range<u64>) -> Self {
        if places.is_empty() {
            return Self::new();
        }
        let last = places.end.min(self.count());
        match (self.nth(places.start), self.nth(last.saturating_sub(1))) {
            (Some(first), Some(last)) if first <= last => {
                self.intersection(&Self::range(first, last))
            }
            _ => Self::new(),
        }
    }

    /// How many identifiers below `uid` are in it: the position of `uid` where it is.
    pub fn rank(&self, uid: Uid) -> u64 {
        self.runs
            .iter()
            .take_while(|run| run.0 < uid)
            .map(|run| run_count((run.0, run.1.min(uid))) - u64::from(run.1 >= uid))
            .sum()
    }
}

fn run_count(run: (Uid, Uid)) -> u64 {
    u64::from(run.1.value()) - u64::from(run.0.value()) + 1
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = Self::new();
        for uid in uids {
            set.insert(uid);
        }
        set
    }
}

/// As the grammar's `uid-set` has it: `1:3,7`. The empty set, which the grammar
/// has not, is the empty text.
impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.runs().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}:{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn set(values: &BTreeSet<u32>) -> UidSet {
        values.iter().map(|&value| uid(value)).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_a_btree_set(
            steps in prop::collection::vec((any::<bool>(), 1u32..60, 1u32..60), 0..40),
            other in prop::collection::btree_set(1u32..60, 0..30),
        ) {
            let (mut mine, mut model) = (UidSet::new(), BTreeSet::new());
            for (add, a, b) in steps {
                for value in a.min(b)..=a.max(b) {
                    if add { model.insert(value); } else { model.remove(&value); }
                }
                if add { mine.insert_range(uid(a), uid(b)); } else { mine.remove_range(uid(a), uid(b)); }
                prop_assert_eq!(&mine, &set(&model));
            }
            let theirs = set(&other);
            prop_assert_eq!(mine.count(), model.len() as u64);
            prop_assert_eq!(mine.intersection(&theirs), set(&(&model & &other)));
            prop_assert_eq!(mine.difference(&theirs), set(&(&model - &other)));
            let mut both = mine.clone();
            both.extend(&theirs);
            prop_assert_eq!(both, set(&(&model | &other)));
            for (index, &value) in model.iter().enumerate() {
                prop_assert_eq!(mine.nth(index as u64), Some(uid(value)));
                prop_assert_eq!(mine.rank(uid(value)), index as u64);
                prop_assert!(mine.contains(uid(value)));
            }
            for value in 1..60 {
                prop_assert_eq!(mine.rank(uid(value)), model.range(..value).count() as u64);
            }
            prop_assert_eq!(mine.nth(model.len() as u64), None);
        }
    }

    #[test]
    fn the_ends_of_the_range_hold() {
        let mut all = UidSet::range(Uid::MIN, Uid::MAX);
        assert_eq!(all.count(), u64::from(u32::MAX));
        all.remove(Uid::MAX);
        all.remove(Uid::MIN);
        assert_eq!(all.to_string(), "2:4294967294");
        all.insert(Uid::MAX);
        assert_eq!(all.to_string(), "2:4294967295");
        assert_eq!(
            all.difference(&UidSet::single(Uid::MAX)).to_string(),
            "2:4294967294"
        );
    }
}
