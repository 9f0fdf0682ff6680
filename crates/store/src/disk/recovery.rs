//! Opening a journal: where it ends, what of its end can be trusted, and bringing
//! the index up to date.
//!
//! Nothing that lies at the end is trusted where it lies: after the process has
//! died it may be in the page cache only, and after a failed sync a second one
//! says nothing. So groups that are not proven durable are written once more,
//! into a new segment, which is synced before anything is served.

use super::core::{Core, SegmentInfo};
use super::format::{Kind, Predecessor, SEGMENT_HEADER_OCTETS};
use super::indexer::{
    self, Missed, REBUILD_FLAG, finish, keep_all, missing_segments, rebuild, replay,
};
use super::io::DiskFile;
use super::journal::Journal;
use super::ledger::Draft;
use super::lock;
use super::lost::{self, LOST};
use super::marker::{self, Mark, Marker};
use super::record::Record;
use super::room::RESERVE;
use super::rows::Place;
use super::rows::{AccountRow, Census, RetiredRow, Watermark, key};
use super::segment::{
    Found, Group, NEW_SEGMENT, Walk, name_of, number_of, read_header, read_payload,
};
use super::writer::{FOOTER_GROUPS, WriteError, Writer};
use crate::index::IndexError;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;

/// Numbers that were told would be told again if the rest were taken for all.
const LOST_END: &str = "the journal ends before what was written down of it elsewhere, or is \
     another one: changes that were acknowledged are missing. Put back the segments as they \
     were; `restante rebuild-index` goes on without what is missing";

/// What the last segment says about its end.
struct Tail {
    /// Up to here everything is proven.
    end: u64,
    chain: u32,
    /// The next group's.
    sequence: u64,
    /// Groups that are whole but not proven.
    groups: Vec<Group>,
    /// The last ones of the proven part are a footer.
    footed: bool,
}

/// Makes the journal ready for writing and the index for reading.
pub(crate) fn open(core: &Core) -> io::Result<Journal> {
    let names = core.disk.list()?;
    if names.iter().any(|name| name == NEW_SEGMENT) {
        core.disk.unlink(NEW_SEGMENT)?;
    }
    let mut segments = read_segments(core, &names)?;
    let last = segments.last_key_value().map(|(_, last)| *last);
    let is_there = |file: &str| names.iter().any(|name| name == file);
    let rebuild_index = core.options.rebuild_index || is_there(REBUILD_FLAG) || is_there(LOST);
    let marker = marker::read(core.disk.as_ref())?;
    let writer = match last {
        None => {
            refuse_lost_journal(core, &names, marker)?;
            // Numbers go on after a segment that nobody can read.
            let highest = names.iter().filter_map(|name| number_of(name)).max();
            let predecessor = Predecessor {
                number: highest.unwrap_or(0),
                ..Predecessor::default()
            };
            begin(core, 0, predecessor, 1, Vec::new())?
        }
        Some(last) => resume(core, last, &mut segments, &names, marker)?,
    };
    {
        let mut known = lock(&core.segments);
        for (number, info) in segments {
            known.entry(number).or_insert(info);
        }
    }
    cut_ends(core);
    let census = catch_up(core, rebuild_index)?;
    if rebuild_index && is_there(REBUILD_FLAG) {
        indexer::persist_now(core);
        core.disk.unlink(REBUILD_FLAG)?;
        core.disk.sync_dir()?;
    }
    let mut journal = Journal::new(core, writer, census);
    go_on(core, &mut journal, marker)?;
    Ok(journal)
}

/// What lies beyond the end that a segment's successor tells goes: when the
/// successor has been copied forward nobody tells it any more.
fn cut_ends(core: &Core) {
    let segments: Vec<_> = lock(&core.segments).values().copied().collect();
    for (info, next) in segments.iter().zip(segments.iter().skip(1)) {
        let number = info.header.number;
        let length = core.handles.of(number).and_then(|file| file.length());
        if length.as_ref().is_ok_and(|length| *length <= info.end) {
            continue;
        }
        let cut = length.and_then(|_| core.disk.cut(&name_of(number), info.end));
        if let Err(error) = cut {
            tracing::warn!(segment = number, %error, "its end cannot be cut off");
            lock(&core.pinned).insert(next.header.number);
        }
    }
}

