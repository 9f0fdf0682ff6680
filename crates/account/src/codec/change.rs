//! The payload of a commit.

use super::{
    Result, put_bool, put_clocks, put_collect, put_copies, put_email_set, put_hold, put_keywords,
    put_limits, put_number, put_option, put_rows, put_time, put_uid_next, put_uid_set, put_used,
    put_validity, take_bool, take_clocks, take_collect, take_copies, take_email_set, take_hold,
    take_keywords, take_limits, take_mailbox_name, take_number, take_number_after, take_option,
    take_rows, take_time, take_uid, take_uid_next, take_uid_set, take_used, take_validity,
    take_version,
};
use crate::changes::{Change, Changes, EpochMailbox, FlagGroup, Note, Placed, Sums, Taken};
use crate::codec::root::{put_device, take_device};
use crate::expunged::Cause;
use crate::transfer::{Transfer, TransferPart};
use crate::{Counts, DeviceId, SpecialUses, UniqueIdForm};
use terms::{AccountId, BlobId, EmailNumber, MailboxId, Malformed, ModSeq, Reader, Writer};

/// Version of the payload.
const VERSION: u8 = 1;

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
            let mut body = Writer::new();
            w.u8(put_change(&mut body, change));
            w.bytes(&body.into_octets());
        }
        w.varint(self.notes.len() as u64);
        for note in &self.notes {
            put_note(&mut w, note);
        }
        w.into_octets()
    }

    /// What [`Changes::encode`] wrote. The blobs bound and released stand in the
    /// commit's envelope.
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
            let kind = r.u8()?;
            let mut body = Reader::new(r.bytes()?);
            let change = take_change(&mut body, kind)?;
            body.finish()?;
            changes.list.push((last, change));
        }
        let count = r.count(3)?;
        for _ in 0..count {
            changes.notes.push(take_note(&mut r)?);
        }
        r.finish()?;
        Ok(changes)
    }
}

fn put_note(w: &mut Writer, note: &Note) {
    match note {
        Note::RecentTold { mailbox, uid } => {
            w.u8(1);
            w.varint(mailbox.0.into());
            w.varint(uid.value().into());
        }
        Note::LastPoll { device, time } => {
            w.u8(2);
            w.varint(device.0.into());
            put_time(w, *time);
        }
    }
}

fn take_note(r: &mut Reader<'_>) -> Result<Note> {
    Ok(match r.u8()? {
        1 => Note::RecentTold {
            mailbox: take_mailbox(r)?,
            uid: take_uid(r)?,
        },
        2 => Note::LastPoll {
            device: DeviceId(r.varint32()?),
            time: take_time(r)?,
        },
        _ => return Err(r.malformed("a note")),
    })
}

pub(super) fn take_mailbox(r: &mut Reader<'_>) -> Result<MailboxId> {
    r.varint32().map(MailboxId)
}

