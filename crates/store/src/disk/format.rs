//! Segments, groups and directories, octet by octet. docs/FORMAT.md says the
//! same in words; a change here is a change there and a new version.

use crc32c::{crc32c, crc32c_append};
use terms::{Malformed, Reader, Writer};

/// The first octets of every segment.
pub(crate) const SEGMENT_MAGIC: [u8; 8] = *b"RESTANTE";
/// What this code writes.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Groups begin at multiples of this.
pub(crate) const BLOCK: u64 = 512;
/// Length of what stands before the first group: the header twice, each copy at
/// the beginning of a page of its own.
pub(crate) const SEGMENT_HEADER_OCTETS: usize = 8192;
/// Length of one copy of the segment header.
pub(crate) const HEADER_COPY_OCTETS: usize = 512;
/// Where the second copy begins.
pub(crate) const SECOND_COPY_AT: usize = 4096;
/// The first octets of every group.
pub(crate) const GROUP_MAGIC: [u8; 4] = *b"GRP1";
/// Length of the group header; the directory follows it.
pub(crate) const GROUP_HEADER_OCTETS: usize = 64;
/// Longest directory that is believed.
pub(crate) const DIRECTORY_OCTETS_MAX: u32 = 64 << 20;
/// Shortest directory entry.
const ENTRY_OCTETS_MIN: usize = 24;

/// Rounds up to the next block.
pub(crate) fn to_block(octets: u64) -> u64 {
    octets.next_multiple_of(BLOCK)
}

/// The last words of the segment before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Predecessor {
    /// Zero: there is none.
    pub(crate) number: u64,
    /// What lies beyond is not part of the journal.
    pub(crate) length: u64,
    /// The chain value of its last group.
    pub(crate) chain: u32,
    /// Its last two groups are a footer and where that is: nothing goes with them.
    pub(crate) footed: bool,
}

/// What stands first in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Random; the same in all segments of one journal.
    pub(crate) journal: u128,
    pub(crate) number: u64,
    /// Random. Nobody outside knows it, so nobody can send a mail body that is
    /// taken for a group.
    pub(crate) salt: u128,
    /// The sequence of the first group.
    pub(crate) sequence: u64,
    pub(crate) predecessor: Predecessor,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u32(FORMAT_VERSION);
        writer.u128(self.journal);
        writer.u64(self.number);
        writer.u128(self.salt);
        writer.u64(self.sequence);
        writer.u64(self.predecessor.number);
        writer.u64(self.predecessor.length);
        writer.u32(self.predecessor.chain);
        writer.u8(u8::from(self.predecessor.footed));
        let mut rest = writer.into_octets();
        rest.resize(HEADER_COPY_OCTETS - 12, 0);
        let mut copy = SEGMENT_MAGIC.to_vec();
        copy.extend_from_slice(&crc32c(&rest).to_le_bytes());
        copy.extend_from_slice(&rest);
        let mut octets = vec![0; SEGMENT_HEADER_OCTETS];
        octets[..HEADER_COPY_OCTETS].copy_from_slice(&copy);
        octets[SECOND_COPY_AT..SECOND_COPY_AT + HEADER_COPY_OCTETS].copy_from_slice(&copy);
        octets
    }

    /// Reads one copy.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(octets);
        if reader.raw(8)? != SEGMENT_MAGIC {
            return Err(reader.malformed("a segment"));
        }
        let crc = reader.u32()?;
        if crc != crc32c(reader.raw(HEADER_COPY_OCTETS - 12)?) {
            return Err(reader.malformed("a whole segment header"));
        }
        let mut reader = Reader::new(octets);
        reader.raw(12)?;
        if reader.u32()? != FORMAT_VERSION {
            return Err(reader.malformed("a version of the format that this program knows"));
        }
        Ok(Self {
            journal: reader.u128()?,
            number: reader.u64()?,
            salt: reader.u128()?,
            sequence: reader.u64()?,
            predecessor: Predecessor {
                number: reader.u64()?,
                length: reader.u64()?,
                chain: reader.u32()?,
                footed: reader.u8()? == 1,
            },
        })
    }

    /// Where the CRCs of this segment's groups begin; also the chain value before
    /// its first group.
    pub(crate) fn seed(&self) -> u32 {
        crc32c(&self.salt.to_le_bytes())
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A blob, or the head of one that lies in parts.
    Blob = 1,
    /// A part of a blob.
    Part = 2,
    /// A commit.
    Commit = 3,
    /// A section of a checkpoint.
    Section = 4,
    /// A checkpoint: which sections stand.
    Checkpoint = 5,
    /// An account has been removed.
    Remove = 6,
    /// Who has bound and released what, kept from commits that are dead.
    Ties = 7,
    /// Segments that have gone.
    Retire = 8,
    /// An account goes on after a hole in its log.
    Mend = 9,
    /// The directories of the segment's groups once more.
    Footer = 10,
    /// Where the footer is.
    End = 11,
}

