//! The index on fjall, an LSM library.

use super::{Batch, Index, IndexError, Space, Visitor};
use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use bytes::Bytes;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Octets of the block cache. With two memtables per space, one filling and one
/// being written out, the whole stays below 64 MB.
const CACHE_OCTETS: u64 = 32 << 20;
/// Octets of one memtable.
const MEMTABLE_OCTETS: u64 = 8 << 20;
/// Octets of fjall's own write-ahead log; its smallest.
const LOG_OCTETS_MAX: u64 = 64 << 20;

/// An index in a directory of its own.
pub struct FjallIndex {
    database: Database,
    places: Keyspace,
    derived: Keyspace,
}

/// Runs `work`; a panic of the library is an error like any other, because a
/// damaged index must never take the engine with it.
fn guarded<T>(work: impl FnOnce() -> ::fjall::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(IndexError(error.to_string())),
        Err(_) => Err(IndexError("the library panicked".into())),
    }
}

impl FjallIndex {
    /// Opens the index in `directory` or makes one there.
    ///
    /// # Errors
    /// If it cannot be opened. Then remove the directory and open it again: the
    /// journal can fill a new one.
    pub fn open(directory: &Path) -> Result<Self, IndexError> {
        guarded(|| {
            let database = Database::builder(directory)
                .cache_size(CACHE_OCTETS)
                .max_journaling_size(LOG_OCTETS_MAX)
                .worker_threads(1)
                .open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_OCTETS);
            let places = database.keyspace("places", options)?;
            let derived = database.keyspace("derived", options)?;
            Ok(Self {
                database,
                places,
                derived,
            })
        })
    }

    /// Opens the index in `directory`; one that cannot be opened is removed and
    /// begun anew. The error that made that necessary comes along.
    ///
    /// # Errors
    /// If not even a new one can be made.
    pub fn open_or_renew(directory: &Path) -> Result<(Self, Option<IndexError>), IndexError> {
        match Self::open(directory) {
            Ok(index) => Ok((index, None)),
            Err(error) => {
                match std::fs::remove_dir_all(directory) {
                    Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                        return Err(IndexError(format!("{error}; removing it: {why}")));
                    }
                    _ => {}
                }
                Ok((Self::open(directory)?, Some(error)))
            }
        }
    }

    fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Places => &self.places,
            Space::Derived => &self.derived,
        }
    }
}

impl Index for FjallIndex {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let value = guarded(|| self.keyspace(space).get(key))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
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
        let range = (
            Bound::Included(from),
            to.map_or(Bound::Unbounded, Bound::Excluded),
        );
        let mut entries = guarded(|| Ok(self.keyspace(space).range::<&[u8], _>(range)))?;
        loop {
            // Only the library's own work is guarded, not the visitor's.
            let entry = guarded(|| entries.next().map(::fjall::Guard::into_inner).transpose())?;
            let Some((key, value)) = entry else {
                return Ok(());
            };
            if let ControlFlow::Break(()) = visit(&key, &value) {
                return Ok(());
            }
        }
    }

    fn apply(&self, batch: Batch) -> Result<(), IndexError> {
        guarded(|| {
            let mut writes = self.database.batch();
            for change in batch.changes {
                let keyspace = self.keyspace(change.space);
                match change.value {
                    Some(value) => writes.insert(keyspace, &*change.key, &*value),
                    None => writes.remove(keyspace, &*change.key),
                }
            }
            writes.commit()
        })
    }

    fn persist(&self) -> Result<(), IndexError> {
        guarded(|| self.database.persist(PersistMode::SyncAll))
    }

    fn clear(&self) -> Result<(), IndexError> {
        guarded(|| {
            for space in Space::ALL {
                self.keyspace(space).clear()?;
            }
            self.database.persist(PersistMode::SyncAll)
        })
    }
}
