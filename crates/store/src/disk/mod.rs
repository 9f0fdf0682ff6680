//! The journal engine: one append-only journal in segment files, and an index.
//!
//! The journal is the truth; docs/FORMAT.md says what its octets mean. One thread
//! writes it ([`journal`], [`gather`], [`writer`]); commits are answered after one
//! sync for all that waited, then shown to readers through the [`ledger`], and
//! given to the index later ([`indexer`]). The index may lag, be wrong or be lost.

mod apply;
mod catch_up;
mod core;
mod engine;
mod files;
mod footer;
mod format;
mod frame;
mod gather;
mod indexer;
mod io;
mod journal;
mod ledger;
mod load;
mod locked;
mod lost;
mod marker;
mod options;
mod pool;
mod reader;
mod record;
mod recovery;
mod room;
mod rows;
mod salvage;
mod search;
mod segment;
mod sink;
mod space;
mod stats;
mod store;
mod verify;
mod writer;

pub use files::RealDisk;
pub use io::{Disk, DiskFile};
pub use lost::WentOn;
pub use options::{Drive, Options};
pub use stats::Stats;
pub use store::DiskStore;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic elsewhere has left nothing half done that the lock protects.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
