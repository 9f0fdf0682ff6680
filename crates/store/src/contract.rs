//! The contract between accounts and engines.

use bytes::Bytes;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use terms::{AccountId, BlobId, ModSeq, Timestamp};
use tokio::sync::watch;

/// What a call gives at once or later. Dropping it does not undo the call: what
/// has been asked may still happen.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One atomic step of one account: an envelope that the store reads and a
/// payload that it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Random; tells after an unknown outcome whether this commit is there.
    pub id: u128,
    /// The number of the first change in it: one more than the newest before it,
    /// but for an Epoch, which may leave a gap.
    pub first: ModSeq,
    /// The number of the last change in it.
    pub last: ModSeq,
    /// When it was decided.
    pub time: Timestamp,
    /// Blobs that become durable with this commit and stay at least until every
    /// account that bound them has released them.
    pub binds: Vec<BlobId>,
    /// Blobs that this account needs no longer.
    pub releases: Vec<BlobId>,
    /// When the account next has something to do by itself; replaces the due
    /// time of the commit before. `None`: never.
    pub due: Option<Timestamp>,
    /// The changes, opaque.
    pub payload: Bytes,
}

impl Commit {
    /// Longest payload, in octets.
    pub const PAYLOAD_MAX: usize = 16 << 20;
    /// Most blobs that one commit binds, and most that it releases.
    pub const BLOBS_MAX: usize = 100_000;

    /// Whether any engine would take the commit directly after change `after`.
    ///
    /// # Errors
    /// `Refused`, with what is wrong with it.
    pub fn check(&self, after: ModSeq) -> Result<(), CommitError> {
        let wrong = if self.first <= after {
            "its numbers do not follow the newest"
        } else if self.last < self.first || self.last > ModSeq::MAX {
            "its numbers do not ascend"
        } else if self.payload.len() > Self::PAYLOAD_MAX {
            "its payload is too long"
        } else if self.binds.len() > Self::BLOBS_MAX || self.releases.len() > Self::BLOBS_MAX {
            "it has too many blobs"
        } else {
            return Ok(());
        };
        Err(CommitError::Refused(wrong))
    }
}

/// Names one section of an account's checkpoint. Zero is the root; what the
/// others mean is the account's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionKey(pub u64);

impl SectionKey {
    /// The section that every load wants.
    pub const ROOT: Self = Self(0);
}

/// One section of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which.
    pub key: SectionKey,
    /// The number of the last change that is folded into it.
    pub number: ModSeq,
    /// Opaque. At most [`Section::OCTETS_MAX`].
    pub octets: Bytes,
}

impl Section {
    /// Longest section, in octets.
    pub const OCTETS_MAX: usize = 1 << 20;
}

/// Folds an account's log. Sections not named keep standing as they are, at the
/// number they were written with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The account's newest number when it was made; it must be committed.
    pub number: ModSeq,
    /// Every section stands as if all changes up to this number were in it, so
    /// commits up to it are needed no longer. Not above `number`, never going
    /// back. (A checkpoint of the root alone has the old value here.)
    pub covers: ModSeq,
    /// What the checkpoint covers that this one was made from: where another was
    /// made meanwhile this one is refused, because it does not know what sections
    /// there are now. `None`: whatever there is.
    pub replaces: Option<ModSeq>,
    /// The sections that have changed.
    pub sections: Vec<Section>,
    /// The sections that have gone.
    pub removed: Vec<SectionKey>,
}

impl Checkpoint {
    /// Most sections written and removed by one checkpoint.
    pub const SECTIONS_MAX: usize = 65_536;

    /// Whether any engine would take it for an account at `head` whose newest
    /// checkpoint covers `covers`.
    ///
    /// # Errors
    /// `Refused`, with what is wrong with it.
    pub fn check(&self, head: ModSeq, covers: ModSeq) -> Result<(), CommitError> {
        let wrong = if self.number > head {
            "its number is not committed"
        } else if self.covers > self.number {
            "it covers more than its number"
        } else if self.covers < covers {
            "a newer checkpoint covers more"
        } else if self.replaces.is_some_and(|base| base != covers) {
            "it was made from an older checkpoint"
        } else if self.sections.len() + self.removed.len() > Self::SECTIONS_MAX {
            "it has too many sections"
        } else if self
            .sections
            .iter()
            .any(|section| section.number > self.number)
        {
            "a section stands beyond its number"
        } else if self
            .sections
            .iter()
            .any(|section| section.octets.len() > Section::OCTETS_MAX)
        {
            "a section is too long"
        } else {
            return Ok(());
        };
        Err(CommitError::Refused(wrong))
    }
}

