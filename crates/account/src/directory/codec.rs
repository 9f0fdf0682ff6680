//! The octets of the directory's commits and sections. docs/FORMAT-ACCOUNT.md
//! says every one of them.

use super::blocks::{Block, Entry};
use super::change::{Change, Changes};
use super::{DeviceCredential, DeviceUse, Domain, Record};
use crate::DeviceId;
use crate::acl::Grantee;
use crate::codec::{
    Result, put_bool, put_hold, put_limits, put_option, put_time, put_validity, take_bool,
    take_hold, take_limits, take_number_after, take_option, take_time, take_validity, take_version,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{AccountId, Malformed, ModSeq, Reader, Writer};

/// Version of payloads and sections.
pub(super) const VERSION: u8 = 1;

impl Changes {
    /// The payload of the commit that carries these changes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(VERSION);
        w.varint(self.list.len() as u64);
        let mut last = ModSeq::ZERO;
        for (number, change) in &self.list {
            w.varint(number.0.saturating_sub(last.0));
            last = *number;
            put_change(&mut w, change);
        }
        w.into_octets()
    }

    /// What [`Changes::encode`] wrote.
    ///
    /// # Errors
    /// If the octets are not what this or an earlier release has written.
    pub fn decode(octets: &[u8]) -> std::result::Result<Self, Malformed> {
        let mut r = Reader::new(octets);
        take_version(&mut r, VERSION)?;
        let count = r.count(3)?;
        let mut changes = Self::default();
        let mut last = ModSeq::ZERO;
        for _ in 0..count {
            last = take_number_after(&mut r, last)?;
            changes.list.push((last, take_change(&mut r)?));
        }
        r.finish()?;
        Ok(changes)
    }
}

fn put_change(w: &mut Writer, change: &Change) {
    match change {
        Change::Put { key, entry } => {
            w.u8(1);
            w.text(key);
            put_entry(w, entry);
        }
        Change::Removed { key } => {
            w.u8(2);
            w.text(key);
        }
        Change::RemovalBegun { id, time } => {
            w.u8(3);
            w.u128(id.0);
            put_time(w, *time);
        }
        Change::RemovalFinished { id } => {
            w.u8(4);
            w.u128(id.0);
        }
        Change::Used(uses) => {
            w.u8(5);
            w.varint(uses.len() as u64);
            for (id, time) in uses {
                w.u128(id.0);
                put_time(w, *time);
            }
        }
        Change::Epoch => w.u8(6),
        Change::DevicesUsed(uses) => {
            w.u8(7);
            w.varint(uses.len() as u64);
            for used in uses {
                w.u128(used.account.0);
                w.varint(used.device.0.into());
                put_time(w, used.time);
                w.text(&used.from);
            }
        }
    }
}

fn take_change(r: &mut Reader<'_>) -> Result<Change> {
    Ok(match r.u8()? {
        1 => Change::Put {
            key: r.text()?.to_owned(),
            entry: take_entry(r)?,
        },
        2 => Change::Removed {
            key: r.text()?.to_owned(),
        },
        3 => Change::RemovalBegun {
            id: AccountId(r.u128()?),
            time: take_time(r)?,
        },
        4 => Change::RemovalFinished {
            id: AccountId(r.u128()?),
        },
        5 => {
            let count = r.count(17)?;
            let uses = (0..count).map(|_| Ok((AccountId(r.u128()?), take_time(r)?)));
            Change::Used(uses.collect::<Result<_>>()?)
        }
        6 => Change::Epoch,
        7 => {
            let count = r.count(19)?;
            let uses = (0..count).map(|_| {
                Ok(DeviceUse {
                    account: AccountId(r.u128()?),
                    device: DeviceId(r.varint32()?),
                    time: take_time(r)?,
                    from: r.text()?.to_owned(),
                })
            });
            Change::DevicesUsed(uses.collect::<Result<_>>()?)
        }
        _ => return Err(r.malformed("a change of a known kind")),
    })
}

pub(super) fn put_entry(w: &mut Writer, entry: &Entry) {
    match entry {
        Entry::Account(record) if record.uses.is_empty() => {
            w.u8(1);
            put_record(w, record);
        }
        Entry::Account(record) => {
            w.u8(5);
            put_record(w, record);
            w.varint(record.uses.len() as u64);
            for (device, (time, from)) in &record.uses {
                w.varint(device.0.into());
                put_time(w, *time);
                w.text(from);
            }
        }
        Entry::Alias(id) => {
            w.u8(2);
            w.u128(id.0);
        }
        Entry::Domain(domain) => {
            w.u8(3);
            put_limits(w, domain.limits);
            put_option(w, domain.hold.as_ref(), put_hold);
            put_settings(w, &domain.settings);
        }
        Entry::Floor(floor) => {
            w.u8(4);
            put_validity(w, Some(*floor));
        }
        Entry::Shares(with) => {
            w.u8(6);
            w.varint(with.len() as u64);
            for grantee in with.iter() {
                match grantee {
                    Grantee::Anyone => w.u128(0),
                    Grantee::Account(id) => w.u128(id.0),
                }
            }
        }
    }
}

