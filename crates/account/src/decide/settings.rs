//! The account itself, its limits, its hold, its devices.

use super::{Draft, collect, collected, mailboxes, sweep};
use crate::changes::Change;
use crate::device::{Device, DeviceId, DeviceProtocols};
use crate::outcome::{Decision, Outcome, Refusal};
use crate::persistent::Run;
use crate::state::State;
use crate::{EmailSet, HoldSettings, Limits, SpecialUses, UniqueIdForm};
use terms::{EmailNumber, MailboxName, SpecialUse, Timestamp, UidValidity};

/// Devices of an account at the most, revoked ones too.
const DEVICES_MAX: usize = 1_000;

const FIRST_MAILBOXES: [(&str, SpecialUse); 5] = [
    ("Drafts", SpecialUse::Drafts),
    ("Sent", SpecialUse::Sent),
    ("Junk", SpecialUse::Junk),
    ("Trash", SpecialUse::Trash),
    ("Archive", SpecialUse::Archive),
];

pub(super) fn create_account(
    state: &State,
    limits: Limits,
    hold: HoldSettings,
    uid_validity_floor: Option<UidValidity>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if state.root.created.is_some() {
        return Err(Refusal::AccountExists);
    }
    let mut after = state.clone();
    let mut draft = Draft::new(state);
    let created = Change::Created {
        time: now,
        limits,
        hold,
        next_email: EmailNumber(1),
    };
    draft.push_on(&mut after, created);
    let inbox = (MailboxName::inbox(), SpecialUses::NONE);
    let others = FIRST_MAILBOXES.into_iter().filter_map(|(name, special)| {
        let name = MailboxName::new(name).ok()?;
        Some((name, SpecialUses::from_iter([special])))
    });
    for (name, special_uses) in std::iter::once(inbox).chain(others) {
        let mut change = mailboxes::creation(&after, &name, special_uses, true, now)?;
        if let Change::MailboxCreated { uid_validity, .. } = &mut change {
            let floor = after.root.last_uid_validity.max(uid_validity_floor);
            *uid_validity = super::next_uid_validity(floor, now)?;
        }
        draft.push_on(&mut after, change);
    }
    let both = DeviceProtocols {
        pop3: true,
        imap: true,
    };
    draft.push(Change::DeviceSet {
        device: device(DeviceId::DEFAULT, "default", both, now),
        clocks: Vec::new(),
    });
    Ok(draft.decision(Outcome::Done))
}

fn device(id: DeviceId, name: &str, protocols: DeviceProtocols, now: Timestamp) -> Device {
    Device {
        id,
        name: name.to_owned(),
        declared: now,
        revoked: None,
        expires: None,
        forgotten: None,
        warned: None,
        last_poll: None,
        protocols,
        may_not_delete: false,
        collected: EmailSet::new(),
        read: EmailSet::new(),
    }
}