/// Which sections a load wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sections {
    /// The root alone, and the commits after the root's own number.
    Root,
    /// These (those that there are), and the commits after the newest `covers`.
    Only(Vec<SectionKey>),
    /// All, and the commits after the newest `covers`.
    All,
}

/// What a load found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The newest number; zero for an account that has no commit.
    pub head: ModSeq,
    /// The newest checkpoint's `covers`; zero where there is none.
    pub covers: ModSeq,
    /// The sections that were asked for, ascending by key.
    pub sections: Vec<Section>,
    /// The commits since, ascending.
    pub commits: Vec<Commit>,
    /// The log has a hole that cannot be filled: what is here stands before it
    /// and the account is read-only until it has been repaired.
    pub damaged: bool,
}

/// An account that has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueAccount {
    /// Since when.
    pub due: Timestamp,
    /// Which.
    pub account: AccountId,
}

/// Why a commit was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another writer was first; nothing has changed. Load, decide again.
    #[error("another writer has committed up to change {current}")]
    Conflict {
        /// The newest number now.
        current: ModSeq,
    },
    /// No space; nothing has changed. Commits that only release may still pass.
    #[error("the store has no space left")]
    Full,
    /// A blob to be bound is not there, or the commit breaks a limit or the order
    /// of numbers; nothing has changed. A fault of the caller.
    #[error("the commit is not acceptable: {0}")]
    Refused(&'static str),
    /// The account's log is damaged: read-only until repaired. Nothing has changed.
    #[error("the account is damaged and read-only")]
    Damaged,
    /// The outcome is unknown: it may or may not become durable. Load, and look
    /// for the commit's id.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why a blob could not be put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// No space.
    #[error("the store has no space left")]
    Full,
    /// Longer than a blob may be.
    #[error("the body is too long")]
    TooLong,
    /// The store failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why a blob could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// There is none, or it has gone.
    #[error("there is no blob {0}")]
    Missing(BlobId),
    /// Its octets are not what was written.
    #[error("blob {0} is damaged")]
    Damaged(BlobId),
    /// The store failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// The store could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// What `verify` found. Texts are for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// How many accounts were looked at.
    pub accounts: u64,
    /// How many commits.
    pub commits: u64,
    /// How many blobs.
    pub blobs: u64,
    /// Octets read.
    pub octets: u64,
    /// Accounts whose logs have holes.
    pub damaged_accounts: Vec<AccountId>,
    /// Blobs whose octets are damaged or missing though they are bound.
    pub damaged_blobs: Vec<BlobId>,
    /// What else is wrong, a line each: what cannot be said to concern anybody.
    pub faults: Vec<String>,
    /// Everything that was noticed, a line each.
    pub notes: Vec<String>,
}

/// Takes the octets of one blob in pieces.
pub trait BlobSink: Send {
    /// Takes some more octets. Waits while too much is on its way to the disk.
    ///
    /// # Errors
    /// After an error the sink takes nothing more.
    fn write<'a>(&'a mut self, octets: &'a [u8]) -> Answer<'a, Result<(), PutError>>;

    /// The blob is whole; `derived` is kept beside it and found again by
    /// [`Store::derived`]. Promises nothing until a commit binds the blob: an
    /// unbound one is garbage after 24 hours, or as soon as the process ends.
    /// A sink that is dropped instead leaves nothing.
    ///
    /// # Errors
    /// The blob is not there then.
    fn finish(self: Box<Self>, derived: Bytes) -> Answer<'static, Result<(), PutError>>;
}