/// Writes a change; gives the number of its kind.
fn put_change(w: &mut Writer, change: &Change) -> u8 {
    match change {
        Change::Created {
            time,
            limits,
            hold,
            next_email,
        } => {
            put_time(w, *time);
            put_limits(w, *limits);
            put_hold(w, hold);
            w.varint(next_email.0);
            1
        }
        Change::MailboxCreated {
            id,
            name,
            special_uses,
            uid_validity,
            subscribe,
        } => {
            w.varint(id.0.into());
            w.text(name.as_str());
            w.u16(special_uses.bits());
            put_validity(w, Some(*uid_validity));
            put_bool(w, *subscribe);
            2
        }
        Change::MailboxDeleted { id } => {
            w.varint(id.0.into());
            3
        }
        Change::MailboxesRenamed { names } => {
            w.varint(names.len() as u64);
            for (id, name) in names {
                w.varint(id.0.into());
                w.text(name.as_str());
            }
            4
        }
        Change::Subscribed { name, subscribed } => {
            w.text(name.as_str());
            put_bool(w, *subscribed);
            5
        }
        Change::SpecialUsesSet {
            mailbox,
            special_uses,
        } => {
            w.varint(mailbox.0.into());
            w.u16(special_uses.bits());
            6
        }
        Change::LimitsSet(limits) => {
            put_limits(w, *limits);
            7
        }
        Change::HoldSet(hold) => {
            put_hold(w, hold);
            8
        }
        Change::DeviceSet { device, clocks } => {
            put_device(w, device);
            put_clocks(w, clocks);
            9
        }
        Change::LogTrimmed { mailbox, floor } => {
            w.varint(mailbox.0.into());
            put_number(w, *floor);
            10
        }
        Change::ReadForgotten => 12,
        Change::DeviceWarned { device, time } => {
            w.varint(device.0.into());
            put_time(w, *time);
            13
        }
        Change::RunWaits(since) => {
            put_option(w, *since, put_time);
            14
        }
        Change::UniqueIdFormSet(form) => {
            w.text(form.as_ref().map_or("", UniqueIdForm::as_str));
            20
        }
        Change::TransferSet {
            operation,
            transfer,
        } => {
            w.u128(*operation);
            put_option(w, transfer.as_ref(), put_transfer);
            26
        }
        Change::RightsSet { mailbox, rights } => {
            w.varint(mailbox.0.into());
            w.varint(rights.len() as u64);
            for (identifier, bits) in rights {
                w.text(identifier);
                w.varint((*bits).into());
            }
            25
        }
        Change::MetadataSet { mailbox, entries } => {
            put_option(w, *mailbox, |w, id| w.varint(id.0.into()));
            w.varint(entries.len() as u64);
            for (entry, value) in entries {
                w.text(entry);
                put_option(w, value.as_ref(), |w, value| w.bytes(value));
            }
            24
        }
        Change::Epoch {
            mailboxes,
            next_email,
            next_mailbox,
            next_device,
        } => {
            put_epoch(w, mailboxes);
            w.varint(next_email.0);
            w.varint(next_mailbox.0.into());
            w.varint(next_device.0.into());
            11
        }
        _ => put_row_change(w, change),
    }
}

fn put_row_change(w: &mut Writer, change: &Change) -> u8 {
    match change {
        Change::Appended {
            placed,
            next_email,
            unique_ids,
            shared,
            used,
        } => {
            put_placed(w, placed);
            w.varint(next_email.0);
            w.varint(unique_ids.len() as u64);
            for (email, text) in unique_ids {
                w.varint(email.0);
                w.text(text);
            }
            put_shared(w, shared);
            put_used(w, *used);
            32
        }
        Change::Copied { placed, sums } => {
            put_placed(w, placed);
            put_sums(w, sums);
            33
        }
        Change::Moved {
            source,
            taken,
            placed,
            sums,
        } => {
            put_uid_set(w, source);
            put_taken(w, taken);
            put_placed(w, placed);
            put_sums(w, sums);
            34
        }
        Change::Stored {
            mailbox,
            keywords,
            groups,
            counts,
            clocks,
        } => {
            w.varint(mailbox.0.into());
            put_keywords(w, keywords);
            put_groups(w, groups);
            put_counts(w, counts);
            put_clocks(w, clocks);
            35
        }
        Change::Expunged {
            time,
            cause,
            name,
            keywords,
            rows,
            taken,
            sums,
        } => {
            put_time(w, *time);
            w.u8(*cause as u8);
            w.text(name.as_str());
            put_keywords(w, keywords);
            put_rows(w, rows);
            put_taken(w, taken);
            put_sums(w, sums);
            36
        }
        Change::Collected {
            device,
            how,
            emails,
            clocks,
        } => {
            w.varint(device.0.into());
            put_collect(w, *how);
            put_email_set(w, emails);
            put_clocks(w, clocks);
            37
        }
        Change::ClocksSet { clocks } => {
            put_clocks(w, clocks);
            38
        }
        Change::Purged {
            rows,
            copies,
            shared,
            oldest,
        } => {
            w.varint(rows.len() as u64);
            for (number, mailbox, uids) in rows {
                put_number(w, *number);
                w.varint(mailbox.0.into());
                put_uid_set(w, uids);
            }
            put_copies(w, copies);
            put_shared(w, shared);
            put_option(w, *oldest, put_time);
            39
        }
        Change::Restored {
            of,
            from,
            uids,
            placed,
            sums,
            uncollected,
            oldest,
        } => {
            put_number(w, *of);
            w.varint(from.0.into());
            put_uid_set(w, uids);
            put_placed(w, placed);
            put_sums(w, sums);
            put_email_set(w, uncollected);
            put_option(w, *oldest, put_time);
            40
        }
        // The others are written by `put_change`.
        _ => 0,
    }
}

