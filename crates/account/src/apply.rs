//! Files changes. Nothing is computed here that a later release could compute
//! otherwise: results stand in the change.

use crate::changes::{Change, Changes, Copies, EpochMailbox, Note, Placed, Sums, Taken};
use crate::device::Device;
use crate::expunge_log::ExpungeLog;
use crate::expunged::Batch;
use crate::mailbox::{Counts, Mailbox};
use crate::persistent::Run;
use crate::state::{ExpungedSlot, Root, Slot, State, Tail};
use crate::table::Table;
use crate::{Collect, DeviceId};
use std::sync::Arc;
use terms::{EmailNumber, Keyword, MailboxId, ModSeq, Timestamp, Uid};

impl State {
    /// Files what was decided on this state.
    pub fn apply(&mut self, changes: &Changes) {
        for (number, change) in &changes.list {
            self.apply_one(*number, change);
        }
        let root = Arc::make_mut(&mut self.root);
        for note in &changes.notes {
            root.file_note(note);
        }
    }

    pub(crate) fn apply_one(&mut self, number: ModSeq, change: &Change) {
        Arc::make_mut(&mut self.root).file(number, change);
        self.file_rows(number, change);
    }

    /// Files what a change does to tables and to what was expunged.
    pub(crate) fn file_rows(&mut self, number: ModSeq, change: &Change) {
        match change {
            Change::MailboxCreated { id, .. } => {
                self.slots.insert(*id, Slot::Loaded(Arc::default()));
            }
            Change::MailboxDeleted { id } => {
                self.slots.remove(id);
            }
            Change::Epoch { mailboxes, .. } => {
                for mailbox in mailboxes {
                    if let Some(slot) = self.slots.get_mut(&mailbox.id) {
                        slot.file_epoch(number, mailbox);
                    }
                }
            }
            _ => {
                for mailbox in touched(change).into_iter().flatten() {
                    if let Some(slot) = self.slots.get_mut(&mailbox) {
                        slot.file(number, mailbox, change);
                    }
                }
            }
        }
        self.expunged.file(number, change);
    }
}

/// The mailboxes whose rows a change touches.
pub(crate) fn touched(change: &Change) -> [Option<MailboxId>; 2] {
    match change {
        Change::Appended { placed, .. }
        | Change::Copied { placed, .. }
        | Change::Restored { placed, .. } => [Some(placed.mailbox), None],
        Change::Moved { taken, placed, .. } => [
            Some(taken.mailbox),
            Some(placed.mailbox).filter(|to| *to != taken.mailbox),
        ],
        Change::Stored { mailbox, .. } | Change::LogTrimmed { mailbox, .. } => {
            [Some(*mailbox), None]
        }
        Change::Expunged { taken, .. } => [Some(taken.mailbox), None],
        _ => [None, None],
    }
}

impl Slot {
    /// Files what a change does to the rows of `mailbox`.
    pub(crate) fn file(&mut self, number: ModSeq, mailbox: MailboxId, change: &Change) {
        let all_here = file_table(self.table_mut(), number, mailbox, change);
        if let (Self::Tail(tail), false) = (self, all_here) {
            tail.elsewhere = number;
        }
    }

    fn table_mut(&mut self) -> &mut Table {
        match self {
            Self::Loaded(table) | Self::Tail(Tail { table, .. }) => Arc::make_mut(table),
        }
    }

    pub(crate) fn file_epoch(&mut self, number: ModSeq, mailbox: &EpochMailbox) {
        match self {
            Self::Loaded(table) => {
                let table = Arc::make_mut(table);
                if mailbox.uid_validity.is_some() {
                    table.renumber(number);
                } else {
                    table.touch_all(number);
                    table.log = ExpungeLog::starting_at(number);
                }
            }
            // What is here says nothing about the rows that are not.
            Self::Tail(tail) => {
                tail.table = Arc::default();
                tail.since = number;
                tail.elsewhere = number;
            }
        }
    }
}

/// Says whether all rows that were touched were there.
fn file_table(table: &mut Table, number: ModSeq, mailbox: MailboxId, change: &Change) -> bool {
    match change {
        Change::Appended { placed, .. }
        | Change::Copied { placed, .. }
        | Change::Restored { placed, .. } => {
            table.append(&placed.rows, number);
            true
        }
        Change::Moved {
            source,
            taken,
            placed,
            ..
        } => {
            if taken.mailbox == mailbox {
                table.remove(source, number);
                table.log.push(number, source);
            }
            if placed.mailbox == mailbox {
                table.append(&placed.rows, number);
            }
            true
        }
        Change::Stored { groups, .. } => {
            let mut all_here = true;
            for group in groups {
                all_here &=
                    table.set_flags(&group.uids, group.system_bits, &group.keywords, number);
            }
            all_here
        }
        Change::Expunged { rows, .. } => {
            let uids = rows.uids();
            table.remove(&uids, number);
            table.log.push(number, &uids);
            true
        }
        Change::LogTrimmed { floor, .. } => {
            table.log.trim(*floor, number);
            true
        }
        _ => true,
    }
}

