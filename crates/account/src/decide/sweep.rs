//! What an account has to do by itself: the hold, the end of the undo window,
//! devices that are silent. And what gives way to a delivery.

use super::expunge::removal;
use super::{Ascending, Draft, Tally, collect, collected};
use crate::changes::{Change, Copies};
use crate::command::{COMMIT_ROWS_MAX, SweepRules};
use crate::device::{Device, DeviceId};
use crate::due::Dues;
use crate::expunged::Cause;
use crate::moment::Moment;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::persistent::Run;
use crate::rows::Row;
use crate::settings::{Collect, DAY};
use crate::state::State;
use crate::{EmailSet, HoldSettings, Used};
use std::collections::BTreeMap;
use terms::{BlobId, EmailNumber, MailboxId, SystemFlag, Timestamp};

/// Rows that one sweep expunges at the most.
const HOLD_ROWS_MAX: usize = 1_000;

pub(super) fn sweep(state: &State, rules: SweepRules, moment: Moment) -> Result<Decision, Refusal> {
    let mut draft = Draft::new(state);
    let mut after = state.clone();
    mend_dates(&mut draft, &mut after, moment);
    forget_devices(&mut draft, &mut after, moment)?;
    let mut run = expire(&mut draft, &mut after, rules, moment)?;
    run.purged = purge(&mut draft, &after, moment.believed, &mut run.more)?;
    let rest = (run.more && !draft.changes.is_empty()).then_some(Rest::Again);
    Ok(draft
        .decision(Outcome::Swept {
            expunged: run.expunged,
            octets: run.octets,
            purged: run.purged,
            waiting: run.waiting,
        })
        .with_rest(rest))
}

/// What one sweep has done.
#[derive(Default)]
struct Swept {
    expunged: u64,
    octets: u64,
    purged: u64,
    waiting: u64,
    more: bool,
}

/// What is dated further ahead than this was filed by a clock that had run ahead.
const LATE: i64 = 3_600_000;

fn is_late(time: Timestamp, now: Timestamp) -> bool {
    time > now.plus_millis(LATE)
}

/// Whether something is dated ahead of `now` for which the account would wait too
/// long: a clock that had run ahead has filed it. [`crate::Command::Sweep`] mends it.
pub fn has_late_dates(state: &State, now: Timestamp) -> bool {
    let late = |time: Timestamp| is_late(time, now);
    late(state.hold().changed)
        || state.root.run_waits.is_some_and(late)
        || state.root.clocks.runs().any(|run| late(run.value))
        || state.devices().any(|device| has_late_date(device, now))
}

fn has_late_date(device: &Device, now: Timestamp) -> bool {
    let late = |time: Timestamp| is_late(time, now);
    device.revoked.is_none() && (late(device.heard()) || device.warned.is_some_and(late))
}

/// Dates that a clock has filed that had run ahead are now's, once it is right again:
/// what they say happened no later, so that nothing goes sooner than it should, and
/// nothing waits for as long as the clock was ahead.
fn mend_dates(draft: &mut Draft, after: &mut State, Moment { now, believed }: Moment) {
    if now != believed || !has_late_dates(after, now) {
        return;
    }
    let hold = after.hold();
    if is_late(hold.changed, now) {
        let changed = now;
        draft.push_on(after, Change::HoldSet(HoldSettings { changed, ..hold }));
    }
    if after
        .root
        .run_waits
        .is_some_and(|since| is_late(since, now))
    {
        draft.push_on(after, Change::RunWaits(Some(now)));
    }
    let clocks = after.root.clocks.runs();
    let late = clocks.filter(|run| is_late(run.value, now));
    let clocks: Vec<_> = late
        .map(|run| Run {
            first: run.first,
            last: run.last,
            value: Some(now),
        })
        .collect();
    if !clocks.is_empty() {
        draft.push_on(after, Change::ClocksSet { clocks });
    }
    let devices = after.devices().filter(|device| has_late_date(device, now));
    for device in devices.cloned().collect::<Vec<_>>() {
        mend_device(draft, after, &device, now);
    }
}

fn mend_device(draft: &mut Draft, after: &mut State, device: &Device, now: Timestamp) {
    if is_late(device.heard(), now) {
        let mended = Device {
            declared: device.declared.min(now),
            last_poll: device.last_poll.map(|poll| poll.min(now)),
            ..device.record()
        };
        let clocks = Vec::new();
        draft.push_on(
            after,
            Change::DeviceSet {
                device: mended,
                clocks,
            },
        );
    }
    if device.warned.is_some_and(|warned| is_late(warned, now)) {
        let (device, time) = (device.id, now);
        draft.push_on(after, Change::DeviceWarned { device, time });
    }
}

