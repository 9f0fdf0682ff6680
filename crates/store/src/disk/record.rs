//! The payloads of records other than blobs. Each names itself, so that a wrong
//! place in the index is noticed and never taken for an answer.

use super::format::{Entry, Kind};
use crate::{Commit, SectionKey};
use bytes::Bytes;
use terms::{AccountId, BlobId, Malformed, ModSeq, Reader, Timestamp, Writer};

/// A record on its way into a group.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) entry: Entry,
    pub(crate) payload: Bytes,
}

impl Record {
    pub(crate) fn new(kind: Kind, id: u128, a: u64, b: u64, payload: Vec<u8>) -> Self {
        Self {
            entry: Entry::of(kind, id, a, b, &payload),
            payload: payload.into(),
        }
    }
}

type Read<T> = Result<T, Malformed>;

fn write_due(writer: &mut Writer, due: Option<Timestamp>) {
    writer.u8(u8::from(due.is_some()));
    if let Some(due) = due {
        writer.signed(due.0);
    }
}

fn read_due(reader: &mut Reader<'_>) -> Read<Option<Timestamp>> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(Timestamp(reader.signed()?))),
        _ => Err(reader.malformed("a due time or none")),
    }
}

fn write_blobs(writer: &mut Writer, blobs: &[BlobId]) {
    writer.varint(blobs.len() as u64);
    for blob in blobs {
        writer.u128(blob.0);
    }
}

fn read_blobs(reader: &mut Reader<'_>) -> Read<Vec<BlobId>> {
    let count = reader.count(16)?;
    (0..count).map(|_| Ok(BlobId(reader.u128()?))).collect()
}

/// A commit as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitRecord {
    pub(crate) account: AccountId,
    /// The number it follows: tells a hole in the log from an Epoch's gap.
    pub(crate) after: ModSeq,
    pub(crate) commit: Commit,
}

impl CommitRecord {
    pub(crate) fn encode(&self) -> Record {
        let commit = &self.commit;
        let mut writer = Writer::new();
        writer.u128(self.account.0);
        writer.varint(self.after.0);
        writer.varint(commit.first.0);
        writer.varint(commit.last.0);
        writer.u128(commit.id);
        writer.signed(commit.time.0);
        write_due(&mut writer, commit.due);
        write_blobs(&mut writer, &commit.binds);
        write_blobs(&mut writer, &commit.releases);
        writer.raw(&commit.payload);
        Record::new(
            Kind::Commit,
            self.account.0,
            commit.first.0,
            commit.last.0,
            writer.into_octets(),
        )
    }

    pub(crate) fn decode(octets: &Bytes) -> Read<Self> {
        let mut reader = Reader::new(octets);
        let account = AccountId(reader.u128()?);
        let after = ModSeq(reader.varint()?);
        let first = ModSeq(reader.varint()?);
        let last = ModSeq(reader.varint()?);
        let id = reader.u128()?;
        let time = Timestamp(reader.signed()?);
        let due = read_due(&mut reader)?;
        let binds = read_blobs(&mut reader)?;
        let releases = read_blobs(&mut reader)?;
        let payload = octets.slice(reader.position()..);
        Ok(Self {
            account,
            after,
            commit: Commit {
                id,
                first,
                last,
                time,
                binds,
                releases,
                due,
                payload,
            },
        })
    }
}

/// A section as it stands in the journal. The serial tells two writings of one
/// section apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SectionRecord {
    pub(crate) account: AccountId,
    pub(crate) key: SectionKey,
    pub(crate) serial: u64,
    pub(crate) number: ModSeq,
    pub(crate) octets: Bytes,
}

impl SectionRecord {
    pub(crate) fn encode(&self) -> Record {
        let mut writer = Writer::new();
        writer.u128(self.account.0);
        writer.varint(self.key.0);
        writer.varint(self.serial);
        writer.varint(self.number.0);
        writer.raw(&self.octets);
        Record::new(
            Kind::Section,
            self.account.0,
            self.key.0,
            self.serial,
            writer.into_octets(),
        )
    }

    pub(crate) fn decode(octets: &Bytes) -> Read<Self> {
        let mut reader = Reader::new(octets);
        Ok(Self {
            account: AccountId(reader.u128()?),
            key: SectionKey(reader.varint()?),
            serial: reader.varint()?,
            number: ModSeq(reader.varint()?),
            octets: octets.slice(reader.position()..),
        })
    }
}

/// One section that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) key: SectionKey,
    pub(crate) serial: u64,
    pub(crate) number: ModSeq,
}

/// A checkpoint as it stands in the journal: every section that stands, written
/// now or before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointRecord {
    pub(crate) account: AccountId,
    pub(crate) number: ModSeq,
    pub(crate) covers: ModSeq,
    /// Orders the checkpoints of an account.
    pub(crate) serial: u64,
    /// The account's newest number and its due time when this was written: the
    /// commit that said them may be dead.
    pub(crate) head: ModSeq,
    pub(crate) due: Option<Timestamp>,
    /// Ascending by key.
    pub(crate) standing: Vec<Standing>,
    /// Sections that stood at `covers` and that later ones have taken the place
    /// of, ascending by key: what is left where the log has a hole between.
    pub(crate) beneath: Vec<Standing>,
}

impl CheckpointRecord {
    pub(crate) fn encode(&self) -> Record {
        let mut writer = Writer::new();
        writer.u128(self.account.0);
        writer.varint(self.number.0);
        writer.varint(self.covers.0);
        writer.varint(self.serial);
        writer.varint(self.head.0);
        write_due(&mut writer, self.due);
        write_standing(&mut writer, &self.standing);
        write_beneath(&mut writer, &self.beneath);
        Record::new(
            Kind::Checkpoint,
            self.account.0,
            self.number.0,
            self.covers.0,
            writer.into_octets(),
        )
    }

