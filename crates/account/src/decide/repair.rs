//! Epoch, and the floor of the expunge log.

use super::{Draft, mailbox, next_uid_validity};
use crate::DeviceId;
use crate::changes::{Change, EpochMailbox};
use crate::outcome::{Decision, Outcome, Part, Refusal};
use crate::state::State;
use crate::transfer::TransferPart;
use terms::{EmailNumber, MailboxId, ModSeq, Timestamp, Uid};

/// By how much an Epoch lets the number of changes jump.
const NUMBER_JUMP: u64 = 1 << 32;
/// By how much an Epoch lets each UIDNEXT and the emails' numbers jump.
const UID_JUMP: u32 = 1 << 16;
/// By how much an Epoch lets the mailboxes' and devices' numbers jump.
const ID_JUMP: u32 = 1 << 10;

/// After a restore, or where acknowledged changes are known to be lost: numbers
/// jump, so that nothing is ever told twice for two things. All rows count as
/// changed and no expunge from before is known, so that clients look at all.
///
/// Numbers up to `told` may have been told. Where that is so far away that Epochs
/// are among what is lost, all that they let jump jumps as often.
pub(super) fn epoch(state: &State, told: ModSeq, now: Timestamp) -> Result<Decision, Refusal> {
    let told = told.max(state.head());
    let lost = (told.0 - state.head().0) / NUMBER_JUMP;
    let jumps = u32::try_from(lost).unwrap_or(u32::MAX).saturating_add(1);
    let mut last_validity = state.root.last_uid_validity;
    let mut mailboxes = Vec::new();
    for record in state.mailboxes() {
        if !state.is_loaded(Part::Table(record.id)) {
            return Err(Refusal::Needed(Part::Table(record.id)));
        }
        let jumped = record
            .uid_next
            .and_then(|uid| uid.value().checked_add(UID_JUMP.checked_mul(jumps)?));
        let after = match jumped.and_then(Uid::new) {
            Some(uid) => EpochMailbox {
                id: record.id,
                uid_next: Some(uid),
                uid_validity: None,
            },
            None => {
                let validity = next_uid_validity(last_validity, now)?;
                last_validity = Some(validity);
                EpochMailbox {
                    id: record.id,
                    uid_next: record.counts.messages.checked_add(1).and_then(Uid::new),
                    uid_validity: Some(validity),
                }
            }
        };
        mailboxes.push(after);
    }
    let number = told.0.saturating_add(NUMBER_JUMP);
    if number > ModSeq::MAX.0 {
        return Err(Refusal::Exhausted);
    }
    // Where identifiers are given anew, what was leaving is not known by them any
    // more: it stays.
    let stays = |id: MailboxId| {
        let mut anew = mailboxes
            .iter()
            .filter(|after| after.uid_validity.is_some());
        anew.any(|after| after.id == id)
    };
    let withdrawn: Vec<u128> = state
        .transfers()
        .filter(|(_, transfer)| match &transfer.part {
            TransferPart::Leaving { mailbox, .. } => stays(*mailbox),
            _ => false,
        })
        .map(|(operation, _)| operation)
        .collect();
    let ids = ID_JUMP.saturating_mul(jumps);
    let emails = u64::from(UID_JUMP).saturating_mul(jumps.into());
    let mut draft = Draft::new(state);
    draft.next = ModSeq(number);
    draft.push(Change::Epoch {
        mailboxes,
        next_mailbox: MailboxId(state.root.next_mailbox.0.saturating_add(ids)),
        next_device: DeviceId(state.root.next_device.0.saturating_add(ids)),
        next_email: EmailNumber(state.root.next_email.0.saturating_add(emails)),
    });
    for operation in withdrawn {
        draft.push(Change::TransferSet {
            operation,
            transfer: None,
        });
    }
    Ok(draft.decision(Outcome::Done))
}

pub(super) fn trim_expunge_log(
    state: &State,
    id: MailboxId,
    floor: ModSeq,
) -> Result<Decision, Refusal> {
    let record = mailbox(state, id)?;
    let floor = floor.min(state.head());
    if floor <= record.log_floor {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let mut draft = Draft::new(state);
    draft.push(Change::LogTrimmed { mailbox: id, floor });
    Ok(draft.decision(Outcome::Done))
}