pub(super) fn set_unique_id_form(
    state: &State,
    form: Option<&UniqueIdForm>,
) -> Result<Decision, Refusal> {
    if state.unique_id_form() == form {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let mut draft = Draft::new(state);
    draft.push(Change::UniqueIdFormSet(form.cloned()));
    Ok(draft.decision(Outcome::Done))
}

pub(super) fn set_limits(state: &State, limits: Limits) -> Result<Decision, Refusal> {
    if state.limits() == limits {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let mut draft = Draft::new(state);
    draft.push(Change::LimitsSet(limits));
    Ok(draft.decision(Outcome::Done))
}

pub(super) fn set_hold(
    state: &State,
    hold: HoldSettings,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let old = state.hold();
    if old.is_same_as(&hold) {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let changed = if hold.is_sooner_than(&old) {
        now
    } else {
        old.changed
    };
    let mut draft = Draft::new(state);
    let mut after = state.clone();
    draft.push_on(
        &mut after,
        Change::HoldSet(HoldSettings { changed, ..hold }),
    );
    if hold.collect != old.collect {
        forget_read(&mut draft, &mut after)?;
    }
    if old.show_collected && !hold.show_collected {
        collected::hide(&mut draft, &mut after, None)?;
    }
    Ok(draft.decision(Outcome::Done))
}

/// What was read counts from the switch to `retr` on, and as long as that is set:
/// the clocks stop of what some device has not deleted.
fn forget_read(draft: &mut Draft, after: &mut State) -> Result<(), Refusal> {
    let read = collect::collected_by_reading(after);
    if after.devices().all(|device| device.read.is_empty()) {
        return Ok(());
    }
    let running = |run: &(EmailNumber, EmailNumber)| {
        let (first, last) = (run.0.0, run.1.0);
        let mut clocks = after.root.clocks.runs();
        clocks.any(|clock| clock.first <= last && first <= clock.last)
    };
    let stopped = read.runs().filter(running).map(|(first, last)| Run {
        first: first.0,
        last: last.0,
        value: None,
    });
    let clocks: Vec<Run<Option<Timestamp>>> = stopped.collect();
    if !clocks.is_empty() {
        draft.push_on(after, Change::ClocksSet { clocks });
    }
    draft.push_on(after, Change::ReadForgotten);
    collected::hide(draft, after, Some(&read))
}

pub(super) fn declare_device(
    state: &State,
    name: &str,
    protocols: DeviceProtocols,
    expires: Option<Timestamp>,
    may_not_delete: bool,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if name.is_empty() || name.len() > Device::NAME_OCTETS_MAX || name.chars().any(char::is_control)
    {
        return Err(Refusal::Invalid("a device's name has 1 to 64 octets"));
    }
    if state.device_named(name).is_some() {
        return Err(Refusal::DeviceExists);
    }
    if state.root.devices.len() >= DEVICES_MAX {
        return Err(Refusal::TooMany("devices"));
    }
    // Nobody could log in with it, and all mail would wait for it.
    if expires.is_some_and(|end| end <= now) {
        return Err(Refusal::Invalid("a device's password ends in the future"));
    }
    let id = state.root.next_device;
    let mut draft = Draft::new(state);
    let mut after = state.clone();
    let declared = Change::DeviceSet {
        device: Device {
            expires,
            may_not_delete,
            ..device(id, name, protocols, now)
        },
        // A device declared later stops no running clock.
        clocks: Vec::new(),
    };
    draft.push_on(&mut after, declared);
    forget_unused_default(&mut draft, &mut after, now)?;
    Ok(draft.decision(Outcome::DeviceDeclared { device: id }))
}

/// Who has given two programs a device of their own has none without: mail waits for
/// that no longer, unless it has been heard of, and then only once it is.
fn forget_unused_default(
    draft: &mut Draft,
    after: &mut State,
    now: Timestamp,
) -> Result<(), Refusal> {
    let counting = after.devices().filter(|device| device.counts());
    if counting
        .filter(|device| device.id != DeviceId::DEFAULT)
        .count()
        < 2
    {
        return Ok(());
    }
    let default = after.device(DeviceId::DEFAULT);
    match default.filter(|default| default.counts() && !default.was_used()) {
        Some(default) => {
            let forgotten = Device {
                forgotten: Some(now),
                ..default.record()
            };
            sweep::device_gone(draft, after, forgotten, now)
        }
        None => Ok(()),
    }
}

pub(super) fn revoke_device(
    state: &State,
    id: DeviceId,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let device = state.device(id).ok_or(Refusal::NoSuchDevice)?;
    if device.revoked.is_some() {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let revoked = Device {
        revoked: Some(now),
        ..device.record()
    };
    let mut draft = Draft::new(state);
    let mut after = state.clone();
    sweep::device_gone(&mut draft, &mut after, revoked, now)?;
    Ok(draft.decision(Outcome::Done))
}