impl ExpungedSlot {
    /// Files what a change does to what was expunged and is kept.
    pub(crate) fn file(&mut self, number: ModSeq, change: &Change) {
        match change {
            Change::Expunged {
                time,
                cause,
                name,
                keywords,
                rows,
                taken,
                ..
            } => {
                let batch = Batch {
                    number,
                    time: *time,
                    cause: *cause,
                    mailbox: taken.mailbox,
                    name: name.clone(),
                    keywords: Arc::new(keywords.clone()),
                    rows: Arc::default(),
                };
                Arc::make_mut(&mut self.list).push(&batch, rows);
            }
            Change::Purged { rows, .. } => {
                let list = Arc::make_mut(&mut self.list);
                for (of, mailbox, uids) in rows {
                    list.remove(*of, *mailbox, uids, number);
                }
            }
            Change::Restored { of, from, uids, .. } => {
                Arc::make_mut(&mut self.list).remove(*of, *from, uids, number);
            }
            _ => {}
        }
    }
}

impl Root {
    /// Files what a change does to the root.
    pub(crate) fn file(&mut self, number: ModSeq, change: &Change) {
        self.head = number;
        match change {
            Change::Created {
                time,
                limits,
                hold,
                next_email,
            } => {
                self.created = Some(*time);
                self.limits = *limits;
                self.hold = *hold;
                self.next_email = *next_email;
            }
            Change::MailboxCreated { .. }
            | Change::MailboxDeleted { .. }
            | Change::MailboxesRenamed { .. }
            | Change::Subscribed { .. }
            | Change::SpecialUsesSet { .. } => self.file_names(number, change),
            Change::Appended { .. }
            | Change::Copied { .. }
            | Change::Moved { .. }
            | Change::Stored { .. }
            | Change::Expunged { .. }
            | Change::Restored { .. } => self.file_sums(number, change),
            Change::Purged {
                copies,
                shared,
                oldest,
                ..
            } => {
                self.file_copies(copies);
                self.file_shared(shared);
                self.expunged_oldest = *oldest;
                self.expunged_changed = number;
            }
            Change::Collected {
                device,
                how,
                emails,
                clocks,
            } => {
                self.file_collected(*device, *how, emails);
                self.file_clocks(clocks);
            }
            Change::LimitsSet(limits) => self.limits = *limits,
            Change::HoldSet(hold) => self.hold = *hold,
            Change::DeviceSet { device, clocks } => {
                self.file_device(device);
                self.file_clocks(clocks);
            }
            Change::ClocksSet { clocks } => self.file_clocks(clocks),
            Change::ReadForgotten => self.forget_read(),
            Change::DeviceWarned { device, time } => {
                if let Some(device) = self.devices.get_mut(device) {
                    Arc::make_mut(device).warned = Some(*time);
                }
            }
            Change::RunWaits(since) => self.run_waits = *since,
            Change::UniqueIdFormSet(form) => self.unique_id_form.clone_from(form),
            Change::TransferSet {
                operation,
                transfer,
            } => {
                match transfer {
                    Some(transfer) => self.transfers.insert(*operation, transfer.clone()),
                    None => self.transfers.remove(operation),
                };
            }
            Change::RightsSet { mailbox, rights } => {
                if let Some(mailbox) = self.mailbox_mut(*mailbox) {
                    let acl = Arc::make_mut(&mut mailbox.acl);
                    for (identifier, bits) in rights {
                        match bits {
                            0 => acl.remove(identifier),
                            bits => acl.insert(identifier.clone(), *bits),
                        };
                    }
                }
            }
            Change::MetadataSet { mailbox, entries } => {
                self.metadata_changed = number;
                self.file_metadata(*mailbox, entries);
            }
            Change::LogTrimmed { mailbox, floor } => {
                if let Some(mailbox) = self.mailbox_mut(*mailbox) {
                    mailbox.log_floor = mailbox.log_floor.max(*floor);
                    mailbox.table_changed = number;
                }
            }
            Change::Epoch {
                mailboxes,
                next_email,
                next_mailbox,
                next_device,
            } => {
                self.next_email = *next_email;
                self.next_mailbox = *next_mailbox;
                self.next_device = *next_device;
                self.file_epoch(number, mailboxes);
            }
        }
    }

