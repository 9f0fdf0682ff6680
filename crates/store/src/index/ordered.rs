//! An index in memory that can lose what was not persisted, be scrambled and be
//! told to fail. For tests.

use super::{Batch, Change, Index, IndexError, Space, Visitor};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Map = BTreeMap<(Space, Bytes), Bytes>;

/// An ordered map in memory. Clones share it, so that a test can keep one over a
/// restart of the engine.
#[derive(Clone, Debug, Default)]
pub struct OrderedIndex {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    live: Map,
    persisted: Map,
    /// Batches since the last persist, oldest first.
    pending: Vec<Vec<Change>>,
    failing: bool,
    /// Derived octets are not kept: they grow with the mail.
    makeshift: bool,
}

fn apply_to(map: &mut Map, changes: &[Change]) {
    for change in changes {
        let key = (change.space, change.key.clone());
        match &change.value {
            Some(value) => map.insert(key, value.clone()),
            None => map.remove(&key),
        };
    }
}

impl OrderedIndex {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that takes the place of a lasting index: it keeps nothing that may be
    /// lost at any time.
    pub(crate) fn makeshift() -> Self {
        let index = Self::default();
        index.state().makeshift = true;
        index
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> Result<MutexGuard<'_, State>, IndexError> {
        let state = self.state();
        if state.failing {
            return Err(IndexError("told to fail".into()));
        }
        Ok(state)
    }

    /// What a crash leaves: of the batches since the last persist only the first
    /// `kept`. This one is the dead process's from now on and can change nothing.
    pub fn survivor(&self, kept: usize) -> Self {
        let mut state = self.state();
        let mut left = state.persisted.clone();
        for changes in state.pending.iter().take(kept) {
            apply_to(&mut left, changes);
        }
        state.failing = true;
        Self::holding(left)
    }

    fn holding(map: Map) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State {
                persisted: map.clone(),
                live: map,
                ..State::default()
            })),
        }
    }

    /// How many batches a power cut could lose.
    pub fn unpersisted(&self) -> usize {
        self.state().pending.len()
    }

    /// A copy of its own as things stand, all persisted: an old index to come
    /// back with later.
    pub fn copied(&self) -> Self {
        Self::holding(self.state().live.clone())
    }

    /// While failing, every call is an error.
    pub fn set_failing(&self, failing: bool) {
        self.state().failing = failing;
    }

    /// Rewrites what the keys say, as a damaged index would: `edit` gets each key
    /// and value and gives the new value, or `None` to drop the key.
    pub fn scramble(&self, mut edit: impl FnMut(Space, &[u8], &[u8]) -> Option<Bytes>) {
        let mut state = self.state();
        let old = std::mem::take(&mut state.live);
        for ((space, key), value) in old {
            if let Some(value) = edit(space, &key, &value) {
                state.live.insert((space, key), value);
            }
        }
        state.persisted = state.live.clone();
        state.pending.clear();
    }
}

impl Index for OrderedIndex {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let key = (space, Bytes::copy_from_slice(key));
        Ok(self.working()?.live.get(&key).cloned())
    }

    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), IndexError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let from = Bound::Included((space, Bytes::copy_from_slice(from)));
        let to = to.map_or(Bound::Unbounded, |to| {
            Bound::Excluded((space, Bytes::copy_from_slice(to)))
        });
        // Copied out, so that the visitor may use the index itself.
        let found: Vec<_> = self
            .working()?
            .live
            .range((from, to))
            .take_while(|((of, _), _)| *of == space)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        for (key, value) in found {
            if let ControlFlow::Break(()) = visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), IndexError> {
        let mut state = self.working()?;
        let mut changes = batch.changes;
        if state.makeshift {
            changes.retain(|change| change.space != Space::Derived);
            apply_to(&mut state.live, &changes);
            return Ok(());
        }
        apply_to(&mut state.live, &changes);
        state.pending.push(changes);
        Ok(())
    }

    fn persist(&self) -> Result<(), IndexError> {
        let mut state = self.working()?;
        for changes in std::mem::take(&mut state.pending) {
            apply_to(&mut state.persisted, &changes);
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), IndexError> {
        let mut state = self.working()?;
        state.live.clear();
        state.persisted.clear();
        state.pending.clear();
        Ok(())
    }
}