fn take_change(r: &mut Reader<'_>, kind: u8) -> Result<Change> {
    Ok(match kind {
        1 => Change::Created {
            time: take_time(r)?,
            limits: take_limits(r)?,
            hold: take_hold(r)?,
            next_email: EmailNumber(r.varint()?),
        },
        2 => Change::MailboxCreated {
            id: take_mailbox(r)?,
            name: take_mailbox_name(r)?,
            special_uses: SpecialUses::from_bits(r.u16()?),
            uid_validity: take_validity(r)?.ok_or_else(|| r.malformed("a UIDVALIDITY"))?,
            subscribe: take_bool(r)?,
        },
        3 => Change::MailboxDeleted {
            id: take_mailbox(r)?,
        },
        4 => {
            let count = r.count(3)?;
            let names = (0..count).map(|_| Ok((take_mailbox(r)?, take_mailbox_name(r)?)));
            Change::MailboxesRenamed {
                names: names.collect::<Result<_>>()?,
            }
        }
        5 => Change::Subscribed {
            name: take_mailbox_name(r)?,
            subscribed: take_bool(r)?,
        },
        6 => Change::SpecialUsesSet {
            mailbox: take_mailbox(r)?,
            special_uses: SpecialUses::from_bits(r.u16()?),
        },
        7 => Change::LimitsSet(take_limits(r)?),
        8 => Change::HoldSet(take_hold(r)?),
        9 => Change::DeviceSet {
            device: take_device(r)?,
            clocks: take_clocks(r)?,
        },
        10 => Change::LogTrimmed {
            mailbox: take_mailbox(r)?,
            floor: take_number(r)?,
        },
        11 => Change::Epoch {
            mailboxes: take_epoch(r)?,
            next_email: EmailNumber(r.varint()?),
            next_mailbox: take_mailbox(r)?,
            next_device: DeviceId(r.varint32()?),
        },
        12 => Change::ReadForgotten,
        13 => Change::DeviceWarned {
            device: DeviceId(r.varint32()?),
            time: take_time(r)?,
        },
        14 => Change::RunWaits(take_option(r, take_time)?),
        20 => Change::UniqueIdFormSet(take_unique_id_form(r)?),
        26 => Change::TransferSet {
            operation: r.u128()?,
            transfer: take_option(r, take_transfer)?,
        },
        25 => Change::RightsSet {
            mailbox: take_mailbox(r)?,
            rights: {
                let count = r.count(2)?;
                let rights = (0..count).map(|_| Ok((r.text()?.to_owned(), r.varint32()?)));
                rights.collect::<Result<_>>()?
            },
        },
        24 => Change::MetadataSet {
            mailbox: take_option(r, take_mailbox)?,
            entries: {
                let count = r.count(2)?;
                let entries = (0..count).map(|_| {
                    let entry = r.text()?.to_owned();
                    Ok((entry, take_option(r, |r| Ok(r.bytes()?.to_vec()))?))
                });
                entries.collect::<Result<_>>()?
            },
        },
        _ => take_row_change(r, kind)?,
    })
}

/// The form of unique-ids; none is an empty text.
pub(super) fn take_unique_id_form(r: &mut Reader<'_>) -> Result<Option<UniqueIdForm>> {
    match r.text()? {
        "" => Ok(None),
        text => match UniqueIdForm::new(text) {
            Ok(form) => Ok(Some(form)),
            Err(_) => Err(r.malformed("a form of unique-ids")),
        },
    }
}

