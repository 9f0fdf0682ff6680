//! What the index says: keys and values. Each value ends with a CRC32C of key
//! and value, so that a wrong one is noticed.

use super::format::Entry;
use super::record::{
    Mend, Standing, Tie, read_beneath, read_standing, write_beneath, write_standing,
};
use crate::SectionKey;
use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};
use terms::{AccountId, BlobId, Malformed, ModSeq, Reader, Timestamp, Writer};

/// Where a record's payload lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) at: u64,
    pub(crate) length: u32,
    pub(crate) crc: u32,
}

impl Place {
    pub(crate) fn of(entry: &Entry, segment: u64, at: u64) -> Self {
        Self {
            segment,
            at,
            length: entry.length,
            crc: entry.crc,
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.varint(self.segment);
        writer.varint(self.at);
        writer.varint(u64::from(self.length));
        writer.u32(self.crc);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            segment: reader.varint()?,
            at: reader.varint()?,
            length: reader.varint32()?,
            crc: reader.u32()?,
        })
    }
}

/// Keys, by their first octet.
pub(crate) mod key {
    use super::*;

    pub(crate) const ACCOUNT: u8 = b'A';
    pub(crate) const BLOB: u8 = b'B';
    pub(crate) const COMMIT: u8 = b'C';
    pub(crate) const DUE: u8 = b'D';
    const MANIFEST: u8 = b'M';
    const SECTION: u8 = b'S';
    const TIE: u8 = b'T';
    /// Up to where the index has come.
    pub(crate) const WATERMARK: &[u8] = b"W";
    /// The segments that have gone.
    pub(crate) const RETIRED: &[u8] = b"R";
    /// Up to which segment nothing may be called garbage.
    pub(crate) const KEPT: &[u8] = b"K";

    fn with(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = vec![tag];
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }

    pub(crate) fn account(id: AccountId) -> Vec<u8> {
        with(ACCOUNT, &[&id.0.to_be_bytes()])
    }

    pub(crate) fn account_of(key: &[u8]) -> Option<AccountId> {
        let octets = key.get(1..17)?.try_into().ok()?;
        Some(AccountId(u128::from_be_bytes(octets)))
    }

    pub(crate) fn manifest(id: AccountId) -> Vec<u8> {
        with(MANIFEST, &[&id.0.to_be_bytes()])
    }

    pub(crate) fn blob(id: BlobId, part: u32) -> Vec<u8> {
        with(BLOB, &[&id.0.to_be_bytes(), &part.to_be_bytes()])
    }

    pub(crate) fn blob_of(key: &[u8]) -> Option<BlobId> {
        let octets = key.get(1..17)?.try_into().ok()?;
        Some(BlobId(u128::from_be_bytes(octets)))
    }

    pub(crate) fn commits(id: AccountId) -> Vec<u8> {
        with(COMMIT, &[&id.0.to_be_bytes()])
    }

    pub(crate) fn commit(id: AccountId, last: ModSeq) -> Vec<u8> {
        with(COMMIT, &[&id.0.to_be_bytes(), &last.0.to_be_bytes()])
    }

    pub(crate) fn sections(id: AccountId) -> Vec<u8> {
        with(SECTION, &[&id.0.to_be_bytes()])
    }

    pub(crate) fn section(id: AccountId, key: SectionKey, serial: u64) -> Vec<u8> {
        with(
            SECTION,
            &[
                &id.0.to_be_bytes(),
                &key.0.to_be_bytes(),
                &serial.to_be_bytes(),
            ],
        )
    }

    /// Key and serial of a section's key.
    pub(crate) fn section_of(key: &[u8]) -> Option<(SectionKey, u64)> {
        let of = u64::from_be_bytes(key.get(17..25)?.try_into().ok()?);
        let serial = u64::from_be_bytes(key.get(25..33)?.try_into().ok()?);
        Some((SectionKey(of), serial))
    }

    pub(crate) fn ties(blob: BlobId) -> Vec<u8> {
        with(TIE, &[&blob.0.to_be_bytes()])
    }

    pub(crate) fn ties_all() -> Vec<u8> {
        vec![TIE]
    }

    pub(crate) fn tie(tie: &Tie) -> Vec<u8> {
        with(
            TIE,
            &[
                &tie.blob.0.to_be_bytes(),
                &tie.account.0.to_be_bytes(),
                &tie.number.0.to_be_bytes(),
                &[u8::from(tie.released)],
            ],
        )
    }

