//! What an account has to do by itself: the hold, the end of the undo window,
//! devices that are silent. And what gives way to a delivery.

use super::expunge::removal;
use super::{Ascending, Draft, Tally, collect};
use crate::changes::{Change, Copies};
use crate::command::COMMIT_ROWS_MAX;
use crate::device::Device;
use crate::expunged::Cause;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::persistent::Run;
use crate::rows::Row;
use crate::settings::DAY;
use crate::state::State;
use crate::{EmailSet, Used};
use std::collections::BTreeMap;
use terms::{BlobId, EmailNumber, MailboxId, SystemFlag, Timestamp};

/// Rows that one sweep expunges at the most.
const HOLD_ROWS_MAX: usize = 1_000;

pub(super) fn sweep(state: &State, now: Timestamp) -> Result<Decision, Refusal> {
    let mut draft = Draft::new(state);
    let mut after = state.clone();
    forget_devices(&mut draft, &mut after, now)?;
    let (expunged, mut more) = expire(&mut draft, &mut after, now)?;
    let purged = purge(&mut draft, &after, now, &mut more)?;
    let rest = (more && !draft.changes.is_empty()).then_some(Rest::Again);
    Ok(draft
        .decision(Outcome::Swept { expunged, purged })
        .with_rest(rest))
}

/// What was expunged at `time` may go for good from this moment on.
pub(crate) fn purge_due(state: &State, time: Timestamp) -> Timestamp {
    // Octets go no earlier than a day after the expunge: a session or another
    // node may still read them.
    let window = i64::from(state.hold().undo_seconds)
        .saturating_mul(1_000)
        .max(DAY);
    time.plus_millis(window)
}

/// A device that has been silent counts no longer from this moment on.
pub(crate) fn forget_due(state: &State, device: &Device) -> Option<Timestamp> {
    let since = device
        .last_poll
        .map_or(device.declared, |poll| poll.max(device.declared));
    let silence = i64::from(state.hold().forget_device_seconds).saturating_mul(1_000);
    device.counts().then(|| since.plus_millis(silence))
}

fn forget_devices(draft: &mut Draft, after: &mut State, now: Timestamp) -> Result<(), Refusal> {
    let silent: Vec<Device> = after
        .devices()
        .filter(|device| forget_due(after, device).is_some_and(|due| due <= now))
        .cloned()
        .collect();
    for device in silent {
        let clocks = collect::clocks_without(after, device.id, now)?;
        let device = Device {
            forgotten: Some(now),
            ..device
        };
        draft.push_on(after, Change::DeviceSet { device, clocks });
    }
    Ok(())
}

/// Expunges what the hold has held for long enough; says how much, and whether
/// more remains.
fn expire(draft: &mut Draft, after: &mut State, now: Timestamp) -> Result<(u64, bool), Refusal> {
    let hold = after.hold();
    let mut due = EmailSet::new();
    for run in after.root.clocks.runs() {
        if hold.due(run.value).is_some_and(|moment| moment <= now) {
            due.insert_range(EmailNumber(run.first), EmailNumber(run.last));
        }
    }
    if due.is_empty() {
        return Ok((0, false));
    }
    let state = after.clone();
    let rows = inbox_rows(&state, &due)?;
    let (going, rest) = rows
        .split_at_checked(HOLD_ROWS_MAX)
        .unwrap_or((rows.as_slice(), &[]));
    if let Some(change) = removal(&state, MailboxId::INBOX, going, Cause::Hold, now)? {
        draft.push_on(after, change);
    }
    if rest.is_empty() {
        // A clock without a message in reach would wake the account for nothing.
        stop_clocks(draft, after, now);
    }
    Ok((going.len() as u64, !rest.is_empty()))
}

fn stop_clocks(draft: &mut Draft, after: &mut State, now: Timestamp) {
    let hold = after.hold();
    let due = |run: &Run<Timestamp>| hold.due(run.value).is_some_and(|moment| moment <= now);
    let idle: Vec<Run<Option<Timestamp>>> = after
        .root
        .clocks
        .runs()
        .filter(due)
        .map(|run| Run {
            first: run.first,
            last: run.last,
            value: None,
        })
        .collect();
    if !idle.is_empty() {
        draft.push_on(after, Change::ClocksSet { clocks: idle });
    }
}

/// Rows of INBOX of these emails that the hold can reach.
fn inbox_rows<'a>(state: &'a State, emails: &EmailSet) -> Result<Vec<Row<'a>>, Refusal> {
    let rows = state.table(MailboxId::INBOX)?.rows();
    Ok(rows
        .filter(|row| !row.flags.has(SystemFlag::Flagged) && emails.contains(row.email))
        .collect())
}

