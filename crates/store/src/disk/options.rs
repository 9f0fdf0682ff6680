//! What can be set about the journal engine.

/// Who runs the journal's, the index's and the readers' work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drive {
    /// Threads of its own.
    #[default]
    Threads,
    /// Whoever calls: each call works until its own answer is there. For tests
    /// that must do the same each time.
    Caller,
    /// Nobody until [`crate::DiskStore::step`] is called. For a simulator.
    Steps,
}

/// Settings of the journal engine. The defaults suit a server; tests want small
/// segments.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who does the work.
    pub drive: Drive,
    /// How long a segment may grow. Only a single group that is longer makes a
    /// longer one.
    pub segment_octets: u64,
    /// A blob whose commit would leave less room than this is refused.
    pub low_octets: u64,
    /// A commit that does not release blobs is refused below this.
    pub lowest_octets: u64,
    /// How long the file is that is given up when room has run out.
    pub reserve_octets: u64,
    /// Longest blob.
    pub blob_octets_max: u64,
    /// After this long without work a seal is written.
    pub seal_millis: u64,
    /// The index is persisted this often.
    pub persist_millis: u64,
    /// How often segments are looked at for copying forward.
    pub clean_millis: u64,
    /// How fast is copied forward at the most.
    pub clean_octets_per_second: u64,
    /// How many segment files are kept open.
    pub open_files_max: usize,
    /// How many threads read what is not in memory.
    pub read_threads: usize,
    /// Finished blobs that no commit has bound yet wait in memory up to this much
    /// together; then they go to the journal.
    pub pending_octets_max: usize,
    /// What waits for the journal may grow to this much; then whoever asks waits
    /// before it is taken.
    pub queue_octets_max: usize,
    /// What waits for the index may grow to this much before commits wait.
    pub lag_octets_max: usize,
    /// Throw the index away and build it anew from the journal.
    pub rebuild_index: bool,
    /// Where salts come from: `None`, from the operating system; a number, from
    /// that, for tests that must do the same each time.
    pub salt_seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            drive: Drive::Threads,
            segment_octets: 64 << 20,
            low_octets: 256 << 20,
            lowest_octets: 64 << 20,
            reserve_octets: 64 << 20,
            blob_octets_max: 1 << 30,
            seal_millis: 10_000,
            persist_millis: 30_000,
            clean_millis: 60_000,
            clean_octets_per_second: 16 << 20,
            open_files_max: 256,
            read_threads: 4,
            pending_octets_max: 64 << 20,
            queue_octets_max: 64 << 20,
            lag_octets_max: 64 << 20,
            rebuild_index: false,
            salt_seed: None,
        }
    }
}

impl Options {
    /// Small segments and no marks, worked by the caller: for tests.
    pub fn small() -> Self {
        Self {
            drive: Drive::Caller,
            segment_octets: 64 << 10,
            low_octets: 0,
            lowest_octets: 0,
            reserve_octets: 0,
            pending_octets_max: 1 << 20,
            salt_seed: Some(1),
            ..Self::default()
        }
    }

    /// Longest blob, in octets, that is written as one record.
    pub(crate) fn whole_octets_max(&self) -> usize {
        usize::try_from(self.segment_octets / 4)
            .unwrap_or(usize::MAX)
            .clamp(1024, 256 << 10)
    }

    /// About how many octets of a longer blob go into one record.
    pub(crate) fn part_octets(&self) -> usize {
        usize::try_from(self.segment_octets / 4)
            .unwrap_or(usize::MAX)
            .clamp(1024, 1 << 20)
    }

    /// Octets of a frame before it is packed.
    pub(crate) fn frame_octets(&self) -> usize {
        usize::try_from(self.segment_octets / 8)
            .unwrap_or(usize::MAX)
            .clamp(512, super::frame::FRAME_OCTETS)
    }

    /// What one group gathers before the next is begun.
    pub(crate) fn group_octets(&self) -> usize {
        usize::try_from(self.segment_octets / 4)
            .unwrap_or(usize::MAX)
            .clamp(4096, 8 << 20)
    }
}
