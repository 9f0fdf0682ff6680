//! Opening a journal: where it ends, and what of its end can be trusted.
//!
//! Nothing that lies at the end is trusted where it lies: after the process has
//! died it may be in the page cache only, and after a failed sync a second one
//! says nothing. So groups that are not proven durable are written once more,
//! into a new segment, which is synced before anything is served.

use super::catch_up::catch_up;
use super::core::{Core, SegmentInfo};
use super::format::{Kind, Predecessor, SEGMENT_HEADER_OCTETS};
use super::indexer::{self, REBUILD_FLAG};
use super::io::DiskFile;
use super::journal::Journal;
use super::lock;
use super::lost::{self, LOST};
use super::marker::{self, Mark, Marker};
use super::record::Record;
use super::room::RESERVE;
use super::rows::{Place, Watermark, key};
use super::segment::{
    Found, Group, NEW_SEGMENT, Walk, name_of, number_of, read_header, read_payload,
};
use super::writer::{FOOTER_GROUPS, WriteError, Writer};
use std::collections::BTreeMap;
use std::io;

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

/// The newest group that the index or the marker knows to have been durable.
fn known_durable(core: &Core, last: &SegmentInfo, marker: Option<Mark>) -> u64 {
    let journal = last.header.journal;
    let index: Option<Watermark> = core.ledger.row(key::WATERMARK).ok().flatten();
    let index = index.filter(|mark| mark.journal == journal);
    let marker = marker.filter(|mark| mark.journal == journal);
    let known = index.map(|mark| mark.sequence);
    known.max(marker.map(|mark| mark.sequence)).unwrap_or(0)
}

/// Refuses to go on, before anything is written, where the journal has lost its
/// end; unless somebody wants to go on.
fn face_lost_end(core: &Core, last: &SegmentInfo, end: u64) -> io::Result<()> {
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
    let goes_on = names.iter().any(|name| name == LOST);
    // Somebody has gone on with less: what is written since then has the numbers of
    // groups that are known and gone.
    let known = match goes_on {
        true => 0,
        false => known_durable(core, &last, marker),
    };
    let tail = find_tail(file.as_ref(), &last, known)?;
    let is_other = marker.is_some_and(|mark| mark.journal != last.header.journal);
    if !goes_on && (is_other || known >= tail.sequence) {
        tracing::error!(next = tail.sequence, known, "the journal has lost its end");
        face_lost_end(core, &last, tail.end)?;
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
///
/// `known`: a group that is known from elsewhere to have been durable.
fn find_tail(file: &dyn DiskFile, info: &SegmentInfo, known: u64) -> io::Result<Tail> {
    let mut walk = Walk::new(file, &info.header, file.length()?);
    let mut found = Vec::new();
    while let Some(next) = walk.step()? {
        found.push(next);
    }
    let (durable, sequence) = said_by(&found, info.header.sequence, known);
    let mut tail = Tail {
        end: SEGMENT_HEADER_OCTETS as u64,
        chain: info.header.seed(),
        sequence,
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
            }
            Found::Group(group) => {
                expected = group.header.sequence + 1;
                if group.header.sequence <= durable {
                    (tail.end, tail.chain) = (group.end(), group.chain);
                    continue;
                }
                if tail.groups.is_empty() {
                    // With what could not be read before it.
                    tail.end = group.at;
                }
                if is_whole(file, &group, info.header.number)? {
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

/// The newest group that is proven durable, and the sequence after the newest there is.
fn said_by(found: &[Found], first: u64, known: u64) -> (u64, u64) {
    let groups = found.iter().filter_map(|found| match found {
        Found::Group(group) => Some(group.header),
        Found::Bad(_) => None,
    });
    let before = first.saturating_sub(1);
    let said = groups.clone().map(|header| header.durable).max();
    let highest = groups.map(|header| header.sequence).max();
    let durable = said.unwrap_or(0).max(before).max(known);
    (durable, highest.unwrap_or(0).max(before) + 1)
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
