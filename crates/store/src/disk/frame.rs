//! Blobs as records: a front that says what follows, the derived octets, and
//! frames of up to 64 KB that are each packed and checked by themselves.

use super::format::Kind;
use super::record::Record;
use bytes::Bytes;
use crc32c::crc32c;
use std::ops::Range;
use terms::{BlobId, Malformed, Reader, Writer};

/// Longest frame before it is packed.
pub(crate) const FRAME_OCTETS: usize = 64 << 10;
/// How the octets of a blob lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Frames follow.
    Whole = 0,
    /// The frames are in part records of their own.
    InParts = 1,
    /// One such part.
    Part = 2,
}

/// Some octets, packed or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Length when unpacked.
    pub(crate) plain: u32,
    /// Length as it lies there; the same as `plain` if it is not packed.
    pub(crate) stored: u32,
    /// CRC32C of the octets as they lie there.
    pub(crate) crc: u32,
}

impl Frame {
    /// Packs `plain` onto `stored` if that saves an eighth.
    pub(crate) fn pack(plain: &[u8], stored: &mut Vec<u8>) -> Self {
        let begin = stored.len();
        let limit = plain.len() * 7 / 8;
        stored.resize(
            begin + lz4_flex::block::get_maximum_output_size(plain.len()),
            0,
        );
        let packed = lz4_flex::block::compress_into(plain, &mut stored[begin..]);
        match packed {
            Ok(packed) if packed < plain.len() && packed <= limit => {
                stored.truncate(begin + packed);
            }
            _ => {
                stored.truncate(begin);
                stored.extend_from_slice(plain);
            }
        }
        Self {
            plain: plain.len() as u32,
            stored: (stored.len() - begin) as u32,
            crc: crc32c(&stored[begin..]),
        }
    }

    /// What was packed; `None` if the octets are not what was written.
    pub(crate) fn unpack(&self, stored: &Bytes) -> Option<Bytes> {
        if stored.len() as u64 != u64::from(self.stored) || crc32c(stored) != self.crc {
            return None;
        }
        if self.stored == self.plain {
            return Some(stored.clone());
        }
        let mut plain = vec![0; self.plain as usize];
        let count = lz4_flex::block::decompress_into(stored, &mut plain).ok()?;
        (count == plain.len()).then(|| plain.into())
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.plain);
        writer.u32(self.stored);
        writer.u32(self.crc);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            plain: reader.u32()?,
            stored: reader.u32()?,
            crc: reader.u32()?,
        })
    }
}

/// The front of a blob record, without the derived octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Front {
    pub(crate) id: BlobId,
    /// Zero for the blob itself, then 1, 2, … for its parts.
    pub(crate) part: u32,
    pub(crate) shape: Shape,
    /// Octets of the blob, or of this part of it.
    pub(crate) length: u64,
    pub(crate) derived: Frame,
    /// The frames; for [`Shape::InParts`] none.
    pub(crate) frames: Vec<Frame>,
    /// For [`Shape::InParts`] how long each part is.
    pub(crate) parts: Vec<u32>,
}

impl Front {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u128(self.id.0);
        writer.u32(self.part);
        writer.u8(self.shape as u8);
        writer.u64(self.length);
        self.derived.write(&mut writer);
        if self.shape == Shape::InParts {
            writer.u32(self.parts.len() as u32);
            for part in &self.parts {
                writer.u32(*part);
            }
        } else {
            writer.u32(self.frames.len() as u32);
            for frame in &self.frames {
                frame.write(&mut writer);
            }
        }
        let crc = crc32c(&writer.clone().into_octets());
        writer.u32(crc);
        writer.into_octets()
    }

    /// Reads a front that begins at the first octet, and how long it is.
    pub(crate) fn decode(octets: &[u8]) -> Result<(Self, usize), Malformed> {
        let mut reader = Reader::new(octets);
        let id = BlobId(reader.u128()?);
        let part = reader.u32()?;
        let shape = match reader.u8()? {
            0 => Shape::Whole,
            1 => Shape::InParts,
            2 => Shape::Part,
            _ => return Err(reader.malformed("a shape of blob")),
        };
        let length = reader.u64()?;
        let derived = Frame::read(&mut reader)?;
        let count = reader.u32()? as usize;
        let each = if shape == Shape::InParts { 4 } else { 12 };
        if count.saturating_mul(each) > reader.remaining() {
            return Err(reader.malformed("a table of that many"));
        }
        let (mut frames, mut parts) = (Vec::new(), Vec::new());
        for _ in 0..count {
            if shape == Shape::InParts {
                parts.push(reader.u32()?);
            } else {
                let frame = Frame::read(&mut reader)?;
                if frame.plain as usize > FRAME_OCTETS || frame.stored > frame.plain {
                    return Err(reader.malformed("a shorter frame"));
                }
                frames.push(frame);
            }
        }
        let end = reader.position();
        let crc = reader.u32()?;
        if octets.get(..end).map(crc32c) != Some(crc) {
            return Err(reader.malformed("a whole front"));
        }
        let front = Self {
            id,
            part,
            shape,
            length,
            derived,
            frames,
            parts,
        };
        Ok((front, reader.position()))
    }

    /// Which frames hold a range of this record's octets: the frames, where the
    /// first of them begins among the plain octets, and where they lie among the
    /// stored ones.
    pub(crate) fn covering(&self, range: &Range<u64>) -> (&[Frame], u64, Range<u64>) {
        let (mut plain, mut stored) = (0u64, 0u64);
        let (mut first, mut begin, mut from) = (self.frames.len(), 0, 0);
        let mut last = self.frames.len();
        for (at, frame) in self.frames.iter().enumerate() {
            let end = plain + u64::from(frame.plain);
            if first == self.frames.len() && end > range.start {
                (first, begin, from) = (at, plain, stored);
            }
            if plain >= range.end {
                last = at;
                break;
            }
            plain = end;
            stored += u64::from(frame.stored);
        }
        (&self.frames[first.min(last)..last], begin, from..stored)
    }
}

