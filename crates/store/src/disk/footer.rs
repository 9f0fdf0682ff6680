//! The footer of a sealed segment: all its directories in one place, and its
//! commits and small sections a second time.

use super::format::{
    BLOCK, Entry, GROUP_HEADER_OCTETS, GroupHeader, Kind, SegmentHeader, decode_directory,
};
use super::io::DiskFile;
use super::record::Record;
use super::rows::Place;
use super::segment::{is_damage, read_exact, read_payload};
use bytes::Bytes;
use std::io;
use terms::{Malformed, Reader, Writer};

/// Longest payload that is copied.
const COPY_OCTETS_MAX: usize = 64 << 10;
/// Longest section that is copied.
const SECTION_OCTETS_MAX: usize = 4 << 10;

/// Gathers what the footer will say.
#[derive(Debug)]
pub(crate) struct FooterBuilder {
    count: u64,
    groups: Writer,
    copied: usize,
    copied_max: usize,
}

impl FooterBuilder {
    /// Copies take an eighth of the segment at the most.
    pub(crate) fn new(segment_octets: u64) -> Self {
        Self {
            count: 0,
            groups: Writer::new(),
            copied: 0,
            copied_max: usize::try_from(segment_octets / 8).unwrap_or(usize::MAX),
        }
    }

    /// About how long the footer is, with its group headers.
    pub(crate) fn octets(&self) -> u64 {
        self.groups.len() as u64 + 4 * BLOCK
    }

    /// Notes a group that has been written.
    pub(crate) fn push(&mut self, at: u64, sequence: u64, directory: &[u8], records: &[Record]) {
        self.count += 1;
        self.groups.varint(at);
        self.groups.varint(sequence);
        self.groups.varint(records.len() as u64);
        self.groups.bytes(directory);
        for record in records {
            if self.is_copied(record) {
                self.copied += record.payload.len();
                self.groups.u8(1);
                self.groups.raw(&record.payload);
            } else {
                self.groups.u8(0);
            }
        }
    }

    fn is_copied(&self, record: &Record) -> bool {
        let octets_max = match record.entry.kind {
            Kind::Blob | Kind::Part | Kind::Footer | Kind::End => return false,
            Kind::Section => SECTION_OCTETS_MAX,
            _ => COPY_OCTETS_MAX,
        };
        record.payload.len() <= octets_max && self.copied + record.payload.len() <= self.copied_max
    }

    pub(crate) fn into_record(self) -> Record {
        let mut writer = Writer::new();
        writer.varint(self.count);
        writer.raw(&self.groups.into_octets());
        Record::new(Kind::Footer, 0, 0, 0, writer.into_octets())
    }
}

/// A group as the footer tells of it.
#[derive(Clone, Debug)]
pub(crate) struct FooterGroup {
    pub(crate) sequence: u64,
    pub(crate) payload_at: u64,
    pub(crate) entries: Vec<Entry>,
    /// One for each entry.
    pub(crate) copies: Vec<Option<Bytes>>,
}

/// A footer that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footer {
    pub(crate) groups: Vec<FooterGroup>,
}

impl Footer {
    fn decode(octets: &Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(octets);
        let count = reader.count(4)?;
        let mut groups = Vec::with_capacity(count);
        for _ in 0..count {
            let at = reader.varint()?;
            let sequence = reader.varint()?;
            let records = reader.varint32()?;
            let directory = reader.bytes()?;
            let entries = decode_directory(directory, records)?;
            let mut copies = Vec::with_capacity(entries.len());
            for entry in &entries {
                if reader.u8()? == 0 {
                    copies.push(None);
                    continue;
                }
                let begin = reader.position();
                reader.raw(entry.length as usize)?;
                copies.push(Some(octets.slice(begin..reader.position())));
            }
            let front = GROUP_HEADER_OCTETS + directory.len();
            groups.push(FooterGroup {
                sequence,
                payload_at: at.saturating_add(front as u64),
                entries,
                copies,
            });
        }
        reader.finish()?;
        Ok(Self { groups })
    }
}

/// Where a footer lies, told by the last block of the segment.
pub(crate) fn end_record(footer: &Place) -> Record {
    let mut writer = Writer::new();
    writer.u64(footer.at);
    writer.u32(footer.length);
    writer.u32(footer.crc);
    Record::new(Kind::End, 0, 0, 0, writer.into_octets())
}

/// The footer of a segment that ends at `end`; `None` if there is none or it is
/// damaged.
pub(crate) fn locate_footer(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    end: u64,
) -> io::Result<Option<Footer>> {
    let Some(last) = end.checked_sub(BLOCK) else {
        return Ok(None);
    };
    let block = match read_exact(file, last, BLOCK as usize) {
        Ok(block) => block,
        Err(error) if is_damage(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(place) = end_place(&block, header) else {
        return Ok(None);
    };
    let payload = read_payload(file, &place)?;
    Ok(payload.and_then(|payload| Footer::decode(&payload).ok()))
}

fn end_place(block: &[u8], header: &SegmentHeader) -> Option<Place> {
    let (group, crc) = GroupHeader::decode(block).ok()?;
    let front = usize::try_from(group.front_octets()).ok()?;
    let octets = block.get(..front)?;
    if !GroupHeader::check(header.seed(), octets, crc) {
        return None;
    }
    let entries = decode_directory(octets.get(GROUP_HEADER_OCTETS..)?, group.records).ok()?;
    let [entry] = entries.as_slice() else {
        return None;
    };
    let payload = block.get(front..front + entry.length as usize)?;
    if entry.kind != Kind::End || crc32c::crc32c(payload) != entry.crc {
        return None;
    }
    let mut reader = Reader::new(payload);
    Some(Place {
        segment: header.number,
        at: reader.u64().ok()?,
        length: reader.u32().ok()?,
        crc: reader.u32().ok()?,
    })
}
