//! Segment files: their names, open handles, and walking through their groups.

use super::footer::{Footer, locate_footer};
use super::format::{
    BLOCK, Entry, GROUP_HEADER_OCTETS, GROUP_MAGIC, GroupHeader, HEADER_COPY_OCTETS, Kind,
    SECOND_COPY_AT, SEGMENT_HEADER_OCTETS, SegmentHeader, decode_directory,
};
use super::io::{Disk, DiskFile};
use super::lock;
use super::rows::Place;
use bytes::Bytes;
use crc32c::crc32c;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// The name of a segment that is not whole yet.
pub(crate) const NEW_SEGMENT: &str = "new.journal";
const SUFFIX: &str = ".journal";
/// How much is read at once where a walk looks for the next group.
const SEARCH_OCTETS: u64 = 1 << 20;
/// How much is read at once where a group is expected.
const PEEK_OCTETS: u64 = 4096;

pub(crate) fn name_of(number: u64) -> String {
    format!("{number:016x}{SUFFIX}")
}

pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    if digits.len() != 16 {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// Reads exactly so much.
pub(crate) fn read_exact(file: &dyn DiskFile, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; length];
    let mut done = 0;
    while done < length {
        match file.read_at(&mut octets[done..], at + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(octets)
}

/// Reads a record's payload and checks it; `None` if it is damaged.
pub(crate) fn read_payload(file: &dyn DiskFile, place: &Place) -> io::Result<Option<Bytes>> {
    match read_exact(file, place.at, place.length as usize) {
        Ok(octets) if crc32c(&octets) == place.crc => Ok(Some(octets.into())),
        Ok(_) => Ok(None),
        Err(error) if is_damage(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads so much; blocks that cannot be read or lie beyond the end are zeroes, so
/// that one of them hides nothing before or after it.
fn read_around(file: &dyn DiskFile, at: u64, length: usize) -> io::Result<Vec<u8>> {
    match read_exact(file, at, length) {
        Err(error) if is_damage(&error) => {}
        read => return read,
    }
    let mut octets = vec![0; length];
    let mut begin = at;
    for block in octets.chunks_mut(BLOCK as usize) {
        match read_exact(file, begin, block.len()) {
            Ok(read) => block.copy_from_slice(&read),
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(error),
        }
        begin += block.len() as u64;
    }
    Ok(octets)
}

/// Whether an error of reading says that the octets are not there, as opposed to
/// that nothing can be read at all now.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(EIO)
}

/// `EIO` on every system there is.
const EIO: i32 = 5;

/// A segment's header, from whichever copy is whole; `None` if neither is.
pub(crate) fn read_header(file: &dyn DiskFile) -> io::Result<Option<SegmentHeader>> {
    for at in [0, SECOND_COPY_AT] {
        match read_exact(file, at as u64, HEADER_COPY_OCTETS) {
            Ok(octets) => {
                if let Ok(header) = SegmentHeader::decode(&octets) {
                    return Ok(Some(header));
                }
            }
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Each with when it was last used, and now.
type OpenFiles = (HashMap<u64, (Arc<dyn DiskFile>, u64)>, u64);

/// Files that are open for reading, so many at most.
pub(crate) struct Handles {
    disk: Arc<dyn Disk>,
    open: Mutex<OpenFiles>,
    count_max: usize,
}

impl Handles {
    pub(crate) fn new(disk: Arc<dyn Disk>, count_max: usize) -> Self {
        Self {
            disk,
            open: Mutex::default(),
            count_max: count_max.max(1),
        }
    }

    pub(crate) fn of(&self, number: u64) -> io::Result<Arc<dyn DiskFile>> {
        {
            let mut open = lock(&self.open);
            open.1 += 1;
            let now = open.1;
            if let Some((file, used)) = open.0.get_mut(&number) {
                *used = now;
                return Ok(Arc::clone(file));
            }
        }
        let file = self.disk.open(&name_of(number))?;
        self.keep(number, Arc::clone(&file));
        Ok(file)
    }

    fn keep(&self, number: u64, file: Arc<dyn DiskFile>) {
        let mut open = lock(&self.open);
        if open.0.len() >= self.count_max {
            let oldest = open.0.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                open.0.remove(&oldest);
            }
        }
        let now = open.1;
        open.0.insert(number, (file, now));
    }

    pub(crate) fn forget(&self, number: u64) {
        lock(&self.open).0.remove(&number);
    }
}

/// A group that was found in a segment.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) at: u64,
    pub(crate) header: GroupHeader,
    pub(crate) chain: u32,
    pub(crate) entries: Vec<Entry>,
}

impl Group {
    /// Each record and where its payload begins.
    pub(crate) fn records(&self) -> impl Iterator<Item = (&Entry, u64)> {
        let mut at = self.at + self.header.front_octets();
        self.entries.iter().map(move |entry| {
            let begin = at;
            at += u64::from(entry.length);
            (entry, begin)
        })
    }

    pub(crate) fn end(&self) -> u64 {
        self.at + self.header.octets()
    }
}

/// What a walk comes upon.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Group(Group),
    /// Octets that are no group though there should be one. The next thing found,
    /// if any, is a group.
    Bad(Range<u64>),
}

/// Goes from group to group.
pub(crate) struct Walk<'a> {
    file: &'a dyn DiskFile,
    seed: u32,
    at: u64,
    end: u64,
    /// What the next group must say; `None` after octets that are no group.
    expected: Option<(u64, u32)>,
    sequence: u64,
}

impl<'a> Walk<'a> {
    /// From the first group up to `end`.
    pub(crate) fn new(file: &'a dyn DiskFile, header: &SegmentHeader, end: u64) -> Self {
        Self {
            file,
            seed: header.seed(),
            at: SEGMENT_HEADER_OCTETS as u64,
            end,
            expected: Some((header.sequence, header.seed())),
            sequence: header.sequence,
        }
    }

    /// What comes next; `None` at the end.
    pub(crate) fn step(&mut self) -> io::Result<Option<Found>> {
        if self.at >= self.end {
            return Ok(None);
        }
        if let Some(group) = self.group_at(self.at)? {
            return Ok(Some(self.take(group)));
        }
        let from = self.at;
        let found = self.search(from + BLOCK)?;
        self.at = found.unwrap_or(self.end);
        self.expected = None;
        Ok(Some(Found::Bad(from..self.at)))
    }

    fn take(&mut self, group: Group) -> Found {
        self.at = group.end();
        self.sequence = group.header.sequence + 1;
        self.expected = Some((self.sequence, group.chain));
        Found::Group(group)
    }

    /// The group that begins here, if one does that may come next.
    fn group_at(&self, at: u64) -> io::Result<Option<Group>> {
        let left = self.end.saturating_sub(at);
        if left < GROUP_HEADER_OCTETS as u64 {
            return Ok(None);
        }
        let mut octets = read_around(self.file, at, left.min(PEEK_OCTETS) as usize)?;
        let Ok((header, crc)) = GroupHeader::decode(&octets) else {
            return Ok(None);
        };
        let fits = header
            .front_octets()
            .checked_add(header.payload_octets)
            .is_some_and(|all| all <= left);
        let follows = match self.expected {
            Some((sequence, chain)) => header.sequence == sequence && header.previous == chain,
            None => header.sequence >= self.sequence,
        };
        if !fits || !follows {
            return Ok(None);
        }
        let front = header.front_octets() as usize;
        if front > octets.len() {
            octets = read_around(self.file, at, front)?;
        }
        octets.truncate(front);
        if !GroupHeader::check(self.seed, &octets, crc) {
            return Ok(None);
        }
        let entries = decode_directory(&octets[GROUP_HEADER_OCTETS..], header.records);
        let entries = entries.ok().filter(|entries| {
            let lengths = entries.iter().map(|entry| u64::from(entry.length));
            lengths.sum::<u64>() == header.payload_octets
        });
        Ok(entries.map(|entries| Group {
            at,
            header,
            chain: crc,
            entries,
        }))
    }

    /// Where the next group begins, from `from` on.
    fn search(&mut self, from: u64) -> io::Result<Option<u64>> {
        self.expected = None;
        let mut at = from;
        while at + GROUP_HEADER_OCTETS as u64 <= self.end {
            let length = (self.end - at).min(SEARCH_OCTETS);
            let octets = read_around(self.file, at, length as usize)?;
            for begin in (0..octets.len()).step_by(BLOCK as usize) {
                let here = octets.get(begin..begin + 4) == Some(&GROUP_MAGIC[..]);
                if here && self.group_at(at + begin as u64)?.is_some() {
                    return Ok(Some(at + begin as u64));
                }
            }
            at += length.next_multiple_of(BLOCK);
        }
        Ok(None)
    }
}

/// One record of a segment: what it is, where it lies, and its payload's copy if
/// the footer has one.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) place: Place,
    /// The group's.
    pub(crate) sequence: u64,
    pub(crate) copy: Option<Bytes>,
}

/// Everything in a segment, without the payloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) items: Vec<Item>,
    /// Octets that should have been groups. With a footer nobody has looked.
    pub(crate) bad: Vec<Bad>,
}

/// Octets that are no group though there should be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) range: Range<u64>,
    /// The oldest and the newest group that may have been there.
    pub(crate) oldest: u64,
    pub(crate) newest: u64,
}