/// Lets go what the undo window no longer keeps; gives how many rows.
fn purge(
    draft: &mut Draft,
    state: &State,
    now: Timestamp,
    more: &mut bool,
) -> Result<u64, Refusal> {
    let due = |time| purge_due(state, time) <= now;
    if !state.root.expunged_oldest.is_some_and(due) {
        return Ok(0);
    }
    let list = state.expunged()?;
    let mut purge = Purge::new(state);
    let mut left = COMMIT_ROWS_MAX;
    let mut oldest = None;
    for batch in list.batches() {
        if !due(batch.time) || left == 0 {
            oldest = Some(oldest.map_or(batch.time, |oldest: Timestamp| oldest.min(batch.time)));
            *more |= due(batch.time);
            continue;
        }
        let mut uids = Ascending::default();
        for row in batch.rows.iter().take(left) {
            uids.push(row.uid);
            purge.row(&row);
        }
        if left < batch.rows.len() {
            oldest = Some(batch.time);
            *more = true;
        }
        left = left.saturating_sub(batch.rows.len());
        purge
            .rows
            .push((batch.number, batch.mailbox, uids.finish()));
    }
    let count = purge.count;
    let (change, releases) = purge.finish(oldest);
    draft.push(change);
    draft.changes.releases.extend(releases);
    Ok(count)
}

struct Purge<'a> {
    state: &'a State,
    tally: Tally<'a>,
    rows: Vec<(terms::ModSeq, MailboxId, terms::UidSet)>,
    shared: BTreeMap<BlobId, u32>,
    releases: Vec<BlobId>,
    count: u64,
}

impl<'a> Purge<'a> {
    fn new(state: &'a State) -> Self {
        Self {
            state,
            tally: Tally::new(state),
            rows: Vec::new(),
            shared: BTreeMap::new(),
            releases: Vec::new(),
            count: 0,
        }
    }

    fn row(&mut self, row: &Row<'_>) {
        self.count += 1;
        let copies = self.tally.change(row.email, |copies| {
            copies.expunged = copies.expunged.saturating_sub(1);
        });
        if copies != Copies::GONE {
            return;
        }
        let known = self.state.root.shared.get(&row.blob).copied().unwrap_or(0);
        let more = self.shared.entry(row.blob).or_insert(known);
        match more.checked_sub(1) {
            Some(fewer) => *more = fewer,
            None => self.releases.push(row.blob),
        }
    }

    fn finish(self, oldest: Option<Timestamp>) -> (Change, Vec<BlobId>) {
        let state = self.state;
        let shared = self.shared.into_iter();
        let shared = shared.filter(|(blob, _)| state.root.shared.contains(blob));
        let change = Change::Purged {
            rows: self.rows,
            copies: self.tally.finish(),
            shared: shared.collect(),
            oldest,
        };
        (change, self.releases)
    }
}

/// The change that makes room for a delivery by expunging the oldest collected
/// messages; `None` if it may not or cannot.
pub(super) fn give_way(
    state: &State,
    wanted: Used,
    now: Timestamp,
) -> Result<Option<Change>, Refusal> {
    let hold = state.hold();
    if !hold.give_way || state.root.clocks.is_empty() {
        return Ok(None);
    }
    let excess = |limit: Option<u64>, used: u64, wanted: u64| {
        limit.map_or(0, |limit| used.saturating_add(wanted).saturating_sub(limit))
    };
    let (limits, used) = (state.limits(), state.used());
    let mut octets = excess(limits.octets, used.octets, wanted.octets);
    let mut messages = excess(limits.messages, used.messages, wanted.messages);
    let mut candidates = Vec::new();
    for row in state.table(MailboxId::INBOX)?.rows() {
        let clock = state.clock(row.email);
        let Some(start) = clock.filter(|_| !row.flags.has(SystemFlag::Flagged)) else {
            continue;
        };
        if hold.may_give_way(start) <= now {
            candidates.push((start, row));
        }
    }
    candidates.sort_by_key(|(start, row)| (*start, row.uid));
    let mut going = Vec::new();
    let mut tally = Tally::new(state);
    for (_, row) in candidates {
        if octets == 0 && messages == 0 {
            break;
        }
        let copies = tally.change(row.email, |copies| {
            copies.live = copies.live.saturating_sub(1);
        });
        let freed = if copies.live == 0 {
            u64::from(row.size)
        } else {
            0
        };
        if messages == 0 && freed == 0 {
            continue;
        }
        octets = octets.saturating_sub(freed);
        messages = messages.saturating_sub(1);
        going.push(row);
    }
    if octets > 0 || messages > 0 {
        return Ok(None);
    }
    going.sort_by_key(|row| row.uid);
    removal(state, MailboxId::INBOX, &going, Cause::GaveWay, now)
}