    pub(crate) fn tie_of(key: &[u8]) -> Option<Tie> {
        Some(Tie {
            blob: BlobId(u128::from_be_bytes(key.get(1..17)?.try_into().ok()?)),
            account: AccountId(u128::from_be_bytes(key.get(17..33)?.try_into().ok()?)),
            number: ModSeq(u64::from_be_bytes(key.get(33..41)?.try_into().ok()?)),
            released: *key.get(41)? != 0,
        })
    }

    /// Ascends with the time.
    pub(crate) fn due(due: Timestamp, id: AccountId) -> Vec<u8> {
        let ordered = (due.0 as u64) ^ (1 << 63);
        with(DUE, &[&ordered.to_be_bytes(), &id.0.to_be_bytes()])
    }

    pub(crate) fn due_of(key: &[u8]) -> Option<(Timestamp, AccountId)> {
        let ordered = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
        let id = u128::from_be_bytes(key.get(9..25)?.try_into().ok()?);
        Some((Timestamp((ordered ^ (1 << 63)) as i64), AccountId(id)))
    }
}

/// A value of the index.
pub(crate) trait Row: Sized {
    fn write(&self, writer: &mut Writer);
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// The value as it stands under `key`.
    fn encode(&self, key: &[u8]) -> Bytes {
        let mut writer = Writer::new();
        self.write(&mut writer);
        let mut octets = writer.into_octets();
        let crc = crc32c_append(crc32c(key), &octets);
        octets.extend_from_slice(&crc.to_le_bytes());
        octets.into()
    }

    fn decode(key: &[u8], octets: &[u8]) -> Result<Self, Malformed> {
        let end = octets.len().saturating_sub(4);
        let (value, crc) = octets.split_at(end);
        if crc != crc32c_append(crc32c(key), value).to_le_bytes() {
            return Err(Reader::new(octets).malformed("a whole value"));
        }
        let mut reader = Reader::new(value);
        let row = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(row)
    }
}

/// An account's newest checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) number: ModSeq,
    pub(crate) covers: ModSeq,
    pub(crate) serial: u64,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountRow {
    pub(crate) head: ModSeq,
    pub(crate) due: Option<Timestamp>,
    pub(crate) removed: bool,
    /// The group that made it.
    pub(crate) since: u64,
    pub(crate) folded: Option<Folded>,
    /// Holes that were passed by.
    pub(crate) mends: Vec<Mend>,
}

impl AccountRow {
    pub(crate) fn covers(&self) -> ModSeq {
        self.folded.map_or(ModSeq::ZERO, |folded| folded.covers)
    }

    /// Whether the commit that ends with `last` no longer counts.
    pub(crate) fn is_dead(&self, last: ModSeq) -> bool {
        self.removed
            || last <= self.covers()
            || self
                .mends
                .iter()
                .any(|mend| mend.kept < last && last <= mend.head)
    }
}

impl Row for AccountRow {
    fn write(&self, writer: &mut Writer) {
        writer.varint(self.head.0);
        writer.u8(u8::from(self.removed)
            | u8::from(self.due.is_some()) << 1
            | u8::from(self.folded.is_some()) << 2);
        writer.varint(self.since);
        if let Some(due) = self.due {
            writer.signed(due.0);
        }
        if let Some(folded) = self.folded {
            writer.varint(folded.number.0);
            writer.varint(folded.covers.0);
            writer.varint(folded.serial);
        }
        writer.varint(self.mends.len() as u64);
        for mend in &self.mends {
            writer.varint(mend.kept.0);
            writer.varint(mend.head.0);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let head = ModSeq(reader.varint()?);
        let flags = reader.u8()?;
        let since = reader.varint()?;
        let due = match flags & 2 {
            0 => None,
            _ => Some(Timestamp(reader.signed()?)),
        };
        let folded = match flags & 4 {
            0 => None,
            _ => Some(Folded {
                number: ModSeq(reader.varint()?),
                covers: ModSeq(reader.varint()?),
                serial: reader.varint()?,
            }),
        };
        let count = reader.count(2)?;
        let mends = (0..count)
            .map(|_| {
                Ok(Mend {
                    kept: ModSeq(reader.varint()?),
                    head: ModSeq(reader.varint()?),
                })
            })
            .collect::<Result<_, Malformed>>()?;
        Ok(Self {
            head,
            due,
            removed: flags & 1 != 0,
            since,
            folded,
            mends,
        })
    }
}

/// A blob or a part of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlobRow {
    pub(crate) place: Place,
    /// Octets before the first frame.
    pub(crate) front: u32,
    /// Octets of the blob (of a part: its number).
    pub(crate) length: u64,
}

