//! When and how the log is folded into sections.

use crate::persistent::Map;
use terms::ModSeq;

/// What is known of the log and of the sections that the store has. It is no
/// part of what the changes add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folding {
    /// All sections stand as if all changes up to this were in them.
    pub covers: ModSeq,
    /// The root stands at this.
    pub root: ModSeq,
    /// Sections that the store has, but for the root.
    pub stored: Map<u64, ()>,
    /// Octets of payloads since `covers`.
    pub octets: u64,
    /// Commits since `covers`.
    pub commits: u32,
    /// Commits since `root`.
    pub root_commits: u32,
}
