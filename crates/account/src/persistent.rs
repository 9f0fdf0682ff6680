//! Ordered maps whose copies share what has not changed.
//!
//! A [`Map`] is a sorted vector of sorted leaves, both behind `Arc`: a copy costs
//! one count, a change copies the vector of leaves (one pointer for each
//! [`LEAF_MAX`] entries) and one leaf, and nothing where nobody shares them.
//! A [`RunMap`] maps whole numbers by runs of equal values.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Entries in a leaf before it is split.
const LEAF_MAX: usize = 128;

type Leaf<K, V> = Arc<Vec<(K, V)>>;

/// An ordered map that is cheap to copy.
#[derive(Clone)]
pub(crate) struct Map<K, V> {
    leaves: Arc<Vec<Leaf<K, V>>>,
    len: usize,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self {
            leaves: Arc::new(Vec::new()),
            len: 0,
        }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.entries().eq(other.entries())
    }
}

impl<K: Eq, V: Eq> Eq for Map<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

impl<K, V> Map<K, V> {
    /// How many entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn entries(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + '_ {
        self.leaves
            .iter()
            .flat_map(|leaf| leaf.iter().map(|(key, value)| (key, value)))
    }

    /// All entries, ascending.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + '_ {
        self.entries()
    }

    /// All values, by ascending key.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> + '_ {
        self.entries().map(|(_, value)| value)
    }
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    /// Nothing in it.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The leaf that holds `key` if anything does.
    fn leaf_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.leaves
            .partition_point(|leaf| leaf.last().is_some_and(|(last, _)| last.borrow() < key))
    }

    /// The value at `key`.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let leaf = self.leaves.get(self.leaf_of(key))?;
        let at = leaf.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        leaf.get(at).map(|(_, value)| value)
    }

    /// Whether there is a value at `key`.
    pub(crate) fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The value at `key`, to be changed; copies the leaf if it is shared.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let index = self.leaf_of(key);
        let at = self
            .leaves
            .get(index)?
            .binary_search_by(|(k, _)| k.borrow().cmp(key))
            .ok()?;
        let leaf = Arc::make_mut(&mut self.leaves).get_mut(index)?;
        Arc::make_mut(leaf).get_mut(at).map(|(_, value)| value)
    }

    /// Puts `value` at `key`; gives what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let leaves = Arc::make_mut(&mut self.leaves);
        let index = leaves
            .partition_point(|leaf| leaf.last().is_some_and(|(last, _)| *last < key))
            .min(leaves.len().saturating_sub(1));
        let Some(shared) = leaves.get_mut(index) else {
            leaves.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let leaf = Arc::make_mut(shared);
        match leaf.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => leaf
                .get_mut(at)
                .map(|entry| std::mem::replace(&mut entry.1, value)),
            Err(at) => {
                leaf.insert(at, (key, value));
                self.len += 1;
                if leaf.len() > LEAF_MAX {
                    // What grows at its end leaves full leaves behind.
                    let cut = if at + 1 == leaf.len() {
                        LEAF_MAX
                    } else {
                        LEAF_MAX / 2
                    };
                    let right = leaf.split_off(cut);
                    leaves.insert(index + 1, Arc::new(right));
                }
                None
            }
        }
    }

    /// Takes out what is at `key`.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let index = self.leaf_of(key);
        let at = self
            .leaves
            .get(index)?
            .binary_search_by(|(k, _)| k.borrow().cmp(key))
            .ok()?;
        let leaves = Arc::make_mut(&mut self.leaves);
        let leaf = Arc::make_mut(leaves.get_mut(index)?);
        let (_, value) = leaf.remove(at);
        if leaf.is_empty() {
            leaves.remove(index);
        }
        self.len -= 1;
        Some(value)
    }

    /// The entries from `key` on, ascending.
    pub(crate) fn range_from<'a, Q: Ord + ?Sized>(
        &'a self,
        key: &Q,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V, Q>
    where
        K: Borrow<Q>,
    {
        let index = self.leaf_of(key);
        let at = self
            .leaves
            .get(index)
            .map_or(0, |leaf| leaf.partition_point(|(k, _)| k.borrow() < key));
        let first = self.leaves.get(index).and_then(|leaf| leaf.get(at..));
        let rest = self.leaves.get(index + 1..).unwrap_or_default();
        first
            .unwrap_or_default()
            .iter()
            .chain(rest.iter().flat_map(|leaf| leaf.iter()))
            .map(|(key, value)| (key, value))
    }

    /// The last entry whose key is `key` or below.
    pub(crate) fn at_or_below<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let index = self.leaf_of(key);
        if let Some(leaf) = self.leaves.get(index) {
            let at = leaf.partition_point(|(k, _)| k.borrow() <= key);
            if let Some((k, value)) = at.checked_sub(1).and_then(|at| leaf.get(at)) {
                return Some((k, value));
            }
        }
        let before = self.leaves.get(index.checked_sub(1)?)?;
        before.last().map(|(k, value)| (k, value))
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