fn take_entry(r: &mut Reader<'_>) -> Result<Entry> {
    Ok(match r.u8()? {
        1 => Entry::Account(Arc::new(take_record(r)?)),
        2 => Entry::Alias(AccountId(r.u128()?)),
        3 => Entry::Domain(Arc::new(Domain {
            limits: take_limits(r)?,
            hold: take_option(r, take_hold)?,
            settings: take_settings(r)?,
        })),
        4 => Entry::Floor(take_validity(r)?.ok_or_else(|| r.malformed("a UIDVALIDITY"))?),
        5 => {
            let mut record = take_record(r)?;
            let count = r.count(3)?;
            for _ in 0..count {
                let device = DeviceId(r.varint32()?);
                let used = (take_time(r)?, r.text()?.to_owned());
                record.uses.insert(device, used);
            }
            Entry::Account(Arc::new(record))
        }
        6 => {
            let count = r.count(16)?;
            let with = (0..count).map(|_| {
                Ok(match r.u128()? {
                    0 => Grantee::Anyone,
                    id => Grantee::Account(AccountId(id)),
                })
            });
            Entry::Shares(Arc::new(with.collect::<Result<_>>()?))
        }
        _ => return Err(r.malformed("an entry of a known kind")),
    })
}

fn put_record(w: &mut Writer, record: &Record) {
    w.u128(record.id.0);
    put_time(w, record.added);
    put_bool(w, record.enabled);
    put_option(w, record.expires, put_time);
    put_texts(w, &record.verifiers);
    w.varint(record.devices.len() as u64);
    for device in &record.devices {
        w.varint(device.device.0.into());
        w.text(&device.name);
        put_texts(w, &device.verifiers);
        put_option(w, device.expires, put_time);
    }
    put_settings(w, &record.settings);
    put_option(w, record.last_used, put_time);
}

fn take_record(r: &mut Reader<'_>) -> Result<Record> {
    Ok(Record {
        id: AccountId(r.u128()?),
        added: take_time(r)?,
        enabled: take_bool(r)?,
        expires: take_option(r, take_time)?,
        verifiers: take_texts(r)?,
        devices: {
            let count = r.count(4)?;
            let devices = (0..count).map(|_| {
                Ok(DeviceCredential {
                    device: DeviceId(r.varint32()?),
                    name: r.text()?.to_owned(),
                    verifiers: take_texts(r)?,
                    expires: take_option(r, take_time)?,
                })
            });
            devices.collect::<Result<_>>()?
        },
        settings: take_settings(r)?,
        last_used: take_option(r, take_time)?,
        uses: BTreeMap::new(),
    })
}

fn put_texts(w: &mut Writer, texts: &[String]) {
    w.varint(texts.len() as u64);
    for text in texts {
        w.text(text);
    }
}

fn take_texts(r: &mut Reader<'_>) -> Result<Vec<String>> {
    let count = r.count(1)?;
    (0..count).map(|_| Ok(r.text()?.to_owned())).collect()
}

fn put_settings(w: &mut Writer, settings: &BTreeMap<String, String>) {
    w.varint(settings.len() as u64);
    for (key, value) in settings {
        w.text(key);
        w.text(value);
    }
}

fn take_settings(r: &mut Reader<'_>) -> Result<BTreeMap<String, String>> {
    let count = r.count(2)?;
    (0..count)
        .map(|_| Ok((r.text()?.to_owned(), r.text()?.to_owned())))
        .collect()
}

pub(super) fn put_block(first: &str, block: &Block) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(VERSION);
    w.varint(block.serial.into());
    w.text(first);
    w.varint(block.entries.len() as u64);
    for (key, entry) in &block.entries {
        w.text(key);
        put_entry(&mut w, entry);
    }
    w.into_octets()
}

pub(super) fn take_block(octets: &[u8]) -> Result<(Arc<str>, Block)> {
    let mut r = Reader::new(octets);
    take_version(&mut r, VERSION)?;
    let serial = r.varint32()?;
    let first = Arc::from(r.text()?);
    let count = r.count(3)?;
    let entries = (0..count).map(|_| Ok((Arc::from(r.text()?), take_entry(&mut r)?)));
    let entries = entries.collect::<Result<_>>()?;
    r.finish()?;
    let block = Block {
        serial,
        changed: ModSeq::ZERO,
        entries,
    };
    Ok((first, block))
}