/// Does what is to be done where something was lost, and leaves word outside the
/// journal of where it stands.
fn go_on(core: &Core, journal: &mut Journal, marker: Option<Mark>) -> io::Result<()> {
    let is_lost = core.disk.list()?.iter().any(|name| name == LOST);
    let mut losses = marker.map_or(0, |mark| mark.losses);
    if is_lost {
        let went_on = lost::settle(core, journal, losses)?;
        *lock(&core.went_on) = Some(went_on);
        losses += 1;
    }
    let mark = journal.mark().map(|mark| Mark { losses, ..mark });
    let begun = mark.map(|mark| Marker::begin(core.disk.as_ref(), mark));
    match begun.transpose() {
        Ok(marker) => *lock(&core.marker) = marker,
        // The old one would tell of what is lost at the next start, too.
        Err(error) if is_lost => return Err(error),
        Err(error) => tracing::warn!(%error, "the marker of the journal cannot be written"),
    }
    if is_lost && indexer::persist_now(core) {
        lost::forget(core)?;
    }
    Ok(())
}

/// Refuses to begin a new journal where there was one: an account that it knew
/// would be nobody's, and mail to it would be sent back.
fn refuse_lost_journal(core: &Core, names: &[String], marker: Option<Mark>) -> io::Result<()> {
    let mark: Option<Watermark> = core.ledger.row(key::WATERMARK).ok().flatten();
    if mark.is_none() && marker.is_none() && !names.iter().any(|name| name == RESERVE) {
        return Ok(());
    }
    Err(io::Error::other(
        "the journal has gone: none of its segments can be read, but there was one. \
         Mount it, or put it back; to begin with nothing, remove what is left of the \
         journal, the file `marker` and the index",
    ))
}

/// Whether the index or the marker knows of groups that the journal no longer has.
fn has_lost_end(core: &Core, last: &SegmentInfo, next: u64, marker: Option<Mark>) -> bool {
    let journal = last.header.journal;
    let index: Option<Watermark> = core.ledger.row(key::WATERMARK).ok().flatten();
    let index = index.filter(|mark| mark.journal == journal);
    let known = index.map(|mark| mark.sequence);
    let marked = marker.map(|mark| mark.sequence);
    let is_other = marker.is_some_and(|mark| mark.journal != journal);
    let is_lost = is_other || known.max(marked).is_some_and(|sequence| sequence >= next);
    if is_lost {
        tracing::error!(next, ?known, ?marked, "the journal has lost its end");
    }
    is_lost
}

/// Refuses to go on, before anything is written, where the journal has lost its
/// end; unless somebody wants to go on, or did before.
fn face_lost_end(core: &Core, last: &SegmentInfo, end: u64, names: &[String]) -> io::Result<()> {
    if names.iter().any(|name| name == LOST) {
        return Ok(());
    }
    if !core.options.rebuild_index {
        return Err(io::Error::other(LOST_END));
    }
    lost::remember(core, last.header.journal, last.header.number, end)
}

/// The headers of all segments, and how far each counts.
fn read_segments(core: &Core, names: &[String]) -> io::Result<BTreeMap<u64, SegmentInfo>> {
    let mut segments = BTreeMap::new();
    for number in names.iter().filter_map(|name| number_of(name)) {
        let file = core.handles.of(number)?;
        match read_header(file.as_ref())? {
            Some(header) if header.number == number => {
                let info = SegmentInfo {
                    header,
                    end: file.length()?,
                    sealed: true,
                    footer_from: u64::MAX,
                };
                segments.insert(number, info);
            }
            _ => tracing::error!(segment = number, "the segment's header is damaged"),
        }
    }
    let said: Vec<_> = segments.values().map(|info| info.header).collect();
    for header in said {
        let predecessor = header.predecessor;
        // Of one that could not be read then no length is told.
        if predecessor.length >= SEGMENT_HEADER_OCTETS as u64
            && let Some(info) = segments.get_mut(&predecessor.number)
        {
            info.end = predecessor.length;
            if predecessor.footed {
                info.footer_from = header.sequence.saturating_sub(FOOTER_GROUPS);
            }
        }
    }
    Ok(segments)
}

