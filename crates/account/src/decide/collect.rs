//! What POP3 devices collect, and the clocks that it starts.

use super::expunge::removal;
use super::{Draft, collected, runs};
use crate::EmailSet;
use crate::changes::Change;
use crate::command::WHOLE_ROWS_MAX;
use crate::device::{Device, DeviceId};
use crate::due;
use crate::expunged::Cause;
use crate::moment::Moment;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::persistent::Run;
use crate::rows::Row;
use crate::settings::Collect;
use crate::state::State;
use crate::table::Table;
use std::collections::{BTreeMap, BTreeSet};
use terms::{EmailNumber, MailboxId, SystemFlag, Timestamp, Uid, UidSet};

pub(super) type ClockRuns = Vec<Run<Option<Timestamp>>>;

/// Whether `device` no longer waits for `email`.
fn has(device: &Device, email: EmailNumber, how: Collect) -> bool {
    device.collected.contains(email) || (how == Collect::Retr && device.read.contains(email))
}

/// Whether a device has collected `email`, and every device that counts has. What a
/// forgotten device has taken stays taken; what a revoked one took says nothing: it
/// may have been a thief.
pub(crate) fn is_collected(state: &State, email: EmailNumber) -> bool {
    let how = state.hold().collect;
    let mut taken = false;
    for device in state.devices().filter(|device| device.collects()) {
        let has = has(device, email, how);
        if !has && device.counts() {
            return false;
        }
        taken |= has;
    }
    taken
}

/// The clocks after messages of INBOX were flagged or unflagged: \Flagged keeps a
/// message out of the hold's reach; unflagged, its clock starts anew.
pub(super) fn clocks_after_flags(
    state: &State,
    flagged: &[(EmailNumber, Uid)],
    unflagged: &[EmailNumber],
    now: Timestamp,
) -> Result<ClockRuns, Refusal> {
    let mut clocks = stopped(state, flagged)?;
    for email in unflagged {
        if is_collected(state, *email) {
            clocks.insert(email.0, Some(now));
        }
    }
    Ok(runs(clocks))
}

/// The clocks that stop when these rows of INBOX leave the hold's reach: not of a
/// message that has another row there.
pub(super) fn stopped(
    state: &State,
    leaving: &[(EmailNumber, Uid)],
) -> Result<BTreeMap<u64, Option<Timestamp>>, Refusal> {
    let running = leaving
        .iter()
        .filter(|(email, _)| state.clock(*email).is_some());
    let mut stopped: BTreeMap<u64, Option<Timestamp>> =
        running.map(|(email, _)| (email.0, None)).collect();
    let several = |number: &&u64| state.copies(EmailNumber(**number)).live > 1;
    if stopped.keys().any(|number| several(&number)) {
        let leaving: BTreeSet<Uid> = leaving.iter().map(|(_, uid)| *uid).collect();
        for row in state.table(MailboxId::INBOX)?.rows() {
            if !row.flags.has(SystemFlag::Flagged) && !leaving.contains(&row.uid) {
                stopped.remove(&row.email.0);
            }
        }
    }
    Ok(stopped)
}

/// What has left `device`'s drop, or was read where that counts, and none of the
/// others has collected.
pub(super) fn taken_alone(state: &State, device: &Device) -> EmailSet {
    let mut alone = EmailSet::new();
    if !device.collects() {
        return alone;
    }
    let reads_count = state.hold().collect == Collect::Retr;
    alone.extend(&device.collected);
    if reads_count {
        alone.extend(&device.read);
    }
    let others = state.devices().filter(|other| other.id != device.id);
    for other in others.filter(|other| other.collects()) {
        alone.subtract(&other.collected);
        if reads_count {
            alone.subtract(&other.read);
        }
    }
    alone
}

/// Whether `device` is waited for by something in INBOX.
pub(super) fn is_waited_for(state: &State, device: &Device) -> Result<bool, Refusal> {
    let how = state.hold().collect;
    let mut rows = state.table(MailboxId::INBOX)?.rows();
    Ok(device.counts()
        && rows.any(|row| state.clock(row.email).is_none() && !has(device, row.email, how)))
}

