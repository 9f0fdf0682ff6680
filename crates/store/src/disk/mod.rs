//! The journal engine: one append-only journal in segment files, and an index.

mod files;
mod io;

pub use files::RealDisk;
pub use io::{Disk, DiskFile};
