//! The files of a real directory.

use super::io::{Disk, DiskFile};
use rustix::fs::FallocateFlags;
use rustix::io::ReadWriteFlags;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of the operating system.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    directory: File,
}

impl RealDisk {
    /// Opens the directory; makes it (and its parents) if it is not there, for
    /// the owner alone.
    ///
    /// # Errors
    /// If it can neither be opened nor made.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        if !path.is_dir() {
            make_durably(&path)?;
        }
        let directory = File::open(&path)?;
        Ok(Self { path, directory })
    }
}

/// Makes a directory, its parents first, each synced into the one above.
fn make_durably(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    if !parent.is_dir() {
        make_durably(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent)?.sync_all()
}

impl Disk for RealDisk {
    fn lock(&self) -> io::Result<()> {
        self.directory.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("{} is in use by another process", self.path.display()),
            ),
        })
    }

    fn unlock(&self) {
        // Closing the directory does the same later.
        let _ = self.directory.unlock();
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.mode(0o600).open(self.path.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(File::open(self.path.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn cut(&self, name: &str, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.set_len(length)?;
        file.sync_data()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn free_octets(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// A file of the operating system.
#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<usize> {
        self.0.write_at(octets, at)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(
            &self.0,
            FallocateFlags::empty(),
            0,
            length,
        )?)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(into, at)
    }

    fn read_now(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        let mut slices = [IoSliceMut::new(into)];
        match rustix::io::preadv2(&self.0, &mut slices, at, ReadWriteFlags::NOWAIT) {
            Ok(count) => Ok(Some(count)),
            // A file system that cannot tell says that it is not supported.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_and_keeps_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let disk = RealDisk::open(&path).unwrap();
        disk.lock().unwrap();
        assert!(RealDisk::open(&path).unwrap().lock().is_err());
        let file = disk.create("one").unwrap();
        assert_eq!(file.write_at(b"octets", 512).unwrap(), 6);
        file.sync().unwrap();
        disk.rename("one", "two").unwrap();
        disk.sync_dir().unwrap();
        assert_eq!(disk.list().unwrap(), ["two"]);
        let file = disk.open("two").unwrap();
        assert_eq!(file.length().unwrap(), 518);
        let mut octets = [1; 8];
        assert_eq!(file.read_at(&mut octets, 510).unwrap(), 8);
        assert_eq!(&octets, b"\0\0octets");
        assert!(matches!(
            file.read_now(&mut octets, 518),
            Ok(Some(0) | None)
        ));
        disk.cut("two", 514).unwrap();
        assert_eq!(disk.open("two").unwrap().length().unwrap(), 514);
        disk.unlink("two").unwrap();
        assert!(disk.open("two").is_err());
        assert!(disk.free_octets().unwrap() > 0);
    }
}