/// The rows of INBOX that are collected and whose clocks do not run yet.
pub(super) fn rows_to_start(state: &State) -> Result<Vec<Row<'_>>, Refusal> {
    let rows = state.table(MailboxId::INBOX)?.rows();
    Ok(rows
        .filter(|row| {
            !row.flags.has(SystemFlag::Flagged)
                && state.clock(row.email).is_none()
                && is_collected(state, row.email)
        })
        .collect())
}

/// What is collected for a RETR alone: where that counts no longer, its clock stops.
pub(crate) fn collected_by_reading(state: &State) -> EmailSet {
    let (mut read, mut deleted) = (EmailSet::new(), EmailSet::new());
    for device in state.devices().filter(|device| device.collects()) {
        read.extend(&device.only_read());
        deleted.extend(&device.collected);
    }
    // What a device has deleted was collected so, unless one that is waited for has
    // only read it.
    read.subtract(&deleted);
    for device in state.devices().filter(|device| device.counts()) {
        read.extend(&device.only_read());
    }
    read
}

/// A device was heard of. It counts again if it was forgotten; that is filed once
/// an hour at the most.
pub(super) fn poll(state: &State, id: DeviceId, now: Timestamp) -> Result<Decision, Refusal> {
    let device = state.device(id).ok_or(Refusal::NoSuchDevice)?;
    if device.revoked.is_some() {
        return Err(Refusal::NoSuchDevice);
    }
    let mut draft = Draft::new(state);
    if state.poll_is_due(id, now) {
        draft.push(Change::DeviceSet {
            device: heard(device, now),
            clocks: Vec::new(),
        });
    }
    Ok(draft.decision(Outcome::Done))
}

fn heard(device: &Device, now: Timestamp) -> Device {
    Device {
        forgotten: None,
        last_poll: device.last_poll.max(Some(now)),
        ..device.record()
    }
}

pub(super) fn collect(
    state: &State,
    id: DeviceId,
    how: Collect,
    messages: &[(EmailNumber, Uid)],
    Moment { now, believed }: Moment,
) -> Result<Decision, Refusal> {
    let device = state.device(id).ok_or(Refusal::NoSuchDevice)?;
    if device.revoked.is_some() {
        return Err(Refusal::NoSuchDevice);
    }
    // A RETR counts from the moment on at which it is made to count.
    if how == Collect::Retr && state.hold().collect == Collect::Dele {
        return Ok(Decision::nothing(Outcome::Collected {
            collected: 0,
            expunged: UidSet::new(),
        }));
    }
    let table = state.table(MailboxId::INBOX)?;
    let emails: EmailSet = messages.iter().map(|message| message.0).collect();
    let new = not_yet(device, how, &emails);
    let mut draft = Draft::new(state);
    let mut after = state.clone();
    if device.forgotten.is_some() {
        let change = Change::DeviceSet {
            device: heard(device, now),
            clocks: Vec::new(),
        };
        draft.push_on(&mut after, change);
    }
    if !new.is_empty() {
        let change = Change::Collected {
            device: id,
            how,
            emails: new.clone(),
            clocks: Vec::new(),
        };
        draft.push_on(&mut after, change);
    }
    if how == Collect::Retr && device.collects() {
        start_anew(&mut draft, &mut after, &new, now);
    }
    let reached = if device.may_not_delete {
        Vec::new()
    } else {
        rows_of_emails(&after, table, messages)
            .into_iter()
            .filter(|row| !row.flags.has(SystemFlag::Flagged))
            .filter(|row| is_collected(&after, row.email))
            .collect()
    };
    // Under `remove` a clock that starts is over at once, but for what a device
    // has only read, and for the day after a change of the hold. Whether that day
    // is over is not asked of a clock that has run ahead.
    let over = due::Dues::new(&after);
    let is_over = |due: Timestamp| due <= believed;
    let goes_now = |row: &Row<'_>| over.of(row.email, believed).is_some_and(is_over);
    let (mut going, mut staying): (Vec<_>, Vec<_>) = reached.into_iter().partition(goes_now);
    // What one commit may not hold goes with the next; its clock runs at once, so
    // that it goes even if nobody comes to ask for that.
    let more = going.len() > WHOLE_ROWS_MAX;
    if more {
        staying.extend(going.split_off(WHOLE_ROWS_MAX));
        staying.sort_unstable_by_key(|row| row.uid);
    }
    start_clocks(&mut draft, &mut after, &staying, now)?;
    let change = removal(&after, MailboxId::INBOX, &going, Cause::Collected, now)?;
    if let Some(change) = change {
        draft.push(change);
    }
    let expunged: UidSet = going.iter().map(|row| row.uid).collect();
    Ok(draft
        .decision(Outcome::Collected {
            collected: new.count(),
            expunged,
        })
        .with_rest(more.then_some(Rest::Again)))
}