impl Kind {
    fn decode(octet: u8) -> Option<Self> {
        [
            Self::Blob,
            Self::Part,
            Self::Commit,
            Self::Section,
            Self::Checkpoint,
            Self::Remove,
            Self::Ties,
            Self::Retire,
            Self::Mend,
            Self::Footer,
            Self::End,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == octet)
    }

    /// Whether somebody waits until it is durable.
    pub(crate) fn wants_sync(self) -> bool {
        !matches!(self, Self::Blob | Self::Part | Self::Section)
    }
}

/// One record in a group's directory. What `id`, `a` and `b` are depends on the
/// kind: docs/FORMAT.md has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) id: u128,
    pub(crate) a: u64,
    pub(crate) b: u64,
    /// Length and CRC32C of the payload.
    pub(crate) length: u32,
    pub(crate) crc: u32,
}

impl Entry {
    /// Of a payload that is there.
    pub(crate) fn of(kind: Kind, id: u128, a: u64, b: u64, payload: &[u8]) -> Self {
        Self {
            kind,
            id,
            a,
            b,
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            crc: crc32c(payload),
        }
    }

    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind as u8);
        writer.u128(self.id);
        writer.varint(self.a);
        writer.varint(self.b);
        writer.varint(u64::from(self.length));
        writer.u32(self.crc);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = reader.u8()?;
        let kind = Kind::decode(kind).ok_or_else(|| reader.malformed("a kind of record"))?;
        Ok(Self {
            kind,
            id: reader.u128()?,
            a: reader.varint()?,
            b: reader.varint()?,
            length: reader.varint32()?,
            crc: reader.u32()?,
        })
    }
}

/// The octets of a directory.
pub(crate) fn encode_directory<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<u8> {
    let mut writer = Writer::new();
    for entry in entries {
        entry.encode(&mut writer);
    }
    writer.into_octets()
}

/// The entries of a directory.
pub(crate) fn decode_directory(octets: &[u8], count: u32) -> Result<Vec<Entry>, Malformed> {
    let mut reader = Reader::new(octets);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count.saturating_mul(ENTRY_OCTETS_MIN) > octets.len() {
        return Err(reader.malformed("a directory of that many records"));
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(Entry::decode(&mut reader)?);
    }
    reader.finish()?;
    Ok(entries)
}

/// The first octets of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// One more than that of the group before, over all segments.
    pub(crate) sequence: u64,
    /// The last group that was known to be durable when this one was written.
    pub(crate) durable: u64,
    /// Octets of all payloads together.
    pub(crate) payload_octets: u64,
    pub(crate) directory_octets: u32,
    pub(crate) records: u32,
    /// The chain value of the group before in this segment.
    pub(crate) previous: u32,
}