/// What was expunged at `time` may go for good from this moment on.
pub(crate) fn purge_due(state: &State, time: Timestamp) -> Timestamp {
    // Octets go no earlier than a day after the expunge: a session or another
    // node may still read them.
    let hold = state.hold();
    let window = i64::from(hold.undo_seconds).saturating_mul(1_000).max(DAY);
    let due = time.plus_millis(window);
    // A window that was made shorter does not take at once what a longer one held.
    if time <= hold.changed {
        due.max(hold.floor())
    } else {
        due
    }
}

/// When the silence of a device is over that makes it forgotten.
fn silent_due(state: &State, device: &Device) -> Option<Timestamp> {
    let silence = i64::from(state.hold().forget_device_seconds).saturating_mul(1_000);
    device.counts().then(|| device.heard().plus_millis(silence))
}

/// The owner is told so long before a device is forgotten: a week, or half of the
/// silence where that is short.
fn notice_millis(state: &State) -> i64 {
    let silence = i64::from(state.hold().forget_device_seconds).saturating_mul(1_000);
    (7 * DAY).min(silence / 2)
}

/// When the owner was told, if the device has been silent since.
fn warned(device: &Device) -> Option<Timestamp> {
    device.warned.filter(|warned| device.heard() <= *warned)
}

/// Whether its owner would miss a device that is forgotten: it has polled, or
/// other devices have collected what waits for it. The default device of somebody
/// who never uses POP3 goes without a word.
fn is_missed(state: &State, device: &Device) -> bool {
    device.was_used()
        || state.devices().any(|other| {
            let has = !other.collected.is_empty() || !other.read.is_empty();
            other.id != device.id && other.collects() && has
        })
}

/// A device's owner is to be told from this moment on that it will be forgotten.
pub(crate) fn warn_due(state: &State, device: &Device) -> Option<Timestamp> {
    if warned(device).is_some() || !is_missed(state, device) {
        return None;
    }
    let notice = notice_millis(state);
    silent_due(state, device).map(|due| due.plus_millis(-notice))
}

/// A device that has been silent counts no longer from this moment on: not before
/// its owner has been told for long enough.
pub(crate) fn forget_due(state: &State, device: &Device) -> Option<Timestamp> {
    let due = silent_due(state, device)?;
    if !is_missed(state, device) {
        return Some(due);
    }
    let told = warned(device)?.plus_millis(notice_millis(state));
    Some(due.max(told))
}

/// Files that a device's owner was told.
pub(super) fn device_warned(
    state: &State,
    id: DeviceId,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    state.device(id).ok_or(Refusal::NoSuchDevice)?;
    let mut draft = Draft::new(state);
    draft.push(Change::DeviceWarned {
        device: id,
        time: now,
    });
    Ok(draft.decision(Outcome::Done))
}

fn forget_devices(
    draft: &mut Draft,
    after: &mut State,
    Moment { now, believed }: Moment,
) -> Result<(), Refusal> {
    let silent: Vec<Device> = after
        .devices()
        .filter(|device| forget_due(after, device).is_some_and(|due| due <= believed))
        .cloned()
        .collect();
    for device in silent {
        let forgotten = Device {
            forgotten: Some(now),
            ..device.record()
        };
        device_gone(draft, after, forgotten, now)?;
    }
    Ok(())
}

/// Files that a device counts no longer. What it alone had not collected starts
/// its clock now, and as that lets mail go sooner, nothing goes for a day. What a
/// revoked one alone had collected is collected no longer, and its clock stops.
pub(super) fn device_gone(
    draft: &mut Draft,
    after: &mut State,
    device: Device,
    now: Timestamp,
) -> Result<(), Refusal> {
    let before = after.clone();
    let (mut alone, mut sooner, mut counted) = (EmailSet::new(), false, false);
    if let Some(known) = before.device(device.id) {
        counted = known.counts();
        if device.revoked.is_some() {
            alone = collect::taken_alone(&before, known);
            sooner = collect::is_waited_for(&before, known)? || frees_what_was_read(&before, known);
        }
    }
    let change = Change::DeviceSet {
        device,
        clocks: Vec::new(),
    };
    draft.push_on(after, change);
    let gone = after.clone();
    let rows = if counted {
        collect::rows_to_start(&gone)?
    } else {
        Vec::new()
    };
    if sooner || !rows.is_empty() {
        let hold = HoldSettings {
            changed: now,
            ..after.hold()
        };
        draft.push_on(after, Change::HoldSet(hold));
    }
    if !alone.is_empty() {
        stop_clocks(draft, after, &alone);
        collected::hide(draft, after, Some(&alone))?;
    }
    collect::start_clocks(draft, after, &rows, now)
}