    pub(crate) fn decode(octets: &Bytes) -> Read<Self> {
        let mut reader = Reader::new(octets);
        let record = Self {
            account: AccountId(reader.u128()?),
            number: ModSeq(reader.varint()?),
            covers: ModSeq(reader.varint()?),
            serial: reader.varint()?,
            head: ModSeq(reader.varint()?),
            due: read_due(&mut reader)?,
            standing: read_standing(&mut reader)?,
            beneath: read_beneath(&mut reader)?,
        };
        reader.finish()?;
        Ok(record)
    }
}

/// Nothing at all where there are none.
pub(crate) fn write_beneath(writer: &mut Writer, beneath: &[Standing]) {
    if !beneath.is_empty() {
        write_standing(writer, beneath);
    }
}

pub(crate) fn read_beneath(reader: &mut Reader<'_>) -> Read<Vec<Standing>> {
    match reader.remaining() {
        0 => Ok(Vec::new()),
        _ => read_standing(reader),
    }
}

pub(crate) fn write_standing(writer: &mut Writer, standing: &[Standing]) {
    writer.varint(standing.len() as u64);
    for section in standing {
        writer.varint(section.key.0);
        writer.varint(section.serial);
        writer.varint(section.number.0);
    }
}

pub(crate) fn read_standing(reader: &mut Reader<'_>) -> Read<Vec<Standing>> {
    let count = reader.count(3)?;
    (0..count)
        .map(|_| {
            Ok(Standing {
                key: SectionKey(reader.varint()?),
                serial: reader.varint()?,
                number: ModSeq(reader.varint()?),
            })
        })
        .collect()
}

/// An account has been removed.
pub(crate) fn encode_remove(account: AccountId) -> Record {
    let mut writer = Writer::new();
    writer.u128(account.0);
    Record::new(Kind::Remove, account.0, 0, 0, writer.into_octets())
}

/// That an account has bound (or released) a blob by the commit that ends with a
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tie {
    pub(crate) blob: BlobId,
    pub(crate) account: AccountId,
    pub(crate) number: ModSeq,
    /// Released, not bound. A commit that does both has bound first.
    pub(crate) released: bool,
}

/// Ties of one account from commits that are dead.
pub(crate) fn encode_ties(account: AccountId, ties: &[Tie]) -> Record {
    let mut writer = Writer::new();
    writer.u128(account.0);
    writer.varint(ties.len() as u64);
    for tie in ties {
        writer.u128(tie.blob.0);
        writer.varint(tie.number.0);
        writer.u8(u8::from(tie.released));
    }
    Record::new(Kind::Ties, account.0, 0, 0, writer.into_octets())
}

pub(crate) fn decode_ties(octets: &[u8]) -> Read<Vec<Tie>> {
    let mut reader = Reader::new(octets);
    let account = AccountId(reader.u128()?);
    let count = reader.count(18)?;
    let ties = (0..count)
        .map(|_| {
            Ok(Tie {
                account,
                blob: BlobId(reader.u128()?),
                number: ModSeq(reader.varint()?),
                released: reader.u8()? != 0,
            })
        })
        .collect::<Read<Vec<_>>>()?;
    reader.finish()?;
    Ok(ties)
}

/// The ties that a commit makes.
pub(crate) fn ties_of(account: AccountId, commit: &Commit) -> impl Iterator<Item = Tie> + '_ {
    let tie = move |blob: &BlobId, released| Tie {
        blob: *blob,
        account,
        number: commit.last,
        released,
    };
    let binds = commit.binds.iter().map(move |blob| tie(blob, false));
    binds.chain(commit.releases.iter().map(move |blob| tie(blob, true)))
}

/// Every segment that has gone.
pub(crate) fn encode_retire(numbers: &[u64]) -> Record {
    let octets = encode_numbers(numbers);
    Record::new(Kind::Retire, 0, 0, 0, octets)
}

pub(crate) fn encode_numbers(numbers: &[u64]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.varint(numbers.len() as u64);
    let mut before = 0;
    for number in numbers {
        writer.varint(number.wrapping_sub(before));
        before = *number;
    }
    writer.into_octets()
}

pub(crate) fn decode_numbers(octets: &[u8]) -> Read<Vec<u64>> {
    let mut reader = Reader::new(octets);
    let count = reader.count(1)?;
    let mut before = 0u64;
    let numbers = (0..count)
        .map(|_| {
            before = before.wrapping_add(reader.varint()?);
            Ok(before)
        })
        .collect::<Read<Vec<_>>>()?;
    reader.finish()?;
    Ok(numbers)
}

/// The commits after `kept` up to `head` are void: there is a hole before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mend {
    pub(crate) kept: ModSeq,
    pub(crate) head: ModSeq,
}

pub(crate) fn encode_mend(account: AccountId, mend: Mend) -> Record {
    let mut writer = Writer::new();
    writer.u128(account.0);
    writer.varint(mend.kept.0);
    writer.varint(mend.head.0);
    Record::new(
        Kind::Mend,
        account.0,
        mend.kept.0,
        mend.head.0,
        writer.into_octets(),
    )
}

pub(crate) fn decode_mend(octets: &[u8]) -> Read<(AccountId, Mend)> {
    let mut reader = Reader::new(octets);
    let account = AccountId(reader.u128()?);
    let mend = Mend {
        kept: ModSeq(reader.varint()?),
        head: ModSeq(reader.varint()?),
    };
    reader.finish()?;
    Ok((account, mend))
}