/// Finds the end of the last segment and goes on in a new one.
fn resume(
    core: &Core,
    last: SegmentInfo,
    segments: &mut BTreeMap<u64, SegmentInfo>,
    names: &[String],
    marker: Option<Mark>,
) -> io::Result<Writer> {
    let number = last.header.number;
    let file = core.handles.of(number)?;
    let tail = find_tail(file.as_ref(), &last)?;
    if has_lost_end(core, &last, tail.sequence, marker) {
        face_lost_end(core, &last, tail.end, names)?;
    }
    let mut carried = Vec::new();
    for group in &tail.groups {
        carried.push(records_of(file.as_ref(), group, number)?);
    }
    let highest = names.iter().filter_map(|name| number_of(name)).max();
    let unread = highest.filter(|highest| *highest > number);
    let predecessor = if let Some(unread) = unread {
        // A later segment is there whose header nobody can read.
        Predecessor {
            number: unread,
            ..Predecessor::default()
        }
    } else if tail.end <= SEGMENT_HEADER_OCTETS as u64 {
        // Nothing in it is proven: the new segment takes its place.
        core.handles.forget(number);
        segments.remove(&number);
        last.header.predecessor
    } else {
        Predecessor {
            number,
            length: tail.end,
            chain: tail.chain,
            footed: tail.footed,
        }
    };
    if let Some(info) = segments.get_mut(&number) {
        info.end = tail.end;
        if tail.footed {
            info.footer_from = tail.sequence - FOOTER_GROUPS;
        }
    }
    let replaced = tail.end <= SEGMENT_HEADER_OCTETS as u64 && unread.is_none();
    let predecessor = if replaced && predecessor.number + 1 != number {
        // Segments before it have gone; its number stays.
        Predecessor {
            number: number - 1,
            ..Predecessor::default()
        }
    } else {
        predecessor
    };
    begin(
        core,
        last.header.journal,
        predecessor,
        tail.sequence,
        carried,
    )
}

/// Begins a segment with the groups that were carried over, and adopts it.
fn begin(
    core: &Core,
    journal: u128,
    predecessor: Predecessor,
    sequence: u64,
    carried: Vec<Vec<Record>>,
) -> io::Result<Writer> {
    let mut writer = Writer::new(core, journal, predecessor, sequence);
    let mut write = || {
        writer.begin(core)?;
        for records in &carried {
            writer.append(records)?;
        }
        writer.adopt(core)
    };
    write().map_err(|error: WriteError| match error {
        WriteError::Full => io::ErrorKind::StorageFull.into(),
        WriteError::Failed(why) | WriteError::Poisoned(why) => io::Error::other(why),
    })?;
    Ok(writer)
}

/// Where the proven part of a segment ends, and the whole groups after it.
fn find_tail(file: &dyn DiskFile, info: &SegmentInfo) -> io::Result<Tail> {
    let mut walk = Walk::new(file, &info.header, file.length()?);
    let mut found = Vec::new();
    while let Some(next) = walk.step()? {
        found.push(next);
    }
    let groups = found.iter().filter_map(|found| match found {
        Found::Group(group) => Some(group.header),
        Found::Bad(_) => None,
    });
    let said = groups.clone().map(|header| header.durable).max();
    let highest = groups.map(|header| header.sequence).max();
    let before = info.header.sequence.saturating_sub(1);
    let durable = said.unwrap_or(0).max(before);
    let mut tail = Tail {
        end: SEGMENT_HEADER_OCTETS as u64,
        chain: info.header.seed(),
        sequence: highest.unwrap_or(0).max(before) + 1,
        groups: Vec::new(),
        footed: false,
    };
    let mut expected = info.header.sequence;
    for found in found {
        match found {
            Found::Bad(range) if expected > durable => {
                tracing::info!(?range, "the last group was not written whole");
                break;
            }
            Found::Bad(range) => {
                tracing::error!(?range, "octets of the journal are damaged");
                tail.end = range.end;
            }
            Found::Group(group) => {
                expected = group.header.sequence + 1;
                if group.header.sequence <= durable {
                    (tail.end, tail.chain) = (group.end(), group.chain);
                } else if is_whole(file, &group, info.header.number)? {
                    tail.groups.push(group);
                } else {
                    tracing::info!(at = group.at, "the last group was not written whole");
                    break;
                }
            }
        }
    }
    keep_footer(&mut tail);
    Ok(tail)
}

