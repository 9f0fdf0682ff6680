//! The index and, above it, what has not reached it yet.
//!
//! The journal thread publishes changes here after their group is durable;
//! readers see them from then on. The index takes them over later.

use super::lock;
use super::rows::{Row, Watermark};
use crate::index::{Batch, Index, IndexError, Space};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use terms::AccountId;

type Key = (Space, Bytes);

/// Changes that go to the index together.
#[derive(Debug)]
pub(crate) struct Pending {
    generation: u64,
    changes: Vec<(Key, Option<Bytes>)>,
    /// Everything up to here is in the index once these changes are.
    pub(crate) mark: Option<Watermark>,
    /// Accounts whose dead rows can go.
    pub(crate) sweeps: Vec<AccountId>,
}

#[derive(Debug, Default)]
struct Overlay {
    generation: u64,
    changes: BTreeMap<Key, (u64, Option<Bytes>)>,
    octets: usize,
    queue: VecDeque<Pending>,
}

impl Overlay {
    fn insert(&mut self, key: Key, value: Option<Bytes>) {
        self.octets += octets_of(&key, value.as_ref());
        let length = key.1.len();
        let old = self.changes.insert(key, (self.generation, value));
        if let Some((_, old)) = old {
            self.octets -= length + old.map_or(0, |old| old.len()) + ENTRY_OCTETS;
        }
    }
}

/// Octets that an entry of the overlay takes besides key and value.
const ENTRY_OCTETS: usize = 100;

pub(crate) struct Ledger {
    index: RwLock<Arc<dyn Index>>,
    overlay: Mutex<Overlay>,
    /// Something is queued, or the overlay has shrunk.
    changed: Condvar,
}

/// What a scan calls; breaks to end it.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

impl Ledger {
    pub(crate) fn new(index: Arc<dyn Index>) -> Self {
        Self {
            index: RwLock::new(index),
            overlay: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn index(&self) -> Arc<dyn Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace_index(&self, index: Arc<dyn Index>) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
    }

    pub(crate) fn octets(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        {
            let overlay = lock(&self.overlay);
            let key = (space, Bytes::copy_from_slice(key));
            if let Some((_, value)) = overlay.changes.get(&key) {
                return Ok(value.clone());
            }
        }
        self.index().get(space, key)
    }

    /// The row of a key.
    pub(crate) fn row<R: Row>(&self, key: &[u8]) -> Result<Option<R>, IndexError> {
        self.octets(Space::Places, key)?
            .map(|octets| decode(key, &octets))
            .transpose()
    }

    /// Visits the places from `from` (inclusive) to `to` (exclusive), ascending.
    pub(crate) fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), IndexError> {
        let mut newer = self.newer(from, to).into_iter().peekable();
        let mut stopped = false;
        let mut both = |key: &[u8], value: Option<&[u8]>| {
            while let Some((of, newest)) = newer.next_if(|(of, _)| value.is_none() || of <= key) {
                if let Some(newest) = newest {
                    visit(&of, &newest)?;
                }
                if of == key && value.is_some() {
                    return ControlFlow::Continue(());
                }
            }
            match value {
                Some(value) => visit(key, value),
                None => ControlFlow::Continue(()),
            }
        };
        self.index()
            .scan(Space::Places, from, to, &mut |key, value| {
                let flow = both(key, Some(value));
                stopped |= flow.is_break();
                flow
            })?;
        if !stopped {
            let _ = both(&[], None);
        }
        Ok(())
    }

    fn newer(&self, from: &[u8], to: Option<&[u8]>) -> Vec<(Bytes, Option<Bytes>)> {
        let at = |key: &[u8]| (Space::Places, Bytes::copy_from_slice(key));
        let end = match to {
            Some(to) if to <= from => return Vec::new(),
            Some(to) => Bound::Excluded(at(to)),
            None => Bound::Excluded((Space::Derived, Bytes::new())),
        };
        let overlay = lock(&self.overlay);
        let range = overlay.changes.range((Bound::Included(at(from)), end));
        range
            .map(|((_, key), (_, value))| (key.clone(), value.clone()))
            .collect()
    }

