//! The root section.

use super::change::{
    put_counts, put_transfer, take_counts, take_mailbox, take_transfer, take_unique_id_form,
};
use super::{
    Result, put_bool, put_copies, put_email_set, put_hold, put_keywords, put_limits, put_number,
    put_option, put_runs, put_time, put_uid_next, put_used, put_validity, take_bool, take_copies,
    take_email_set, take_hold, take_keywords, take_limits, take_mailbox_name, take_number,
    take_option, take_runs, take_time, take_uid_next, take_used, take_validity,
};
use crate::device::{Device, DeviceId, DeviceProtocols};
use crate::fold::Folding;
use crate::mailbox::{Mailbox, SpecialUses};
use crate::persistent::RunMap;
use crate::state::Root;
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{AccountId, BlobId, EmailNumber, MailboxId, Reader, Writer};

/// Version of the root section; 2 where additions follow, which are not written
/// as long as there are none.
const VERSION: u8 = 1;
const VERSION_WITH_ADDITIONS: u8 = 2;

/// All of the root that changes have made.
pub(crate) fn put_root(w: &mut Writer, root: &Root) {
    let additions = additions(root);
    w.u8(if additions.is_empty() {
        VERSION
    } else {
        VERSION_WITH_ADDITIONS
    });
    w.u128(root.account.0);
    put_number(w, root.head);
    put_option(w, root.created, put_time);
    put_limits(w, root.limits);
    put_used(w, root.used);
    put_hold(w, &root.hold);
    w.varint(root.next_mailbox.0.into());
    w.varint(root.next_email.0);
    put_validity(w, root.last_uid_validity);
    w.varint(root.next_device.0.into());
    w.varint(root.mailboxes.len() as u64);
    for mailbox in root.mailboxes.values() {
        put_mailbox(w, mailbox);
    }
    w.varint(root.subscriptions.len() as u64);
    for (name, ()) in root.subscriptions.iter() {
        w.text(name.as_str());
    }
    w.varint(root.devices.len() as u64);
    for device in root.devices.values() {
        put_device(w, device);
        put_email_set(w, &device.collected);
        put_email_set(w, &device.read);
    }
    put_copies(w, &root.copies.runs().collect::<Vec<_>>());
    put_runs(w, &root.clocks.runs().collect::<Vec<_>>(), put_time);
    w.varint(root.shared.len() as u64);
    for (blob, more) in root.shared.iter() {
        w.u128(blob.0);
        w.varint((*more).into());
    }
    w.varint(root.unique_ids.len() as u64);
    for (email, text) in root.unique_ids.iter() {
        w.varint(email.0);
        w.text(text);
    }
    put_number(w, root.expunged_changed);
    put_option(w, root.expunged_oldest, put_time);
    put_metadata(w, &root.metadata);
    if !additions.is_empty() {
        w.varint(additions.len() as u64);
        for (kind, octets) in additions {
            w.u8(kind);
            w.bytes(&octets);
        }
    }
}

/// What later releases have added to the root: a kind and its octets.
fn additions(root: &Root) -> Vec<(u8, Vec<u8>)> {
    let mut additions = Vec::new();
    let mut add = |kind: u8, put: &dyn Fn(&mut Writer)| {
        let mut w = Writer::new();
        put(&mut w);
        additions.push((kind, w.into_octets()));
    };
    if let Some(since) = root.run_waits {
        add(1, &|w| put_time(w, since));
    }
    let warned = root.devices.values();
    let warned: Vec<_> = warned
        .filter_map(|device| Some((device.id, device.warned?)))
        .collect();
    if !warned.is_empty() {
        add(2, &|w| {
            w.varint(warned.len() as u64);
            for (device, time) in &warned {
                w.varint(device.0.into());
                put_time(w, *time);
            }
        });
    }
    if let Some(form) = &root.unique_id_form {
        add(16, &|w| w.text(form.as_str()));
    }
    if !root.transfers.is_empty() {
        add(24, &|w| {
            w.varint(root.transfers.len() as u64);
            for (operation, transfer) in root.transfers.iter() {
                w.u128(*operation);
                put_transfer(w, transfer);
            }
        });
    }
    additions
}