/// What a device has read now stays for `at-least` from now on, also where its clock
/// was running: it starts anew if it would be over sooner.
fn start_anew(draft: &mut Draft, after: &mut State, read: &EmailSet, now: Timestamp) {
    let hold = after.hold();
    let (dues, least) = (due::Dues::new(after), hold.at_least(now));
    let mut anew = BTreeMap::new();
    for run in after.root.clocks.runs() {
        let mut emails = EmailSet::new();
        emails.insert_range(EmailNumber(run.first), EmailNumber(run.last));
        emails.retain(read);
        let emails = emails.runs().flat_map(|(first, last)| first.0..=last.0);
        for email in emails.map(EmailNumber) {
            let due = dues.of(email, run.value);
            let gives_way = hold.give_way && run.value < now;
            if gives_way || due.is_some_and(|due| due < least) {
                anew.insert(email.0, Some(now));
            }
        }
    }
    if !anew.is_empty() {
        let clocks = runs(anew);
        draft.push_on(after, Change::ClocksSet { clocks });
    }
}

fn not_yet(device: &Device, how: Collect, emails: &EmailSet) -> EmailSet {
    let mut new = emails.clone();
    new.subtract(&device.collected);
    if how == Collect::Retr {
        new.subtract(&device.read);
    }
    new
}

/// Starts the clocks of these rows of INBOX that do not run yet, and shows them as
/// collected where the account wants that.
pub(super) fn start_clocks(
    draft: &mut Draft,
    after: &mut State,
    rows: &[Row<'_>],
    now: Timestamp,
) -> Result<(), Refusal> {
    let rows: Vec<Row<'_>> = rows
        .iter()
        .filter(|row| after.clock(row.email).is_none())
        .copied()
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let clocks: BTreeMap<u64, _> = rows.iter().map(|row| (row.email.0, Some(now))).collect();
    let clocks = runs(clocks);
    let shown = if after.hold().show_collected {
        collected::shown(after, &rows, clocks.clone())?
    } else {
        None
    };
    draft.push_on(after, shown.unwrap_or(Change::ClocksSet { clocks }));
    Ok(())
}

/// The rows of INBOX of these emails, ascending: those that were listed where
/// they still are, and the others by a search.
fn rows_of_emails<'a>(
    state: &State,
    table: &'a Table,
    messages: &[(EmailNumber, Uid)],
) -> Vec<Row<'a>> {
    let mut rows: BTreeMap<Uid, Row<'a>> = BTreeMap::new();
    let mut search = EmailSet::new();
    for &(email, uid) in messages {
        match table.get(uid).filter(|row| row.email == email) {
            Some(row) => {
                rows.insert(uid, row);
                if state.copies(email).live > 1 {
                    search.insert(email);
                }
            }
            None => search.insert(email),
        }
    }
    if !search.is_empty() {
        for row in table.rows() {
            if search.contains(row.email) {
                rows.insert(row.uid, row);
            }
        }
    }
    rows.into_values().collect()
}
