//! Where accounts and message bodies are kept.
//!
//! [`Store`] is the contract; every engine must pass the suite in
//! `conformance`. A store knows nothing of what an account is: it appends
//! commits to the log of an [`AccountId`](terms::AccountId), keeps sections of checkpoints that
//! fold such a log, and keeps immutable blobs that commits bind and release.
//! Payloads are opaque octets.

pub mod conformance;
mod contract;
mod disk;
pub mod fault;
pub mod index;
mod memory;

pub use contract::{
    Answer, BlobError, BlobSink, Checkpoint, Commit, CommitError, DueAccount, Loaded, PutError,
    Section, SectionKey, Sections, Store, StoreError, Verification,
};
pub use disk::{Disk, DiskFile, DiskStore, Drive, Options, RealDisk, Stats, WentOn};
pub use memory::{MemoryStore, Outcome};