/// Gathers frames for one record.
#[derive(Debug, Default)]
pub(crate) struct Run {
    frames: Vec<Frame>,
    stored: Vec<u8>,
    /// Octets before packing.
    pub(crate) plain: usize,
}

impl Run {
    pub(crate) fn push(&mut self, plain: &[u8]) {
        self.frames.push(Frame::pack(plain, &mut self.stored));
        self.plain += plain.len();
    }

    /// The record of a blob that lies whole in it.
    pub(crate) fn into_whole(self, id: BlobId, derived: &[u8]) -> Record {
        let length = self.plain as u64;
        let mut octets = Vec::new();
        let derived = Frame::pack(derived, &mut octets);
        let front = Front {
            id,
            part: 0,
            shape: Shape::Whole,
            length,
            derived,
            frames: self.frames,
            parts: Vec::new(),
        };
        blob_record(&front, &octets, &self.stored)
    }

    /// The record of one part, numbered from 1.
    pub(crate) fn into_part(self, id: BlobId, part: u32) -> Record {
        let front = Front {
            id,
            part,
            shape: Shape::Part,
            length: self.plain as u64,
            derived: Frame::default(),
            frames: self.frames,
            parts: Vec::new(),
        };
        blob_record(&front, &[], &self.stored)
    }
}

/// The record of a blob whose octets are in parts of these lengths.
pub(crate) fn head_of_parts(id: BlobId, parts: Vec<u32>, derived: &[u8]) -> Record {
    let mut octets = Vec::new();
    let derived = Frame::pack(derived, &mut octets);
    let front = Front {
        id,
        part: 0,
        shape: Shape::InParts,
        length: parts.iter().map(|part| u64::from(*part)).sum(),
        derived,
        frames: Vec::new(),
        parts,
    };
    blob_record(&front, &octets, &[])
}

fn blob_record(front: &Front, derived: &[u8], stored: &[u8]) -> Record {
    let mut payload = front.encode();
    payload.extend_from_slice(derived);
    let front_octets = payload.len() as u64;
    payload.extend_from_slice(stored);
    let (kind, a) = match front.shape {
        Shape::Part => (Kind::Part, u64::from(front.part)),
        Shape::Whole | Shape::InParts => (Kind::Blob, front.length),
    };
    Record::new(kind, front.id.0, a, front_octets, payload)
}

/// Where the header of a message ends within its first octets: after the first
/// empty line.
pub(crate) fn header_end(octets: &[u8]) -> Option<usize> {
    let crlf = octets.windows(4).position(|four| four == b"\r\n\r\n");
    crlf.map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(plain in proptest::collection::vec(0u8..4, 0..3000)) {
            let mut stored = Vec::new();
            let frame = Frame::pack(&plain, &mut stored);
            let stored = Bytes::from(stored);
            prop_assert_eq!(frame.unpack(&stored).unwrap(), &plain);
            prop_assert!(frame.stored == frame.plain || frame.stored * 8 <= frame.plain * 7);
        }

        #[test]
        fn covering_frames_hold_the_range(
            lengths in proptest::collection::vec(1usize..50, 1..8), start in 0u64..400, length in 0u64..400,
        ) {
            let mut run = Run::default();
            let mut all = Vec::new();
            for (at, length) in lengths.iter().enumerate() {
                let plain = vec![at as u8; *length];
                run.push(&plain);
                all.extend_from_slice(&plain);
            }
            let record = run.into_whole(BlobId(1), b"derived");
            let (front, _) = Front::decode(&record.payload).unwrap();
            let total = all.len() as u64;
            let range = start.min(total)..(start + length).min(total);
            let (frames, begin, stored) = front.covering(&range);
            if !range.is_empty() {
                prop_assert!(begin <= range.start);
                let held: u64 = frames.iter().map(|frame| u64::from(frame.plain)).sum();
                prop_assert!(begin + held >= range.end);
            }
            let held: u64 = frames.iter().map(|frame| u64::from(frame.stored)).sum();
            prop_assert_eq!(held, if frames.is_empty() { held } else { stored.end - stored.start });
        }
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let mut run = Run::default();
        run.push(b"some octets");
        let record = run.into_whole(BlobId(9), b"d");
        let front_octets = usize::try_from(record.entry.b).unwrap();
        for bit in 0..(front_octets - 1) * 8 {
            let mut flipped = record.payload.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Front::decode(&flipped).is_err(), "bit {bit}");
        }
    }
}
