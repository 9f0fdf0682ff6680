//! What the writer has to know of a state: an account's, or the directory's.

use account::Moment;
use bytes::Bytes;
use store::{Checkpoint, Commit, Loaded, SectionKey, Sections};
use terms::{AccountId, BlobId, ModSeq, Timestamp};

/// A state that is the sum of the changes in one log. Pure: the writer in
/// `live` gives it time and takes its commits to the store.
///
/// A copy is cheap, because what is large in it is shared.
pub trait Machine: Clone + Send + Sync + 'static {
    /// What may be asked of it.
    type Command: Send + Sync + 'static;
    /// What came of a command.
    type Outcome: Send + 'static;
    /// Why a command was not done.
    type Refusal: Send + 'static;
    /// What one command changes: one or more numbered changes.
    type Changes: Send + Sync + 'static;
    /// A part of the state that may be unloaded.
    type Part: Clone + Send + Sync + 'static;
    /// What a checkpoint is remembered by.
    type Fold: Send + Sync + 'static;
    /// What handles share and is no part of the state.
    type Marks: Default + Send + Sync + 'static;

    /// The number of the newest change in it; zero before the first.
    fn number(&self) -> ModSeq;

    /// About how many octets a waiting command takes.
    fn weight(command: &Self::Command) -> usize;

    /// What `command` would change. Its results stand in the changes.
    fn decide(&self, command: &Self::Command, moment: Moment) -> Decision<Self>;

    /// Files what was decided on this very state.
    fn apply(&mut self, changes: &Self::Changes);

    /// The command that lets numbers jump beyond all that may have been `told`. After
    /// a repair it goes before all others.
    fn epoch(told: ModSeq) -> Self::Command;

    /// Whether this is that command.
    fn is_epoch(command: &Self::Command) -> bool;

    /// What is to ride along with the next commit, on top of this state.
    fn riders(&self, marks: &Self::Marks) -> Option<Self::Changes>;

    /// Writes down what stands in one commit; `self` is the state after it.
    fn seal(&self, changes: &[Self::Changes]) -> Sealed;

    /// Whether these changes bind blobs: then a full store refuses them.
    fn binds(changes: &Self::Changes) -> bool;

    /// What has to be loaded to open one.
    fn opening() -> Sections;

    /// The state that a load has found.
    ///
    /// # Errors
    /// See [`OpenFault`].
    fn open(id: AccountId, loaded: &Loaded) -> Result<Self, OpenFault>;

    /// Applies commits that follow this state directly.
    ///
    /// # Errors
    /// If they cannot be read or do not follow: then it has to be opened anew.
    fn follow(&mut self, commits: &[Commit]) -> Result<(), String>;

    /// The sections that these parts are made of.
    fn sections(&self, parts: &[Self::Part]) -> Vec<SectionKey>;

    /// Takes in parts: `loaded` has their sections and stands at this very
    /// number.
    ///
    /// # Errors
    /// If they cannot be read.
    fn fill(&mut self, parts: &[Self::Part], loaded: &Loaded) -> Result<(), String>;

    /// Whether all of these parts are in memory.
    fn has(&self, parts: &[Self::Part]) -> bool;

    /// Octets of all that [`Machine::unload`] would free.
    fn tables_octets(&self) -> usize;

    /// Gives up all but the root.
    fn unload(&mut self);

    /// A commit with a payload of so many octets has been made and applied.
    fn committed(&mut self, octets: usize);

    /// What the newest checkpoint covers, as far as this state knows.
    fn covers(&self) -> ModSeq;

    /// Whether the log should be folded now.
    fn fold_due(&self) -> bool;

    /// The checkpoint to be written.
    ///
    /// # Errors
    /// The parts that it would need in memory.
    fn fold(&self) -> Result<(Checkpoint, Self::Fold), Vec<Self::Part>>;

    /// The store has taken the checkpoint.
    fn folded(&mut self, fold: &Self::Fold);
}

/// Why a load does not add up to a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFault {
    /// These sections are needed besides the root.
    More(Vec<SectionKey>),
    /// It cannot be read; the text is for the log.
    Bad(String),
}

/// What a state says to a command.
#[derive(Debug)]
pub enum Decision<M: Machine> {
    /// It is done, by these changes; `None` where nothing changes.
    Done {
        /// What changes.
        changes: Option<M::Changes>,
        /// What to tell whoever asked.
        outcome: M::Outcome,
    },
    /// It is not done.
    Refused(M::Refusal),
    /// It cannot be said without these parts.
    Needs(Vec<M::Part>),
}

/// What goes into a commit besides its identifier and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The number of the first change.
    pub first: ModSeq,
    /// The number of the last.
    pub last: ModSeq,
    /// Blobs bound.
    pub binds: Vec<BlobId>,
    /// Blobs released.
    pub releases: Vec<BlobId>,
    /// When there is something to do next.
    pub due: Option<Timestamp>,
    /// The changes.
    pub payload: Bytes,
}