    pub(crate) fn file_note(&mut self, note: &Note) {
        match note {
            Note::RecentTold { mailbox, uid } => {
                if let Some(mailbox) = self.mailbox_mut(*mailbox) {
                    mailbox.recent_told = mailbox.recent_told.max(uid.value());
                }
            }
            Note::LastPoll { device, time } => {
                if let Some(device) = self.devices.get_mut(device) {
                    let device = Arc::make_mut(device);
                    device.last_poll = device.last_poll.max(Some(*time));
                }
            }
        }
    }

    fn file_metadata(&mut self, mailbox: Option<MailboxId>, entries: &[(String, Option<Vec<u8>>)]) {
        let metadata = match mailbox {
            None => Some(&mut self.metadata),
            Some(id) => self.mailbox_mut(id).map(|mailbox| &mut mailbox.metadata),
        };
        let Some(metadata) = metadata else { return };
        let metadata = Arc::make_mut(metadata);
        for (entry, value) in entries {
            match value {
                Some(value) => metadata.insert(entry.clone(), value.clone()),
                None => metadata.remove(entry),
            };
        }
    }

    fn mailbox_mut(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(&id).map(Arc::make_mut)
    }

    fn file_names(&mut self, number: ModSeq, change: &Change) {
        match change {
            Change::MailboxCreated {
                id,
                name,
                special_uses,
                uid_validity,
                subscribe,
            } => {
                self.next_mailbox = MailboxId(id.0.saturating_add(1)).max(self.next_mailbox);
                self.last_uid_validity = self.last_uid_validity.max(Some(*uid_validity));
                self.names.insert(name.as_str().into(), *id);
                if *subscribe {
                    self.subscriptions.insert(name.clone(), ());
                }
                let mailbox = Mailbox {
                    id: *id,
                    name: name.clone(),
                    special_uses: *special_uses,
                    uid_validity: *uid_validity,
                    uid_next: Some(Uid::MIN),
                    highest_modseq: number,
                    created: number,
                    table_changed: number,
                    log_floor: ModSeq::ZERO,
                    counts: Counts::default(),
                    keywords: Arc::default(),
                    keywords_changed: number,
                    recent_told: 0,
                    acl: Arc::default(),
                    metadata: Arc::default(),
                };
                self.mailboxes.insert(*id, Arc::new(mailbox));
            }
            Change::MailboxDeleted { id } => {
                if let Some(mailbox) = self.mailboxes.remove(id) {
                    self.names.remove(mailbox.name.as_str());
                }
            }
            Change::MailboxesRenamed { names } => {
                for (id, _) in names {
                    if let Some(mailbox) = self.mailboxes.get(id) {
                        self.names.remove(mailbox.name.as_str());
                    }
                }
                for (id, name) in names {
                    if let Some(mailbox) = self.mailbox_mut(*id) {
                        mailbox.name = name.clone();
                        self.names.insert(name.as_str().into(), *id);
                    }
                }
            }
            Change::Subscribed { name, subscribed } => {
                if *subscribed {
                    self.subscriptions.insert(name.clone(), ());
                } else {
                    self.subscriptions.remove(name);
                }
            }
            Change::SpecialUsesSet {
                mailbox,
                special_uses,
            } => {
                if let Some(mailbox) = self.mailbox_mut(*mailbox) {
                    mailbox.special_uses = *special_uses;
                }
            }
            _ => {}
        }
    }

    fn file_sums(&mut self, number: ModSeq, change: &Change) {
        match change {
            Change::Appended {
                placed,
                next_email,
                unique_ids,
                shared,
                used,
            } => {
                self.file_placed(number, placed);
                self.next_email = *next_email;
                for (email, text) in unique_ids {
                    self.unique_ids.insert(*email, text.as_str().into());
                }
                self.file_shared(shared);
                self.used = *used;
            }
            Change::Copied { placed, sums } => {
                self.file_placed(number, placed);
                self.file_account_sums(sums);
            }
            Change::Moved {
                taken,
                placed,
                sums,
                ..
            } => {
                self.file_taken(number, taken);
                self.file_placed(number, placed);
                self.file_account_sums(sums);
            }
            Change::Stored {
                mailbox,
                keywords,
                counts,
                clocks,
                ..
            } => {
                self.file_counts(number, *mailbox, *counts);
                self.file_keywords(number, *mailbox, keywords);
                self.file_clocks(clocks);
            }
            Change::Expunged {
                time, taken, sums, ..
            } => {
                self.file_taken(number, taken);
                self.file_account_sums(sums);
                self.expunged_oldest = Some(self.expunged_oldest.unwrap_or(*time));
                self.expunged_changed = number;
            }
            Change::Restored {
                placed,
                sums,
                uncollected,
                oldest,
                ..
            } => {
                self.file_placed(number, placed);
                self.file_account_sums(sums);
                self.file_uncollected(uncollected);
                self.expunged_oldest = *oldest;
                self.expunged_changed = number;
            }
            _ => {}
        }
    }