fn take_row_change(r: &mut Reader<'_>, kind: u8) -> Result<Change> {
    Ok(match kind {
        32 => Change::Appended {
            placed: take_placed(r)?,
            next_email: EmailNumber(r.varint()?),
            unique_ids: {
                let count = r.count(2)?;
                let ids = (0..count).map(|_| Ok((EmailNumber(r.varint()?), r.text()?.to_owned())));
                ids.collect::<Result<_>>()?
            },
            shared: take_shared(r)?,
            used: take_used(r)?,
        },
        33 => Change::Copied {
            placed: take_placed(r)?,
            sums: take_sums(r)?,
        },
        34 => Change::Moved {
            source: take_uid_set(r)?,
            taken: take_taken(r)?,
            placed: take_placed(r)?,
            sums: take_sums(r)?,
        },
        35 => Change::Stored {
            mailbox: take_mailbox(r)?,
            keywords: take_keywords(r)?,
            groups: take_groups(r)?,
            counts: take_counts(r)?,
            clocks: take_clocks(r)?,
        },
        36 => Change::Expunged {
            time: take_time(r)?,
            cause: take_cause(r)?,
            name: take_mailbox_name(r)?,
            keywords: take_keywords(r)?,
            rows: take_rows(r)?,
            taken: take_taken(r)?,
            sums: take_sums(r)?,
        },
        37 => Change::Collected {
            device: DeviceId(r.varint32()?),
            how: take_collect(r)?,
            emails: take_email_set(r)?,
            clocks: take_clocks(r)?,
        },
        38 => Change::ClocksSet {
            clocks: take_clocks(r)?,
        },
        39 => Change::Purged {
            rows: {
                let count = r.count(3)?;
                let rows =
                    (0..count).map(|_| Ok((take_number(r)?, take_mailbox(r)?, take_uid_set(r)?)));
                rows.collect::<Result<_>>()?
            },
            copies: take_copies(r)?,
            shared: take_shared(r)?,
            oldest: take_option(r, take_time)?,
        },
        40 => Change::Restored {
            of: take_number(r)?,
            from: take_mailbox(r)?,
            uids: take_uid_set(r)?,
            placed: take_placed(r)?,
            sums: take_sums(r)?,
            uncollected: take_email_set(r)?,
            oldest: take_option(r, take_time)?,
        },
        _ => return Err(r.malformed("a change of a known kind")),
    })
}

pub(super) fn put_transfer(w: &mut Writer, transfer: &Transfer) {
    put_time(w, transfer.time);
    match &transfer.part {
        TransferPart::Leaving { to, mailbox, uids } => {
            w.u8(1);
            w.u128(to.0);
            w.varint(mailbox.0.into());
            put_uid_set(w, uids);
        }
        TransferPart::Arrived { from } => {
            w.u8(2);
            w.u128(from.0);
        }
        TransferPart::Withdrawn { from } => {
            w.u8(3);
            w.u128(from.0);
        }
    }
}

pub(super) fn take_transfer(r: &mut Reader<'_>) -> Result<Transfer> {
    let time = take_time(r)?;
    let kind = r.u8()?;
    let other = AccountId(r.u128()?);
    let part = match kind {
        1 => TransferPart::Leaving {
            to: other,
            mailbox: take_mailbox(r)?,
            uids: take_uid_set(r)?,
        },
        2 => TransferPart::Arrived { from: other },
        3 => TransferPart::Withdrawn { from: other },
        _ => return Err(r.malformed("a part in a move")),
    };
    Ok(Transfer { time, part })
}

pub(super) fn take_cause(r: &mut Reader<'_>) -> Result<Cause> {
    Cause::from_number(r.u8()?).ok_or_else(|| r.malformed("a cause"))
}

pub(super) fn put_counts(w: &mut Writer, counts: &Counts) {
    w.varint(counts.messages.into());
    w.varint(counts.unseen.into());
    w.varint(counts.deleted.into());
    w.varint(counts.octets);
    w.varint(counts.deleted_octets);
}

pub(super) fn take_counts(r: &mut Reader<'_>) -> Result<Counts> {
    Ok(Counts {
        messages: r.varint32()?,
        unseen: r.varint32()?,
        deleted: r.varint32()?,
        octets: r.varint()?,
        deleted_octets: r.varint()?,
    })
}

fn put_placed(w: &mut Writer, placed: &Placed) {
    w.varint(placed.mailbox.0.into());
    put_rows(w, &placed.rows);
    put_keywords(w, &placed.keywords);
    put_uid_next(w, placed.uid_next);
    put_counts(w, &placed.counts);
}

fn take_placed(r: &mut Reader<'_>) -> Result<Placed> {
    Ok(Placed {
        mailbox: take_mailbox(r)?,
        rows: take_rows(r)?,
        keywords: take_keywords(r)?,
        uid_next: take_uid_next(r)?,
        counts: take_counts(r)?,
    })
}