    /// Visits the places that begin with `prefix`, ascending.
    pub(crate) fn scan_prefix(
        &self,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), IndexError> {
        let end = crate::index::after_prefix(prefix);
        self.scan(prefix, end.as_deref(), visit)
    }

    /// Shows the changes to all readers and queues them for the index.
    pub(crate) fn publish(&self, draft: Draft<'_>, mark: Option<Watermark>) {
        let changes: Vec<_> = draft
            .changes
            .into_iter()
            .map(|(key, value)| ((Space::Places, Bytes::from(key)), value))
            .collect();
        self.queue(changes, mark, draft.sweeps);
    }

    /// Shows the changes to readers before the index may have them: they are not
    /// durable yet. They have to be published afterwards.
    pub(crate) fn show(&self, draft: Draft<'_>) {
        let mut overlay = lock(&self.overlay);
        overlay.generation += 1;
        for (key, value) in draft.changes {
            overlay.insert((Space::Places, Bytes::from(key)), value);
        }
    }

    /// Keeps derived octets, unless too much is waiting already.
    pub(crate) fn put_derived(&self, key: &[u8], octets: Bytes, lag_octets_max: usize) {
        if lock(&self.overlay).octets < lag_octets_max / 2 {
            let key = (Space::Derived, Bytes::copy_from_slice(key));
            self.queue(vec![(key, Some(octets))], None, Vec::new());
        }
    }

    fn queue(
        &self,
        changes: Vec<(Key, Option<Bytes>)>,
        mark: Option<Watermark>,
        sweeps: Vec<AccountId>,
    ) {
        let mut overlay = lock(&self.overlay);
        overlay.generation += 1;
        let generation = overlay.generation;
        for (key, value) in &changes {
            overlay.insert(key.clone(), value.clone());
        }
        overlay.queue.push_back(Pending {
            generation,
            changes,
            mark,
            sweeps,
        });
        drop(overlay);
        self.changed.notify_all();
    }

    /// All that waits for the index now, oldest first.
    pub(crate) fn take(&self) -> Vec<Pending> {
        let mut overlay = lock(&self.overlay);
        overlay.queue.drain(..).collect()
    }

    /// Waits until something is queued or `stop`, at most so long.
    pub(crate) fn wait_queued(&self, limit: std::time::Duration, stop: &AtomicBool) {
        let overlay = lock(&self.overlay);
        let waited = self.changed.wait_timeout_while(overlay, limit, |overlay| {
            overlay.queue.is_empty() && !stop.load(Ordering::SeqCst)
        });
        drop(waited);
    }

    /// Wakes who waits.
    pub(crate) fn wake(&self) {
        // Nobody may be between looking and waiting.
        drop(lock(&self.overlay));
        self.changed.notify_all();
    }

    /// Octets that wait for the index.
    pub(crate) fn lag_octets(&self) -> usize {
        lock(&self.overlay).octets
    }

    /// Waits until the index has caught up a little, at most so long.
    pub(crate) fn wait_shrunk(&self, octets_max: usize, limit: std::time::Duration) {
        let overlay = lock(&self.overlay);
        let waited = self
            .changed
            .wait_timeout_while(overlay, limit, |overlay| overlay.octets > octets_max);
        drop(waited);
    }

    /// The index has these now.
    pub(crate) fn applied(&self, pending: &[Pending]) {
        let mut overlay = lock(&self.overlay);
        for pending in pending {
            for (key, _) in &pending.changes {
                let ours = overlay.changes.get(key);
                if ours.is_some_and(|(generation, _)| *generation == pending.generation)
                    && let Some((_, value)) = overlay.changes.remove(key)
                {
                    overlay.octets -= octets_of(key, value.as_ref());
                }
            }
        }
        drop(overlay);
        self.changed.notify_all();
    }
}

fn octets_of(key: &Key, value: Option<&Bytes>) -> usize {
    key.1.len() + value.map_or(0, Bytes::len) + ENTRY_OCTETS
}

pub(crate) fn decode<R: Row>(key: &[u8], octets: &[u8]) -> Result<R, IndexError> {
    R::decode(key, octets).map_err(|error| IndexError(format!("a value is damaged: {error}")))
}

