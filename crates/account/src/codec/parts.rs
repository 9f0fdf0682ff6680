//! Sections but for the root: chunks of tables, parts of the expunge log and of
//! what was expunged. And the names of sections.

use super::change::{take_cause, take_mailbox};
use super::{
    Result, put_columns, put_keywords, put_number, put_time, put_uid_set, take_columns,
    take_keywords, take_mailbox_name, take_number, take_time, take_uid, take_uid_set, take_version,
};
use crate::expunge_log::LogPart;
use crate::expunged::{Batch, ExpungedPart};
use crate::table::Chunk;
use std::sync::Arc;
use terms::{MailboxId, ModSeq, Reader, Writer};

/// Version of these sections.
const VERSION: u8 = 1;

/// What a section holds; the highest four bits of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The root: key 0, and more pieces of it above.
    Root = 0,
    Chunk = 1,
    Log = 2,
    Expunged = 3,
}

impl Kind {
    pub(crate) fn of(key: u64) -> Option<Self> {
        [Self::Root, Self::Chunk, Self::Log, Self::Expunged]
            .into_iter()
            .find(|kind| key >> 60 == *kind as u64)
    }
}

/// The key of a piece of the root.
pub(crate) fn root_key(piece: u32) -> u64 {
    piece.into()
}

/// The key of a chunk or of a part of the log.
pub(crate) fn table_key(kind: Kind, mailbox: MailboxId, number: u32) -> u64 {
    let mailbox = u64::from(mailbox.0) & ((1 << 28) - 1);
    (kind as u64) << 60 | mailbox << 32 | u64::from(number)
}

/// The key of a part of what was expunged.
pub(crate) fn expunged_key(serial: u32) -> u64 {
    (Kind::Expunged as u64) << 60 | u64::from(serial)
}

pub(crate) fn put_chunk(chunk: &Chunk) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(VERSION);
    w.varint(chunk.base.value().into());
    put_columns(&mut w, &chunk.columns);
    w.into_octets()
}

pub(crate) fn take_chunk(octets: &[u8]) -> Result<Chunk> {
    let mut r = Reader::new(octets);
    take_version(&mut r, VERSION)?;
    let base = take_uid(&mut r)?;
    let columns = take_columns(&mut r)?;
    r.finish()?;
    let modseq_max = columns.modseqs().iter().copied().max();
    Ok(Chunk {
        base,
        changed: ModSeq::ZERO,
        modseq_max: modseq_max.unwrap_or_default(),
        columns,
    })
}

pub(crate) fn put_log_part(part: &LogPart) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(VERSION);
    w.varint(part.serial.into());
    w.varint(part.entries.len() as u64);
    let mut last = ModSeq::ZERO;
    for (number, uids) in &part.entries {
        w.varint(number.0.saturating_sub(last.0));
        last = *number;
        put_uid_set(&mut w, uids);
    }
    w.into_octets()
}

pub(crate) fn take_log_part(octets: &[u8]) -> Result<LogPart> {
    let mut r = Reader::new(octets);
    take_version(&mut r, VERSION)?;
    let mut part = LogPart {
        serial: r.varint32()?,
        ..LogPart::default()
    };
    let mut last = 0u64;
    for _ in 0..r.count(2)? {
        let step = r.varint()?;
        last = last
            .checked_add(step)
            .ok_or_else(|| r.malformed("a number of a change"))?;
        let uids = take_uid_set(&mut r)?;
        part.runs += uids.run_count();
        part.entries.push((ModSeq(last), Arc::new(uids)));
    }
    r.finish()?;
    Ok(part)
}

pub(crate) fn put_expunged_part(part: &ExpungedPart) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(VERSION);
    w.varint(part.serial.into());
    w.varint(part.batches.len() as u64);
    for batch in &part.batches {
        put_batch(&mut w, batch);
    }
    w.into_octets()
}

pub(crate) fn put_batch(w: &mut Writer, batch: &Batch) {
    put_number(w, batch.number);
    put_time(w, batch.time);
    w.u8(batch.cause as u8);
    w.varint(batch.mailbox.0.into());
    w.text(batch.name.as_str());
    put_keywords(w, &batch.keywords);
    put_columns(w, &batch.rows);
}

pub(crate) fn take_expunged_part(octets: &[u8]) -> Result<ExpungedPart> {
    let mut r = Reader::new(octets);
    take_version(&mut r, VERSION)?;
    let serial = r.varint32()?;
    let mut batches = Vec::new();
    for _ in 0..r.count(16)? {
        batches.push(Arc::new(Batch {
            number: take_number(&mut r)?,
            time: take_time(&mut r)?,
            cause: take_cause(&mut r)?,
            mailbox: take_mailbox(&mut r)?,
            name: take_mailbox_name(&mut r)?,
            keywords: Arc::new(take_keywords(&mut r)?),
            rows: Arc::new(take_columns(&mut r)?),
        }));
    }
    r.finish()?;
    Ok(ExpungedPart::new(serial, ModSeq::ZERO, batches))
}