impl Row for BlobRow {
    fn write(&self, writer: &mut Writer) {
        self.place.write(writer);
        writer.varint(u64::from(self.front));
        writer.varint(self.length);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            place: Place::read(reader)?,
            front: reader.varint32()?,
            length: reader.varint()?,
        })
    }
}

/// A commit, with a copy of its record if it is short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommitRow {
    pub(crate) place: Place,
    pub(crate) copy: Option<Bytes>,
}

/// Longest commit that the index keeps a copy of.
pub(crate) const COPY_OCTETS_MAX: usize = 4096;

impl Row for CommitRow {
    fn write(&self, writer: &mut Writer) {
        self.place.write(writer);
        writer.u8(u8::from(self.copy.is_some()));
        if let Some(copy) = &self.copy {
            writer.bytes(copy);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let place = Place::read(reader)?;
        let copy = match reader.u8()? {
            0 => None,
            _ => Some(Bytes::copy_from_slice(reader.bytes()?)),
        };
        Ok(Self { place, copy })
    }
}

impl Row for Place {
    fn write(&self, writer: &mut Writer) {
        Place::write(self, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Place::read(reader)
    }
}

/// Which sections stand, and where the checkpoint that says so lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManifestRow {
    pub(crate) place: Place,
    pub(crate) standing: Vec<Standing>,
    /// See [`super::record::CheckpointRecord::beneath`].
    pub(crate) beneath: Vec<Standing>,
}

impl ManifestRow {
    /// Whether this writing of the section is needed.
    pub(crate) fn names(&self, of: SectionKey, serial: u64) -> bool {
        [&self.standing, &self.beneath].into_iter().any(|sections| {
            let found = sections.binary_search_by_key(&of, |one| one.key);
            let found = found.ok().and_then(|at| sections.get(at));
            found.is_some_and(|one| one.serial == serial)
        })
    }
}

impl Row for ManifestRow {
    fn write(&self, writer: &mut Writer) {
        self.place.write(writer);
        write_standing(writer, &self.standing);
        write_beneath(writer, &self.beneath);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            place: Place::read(reader)?,
            standing: read_standing(reader)?,
            beneath: read_beneath(reader)?,
        })
    }
}

/// In which segment a tie stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TieRow {
    pub(crate) segment: u64,
}

impl Row for TieRow {
    fn write(&self, writer: &mut Writer) {
        writer.varint(self.segment);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            segment: reader.varint()?,
        })
    }
}

/// Nothing but the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow;

impl Row for KeyRow {
    fn write(&self, _: &mut Writer) {}

    fn read(_: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self)
    }
}

/// The segments that have gone, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetiredRow {
    pub(crate) numbers: Vec<u64>,
}

impl Row for RetiredRow {
    fn write(&self, writer: &mut Writer) {
        writer.raw(&super::record::encode_numbers(&self.numbers));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let rest = reader.raw(reader.remaining())?;
        Ok(Self {
            numbers: super::record::decode_numbers(rest)?,
        })
    }
}

/// The index was built from a journal that had lost something: whoever has bound a
/// blob may not be known. All that lies in segments up to this one stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptRow {
    pub(crate) segment: u64,
}

impl Row for KeptRow {
    fn write(&self, writer: &mut Writer) {
        writer.varint(self.segment);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            segment: reader.varint()?,
        })
    }
}

/// Everything up to a group is in the index; and how many accounts it must have,
/// so that a lost one is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub(crate) segment: u64,
    /// Which journal, so that the index of another is noticed.
    pub(crate) journal: u128,
    pub(crate) sequence: u64,
    pub(crate) census: Census,
}

impl Row for Watermark {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.segment);
        writer.u128(self.journal);
        writer.u64(self.sequence);
        writer.u64(self.census.count);
        writer.u128(self.census.sum);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            segment: reader.u64()?,
            journal: reader.u128()?,
            sequence: reader.u64()?,
            census: Census {
                count: reader.u64()?,
                sum: reader.u128()?,
            },
        })
    }
}

/// How many accounts there are, and their identifiers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    count: u64,
    sum: u128,
}

impl Census {
    pub(crate) fn add(&mut self, id: AccountId) {
        self.count += 1;
        self.sum ^= id.0.rotate_left(1);
    }
}
