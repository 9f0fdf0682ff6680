//! Bringing the index up to date, behind the answers; and, when it fails, a new
//! one from the journal.

use super::apply::{Lying, apply, dead_rows};
use super::core::{Core, SegmentInfo};
use super::format::Kind;
use super::io::DiskFile;
use super::ledger::{Draft, Ledger, batch_of};
use super::lock;
use super::marker;
use super::rows::{KeptRow, RetiredRow, Row, Watermark, key};
use super::segment::{Handles, Item, contents, read_payload, speaks_by_payload};
use crate::index::{Batch, Index, IndexError, OrderedIndex, Space};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use terms::AccountId;

/// A file that says: build the index anew at the next start.
pub(crate) const REBUILD_FLAG: &str = "rebuild-index";
/// A rebuild writes this much at once.
const FLUSH_OCTETS: usize = 4 << 20;

/// What the index's writer remembers.
#[derive(Debug, Default)]
pub(crate) struct IndexerState {
    pub(crate) mark: Option<Watermark>,
    /// Whether something was written since it was last persisted.
    pub(crate) dirty: bool,
    persisted_at: u64,
    asked: bool,
    /// The index is in memory only.
    makeshift: bool,
}

/// Reads from the index; if it fails, from a new one.
pub(crate) fn guarded<T>(
    core: &Core,
    read: impl Fn() -> Result<T, IndexError>,
) -> Result<T, IndexError> {
    let used = core.ledger.index();
    match read() {
        Ok(value) => Ok(value),
        Err(error) => {
            let mut state = lock(&core.index_writer);
            replace(core, &mut state, &used, &error)?;
            drop(state);
            read()
        }
    }
}

/// The next work persists the index.
pub(crate) fn ask_persist(core: &Core) {
    // Failing to ask only means asking the clock.
    if let Ok(mut state) = core.index_writer.try_lock() {
        state.asked = true;
    }
}

/// Gives the index what is waiting for it. `false`: nothing was.
pub(crate) fn work(core: &Core, now: u64) -> bool {
    let mut state = lock(&core.index_writer);
    let mut worked = take_over(core, &mut state);
    let due = state.asked || now >= state.persisted_at + core.options.persist_millis;
    if state.dirty && due {
        persist(core, &mut state, now);
        worked = true;
    }
    drop(state);
    marker::advance(core, now, false);
    worked
}

/// Gives the index what is waiting and persists it; says whether that worked.
pub(crate) fn persist_now(core: &Core) -> bool {
    let mut state = lock(&core.index_writer);
    take_over(core, &mut state);
    if state.dirty {
        let now = core.now();
        persist(core, &mut state, now);
    }
    !state.dirty
}

fn take_over(core: &Core, state: &mut IndexerState) -> bool {
    let pending = core.ledger.take();
    if pending.is_empty() {
        return false;
    }
    let used = core.ledger.index();
    if let Err(error) = used.apply(batch_of(&pending)) {
        // What cannot be written even to a new one stays in the overlay.
        let again = replace(core, state, &used, &error)
            .and_then(|()| core.ledger.index().apply(batch_of(&pending)));
        if let Err(error) = again {
            tracing::error!(%error, "no index can be written");
            return true;
        }
    }
    let mut sweeps = BTreeSet::new();
    for pending in &pending {
        state.mark = pending.mark.or(state.mark);
        sweeps.extend(pending.sweeps.iter().copied());
    }
    state.dirty = true;
    core.ledger.applied(&pending);
    if let Err(error) = sweep(&core.ledger, &sweeps) {
        tracing::warn!(%error, "dead rows stay in the index");
    }
    true
}

