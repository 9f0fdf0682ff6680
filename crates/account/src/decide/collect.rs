//! What POP3 devices collect, and the clocks that it starts.

use super::expunge::removal;
use super::{Draft, runs};
use crate::EmailSet;
use crate::changes::Change;
use crate::command::WHOLE_ROWS_MAX;
use crate::device::{Device, DeviceId};
use crate::expunged::Cause;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::persistent::Run;
use crate::rows::Row;
use crate::settings::{Collect, Hold};
use crate::state::State;
use crate::table::Table;
use std::collections::BTreeMap;
use terms::{EmailNumber, MailboxId, SystemFlag, Timestamp, Uid, UidSet};

type ClockRuns = Vec<Run<Option<Timestamp>>>;

/// Whether `device` no longer waits for `email`.
fn has(device: &Device, email: EmailNumber, how: Collect) -> bool {
    device.collected.contains(email) || (how == Collect::Retr && device.read.contains(email))
}

/// Whether all devices that count have collected `email`.
pub(super) fn is_collected(state: &State, email: EmailNumber) -> bool {
    is_collected_but_for(state, email, None)
}

fn is_collected_but_for(state: &State, email: EmailNumber, other: Option<DeviceId>) -> bool {
    let how = state.hold().collect;
    let mut counting = state
        .devices()
        .filter(|device| device.counts() && Some(device.id) != other)
        .peekable();
    counting.peek().is_some() && counting.all(|device| has(device, email, how))
}

/// The clocks after messages of INBOX were flagged or unflagged: \Flagged keeps a
/// message out of the hold's reach; unflagged, its clock starts anew.
pub(super) fn clocks_after_flags(
    state: &State,
    flagged: &[EmailNumber],
    unflagged: &[EmailNumber],
    now: Timestamp,
) -> ClockRuns {
    let mut clocks = BTreeMap::new();
    for email in flagged {
        if state.clock(*email).is_some() {
            clocks.insert(email.0, None);
        }
    }
    for email in unflagged {
        if is_collected(state, *email) {
            clocks.insert(email.0, Some(now));
        }
    }
    runs(clocks)
}

/// The clocks that start when `gone` counts no longer.
pub(super) fn clocks_without(
    state: &State,
    gone: DeviceId,
    now: Timestamp,
) -> Result<ClockRuns, Refusal> {
    let mut clocks = BTreeMap::new();
    for row in state.table(MailboxId::INBOX)?.rows() {
        if !row.flags.has(SystemFlag::Flagged)
            && state.clock(row.email).is_none()
            && is_collected_but_for(state, row.email, Some(gone))
        {
            clocks.insert(row.email.0, Some(now));
        }
    }
    Ok(runs(clocks))
}

pub(super) fn collect(
    state: &State,
    id: DeviceId,
    how: Collect,
    messages: &[(EmailNumber, Uid)],
    now: Timestamp,
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
        let back = Device {
            forgotten: None,
            ..device.clone()
        };
        let change = Change::DeviceSet {
            device: back,
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
    let reached = if device.may_not_delete {
        Vec::new()
    } else {
        rows_of_emails(&after, table, messages)
            .into_iter()
            .filter(|row| !row.flags.has(SystemFlag::Flagged))
            .filter(|row| is_collected(&after, row.email))
            .collect()
    };
    let goes_now = how == Collect::Dele && state.hold().hold == Hold::Remove;
    let cut = if goes_now {
        reached.len().min(WHOLE_ROWS_MAX)
    } else {
        0
    };
    let (going, staying) = reached.split_at_checked(cut).unwrap_or((&[], &reached));
    start_clocks(&mut draft, &mut after, staying, now);
    let change = removal(&after, MailboxId::INBOX, going, Cause::Collected, now)?;
    if let Some(change) = change {
        draft.push(change);
    }
    let expunged: UidSet = going.iter().map(|row| row.uid).collect();
    let rest = (goes_now && !staying.is_empty()).then_some(Rest::Again);
    Ok(draft
        .decision(Outcome::Collected {
            collected: new.count(),
            expunged,
        })
        .with_rest(rest))
}

fn not_yet(device: &Device, how: Collect, emails: &EmailSet) -> EmailSet {
    let mut new = emails.clone();
    new.subtract(&device.collected);
    if how == Collect::Retr {
        new.subtract(&device.read);
    }
    new
}

/// Starts the clocks that do not run yet: with the change that files the
/// collection where there is one.
fn start_clocks(draft: &mut Draft, after: &mut State, rows: &[Row<'_>], now: Timestamp) {
    let clocks: BTreeMap<u64, Option<Timestamp>> = rows
        .iter()
        .filter(|row| after.clock(row.email).is_none())
        .map(|row| (row.email.0, Some(now)))
        .collect();
    if clocks.is_empty() {
        return;
    }
    let clocks = runs(clocks);
    draft.push_on(after, Change::ClocksSet { clocks });
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