/// Whether what a device has only read goes sooner once it is revoked.
fn frees_what_was_read(state: &State, device: &Device) -> bool {
    let hold = state.hold();
    hold.collect == Collect::Retr
        && hold.read_stays_longer()
        && device.collects()
        && !device.only_read().is_empty()
}

/// Expunges what the hold has held for long enough.
fn expire(
    draft: &mut Draft,
    after: &mut State,
    rules: SweepRules,
    moment: Moment,
) -> Result<Swept, Refusal> {
    let mut run = Swept::default();
    let over = Dues::new(after).over(after, moment.believed);
    if over.is_empty() {
        end_waiting(draft, after);
        return Ok(run);
    }
    let state = after.clone();
    let rows = inbox_rows(&state, &over)?;
    if waits(draft, after, rules, rows.len() as u64, moment) {
        run.waiting = rows.len() as u64;
        return Ok(run);
    }
    let (going, rest) = rows
        .split_at_checked(HOLD_ROWS_MAX)
        .unwrap_or((rows.as_slice(), &[]));
    let before = after.used().octets;
    if let Some(change) = removal(&state, MailboxId::INBOX, going, Cause::Hold, moment.now)? {
        draft.push_on(after, change);
    }
    run.expunged = going.len() as u64;
    run.octets = before.saturating_sub(after.used().octets);
    run.more = !rest.is_empty();
    if !run.more {
        // A clock without a message in reach would wake the account for nothing.
        stop_clocks(draft, after, &over);
        end_waiting(draft, after);
    }
    Ok(run)
}

/// Whether a run that would expunge so many rows has to wait: it is large for the
/// account, and has not waited for a day yet.
fn waits(
    draft: &mut Draft,
    after: &mut State,
    rules: SweepRules,
    rows: u64,
    Moment { now, believed }: Moment,
) -> bool {
    let all = after.used().messages;
    let share = u64::from(rules.run_percent_max).saturating_mul(all);
    let large = rows >= rules.run_rows_min && rows.saturating_mul(100) > share;
    match after.root.run_waits {
        // Its later parts are as good as its first.
        Some(since) if since.plus_millis(DAY) <= believed => false,
        Some(_) => large,
        None => {
            if large {
                draft.push_on(after, Change::RunWaits(Some(now)));
            }
            large
        }
    }
}

fn end_waiting(draft: &mut Draft, after: &mut State) {
    if after.root.run_waits.is_some() {
        draft.push_on(after, Change::RunWaits(None));
    }
}

fn stop_clocks(draft: &mut Draft, after: &mut State, over: &EmailSet) {
    let mut idle: EmailSet = EmailSet::new();
    for run in after.root.clocks.runs() {
        idle.insert_range(EmailNumber(run.first), EmailNumber(run.last));
    }
    idle.retain(over);
    if idle.is_empty() {
        return;
    }
    let clocks = idle.runs().map(|(first, last)| Run {
        first: first.0,
        last: last.0,
        value: None,
    });
    let clocks = clocks.collect();
    draft.push_on(after, Change::ClocksSet { clocks });
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
    Moment { now, believed }: Moment,
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
        if hold.may_give_way(start) <= believed {
            candidates.push((start, row));
        }
    }
    candidates.sort_by_key(|(start, row)| (*start, row.uid));
    // Octets are free when the last row of an email goes: its rows go together, or
    // for the count of rows alone.
    let mut by_email: BTreeMap<u64, Vec<Row<'_>>> = BTreeMap::new();
    for (_, row) in &candidates {
        by_email.entry(row.email.0).or_default().push(*row);
    }
    let mut going = Vec::new();
    for (_, row) in candidates {
        if octets == 0 && messages == 0 {
            break;
        }
        let Some(rows) = by_email.remove(&row.email.0) else {
            continue;
        };
        let all = rows.len() as u64 == u64::from(state.copies(row.email).live);
        let size = if all { u64::from(row.size) } else { 0 };
        if octets > 0 && size > 0 {
            octets = octets.saturating_sub(size);
            messages = messages.saturating_sub(rows.len() as u64);
            going.extend(rows);
        } else {
            let some = rows
                .len()
                .min(usize::try_from(messages).unwrap_or(usize::MAX));
            messages = messages.saturating_sub(some as u64);
            going.extend(rows.into_iter().take(some));
        }
    }
    if octets > 0 || messages > 0 {
        return Ok(None);
    }
    going.sort_by_key(|row| row.uid);
    removal(state, MailboxId::INBOX, &going, Cause::GaveWay, now)
}