fn take_addition(root: &mut Root, kind: u8, octets: &[u8]) -> Result<()> {
    let mut r = Reader::new(octets);
    match kind {
        1 => root.run_waits = Some(take_time(&mut r)?),
        2 => {
            for _ in 0..r.count(2)? {
                let (device, time) = (DeviceId(r.varint32()?), take_time(&mut r)?);
                if let Some(device) = root.devices.get_mut(&device) {
                    Arc::make_mut(device).warned = Some(time);
                }
            }
        }
        16 => root.unique_id_form = take_unique_id_form(&mut r)?,
        24 => {
            for _ in 0..r.count(18)? {
                let operation = r.u128()?;
                root.transfers.insert(operation, take_transfer(&mut r)?);
            }
        }
        _ => return Err(r.malformed("an addition of a known kind")),
    }
    r.finish()
}

pub(crate) fn take_root(r: &mut Reader<'_>) -> Result<Root> {
    let has_additions = match r.u8()? {
        VERSION => false,
        VERSION_WITH_ADDITIONS => true,
        _ => return Err(r.malformed("a version that this release knows")),
    };
    let mut root = Root::new(AccountId(r.u128()?));
    root.head = take_number(r)?;
    root.created = take_option(r, take_time)?;
    root.limits = take_limits(r)?;
    root.used = take_used(r)?;
    root.hold = take_hold(r)?;
    root.next_mailbox = take_mailbox(r)?;
    root.next_email = EmailNumber(r.varint()?);
    root.last_uid_validity = take_validity(r)?;
    root.next_device = DeviceId(r.varint32()?);
    for _ in 0..r.count(12)? {
        let mailbox = take_mailbox_record(r)?;
        root.names.insert(mailbox.name.as_str().into(), mailbox.id);
        root.mailboxes.insert(mailbox.id, Arc::new(mailbox));
    }
    for _ in 0..r.count(2)? {
        root.subscriptions.insert(take_mailbox_name(r)?, ());
    }
    for _ in 0..r.count(10)? {
        let mut device = take_device(r)?;
        device.collected = take_email_set(r)?;
        device.read = take_email_set(r)?;
        root.devices.insert(device.id, Arc::new(device));
    }
    for run in take_copies(r)? {
        root.copies.set(run.first, run.last, Some(run.value));
    }
    root.clocks = RunMap::default();
    for run in take_runs(r, take_time)? {
        root.clocks.set(run.first, run.last, Some(run.value));
    }
    for _ in 0..r.count(17)? {
        let blob = BlobId(r.u128()?);
        root.shared.insert(blob, r.varint32()?);
    }
    for _ in 0..r.count(2)? {
        let email = EmailNumber(r.varint()?);
        root.unique_ids.insert(email, r.text()?.into());
    }
    root.expunged_changed = take_number(r)?;
    root.expunged_oldest = take_option(r, take_time)?;
    root.metadata = Arc::new(take_metadata(r)?);
    root.metadata_changed = root.head;
    if has_additions {
        for _ in 0..r.count(2)? {
            let kind = r.u8()?;
            let octets = r.bytes()?;
            take_addition(&mut root, kind, octets)?;
        }
    }
    Ok(root)
}

fn put_mailbox(w: &mut Writer, mailbox: &Mailbox) {
    w.varint(mailbox.id.0.into());
    w.text(mailbox.name.as_str());
    w.u16(mailbox.special_uses.bits());
    put_validity(w, Some(mailbox.uid_validity));
    put_uid_next(w, mailbox.uid_next);
    put_number(w, mailbox.created);
    put_number(w, mailbox.highest_modseq);
    put_number(w, mailbox.table_changed);
    put_number(w, mailbox.log_floor);
    put_counts(w, &mailbox.counts);
    put_keywords(w, &mailbox.keywords);
    put_number(w, mailbox.keywords_changed);
    w.varint(mailbox.recent_told.into());
    w.varint(mailbox.acl.len() as u64);
    for (identifier, rights) in mailbox.acl.iter() {
        w.text(identifier);
        w.varint((*rights).into());
    }
    put_metadata(w, &mailbox.metadata);
}

