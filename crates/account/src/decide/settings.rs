//! The account itself, its limits, its hold, its devices.

use super::{Draft, collect, mailboxes};
use crate::changes::Change;
use crate::device::{Device, DeviceId, DeviceProtocols};
use crate::outcome::{Decision, Outcome, Refusal};
use crate::state::State;
use crate::{EmailSet, HoldSettings, Limits, SpecialUses};
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
    draft.push(Change::DeviceSet {
        device: device(
            DeviceId::DEFAULT,
            "default",
            DeviceProtocols {
                pop3: true,
                imap: true,
            },
            now,
        ),
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
        last_poll: None,
        protocols,
        may_not_delete: false,
        collected: EmailSet::new(),
        read: EmailSet::new(),
    }
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
    let hold = HoldSettings {
        changed: old.changed,
        ..hold
    };
    if old == hold {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let mut draft = Draft::new(state);
    draft.push(Change::HoldSet(HoldSettings {
        changed: now,
        ..hold
    }));
    Ok(draft.decision(Outcome::Done))
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
    let id = state.root.next_device;
    let mut draft = Draft::new(state);
    draft.push(Change::DeviceSet {
        device: Device {
            expires,
            may_not_delete,
            ..device(id, name, protocols, now)
        },
        // A device declared later stops no running clock.
        clocks: Vec::new(),
    });
    Ok(draft.decision(Outcome::DeviceDeclared { device: id }))
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
        collected: EmailSet::new(),
        read: EmailSet::new(),
        ..device.clone()
    };
    let mut draft = Draft::new(state);
    let clocks = if device.counts() {
        collect::clocks_without(state, id, now)?
    } else {
        Vec::new()
    };
    draft.push(Change::DeviceSet {
        device: revoked,
        clocks,
    });
    Ok(draft.decision(Outcome::Done))
}