    fn file_counts(&mut self, number: ModSeq, mailbox: MailboxId, counts: Counts) {
        if let Some(mailbox) = self.mailbox_mut(mailbox) {
            mailbox.counts = counts;
            mailbox.highest_modseq = number;
            mailbox.table_changed = number;
        }
    }

    fn file_keywords(&mut self, number: ModSeq, mailbox: MailboxId, keywords: &[Keyword]) {
        if keywords.is_empty() {
            return;
        }
        if let Some(mailbox) = self.mailbox_mut(mailbox) {
            Arc::make_mut(&mut mailbox.keywords).extend_from_slice(keywords);
            mailbox.keywords_changed = number;
        }
    }

    fn file_placed(&mut self, number: ModSeq, placed: &Placed) {
        self.file_counts(number, placed.mailbox, placed.counts);
        self.file_keywords(number, placed.mailbox, &placed.keywords);
        if let Some(mailbox) = self.mailbox_mut(placed.mailbox) {
            mailbox.uid_next = placed.uid_next;
        }
    }

    fn file_taken(&mut self, number: ModSeq, taken: &Taken) {
        self.file_counts(number, taken.mailbox, taken.counts);
    }

    fn file_account_sums(&mut self, sums: &Sums) {
        self.used = sums.used;
        self.file_copies(&sums.copies);
        self.file_clocks(&sums.clocks);
    }

    fn file_copies(&mut self, copies: &[Run<Copies>]) {
        for run in copies {
            let kept =
                Some(run.value).filter(|value| *value != Copies::ONE && *value != Copies::GONE);
            self.copies.set(run.first, run.last, kept);
            if run.value == Copies::GONE {
                self.clocks.set(run.first, run.last, None);
                self.forget_unique_ids(run.first, run.last);
            }
        }
    }

    fn forget_unique_ids(&mut self, first: u64, last: u64) {
        loop {
            let next = self.unique_ids.range_from(&EmailNumber(first)).next();
            let Some(email) = next
                .map(|(email, _)| *email)
                .filter(|email| email.0 <= last)
            else {
                return;
            };
            self.unique_ids.remove(&email);
        }
    }

    fn file_clocks(&mut self, clocks: &[Run<Option<Timestamp>>]) {
        for run in clocks {
            self.clocks.set(run.first, run.last, run.value);
        }
    }

    fn file_shared(&mut self, shared: &[(terms::BlobId, u32)]) {
        for (blob, more) in shared {
            if *more == 0 {
                self.shared.remove(blob);
            } else {
                self.shared.insert(*blob, *more);
            }
        }
    }

    fn file_collected(&mut self, device: DeviceId, how: Collect, emails: &crate::EmailSet) {
        if let Some(device) = self.devices.get_mut(&device) {
            let device = Arc::make_mut(device);
            match how {
                Collect::Dele => device.collected.extend(emails),
                Collect::Retr => device.read.extend(emails),
            }
        }
    }

    fn file_uncollected(&mut self, emails: &crate::EmailSet) {
        if emails.is_empty() {
            return;
        }
        let ids: Vec<DeviceId> = self.devices.iter().map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(device) = self.devices.get_mut(&id) {
                let device = Arc::make_mut(device);
                device.collected.subtract(emails);
                device.read.subtract(emails);
            }
        }
    }

    fn forget_read(&mut self) {
        let ids: Vec<DeviceId> = self.devices.iter().map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(device) = self.devices.get_mut(&id)
                && !device.read.is_empty()
            {
                Arc::make_mut(device).read = crate::EmailSet::new();
            }
        }
    }

    /// Everything of a device but its sets and its warning, which have changes of
    /// their own.
    fn file_device(&mut self, device: &Device) {
        let old = self.devices.get(&device.id);
        let (collected, read, warned) = old.map_or_else(Default::default, |old| {
            (old.collected.clone(), old.read.clone(), old.warned)
        });
        let device = Device {
            collected,
            read,
            warned,
            ..device.clone()
        };
        self.next_device = self
            .next_device
            .max(DeviceId(device.id.0.saturating_add(1)));
        self.devices.insert(device.id, Arc::new(device));
    }

    fn file_epoch(&mut self, number: ModSeq, mailboxes: &[EpochMailbox]) {
        for after in mailboxes {
            self.last_uid_validity = self.last_uid_validity.max(after.uid_validity);
            if let Some(mailbox) = self.mailbox_mut(after.id) {
                mailbox.uid_next = after.uid_next;
                mailbox.highest_modseq = number;
                mailbox.table_changed = number;
                mailbox.log_floor = number;
                if let Some(validity) = after.uid_validity {
                    mailbox.uid_validity = validity;
                    mailbox.recent_told = 0;
                }
            }
        }
    }
}
