//! The index on fjall, an LSM library.

use super::{Batch, Index, IndexError, Space, Visitor};
use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use bytes::Bytes;
use rustix::io::Errno;
use std::fs::Permissions;
use std::ops::{Bound, ControlFlow};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Octets of the block cache. With two memtables per space, one filling and one
/// being written out, the whole stays below 64 MB.
const CACHE_OCTETS: u64 = 32 << 20;
/// Octets of one memtable.
const MEMTABLE_OCTETS: u64 = 8 << 20;
/// Octets of fjall's own write-ahead log; its smallest.
const LOG_OCTETS_MAX: u64 = 64 << 20;

/// Makes the directory, if it is not there, and lets nobody else into it: what the
/// index has copies of is not for everybody to read, and the library makes its files
/// as the umask has it.
fn make_private(directory: &Path) -> std::io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let permissions = std::fs::metadata(directory)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

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
        Ok(Err(error)) => Err(told(&error)),
        Err(_) => Err(IndexError("the library panicked".into())),
    }
}

fn told(error: &::fjall::Error) -> IndexError {
    IndexError(io_error(error).map_or_else(|| error.to_string(), ToString::to_string))
}

fn io_error(error: &::fjall::Error) -> Option<&std::io::Error> {
    match error {
        ::fjall::Error::Io(error) | ::fjall::Error::Storage(::fjall::LsmError::Io(error)) => {
            Some(error)
        }
        _ => None,
    }
}

/// Whether what is around the index is in the way, and nothing says that the index
/// itself is damaged: removing it would mend nothing.
fn is_of_surroundings(error: &::fjall::Error) -> bool {
    use std::io::ErrorKind;
    if matches!(error, ::fjall::Error::Locked) {
        return true;
    }
    io_error(error).is_some_and(|error| {
        let out_of_files = [Errno::MFILE, Errno::NFILE]
            .iter()
            .any(|code| error.raw_os_error() == Some(code.raw_os_error()));
        out_of_files
            || matches!(
                error.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::OutOfMemory
                    | ErrorKind::QuotaExceeded
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::StorageFull
            )
    })
}

impl FjallIndex {
    /// Opens the index in `directory` or makes one there.
    ///
    /// # Errors
    /// If it cannot be opened. Then remove the directory and open it again: the
    /// journal can fill a new one.
    pub fn open(directory: &Path) -> Result<Self, IndexError> {
        guarded(|| Self::opened(directory))
    }

    fn opened(directory: &Path) -> ::fjall::Result<Self> {
        make_private(directory)?;
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
    }

    /// Opens the index in `directory`; one that is damaged is removed and begun anew.
    /// The error that made that necessary comes along.
    ///
    /// # Errors
    /// If not even a new one can be made, or if it is not the index that is in the
    /// way: no more files may be open, the directory may not be read or written, or
    /// there is no space.
    pub fn open_or_renew(directory: &Path) -> Result<(Self, Option<IndexError>), IndexError> {
        let error = match catch_unwind(AssertUnwindSafe(|| Self::opened(directory))) {
            Ok(Ok(index)) => return Ok((index, None)),
            Ok(Err(error)) if is_of_surroundings(&error) => return Err(told(&error)),
            Ok(Err(error)) => told(&error),
            Err(_) => IndexError("the library panicked".into()),
        };
        match std::fs::remove_dir_all(directory) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                return Err(IndexError(format!("{}; removing it: {why}", error.0)));
            }
            _ => {}
        }
        Ok((Self::open(directory)?, Some(error)))
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