fn put_taken(w: &mut Writer, taken: &Taken) {
    w.varint(taken.mailbox.0.into());
    put_counts(w, &taken.counts);
}

fn take_taken(r: &mut Reader<'_>) -> Result<Taken> {
    Ok(Taken {
        mailbox: take_mailbox(r)?,
        counts: take_counts(r)?,
    })
}

fn put_sums(w: &mut Writer, sums: &Sums) {
    put_used(w, sums.used);
    put_copies(w, &sums.copies);
    put_clocks(w, &sums.clocks);
}

fn take_sums(r: &mut Reader<'_>) -> Result<Sums> {
    Ok(Sums {
        used: take_used(r)?,
        copies: take_copies(r)?,
        clocks: take_clocks(r)?,
    })
}

fn put_shared(w: &mut Writer, shared: &[(BlobId, u32)]) {
    w.varint(shared.len() as u64);
    for (blob, more) in shared {
        w.u128(blob.0);
        w.varint((*more).into());
    }
}

fn take_shared(r: &mut Reader<'_>) -> Result<Vec<(BlobId, u32)>> {
    let count = r.count(17)?;
    (0..count)
        .map(|_| Ok((BlobId(r.u128()?), r.varint32()?)))
        .collect()
}

fn put_groups(w: &mut Writer, groups: &[FlagGroup]) {
    w.varint(groups.len() as u64);
    for group in groups {
        put_uid_set(w, &group.uids);
        w.u8(group.system_bits);
        w.varint(group.keywords.len() as u64);
        for place in &group.keywords {
            w.varint((*place).into());
        }
    }
}

fn take_groups(r: &mut Reader<'_>) -> Result<Vec<FlagGroup>> {
    let count = r.count(3)?;
    let mut groups = Vec::with_capacity(count);
    for _ in 0..count {
        let uids = take_uid_set(r)?;
        let system_bits = r.u8()?;
        let count = r.count(1)?;
        let places = (0..count)
            .map(|_| u16::try_from(r.varint()?).map_err(|_| r.malformed("a keyword's place")));
        groups.push(FlagGroup {
            uids,
            system_bits,
            keywords: places.collect::<Result<_>>()?,
        });
    }
    Ok(groups)
}

fn put_epoch(w: &mut Writer, mailboxes: &[EpochMailbox]) {
    w.varint(mailboxes.len() as u64);
    for mailbox in mailboxes {
        w.varint(mailbox.id.0.into());
        put_uid_next(w, mailbox.uid_next);
        put_validity(w, mailbox.uid_validity);
    }
}

fn take_epoch(r: &mut Reader<'_>) -> Result<Vec<EpochMailbox>> {
    let count = r.count(3)?;
    (0..count)
        .map(|_| {
            Ok(EpochMailbox {
                id: take_mailbox(r)?,
                uid_next: take_uid_next(r)?,
                uid_validity: take_validity(r)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The kinds of changes in a file of `tests/formats`.
    fn recorded(file: &[u8]) -> BTreeSet<u8> {
        let mut kinds = BTreeSet::new();
        let mut records = Reader::new(file);
        while records.remaining() > 0 {
            records.varint().unwrap();
            records.varint().unwrap();
            let mut payload = Reader::new(records.bytes().unwrap());
            payload.u8().unwrap();
            for _ in 0..payload.count(3).unwrap() {
                payload.varint().unwrap();
                kinds.insert(payload.u8().unwrap());
                payload.bytes().unwrap();
            }
        }
        kinds
    }

    /// What was written once must be read for ever: a kind that no sample has would
    /// change unseen.
    #[test]
    fn every_kind_has_a_recorded_sample() {
        let samples: [&[u8]; 3] = [
            include_bytes!("../../tests/formats/account-1.log"),
            include_bytes!("../../tests/formats/account-2.log"),
            include_bytes!("../../tests/formats/account-3.log"),
        ];
        let recorded: BTreeSet<u8> = samples.into_iter().flat_map(recorded).collect();
        let is_known = |kind: &u8| {
            let taken = take_change(&mut Reader::new(&[]), *kind);
            taken.map_or_else(|error| !error.to_string().contains("known kind"), |_| true)
        };
        let known: BTreeSet<u8> = (0..=u8::MAX).filter(is_known).collect();
        assert_eq!(recorded, known);
    }
}
