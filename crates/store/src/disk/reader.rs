//! Reading blobs: from memory while no commit has bound them, from the segments
//! after that. Every frame is checked.

use super::core::Core;
use super::frame::{FRAME_OCTETS, Front, Shape};
use super::indexer;
use super::rows::{BlobRow, Place, key};
use super::search;
use super::segment::is_damage;
use crate::{BlobError, index::Space};
use bytes::{Bytes, BytesMut};
use crc32c::crc32c;
use std::io;
use std::ops::Range;
use terms::BlobId;

/// Why something was not read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It would have to wait for the disk and must not.
    Wait,
    /// There is no such thing.
    Missing,
    /// The segment has gone: look again where it is now.
    Moved,
    /// It is not what was written.
    Damaged,
    Failed(String),
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Now,
    Waits,
}

/// How often a record that moves is looked for.
const LOOKS_MAX: usize = 8;
/// A record up to this long is read at once, not its front first.
const WHOLE_OCTETS_MAX: u32 = 96 << 10;

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Moved
        } else if is_damage(&error) {
            Self::Damaged
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// Octets of a segment.
pub(crate) fn read_octets(
    core: &Core,
    segment: u64,
    range: Range<u64>,
    patience: Patience,
) -> Result<Bytes, ReadError> {
    let file = core.handles.of(segment)?;
    let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
    let mut octets = BytesMut::zeroed(length);
    let mut done = 0;
    while done < length {
        let at = range.start + done as u64;
        let read = match patience {
            Patience::Waits => file.read_at(&mut octets[done..], at),
            Patience::Now => match file.read_now(&mut octets[done..], at) {
                Ok(None) => return Err(ReadError::Wait),
                Ok(Some(count)) => Ok(count),
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(0) => return Err(ReadError::Damaged),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(octets.freeze())
}

/// A record's whole payload, checked.
pub(crate) fn read_record(
    core: &Core,
    place: &Place,
    patience: Patience,
) -> Result<Bytes, ReadError> {
    let range = place.at..place.at + u64::from(place.length);
    let octets = read_octets(core, place.segment, range, patience)?;
    if crc32c(&octets) != place.crc {
        return Err(ReadError::Damaged);
    }
    Ok(octets)
}

/// A blob record: in memory, or in a segment.
enum Source {
    Memory(Bytes),
    Segment(Place),
}

impl Source {
    /// Octets of the record, counted from its first.
    fn octets(
        &self,
        core: &Core,
        range: Range<u64>,
        patience: Patience,
    ) -> Result<Bytes, ReadError> {
        match self {
            Self::Memory(octets) => {
                let end = usize::try_from(range.end).unwrap_or(usize::MAX);
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                if start > end || end > octets.len() {
                    return Err(ReadError::Damaged);
                }
                Ok(octets.slice(start..end))
            }
            Self::Segment(place) if range.end > u64::from(place.length) => Err(ReadError::Damaged),
            Self::Segment(place) => {
                let range = place.at + range.start..place.at + range.end;
                read_octets(core, place.segment, range, patience)
            }
        }
    }
}

/// A record and its front.
struct Opened {
    source: Source,
    front: Front,
    /// The derived octets as they lie there.
    derived: Bytes,
    front_octets: u64,
}

fn open_record(
    core: &Core,
    id: BlobId,
    part: u32,
    patience: Patience,
) -> Result<Opened, ReadError> {
    let (source, front_octets) = locate(core, id, part, patience)?;
    let octets = source.octets(core, 0..front_octets, patience)?;
    let (front, length) = Front::decode(&octets).map_err(|_| ReadError::Damaged)?;
    if front.id != id || front.part != part {
        return Err(ReadError::Damaged);
    }
    Ok(Opened {
        source,
        derived: octets.slice(length..),
        front,
        front_octets,
    })
}

fn locate(
    core: &Core,
    id: BlobId,
    part: u32,
    patience: Patience,
) -> Result<(Source, u64), ReadError> {
    if part == 0
        && let Some((_, payload, front)) = core.pending_blob(id)
    {
        return Ok((Source::Memory(payload), front as u64));
    }
    let key = key::blob(id, part);
    let row = indexer::guarded(core, || core.ledger.row::<BlobRow>(&key))
        .map_err(|error| ReadError::Failed(error.to_string()))?;
    let Some(row) = row else {
        return Err(ReadError::Missing);
    };
    let front = u64::from(row.front);
    if row.place.length > WHOLE_OCTETS_MAX {
        return Ok((Source::Segment(row.place), front));
    }
    let whole = 0..u64::from(row.place.length);
    let octets = Source::Segment(row.place).octets(core, whole, patience)?;
    Ok((Source::Memory(octets), front))
}

/// Looks again while what is looked for moves; when the index does not know it,
/// looks in the journal itself.
fn look<T>(
    core: &Core,
    id: BlobId,
    patience: Patience,
    read: impl Fn() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let mut searched = false;
    for _ in 0..LOOKS_MAX {
        match read() {
            Err(ReadError::Moved) => {}
            Err(ReadError::Missing) if searched => break,
            Err(ReadError::Missing) if patience == Patience::Now => return Err(ReadError::Wait),
            Err(ReadError::Missing) => {
                searched = true;
                if !search::blob(core, id).map_err(ReadError::Failed)? {
                    break;
                }
            }
            done => return done,
        }
    }
    // What somebody has bound and is not there has been lost.
    match search::is_bound(core, id) {
        Ok(true) => Err(ReadError::Damaged),
        _ => Err(ReadError::Missing),
    }
}

/// Octets of a blob.
pub(crate) fn blob(
    core: &Core,
    id: BlobId,
    range: &Range<u64>,
    patience: Patience,
) -> Result<Bytes, ReadError> {
    look(core, id, patience, || {
        let opened = open_record(core, id, 0, patience)?;
        let end = range.end.min(opened.front.length);
        let range = range.start.min(end)..end;
        match opened.front.shape {
            Shape::Whole => frames(core, &opened, &range, patience),
            Shape::InParts => parts(core, id, &opened.front.parts, &range, patience),
            Shape::Part => Err(ReadError::Damaged),
        }
    })
}

/// A range of the octets of one record.
fn frames(
    core: &Core,
    opened: &Opened,
    range: &Range<u64>,
    patience: Patience,
) -> Result<Bytes, ReadError> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let (frames, mut begin, stored) = opened.front.covering(range);
    let lying = opened.front_octets + stored.start..opened.front_octets + stored.end;
    let octets = opened.source.octets(core, lying, patience)?;
    let mut at = 0;
    let mut whole = BytesMut::new();
    for frame in frames {
        let end = at + frame.stored as usize;
        if end > octets.len() || frame.plain as usize > FRAME_OCTETS {
            return Err(ReadError::Damaged);
        }
        let plain = frame
            .unpack(&octets.slice(at..end))
            .ok_or(ReadError::Damaged)?;
        let from = range.start.saturating_sub(begin).min(plain.len() as u64) as usize;
        let to = (range.end - begin).min(plain.len() as u64) as usize;
        if frames.len() == 1 {
            return Ok(plain.slice(from..to));
        }
        whole.extend_from_slice(&plain[from..to]);
        at = end;
        begin += u64::from(frame.plain);
    }
    Ok(whole.freeze())
}

fn parts(
    core: &Core,
    id: BlobId,
    lengths: &[u32],
    range: &Range<u64>,
    patience: Patience,
) -> Result<Bytes, ReadError> {
    let mut whole = BytesMut::new();
    let mut begin = 0u64;
    for (at, length) in lengths.iter().enumerate() {
        let end = begin + u64::from(*length);
        let from = range.start.max(begin);
        let to = range.end.min(end);
        if from < to {
            let part = u32::try_from(at + 1).map_err(|_| ReadError::Damaged)?;
            let opened = open_record(core, id, part, patience)?;
            if opened.front.length != u64::from(*length) || opened.front.shape != Shape::Part {
                return Err(ReadError::Damaged);
            }
            let octets = frames(core, &opened, &(from - begin..to - begin), patience)?;
            if from == range.start && to == range.end {
                return Ok(octets);
            }
            whole.extend_from_slice(&octets);
        }
        begin = end;
    }
    Ok(whole.freeze())
}

/// The octets that `mime` derived from a blob; `None` where there are none.
pub(crate) fn derived(
    core: &Core,
    id: BlobId,
    patience: Patience,
) -> Result<Option<Bytes>, ReadError> {
    let remade = core.ledger.octets(Space::Derived, &derived_key(id));
    if let Ok(Some(octets)) = remade
        && let Some(octets) = uncover(id, &octets)
    {
        return Ok(Some(octets));
    }
    let opened = match look(core, id, patience, || open_record(core, id, 0, patience)) {
        Ok(opened) => opened,
        Err(ReadError::Missing | ReadError::Damaged) => return Ok(None),
        Err(error) => return Err(error),
    };
    if opened.front.derived.plain == 0 {
        return Ok(None);
    }
    Ok(opened.front.derived.unpack(&opened.derived))
}

pub(crate) fn derived_key(id: BlobId) -> [u8; 16] {
    id.0.to_be_bytes()
}

/// Derived octets as the index keeps them: with a CRC, like its other values.
pub(crate) fn cover(id: BlobId, octets: &[u8]) -> Bytes {
    [octets, &derived_crc(id, octets)[..]].concat().into()
}

fn uncover(id: BlobId, covered: &Bytes) -> Option<Bytes> {
    let (octets, crc) = covered.split_last_chunk::<4>()?;
    (derived_crc(id, octets) == *crc).then(|| covered.slice(..octets.len()))
}

fn derived_crc(id: BlobId, octets: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c(&derived_key(id)), octets).to_le_bytes()
}

/// The same for users of the store.
pub(crate) fn error_of(id: BlobId, error: ReadError) -> BlobError {
    match error {
        ReadError::Missing | ReadError::Moved => BlobError::Missing(id),
        ReadError::Damaged => BlobError::Damaged(id),
        ReadError::Wait => BlobError::Failed("it would have to wait".into()),
        ReadError::Failed(why) => BlobError::Failed(why),
    }
}

/// Whether the record of a blob is where the index says.
pub(crate) fn is_there(core: &Core, id: BlobId) -> bool {
    open_record(core, id, 0, Patience::Waits).is_ok()
}