/// What lies in a segment up to `end`: by its footer if it has one, otherwise by
/// walking.
pub(crate) fn contents(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    end: u64,
) -> io::Result<Contents> {
    if let Some(footer) = locate_footer(file, header, end)? {
        return Ok(Contents {
            items: items_of_footer(&footer, header.number),
            bad: Vec::new(),
        });
    }
    walked_contents(file, header, end)
}

/// The same, always by walking.
pub(crate) fn walked_contents(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    end: u64,
) -> io::Result<Contents> {
    let mut walk = Walk::new(file, header, end);
    let mut contents = Contents::default();
    loop {
        let oldest = walk.sequence;
        let Some(found) = walk.step()? else {
            return Ok(contents);
        };
        match found {
            Found::Bad(range) => contents.bad.push(Bad {
                range,
                oldest,
                newest: u64::MAX,
            }),
            Found::Group(group) => {
                if let Some(bad) = contents.bad.last_mut()
                    && bad.newest == u64::MAX
                {
                    bad.newest = group.header.sequence - 1;
                    let is_end = matches!(group.entries[..], [one] if one.kind == Kind::End);
                    if is_end && bad.oldest == bad.newest {
                        // A footer, and nothing is in it that is not elsewhere.
                        contents.bad.pop();
                    }
                }
                contents.items.extend(items_of(&group, header.number));
            }
        }
    }
}

pub(crate) fn items_of(group: &Group, segment: u64) -> impl Iterator<Item = Item> {
    group.records().map(move |(entry, at)| Item {
        entry: *entry,
        place: Place::of(entry, segment, at),
        sequence: group.header.sequence,
        copy: None,
    })
}

fn items_of_footer(footer: &Footer, segment: u64) -> Vec<Item> {
    let mut items = Vec::new();
    for group in &footer.groups {
        let mut at = group.payload_at;
        for (entry, copy) in group.entries.iter().zip(&group.copies) {
            items.push(Item {
                entry: *entry,
                place: Place::of(entry, segment, at),
                sequence: group.sequence,
                copy: copy.clone(),
            });
            at += u64::from(entry.length);
        }
    }
    items
}

/// Whether the payload is needed to know what a record means.
pub(crate) fn speaks_by_payload(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Commit | Kind::Checkpoint | Kind::Ties | Kind::Retire | Kind::Mend
    )
}
