//! The seam between the journal engine and the files it keeps.
//!
//! One flat directory of files. A journal segment is only ever appended to; a
//! name appears by `create` or `rename` and is durable after `sync_dir`, octets
//! are durable after `sync`. Nothing else is promised, and the engine assumes
//! nothing else: whatever was not synced may be there after a crash, wholly or
//! in part, or not.

use std::io;
use std::sync::Arc;

/// A directory of files.
pub trait Disk: Send + Sync + 'static {
    /// Keeps all others out of the directory for as long as this lives.
    ///
    /// # Errors
    /// If somebody has it already.
    fn lock(&self) -> io::Result<()>;

    /// Lets others in again; nothing is written after this.
    fn unlock(&self) {}

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// If the directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A new empty file for reading and writing; one of that name is emptied.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// The file of that name, for reading.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name; one that has the new name goes.
    ///
    /// # Errors
    /// If there is no such file or it cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name. Who has the file open may read on.
    ///
    /// # Errors
    /// If there is no such file or it cannot be removed.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Cuts the file of that name to a length it is longer than, durably.
    ///
    /// # Errors
    /// If it failed; the file may have either length.
    fn cut(&self, name: &str, length: u64) -> io::Result<()>;

    /// Makes the names durable as they are.
    ///
    /// # Errors
    /// If it failed; then nothing is known about any name changed since the last
    /// success.
    fn sync_dir(&self) -> io::Result<()>;

    /// How many octets can still be written, about.
    ///
    /// # Errors
    /// If that cannot be told.
    fn free_octets(&self) -> io::Result<u64>;
}

/// One open file.
pub trait DiskFile: Send + Sync {
    /// How long it is.
    ///
    /// # Errors
    /// If that cannot be told.
    fn length(&self) -> io::Result<u64>;

    /// Writes some octets at an offset and says how many; may be fewer than given.
    ///
    /// # Errors
    /// `StorageFull` (or any other); some of the octets may have been written.
    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<usize>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// If it failed; the file may have either length.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Takes space for `length` octets of zeroes. Only ever called for the
    /// reserve.
    ///
    /// # Errors
    /// `StorageFull` if there is not that much.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Makes octets and length durable (`fdatasync`).
    ///
    /// # Errors
    /// If it failed: what was written since the last success may be lost, even if
    /// a later call succeeds.
    fn sync(&self) -> io::Result<()>;

    /// Reads some octets at an offset and says how many; zero at the end.
    ///
    /// # Errors
    /// If reading failed.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// The same if it can be had without waiting for the disk; `None` if not.
    ///
    /// # Errors
    /// If reading failed.
    fn read_now(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        self.read_at(into, at).map(Some)
    }
}