impl GroupHeader {
    /// Header and directory, and the chain value of the group.
    pub(crate) fn encode(&self, seed: u32, directory: &[u8]) -> (Vec<u8>, u32) {
        let mut writer = Writer::new();
        writer.u64(self.sequence);
        writer.u64(self.durable);
        writer.u64(self.payload_octets);
        writer.u32(self.directory_octets);
        writer.u32(self.records);
        writer.u32(self.previous);
        let mut rest = writer.into_octets();
        rest.resize(GROUP_HEADER_OCTETS - 8, 0);
        rest.extend_from_slice(directory);
        let crc = crc32c_append(seed, &rest);
        let mut octets = Vec::with_capacity(rest.len() + 8);
        octets.extend_from_slice(&GROUP_MAGIC);
        octets.extend_from_slice(&crc.to_le_bytes());
        octets.extend_from_slice(&rest);
        (octets, crc)
    }

    /// The header and the CRC that it claims; [`GroupHeader::check`] it.
    pub(crate) fn decode(octets: &[u8]) -> Result<(Self, u32), Malformed> {
        let mut reader = Reader::new(octets);
        if reader.raw(4)? != GROUP_MAGIC {
            return Err(reader.malformed("a group"));
        }
        let crc = reader.u32()?;
        let header = Self {
            sequence: reader.u64()?,
            durable: reader.u64()?,
            payload_octets: reader.u64()?,
            directory_octets: reader.u32()?,
            records: reader.u32()?,
            previous: reader.u32()?,
        };
        if header.directory_octets > DIRECTORY_OCTETS_MAX {
            return Err(reader.malformed("a shorter directory"));
        }
        Ok((header, crc))
    }

    /// Whether header and directory (`octets`, both) have that CRC.
    pub(crate) fn check(seed: u32, octets: &[u8], crc: u32) -> bool {
        octets
            .get(8..)
            .is_some_and(|rest| crc32c_append(seed, rest) == crc)
    }

    /// From the group's first octet to its first payload.
    pub(crate) fn front_octets(&self) -> u64 {
        GROUP_HEADER_OCTETS as u64 + u64::from(self.directory_octets)
    }

    /// From the group's first octet to the next group's.
    pub(crate) fn octets(&self) -> u64 {
        to_block(self.front_octets().saturating_add(self.payload_octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_back_and_a_flipped_bit_is_seen() {
        let header = SegmentHeader {
            journal: 5,
            number: 7,
            salt: 0x1234_5678_9abc_def0 << 31,
            sequence: 99,
            predecessor: Predecessor {
                number: 6,
                length: 4096,
                chain: 17,
                footed: true,
            },
        };
        let octets = header.encode();
        assert_eq!(octets.len(), SEGMENT_HEADER_OCTETS);
        assert_eq!(SegmentHeader::decode(&octets[SECOND_COPY_AT..]), Ok(header));
        let octets = octets[..HEADER_COPY_OCTETS].to_vec();
        assert_eq!(SegmentHeader::decode(&octets), Ok(header));
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_group_is_read_back_with_its_own_salt_only() {
        let entries = [Entry::of(Kind::Commit, 5, 1, 2, b"payload")];
        let directory = encode_directory(entries.iter());
        let header = GroupHeader {
            sequence: 1,
            durable: 0,
            payload_octets: 7,
            directory_octets: u32::try_from(directory.len()).unwrap(),
            records: 1,
            previous: 3,
        };
        let (octets, chain) = header.encode(11, &directory);
        let (read, crc) = GroupHeader::decode(&octets).unwrap();
        assert_eq!((read, crc), (header, chain));
        assert!(GroupHeader::check(11, &octets, crc));
        assert!(!GroupHeader::check(12, &octets, crc));
        assert_eq!(
            decode_directory(&octets[GROUP_HEADER_OCTETS..], 1).unwrap(),
            entries
        );
        assert!(decode_directory(&octets[GROUP_HEADER_OCTETS..], 2).is_err());
        assert_eq!(header.octets(), 512);
    }
}
