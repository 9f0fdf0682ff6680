//! What a hold would let go, and when; what it cannot reach; who is waited for.

use crate::decide::collected_by_reading;
use crate::device::Device;
use crate::due::Dues;
use crate::moment::Moment;
use crate::outcome::Refusal;
use crate::settings::DAY;
use crate::state::State;
use crate::{DeviceId, EmailSet, HoldSettings};
use std::collections::{BTreeMap, BTreeSet};
use terms::{EmailNumber, MailboxId, SystemFlag, Timestamp};

/// Messages and their octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many rows.
    pub messages: u64,
    /// Octets that the account would take up less without them: a message that
    /// stands elsewhere too counts nothing.
    pub octets: u64,
}

impl Share {
    fn add(&mut self, octets: u64) {
        self.messages = self.messages.saturating_add(1);
        self.octets = self.octets.saturating_add(octets);
    }
}

/// What goes on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Going {
    /// When the first of it goes.
    pub first: Timestamp,
    /// How much.
    pub share: Share,
}

/// One device, as the hold sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub device: DeviceId,
    /// What it has not collected, of what some other has.
    pub not_collected: Share,
    /// What no clock runs for since this device alone has not collected it.
    pub blocks: Share,
}

/// What a hold comes to for an account as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// All in INBOX.
    pub inbox: Share,
    /// What is collected and goes, with its day, ascending.
    pub going: Vec<Going>,
    /// What is collected and stays, since the hold is `forever`.
    pub stays: Share,
    /// What is collected and flagged: out of reach.
    pub flagged: Share,
    /// What no device has collected.
    pub not_collected: Share,
    /// Who is waited for: the devices that count.
    pub devices: Vec<Waiting>,
    /// What could give way to deliveries now.
    pub may_give_way: Share,
}

impl Preview {
    /// All that goes.
    pub fn total(&self) -> Share {
        self.going.iter().fold(Share::default(), |sum, day| Share {
            messages: sum.messages.saturating_add(day.share.messages),
            octets: sum.octets.saturating_add(day.share.octets),
        })
    }

    /// When the first goes.
    pub fn first(&self) -> Option<Timestamp> {
        self.going.iter().map(|day| day.first).min()
    }
}

/// What `hold` would come to if it were set now; the hold that is set comes to what
/// it does.
///
/// # Errors
/// `Needed` if INBOX is not loaded.
pub fn preview(
    state: &State,
    hold: &HoldSettings,
    moment: impl Into<Moment>,
) -> Result<Preview, Refusal> {
    let Moment { now, believed } = moment.into();
    let old = state.hold();
    let changed = if hold.is_sooner_than(&old) {
        now
    } else {
        old.changed
    };
    let hold = HoldSettings { changed, ..*hold };
    let dues = Dues::under(state, hold);
    let stopped = stopped_by(state, &hold);
    let devices: Vec<&Device> = state.devices().filter(|device| device.counts()).collect();
    let mut waiting: Vec<Waiting> = devices
        .iter()
        .map(|device| Waiting {
            device: device.id,
            not_collected: Share::default(),
            blocks: Share::default(),
        })
        .collect();
    let mut preview = Preview::default();
    let mut days: BTreeMap<i64, Going> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let whole = wholly_within_reach(state)?;
    for row in state.table(MailboxId::INBOX)?.rows() {
        let copies = state.copies(row.email).live;
        // Its octets go with the last of its rows, if all of them are here.
        let first_row = copies <= 1 || seen.insert(row.email);
        let is_free = copies <= 1 || (first_row && whole.contains(&row.email));
        let octets = if is_free { u64::from(row.size) } else { 0 };
        preview.inbox.add(octets);
        let clock = state
            .clock(row.email)
            .filter(|_| !stopped.contains(row.email));
        let flagged = row.flags.has(SystemFlag::Flagged);
        match clock {
            Some(start) if !flagged => {
                if hold.may_give_way(start) <= believed {
                    preview.may_give_way.add(octets);
                }
                match dues.of(row.email, start) {
                    None => preview.stays.add(octets),
                    Some(due) => {
                        let due = due.max(now);
                        let going = days.entry(due.0.div_euclid(DAY)).or_insert(Going {
                            first: due,
                            share: Share::default(),
                        });
                        going.first = going.first.min(due);
                        going.share.add(octets);
                    }
                }
            }
            _ if flagged && state.is_collected(row.email) => preview.flagged.add(octets),
            _ => {
                let lacking = wait_for(state, &devices, &row, first_row, &mut waiting, octets);
                if lacking {
                    preview.not_collected.add(octets);
                }
            }
        }
    }
    preview.going = days.into_values().collect();
    preview.devices = waiting;
    Ok(preview)
}

/// Emails that have several rows, all of them in INBOX and none flagged: they go
/// together.
fn wholly_within_reach(state: &State) -> Result<BTreeSet<EmailNumber>, Refusal> {
    let mut rows: BTreeMap<EmailNumber, u32> = BTreeMap::new();
    for row in state.table(MailboxId::INBOX)?.rows() {
        if state.copies(row.email).live > 1 && !row.flags.has(SystemFlag::Flagged) {
            *rows.entry(row.email).or_default() += 1;
        }
    }
    rows.retain(|email, count| *count == state.copies(*email).live);
    Ok(rows.into_keys().collect())
}

/// Emails whose clocks stop under `hold`: what was only read, where that counts no
/// longer.
fn stopped_by(state: &State, hold: &HoldSettings) -> EmailSet {
    if hold.collect == state.hold().collect {
        EmailSet::new()
    } else {
        collected_by_reading(state)
    }
}

/// Counts a message that no clock runs for with the devices that are waited for;
/// `true`: nobody has collected it.
fn wait_for(
    state: &State,
    devices: &[&Device],
    row: &crate::Row<'_>,
    first_row: bool,
    waiting: &mut [Waiting],
    octets: u64,
) -> bool {
    let how = state.hold().collect;
    let has = |device: &Device| {
        device.collected.contains(row.email)
            || (how == crate::Collect::Retr && device.read.contains(row.email))
    };
    let taken = state
        .devices()
        .any(|device| device.collects() && has(device));
    if !taken {
        return true;
    }
    let lacks: Vec<DeviceId> = devices
        .iter()
        .filter(|device| !has(device))
        .map(|device| device.id)
        .collect();
    for entry in waiting.iter_mut().filter(|_| first_row) {
        if lacks.contains(&entry.device) {
            entry.not_collected.add(octets);
            if lacks.len() == 1 {
                entry.blocks.add(octets);
            }
        }
    }
    false
}
