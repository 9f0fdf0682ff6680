//! What the engine tells about itself.

use super::core::Core;
use super::lock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The engine's numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Octets of all segments of the journal.
    pub journal_octets: u64,
    /// How many segments.
    pub segments: u64,
    /// Octets that are free where the journal lies; nothing, if that is not told.
    pub free_octets: Option<u64>,
    /// Whether so little is free that no message is taken any more.
    pub room_is_low: bool,
    /// Whether nothing is written any more, since writing or syncing failed.
    pub is_failed: bool,
    /// Accounts whose logs were found to have holes.
    pub damaged_accounts: u64,
    /// Octets that the index still has to be given.
    pub index_lag_octets: u64,
    /// Commits that have become durable.
    pub commits: u64,
    /// Groups with a commit that have become durable: a sync for each, or for several.
    pub groups: u64,
    /// Syncs of the journal.
    pub syncs: u64,
    /// How long all of them took.
    pub sync_time: Duration,
}

/// What is counted while the journal is written.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) groups: AtomicU64,
    syncs: AtomicU64,
    sync_micros: AtomicU64,
}

impl Counts {
    pub(crate) fn synced(&self, took: Duration) {
        self.syncs.fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sync_micros.fetch_add(micros, Relaxed);
    }

    /// A group with so many commits is durable.
    pub(crate) fn committed(&self, commits: usize) {
        if commits > 0 {
            self.groups.fetch_add(1, Relaxed);
            self.commits.fetch_add(commits as u64, Relaxed);
        }
    }
}

impl Stats {
    pub(crate) fn of(core: &Core) -> Self {
        let (journal_octets, segments) = {
            let segments = lock(&core.segments);
            let octets = segments.values().map(|segment| segment.end).sum();
            (octets, segments.len() as u64)
        };
        let counts = &core.counts;
        Self {
            journal_octets,
            segments,
            free_octets: core.disk.free_octets().ok(),
            room_is_low: core.room_is_low.load(Relaxed),
            is_failed: core.poison().is_some(),
            damaged_accounts: lock(&core.damaged).len() as u64,
            index_lag_octets: core.ledger.lag_octets() as u64,
            commits: counts.commits.load(Relaxed),
            groups: counts.groups.load(Relaxed),
            syncs: counts.syncs.load(Relaxed),
            sync_time: Duration::from_micros(counts.sync_micros.load(Relaxed)),
        }
    }
}