/// A run of numbers, both ends included, and their value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run<V> {
    /// The lowest number.
    pub(crate) first: u64,
    /// The highest number.
    pub(crate) last: u64,
    /// The value of each.
    pub(crate) value: V,
}

/// A map from numbers to values, kept as runs of equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunMap<V> {
    runs: Map<u64, (u64, V)>,
}

impl<V> Default for RunMap<V> {
    fn default() -> Self {
        Self {
            runs: Map::default(),
        }
    }
}

impl<V: Copy + Eq> RunMap<V> {
    /// The value of `number`.
    pub(crate) fn get(&self, number: u64) -> Option<V> {
        let (_, &(last, value)) = self.runs.at_or_below(&number)?;
        (number <= last).then_some(value)
    }

    /// The run that `number` is in.
    pub(crate) fn run_at(&self, number: u64) -> Option<Run<V>> {
        let (&first, &(last, value)) = self.runs.at_or_below(&number)?;
        (number <= last).then_some(Run { first, last, value })
    }

    /// All runs, ascending.
    pub(crate) fn runs(&self) -> impl DoubleEndedIterator<Item = Run<V>> + '_ {
        self.runs
            .iter()
            .map(|(&first, &(last, value))| Run { first, last, value })
    }

    /// How many runs there are: what it costs.
    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Gives all from `first` to `last` the value, or none.
    pub(crate) fn set(&mut self, first: u64, last: u64, value: Option<V>) {
        if first > last {
            return;
        }
        self.clear(first, last);
        let Some(value) = value else { return };
        let (mut start, mut end) = (first, last);
        if let Some(below) = first.checked_sub(1)
            && let Some((&low, &(high, same))) = self.runs.at_or_below(&below)
            && high == below
            && same == value
        {
            start = low;
        }
        if let Some(above) = last.checked_add(1)
            && let Some(&(high, same)) = self.runs.get(&above)
            && same == value
        {
            end = high;
            self.runs.remove(&above);
        }
        self.runs.insert(start, (end, value));
    }

    fn clear(&mut self, first: u64, last: u64) {
        if let Some((&low, &(high, value))) = self.runs.at_or_below(&first)
            && high >= first
            && low < first
        {
            self.runs.insert(low, (first - 1, value));
            if high > last {
                self.runs.insert(last + 1, (high, value));
                return;
            }
        }
        loop {
            let next = self.runs.range_from(&first).next();
            let Some((&low, &(high, value))) = next.filter(|(low, _)| **low <= last) else {
                return;
            };
            self.runs.remove(&low);
            if high > last {
                self.runs.insert(last + 1, (high, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_map_agrees_with_a_btree_map(steps in prop::collection::vec((any::<bool>(), 0u16..600, 0u8..9), 0..900)) {
            let (mut mine, mut model) = (Map::new(), BTreeMap::new());
            let mut copies = Vec::new();
            for (index, (add, key, value)) in steps.into_iter().enumerate() {
                if add {
                    prop_assert_eq!(mine.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(mine.remove(&key), model.remove(&key));
                }
                if index % 200 == 0 {
                    copies.push((mine.clone(), model.clone()));
                }
            }
            copies.push((mine, model));
            for (mine, model) in copies {
                prop_assert_eq!(mine.len(), model.len());
                prop_assert!(mine.iter().eq(model.iter()));
                for key in (0..600).step_by(7) {
                    prop_assert_eq!(mine.get(&key), model.get(&key));
                    prop_assert!(mine.range_from(&key).eq(model.range(key..)));
                    prop_assert_eq!(mine.at_or_below(&key), model.range(..=key).next_back());
                }
            }
        }

        #[test]
        fn a_run_map_agrees_with_a_btree_map(steps in prop::collection::vec((0u64..80, 0u64..80, prop::option::of(0u8..3)), 0..60)) {
            let (mut mine, mut model) = (RunMap::default(), BTreeMap::new());
            for (a, b, value) in steps {
                let (first, last) = (a.min(b), a.max(b));
                mine.set(first, last, value);
                for number in first..=last {
                    match value {
                        Some(value) => model.insert(number, value),
                        None => model.remove(&number),
                    };
                }
                for number in 0..81 {
                    prop_assert_eq!(mine.get(number), model.get(&number).copied());
                }
                let runs: Vec<_> = mine.runs().collect();
                for pair in runs.windows(2) {
                    prop_assert!(pair[0].last < pair[1].first);
                    prop_assert!(pair[0].last + 1 < pair[1].first || pair[0].value != pair[1].value);
                }
            }
        }
    }
}