/// Removes the dead rows of these accounts.
fn sweep(ledger: &Ledger, accounts: &BTreeSet<AccountId>) -> Result<(), IndexError> {
    let mut batch = Batch::new();
    for account in accounts {
        for key in dead_rows(ledger, *account)? {
            batch.remove(Space::Places, key);
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    ledger.index().apply(batch)
}

fn persist(core: &Core, state: &mut IndexerState, now: u64) {
    state.asked = false;
    state.persisted_at = now;
    let Some(mark) = state.mark else {
        return;
    };
    let used = core.ledger.index();
    let mut batch = Batch::new();
    batch.put(Space::Places, key::WATERMARK, mark.encode(key::WATERMARK));
    match used.apply(batch).and_then(|()| used.persist()) {
        Ok(()) => {
            state.dirty = false;
        }
        Err(error) => {
            if let Err(error) = replace(core, state, &used, &error) {
                tracing::error!(%error, "no index can be built");
            }
        }
    }
}

/// Puts an index in memory, built from the journal, in the place of the one that
/// failed, and leaves word that a lasting one is to be built at the next start.
fn replace(
    core: &Core,
    state: &mut IndexerState,
    failed: &Arc<dyn Index>,
    error: &IndexError,
) -> Result<(), IndexError> {
    if !Arc::ptr_eq(failed, &core.ledger.index()) {
        return Ok(());
    }
    if state.makeshift {
        return Err(error.clone());
    }
    tracing::error!(%error, "the index is given up; a new one is built from the journal");
    flag_rebuild(core);
    let index: Arc<dyn Index> = Arc::new(OrderedIndex::makeshift());
    let segments: Vec<_> = lock(&core.segments).values().copied().collect();
    let ledger = Ledger::new(Arc::clone(&index));
    let missed = rebuild(&core.handles, &ledger, &segments)
        .map_err(|error| IndexError(format!("building a new one: {error}")))?;
    if missed.numbers {
        // Whoever has lost something would be shown less than before.
        core.set_poison("the index has failed and the journal has lost something".into());
        return Err(error.clone());
    }
    state.makeshift = true;
    core.ledger.replace_index(index);
    Ok(())
}

pub(crate) fn flag_rebuild(core: &Core) {
    let flagged = core
        .disk
        .create(REBUILD_FLAG)
        .and_then(|file| file.sync())
        .and_then(|()| core.disk.sync_dir());
    if let Err(error) = flagged {
        tracing::error!(%error, "the index could not be marked for rebuilding");
    }
}

/// What a journal that cannot be read whole leaves unsaid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    /// Which numbers any account has told.
    pub(crate) numbers: bool,
    /// Who has bound which blob.
    pub(crate) ties: bool,
}

impl Missed {
    pub(crate) const ALL: Self = Self {
        numbers: true,
        ties: true,
    };

    pub(crate) fn add(&mut self, other: Self) {
        self.numbers |= other.numbers;
        self.ties |= other.ties;
    }
}

/// Files every record of the segments, oldest first.
pub(crate) fn rebuild(
    handles: &Handles,
    ledger: &Ledger,
    segments: &[SegmentInfo],
) -> io::Result<Missed> {
    let mut draft = Draft::new(ledger);
    let mut sweeps = BTreeSet::new();
    let mut missed = Missed::default();
    for segment in segments {
        missed.add(replay(handles, &mut draft, &mut sweeps, segment, 0)?);
    }
    finish(ledger, &mut draft, &sweeps)?;
    if !missing_segments(ledger, segments, 0)?.is_empty() {
        missed.add(Missed::ALL);
    }
    keep_all(ledger, segments, missed)?;
    Ok(missed)
}

/// Numbers from above `after` of segments that should be there and are not.
pub(crate) fn missing_segments(
    ledger: &Ledger,
    segments: &[SegmentInfo],
    after: u64,
) -> io::Result<Vec<u64>> {
    let retired: Option<RetiredRow> = ledger.row(key::RETIRED).map_err(io::Error::other)?;
    let retired = retired.unwrap_or_default().numbers;
    let mut missing = Vec::new();
    let mut next = after + 1;
    for info in segments {
        let number = info.header.number;
        let between = (next..number).filter(|number| retired.binary_search(number).is_err());
        missing.extend(between);
        next = next.max(number + 1);
    }
    Ok(missing)
}

/// Where it is not known who has bound what, nothing that is there is garbage.
pub(crate) fn keep_all(
    ledger: &Ledger,
    segments: &[SegmentInfo],
    missed: Missed,
) -> io::Result<()> {
    let Some(last) = segments.last().filter(|_| missed.ties) else {
        return Ok(());
    };
    let segment = last.header.number;
    tracing::error!(segment, "segments up to this one are kept as they are");
    let mut draft = Draft::new(ledger);
    draft.put(key::KEPT.to_vec(), &KeptRow { segment });
    draft.flush().map_err(io::Error::other)
}

/// Writes the rest of a replay and removes what it has found dead.
pub(crate) fn finish(
    ledger: &Ledger,
    draft: &mut Draft<'_>,
    sweeps: &BTreeSet<AccountId>,
) -> io::Result<()> {
    draft.flush().map_err(io::Error::other)?;
    sweep(ledger, sweeps).map_err(io::Error::other)
}

/// Files the records of one segment that come after group `after`.
pub(crate) fn replay(
    handles: &Handles,
    draft: &mut Draft<'_>,
    sweeps: &mut BTreeSet<AccountId>,
    segment: &SegmentInfo,
    after: u64,
) -> io::Result<Missed> {
    let number = segment.header.number;
    let file = match handles.of(number) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Missed::ALL),
        Err(error) => return Err(error),
    };
    let contents = contents(file.as_ref(), &segment.header, segment.end)?;
    let mut missed = Missed::default();
    for bad in &contents.bad {
        let range = &bad.range;
        tracing::error!(
            segment = number,
            ?range,
            "octets of the journal are damaged"
        );
        if bad.newest > after && bad.oldest < segment.footer_from {
            missed.add(Missed::ALL);
        }
    }
    for item in contents.items.iter().filter(|item| item.sequence > after) {
        missed.ties |= !file_item(file.as_ref(), draft, item)?;
        if draft.octets() > FLUSH_OCTETS {
            draft.flush().map_err(io::Error::other)?;
        }
    }
    sweeps.extend(draft.take_sweeps());
    Ok(missed)
}

/// `false`: it cannot be read, and with it goes who has bound what.
fn file_item(file: &dyn DiskFile, draft: &mut Draft<'_>, item: &Item) -> io::Result<bool> {
    let payload = match (&item.copy, speaks_by_payload(item.entry.kind)) {
        (_, false) => None,
        (Some(copy), true) if crc32c::crc32c(copy) == item.entry.crc => Some(copy.clone()),
        (_, true) => read_payload(file, &item.place)?,
    };
    let lying = Lying {
        entry: &item.entry,
        place: item.place,
        sequence: item.sequence,
        payload: payload.as_ref(),
    };
    if !apply(draft, lying).map_err(io::Error::other)? {
        tracing::error!(
            segment = item.place.segment,
            at = item.place.at,
            kind = ?item.entry.kind,
            "a record of the journal is damaged"
        );
        return Ok(!matches!(item.entry.kind, Kind::Commit | Kind::Ties));
    }
    Ok(true)
}
