//! The two directories of a store: the journal's, and the one around it.

use super::files::RealDisk;
use super::io::{Disk, DiskFile};
use super::marker;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory within one that is locked. The marker lies in the outer one.
pub(crate) struct Locked {
    inner: RealDisk,
    outer: RealDisk,
    /// Whether names of the outer one wait for its sync.
    outer_changed: AtomicBool,
}

impl Locked {
    /// Opens both, the inner one being `journal`, and locks the outer one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let outer = RealDisk::open(path)?;
        outer.lock()?;
        Ok(Self {
            inner: RealDisk::open(path.join("journal"))?,
            outer,
            outer_changed: AtomicBool::new(false),
        })
    }

    fn is_outer(name: &str) -> bool {
        [marker::MARKER, marker::NEW_MARKER].contains(&name)
    }

    fn at(&self, name: &str) -> &RealDisk {
        match Self::is_outer(name) {
            true => &self.outer,
            false => &self.inner,
        }
    }

    /// The directory of a name that changes.
    fn change(&self, name: &str) -> &RealDisk {
        if Self::is_outer(name) {
            self.outer_changed.store(true, Ordering::SeqCst);
        }
        self.at(name)
    }
}

impl Disk for Locked {
    fn lock(&self) -> io::Result<()> {
        self.inner.lock()
    }

    fn unlock(&self) {
        self.inner.unlock();
        self.outer.unlock();
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.change(name).create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.at(name).open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(from).rename(from, to)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.change(name).unlink(name)
    }

    fn cut(&self, name: &str, length: u64) -> io::Result<()> {
        self.at(name).cut(name, length)
    }

    fn sync_dir(&self) -> io::Result<()> {
        if self.outer_changed.load(Ordering::SeqCst) {
            self.outer.sync_dir()?;
            self.outer_changed.store(false, Ordering::SeqCst);
        }
        self.inner.sync_dir()
    }

    fn free_octets(&self) -> io::Result<u64> {
        self.inner.free_octets()
    }
}