/// One batch of all of these.
pub(crate) fn batch_of(pending: &[Pending]) -> Batch {
    let mut batch = Batch::new();
    for ((space, key), value) in pending.iter().flat_map(|pending| &pending.changes) {
        match value {
            Some(value) => batch.put(*space, key.clone(), value.clone()),
            None => batch.remove(*space, key.clone()),
        }
    }
    batch
}

/// Changes that nobody else sees yet.
pub(crate) struct Draft<'a> {
    ledger: &'a Ledger,
    changes: BTreeMap<Vec<u8>, Option<Bytes>>,
    octets: usize,
    sweeps: Vec<AccountId>,
    /// Accounts that were not there before.
    pub(crate) created: Vec<AccountId>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(ledger: &'a Ledger) -> Self {
        Self {
            ledger,
            changes: BTreeMap::new(),
            octets: 0,
            sweeps: Vec::new(),
            created: Vec::new(),
        }
    }

    pub(crate) fn row<R: Row>(&self, key: &[u8]) -> Result<Option<R>, IndexError> {
        match self.changes.get(key) {
            Some(Some(octets)) => decode(key, octets).map(Some),
            Some(None) => Ok(None),
            None => self.ledger.row(key),
        }
    }

    pub(crate) fn put<R: Row>(&mut self, key: Vec<u8>, row: &R) {
        let value = row.encode(&key);
        self.octets += key.len() + value.len() + ENTRY_OCTETS;
        self.changes.insert(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.octets += key.len() + ENTRY_OCTETS;
        self.changes.insert(key, None);
    }

    pub(crate) fn sweep(&mut self, account: AccountId) {
        self.sweeps.push(account);
    }

    /// How much has gathered, about.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Writes what has gathered straight to the index and begins anew; the
    /// accounts to be swept are left.
    pub(crate) fn flush(&mut self) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        for (key, value) in std::mem::take(&mut self.changes) {
            match value {
                Some(value) => batch.put(Space::Places, key, value),
                None => batch.remove(Space::Places, key),
            }
        }
        self.octets = 0;
        self.ledger.index().apply(batch)
    }

    pub(crate) fn take_sweeps(&mut self) -> Vec<AccountId> {
        std::mem::take(&mut self.sweeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::rows::{TieRow, key};
    use crate::index::OrderedIndex;
    use terms::BlobId;

    fn keys_of(ledger: &Ledger) -> Vec<(u8, u64)> {
        let mut found = Vec::new();
        ledger
            .scan(b"B", Some(b"C"), &mut |key, value| {
                let row: TieRow = decode(key, value).unwrap();
                found.push((key[16], row.segment));
                ControlFlow::Continue(())
            })
            .unwrap();
        found
    }

    #[test]
    fn a_scan_sees_what_the_index_has_and_what_it_lacks() {
        let ledger = Ledger::new(Arc::new(OrderedIndex::new()));
        let put = |numbers: &[(u128, Option<u64>)]| {
            let mut draft = Draft::new(&ledger);
            for (id, segment) in numbers {
                let key = key::blob(BlobId(*id), 0);
                match segment {
                    Some(segment) => draft.put(key, &TieRow { segment: *segment }),
                    None => draft.remove(key),
                }
            }
            ledger.publish(draft, None);
        };
        put(&[(1, Some(1)), (3, Some(1)), (5, Some(1)), (7, Some(1))]);
        assert_eq!(keys_of(&ledger), [(1, 1), (3, 1), (5, 1), (7, 1)]);
        let taken = ledger.take();
        ledger.index().apply(batch_of(&taken)).unwrap();
        ledger.applied(&taken);
        assert_eq!(ledger.lag_octets(), 0);
        put(&[
            (0, Some(2)),
            (3, Some(2)),
            (4, Some(2)),
            (5, None),
            (9, Some(2)),
        ]);
        let both = [(0, 2), (1, 1), (3, 2), (4, 2), (7, 1), (9, 2)];
        assert_eq!(keys_of(&ledger), both);
        let taken = ledger.take();
        put(&[(4, Some(3))]);
        ledger.index().apply(batch_of(&taken)).unwrap();
        ledger.applied(&taken);
        let both = [(0, 2), (1, 1), (3, 2), (4, 3), (7, 1), (9, 2)];
        assert_eq!(keys_of(&ledger), both);
    }
}