/// A store of accounts' logs and of blobs.
///
/// Several users may have one store open at once, in one process or in many;
/// none may assume that it is the only writer. All octets given are kept as they
/// are and come back as they were.
pub trait Store: Send + Sync + 'static {
    /// Begins a blob. `id` is random and has never been used. `length` is how
    /// long it will be at the most, where that is known.
    fn blob_sink(&self, id: BlobId, length: Option<u64>) -> Box<dyn BlobSink>;

    /// Appends `commit` to the account's log, directly after change `after`.
    ///
    /// # Guarantees
    /// - **Atomic.** After a crash a reader sees all of it or none.
    /// - **Durable.** `Ok` means that it and the blobs it binds survive power
    ///   loss. LMTP answers 250 on the strength of this (RFC 2033 §4.2).
    /// - **Ordered.** An account's numbers ascend and never repeat.
    /// - **Visible.** Once `Ok`, [`Store::head`] and [`Store::load`] never show less.
    ///
    /// # Errors
    /// See [`CommitError`]; all but `Failed` leave everything as it was.
    fn commit(
        &self,
        account: AccountId,
        after: ModSeq,
        commit: Commit,
    ) -> Answer<'_, Result<(), CommitError>>;

    /// The newest number of the account; zero if it has no commit. Cheap: asked
    /// at every login, SELECT, STATUS and NOOP.
    ///
    /// # Errors
    /// If the store does not answer.
    fn head(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>>;

    /// The newest checkpoint's sections and the commits since.
    ///
    /// # Errors
    /// If the store does not answer. Damage is no error: see [`Loaded::damaged`].
    fn load(
        &self,
        account: AccountId,
        sections: Sections,
    ) -> Answer<'_, Result<Loaded, StoreError>>;

    /// Octets of a blob, the range cut to its length; checked. Wide ranges should
    /// be asked for in pieces of up to 1 MB, ascending.
    ///
    /// # Errors
    /// See [`BlobError`].
    fn blob(&self, id: BlobId, range: Range<u64>) -> Answer<'_, Result<Bytes, BlobError>>;

    /// The same if it can be had without waiting: `None` says that it cannot.
    fn blob_now(&self, id: BlobId, range: Range<u64>) -> Option<Result<Bytes, BlobError>> {
        let _ = (id, range);
        None
    }

    /// The derived octets of each blob, in the order asked; `None` where there
    /// are none: make them anew from the blob.
    ///
    /// # Errors
    /// If the store does not answer.
    fn derived(&self, blobs: &[BlobId]) -> Answer<'_, Result<Vec<Option<Bytes>>, StoreError>>;

    /// Keeps derived octets that were made anew. They may be lost at any time.
    fn put_derived(&self, id: BlobId, derived: Bytes);

    /// Folds the account's log. Durable some time later; a lost checkpoint loses
    /// nothing.
    ///
    /// # Errors
    /// `Refused` where it breaks what [`Checkpoint`] says; nothing has changed.
    fn checkpoint(
        &self,
        account: AccountId,
        checkpoint: Checkpoint,
    ) -> Answer<'_, Result<(), CommitError>>;

    /// Accounts that are due at or before `until`, the longest due first.
    ///
    /// # Errors
    /// If the store does not answer.
    fn due(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Answer<'_, Result<Vec<DueAccount>, StoreError>>;

    /// Wakes when somebody has committed to the account; the value is its newest
    /// number.
    fn watch(&self, account: AccountId) -> watch::Receiver<ModSeq>;

    /// All accounts that have a commit and were not removed, ascending by
    /// identifier, from above `after`.
    ///
    /// # Errors
    /// If the store does not answer.
    fn list(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<AccountId>, StoreError>>;

    /// Removes an account's log and sections for good and releases all that it
    /// has bound. Durable when it returns. The identifier must not be used again.
    ///
    /// # Errors
    /// As for a commit.
    fn remove(&self, account: AccountId) -> Answer<'_, Result<(), CommitError>>;

    /// Lets a damaged account go on: what its log has after the hole is void, and
    /// its numbers are not used again. Where sections are lost it may stand at an older
    /// checkpoint afterwards, or without those sections. Says the newest number; the next commit goes
    /// after it and must be an Epoch. An account that is not damaged stays as it is.
    ///
    /// # Errors
    /// If the store does not answer.
    fn repair(&self, account: AccountId) -> Answer<'_, Result<ModSeq, StoreError>> {
        self.head(account)
    }

    /// Reads everything and says what is wrong with it; `progress` is told the
    /// octets read so far.
    ///
    /// # Errors
    /// If reading failed altogether.
    fn verify<'a>(
        &'a self,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Answer<'a, Result<Verification, StoreError>>;

    /// Writes out what is waiting, seals, stops. Later calls fail.
    fn close(&self) -> Answer<'_, ()>;
}