/// A footer may stay where it is: nothing is in it that is not elsewhere.
fn keep_footer(tail: &mut Tail) {
    if let [footer, end] = tail.groups.as_slice() {
        let is =
            |group: &Group, kind| matches!(group.entries.as_slice(), [one] if one.kind == kind);
        if is(footer, Kind::Footer) && is(end, Kind::End) {
            (tail.end, tail.chain) = (end.end(), end.chain);
            tail.footed = true;
            tail.groups.clear();
        }
    }
}

fn is_whole(file: &dyn DiskFile, group: &Group, segment: u64) -> io::Result<bool> {
    for (entry, at) in group.records() {
        if read_payload(file, &Place::of(entry, segment, at))?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The records of a whole group, without a footer.
fn records_of(file: &dyn DiskFile, group: &Group, segment: u64) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for (entry, at) in group.records() {
        if matches!(entry.kind, Kind::Footer | Kind::End) {
            continue;
        }
        let payload = read_payload(file, &Place::of(entry, segment, at))?;
        let payload =
            payload.ok_or_else(|| io::Error::other("a group changed while it was read"))?;
        records.push(Record {
            entry: *entry,
            payload,
        });
    }
    Ok(records)
}

/// Brings the index up to date, or builds it anew if it cannot be.
fn catch_up(core: &Core, rebuild_index: bool) -> io::Result<Census> {
    if !rebuild_index {
        let replayed = replay_tail(core).and_then(|census| {
            drop_retired(core)?;
            Ok(census)
        });
        match replayed {
            Ok(Some(census)) => return Ok(census),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the index cannot be used"),
        }
    }
    rebuild_all(core)
}

/// Replays what came after the watermark. `None`: the index is not of this
/// journal, is too old, or lacks something.
fn replay_tail(core: &Core) -> io::Result<Option<Census>> {
    let mark: Option<Watermark> = core.ledger.row(key::WATERMARK).map_err(io::Error::other)?;
    let segments: Vec<_> = lock(&core.segments).values().copied().collect();
    let Some((mark, last)) = mark.zip(segments.last()) else {
        return Ok(None);
    };
    let known = segments
        .iter()
        .any(|info| info.header.number == mark.segment);
    if mark.journal != last.header.journal || !known || mark.sequence >= next_sequence(core)? {
        tracing::warn!("the index does not belong to this journal as it is");
        return Ok(None);
    }
    let mut draft = Draft::new(&core.ledger);
    let mut sweeps = BTreeSet::new();
    let mut missed = Missed::default();
    for info in &segments {
        if info.header.number >= mark.segment {
            missed.add(replay(
                &core.handles,
                &mut draft,
                &mut sweeps,
                info,
                mark.sequence,
            )?);
        }
    }
    finish(&core.ledger, &mut draft, &sweeps)?;
    if !missing_segments(&core.ledger, &segments, mark.segment)?.is_empty() {
        missed.add(Missed::ALL);
    }
    keep_all(&core.ledger, &segments, missed)?;
    if missed.numbers {
        lost::note(core)?;
    }
    for number in missing_segments(&core.ledger, &segments, 0)? {
        tracing::error!(segment = number, "a segment of the journal is not there");
    }
    let (census, then) = take_census(core, mark.sequence).map_err(io::Error::other)?;
    if then != mark.census {
        tracing::error!("the index lacks accounts");
        return Ok(None);
    }
    remember(core, census, mark.sequence)?;
    Ok(Some(census))
}

/// The sequence after that of the newest group there is.
fn next_sequence(core: &Core) -> io::Result<u64> {
    let last = lock(&core.segments).values().next_back().copied();
    let Some(last) = last else {
        return Ok(1);
    };
    let file = core.handles.of(last.header.number)?;
    let mut walk = Walk::new(file.as_ref(), &last.header, last.end);
    let mut next = last.header.sequence;
    while let Some(found) = walk.step()? {
        if let Found::Group(group) = found {
            next = group.header.sequence + 1;
        }
    }
    Ok(next)
}

/// Where the index stands now.
fn remember(core: &Core, census: Census, persisted: u64) -> io::Result<()> {
    let sequence = next_sequence(core)? - 1;
    let last = lock(&core.segments).values().next_back().copied();
    if let Some(last) = last {
        let mut state = lock(&core.index_writer);
        state.mark = Some(Watermark {
            segment: last.header.number,
            journal: last.header.journal,
            sequence,
            census,
        });
        state.dirty = sequence > persisted;
    }
    Ok(())
}

/// All accounts, and those that were there when `sequence` was written.
fn take_census(core: &Core, sequence: u64) -> Result<(Census, Census), IndexError> {
    let (mut all, mut then) = (Census::default(), Census::default());
    let mut failed = None;
    core.ledger
        .scan_prefix(&[key::ACCOUNT], &mut |key, value| {
            let row: Result<AccountRow, _> = super::ledger::decode(key, value);
            match (key::account_of(key), row) {
                (Some(account), Ok(row)) => {
                    all.add(account);
                    if row.since <= sequence {
                        then.add(account);
                    }
                    ControlFlow::Continue(())
                }
                (_, row) => {
                    failed = row.err();
                    ControlFlow::Break(())
                }
            }
        })?;
    match failed {
        Some(error) => Err(error),
        None => Ok((all, then)),
    }
}

/// Throws the index away and fills it from the journal.
fn rebuild_all(core: &Core) -> io::Result<Census> {
    let build = |index: std::sync::Arc<dyn crate::index::Index>| -> io::Result<()> {
        core.ledger.replace_index(index);
        loop {
            core.ledger.index().clear().map_err(io::Error::other)?;
            let segments: Vec<_> = lock(&core.segments).values().copied().collect();
            let missed = rebuild(&core.handles, &core.ledger, &segments)?;
            // Segments that had gone already were in the way.
            if drop_retired(core)? > 0 {
                continue;
            }
            if missed.numbers {
                lost::note(core)?;
            }
            for number in missing_segments(&core.ledger, &segments, 0)? {
                tracing::error!(segment = number, "a segment of the journal is not there");
            }
            return Ok(());
        }
    };
    tracing::info!("the index is built from the journal");
    if let Err(error) = build(core.ledger.index()) {
        tracing::error!(%error, "the index cannot be built; one in memory takes its place");
        indexer::flag_rebuild(core);
        build(std::sync::Arc::new(crate::index::OrderedIndex::makeshift()))?;
    }
    let (census, _) = take_census(core, 0).map_err(io::Error::other)?;
    remember(core, census, 0)?;
    indexer::persist_now(core);
    Ok(census)
}

/// Unlinks segments that have gone but for their files; says how many.
fn drop_retired(core: &Core) -> io::Result<usize> {
    let retired: Option<RetiredRow> = core.ledger.row(key::RETIRED).map_err(io::Error::other)?;
    let retired = retired.unwrap_or_default().numbers;
    let mut dropped = 0;
    for number in retired {
        if lock(&core.segments).remove(&number).is_some() {
            core.handles.forget(number);
            core.disk.unlink(&name_of(number))?;
            dropped += 1;
        }
    }
    Ok(dropped)
}