fn take_mailbox_record(r: &mut Reader<'_>) -> Result<Mailbox> {
    Ok(Mailbox {
        id: take_mailbox(r)?,
        name: take_mailbox_name(r)?,
        special_uses: SpecialUses::from_bits(r.u16()?),
        uid_validity: take_validity(r)?.ok_or_else(|| r.malformed("a UIDVALIDITY"))?,
        uid_next: take_uid_next(r)?,
        created: take_number(r)?,
        highest_modseq: take_number(r)?,
        table_changed: take_number(r)?,
        log_floor: take_number(r)?,
        counts: take_counts(r)?,
        keywords: Arc::new(take_keywords(r)?),
        keywords_changed: take_number(r)?,
        recent_told: r.varint32()?,
        acl: {
            let count = r.count(2)?;
            let rights = (0..count).map(|_| Ok((r.text()?.to_owned(), r.varint32()?)));
            Arc::new(rights.collect::<Result<_>>()?)
        },
        metadata: Arc::new(take_metadata(r)?),
    })
}

fn put_metadata(w: &mut Writer, metadata: &BTreeMap<String, Vec<u8>>) {
    w.varint(metadata.len() as u64);
    for (entry, value) in metadata {
        w.text(entry);
        w.bytes(value);
    }
}

fn take_metadata(r: &mut Reader<'_>) -> Result<BTreeMap<String, Vec<u8>>> {
    let count = r.count(2)?;
    (0..count)
        .map(|_| Ok((r.text()?.to_owned(), r.bytes()?.to_vec())))
        .collect()
}

/// Everything of a device but its sets.
pub(crate) fn put_device(w: &mut Writer, device: &Device) {
    w.varint(device.id.0.into());
    w.text(&device.name);
    put_time(w, device.declared);
    put_option(w, device.revoked, put_time);
    put_option(w, device.expires, put_time);
    put_option(w, device.forgotten, put_time);
    put_option(w, device.last_poll, put_time);
    put_bool(w, device.protocols.pop3);
    put_bool(w, device.protocols.imap);
    put_bool(w, device.may_not_delete);
}

pub(crate) fn take_device(r: &mut Reader<'_>) -> Result<Device> {
    Ok(Device {
        id: DeviceId(r.varint32()?),
        name: r.text()?.to_owned(),
        declared: take_time(r)?,
        revoked: take_option(r, take_time)?,
        expires: take_option(r, take_time)?,
        forgotten: take_option(r, take_time)?,
        last_poll: take_option(r, take_time)?,
        protocols: DeviceProtocols {
            pop3: take_bool(r)?,
            imap: take_bool(r)?,
        },
        may_not_delete: take_bool(r)?,
        warned: None,
        collected: crate::EmailSet::new(),
        read: crate::EmailSet::new(),
    })
}

/// What the root section says about the other sections.
pub(crate) fn put_folding(w: &mut Writer, folding: &Folding) {
    put_number(w, folding.covers);
    w.varint(folding.octets);
    w.varint(folding.commits.into());
    w.varint(folding.stored.len() as u64);
    let mut last = 0u64;
    for (key, ()) in folding.stored.iter() {
        w.varint(key.wrapping_sub(last));
        last = *key;
    }
}

pub(crate) fn take_folding(r: &mut Reader<'_>) -> Result<Folding> {
    let mut folding = Folding {
        covers: take_number(r)?,
        octets: r.varint()?,
        commits: r.varint32()?,
        ..Folding::default()
    };
    let mut last = 0u64;
    for _ in 0..r.count(1)? {
        let step = r.varint()?;
        let key = last.checked_add(step).filter(|_| step > 0);
        last = key.ok_or_else(|| r.malformed("ascending keys"))?;
        folding.stored.insert(last, ());
    }
    Ok(folding)
}

/// The mailbox of a section's key.
pub(crate) fn mailbox_of(key: u64) -> MailboxId {
    MailboxId((key >> 32) as u32 & ((1 << 28) - 1))
}
