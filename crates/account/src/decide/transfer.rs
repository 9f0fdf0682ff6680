//! MOVE between accounts.

use super::expunge::{removal, trim_log};
use super::{Draft, append, mailbox};
use crate::changes::Change;
use crate::command::{NewMessage, Source, WHOLE_ROWS_MAX};
use crate::expunged::Cause;
use crate::outcome::{Decision, Outcome, Refusal};
use crate::state::State;
use crate::transfer::{Transfer, TransferPart};
use terms::{AccountId, MailboxId, Timestamp, UidSet};

pub(super) fn begin(
    state: &State,
    operation: u128,
    to: AccountId,
    id: MailboxId,
    uids: &UidSet,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    mailbox(state, id)?;
    let on_its_way = |transfer: &Transfer| match &transfer.part {
        TransferPart::Leaving {
            mailbox,
            uids: others,
            ..
        } => *mailbox == id && !others.intersection(uids).is_empty(),
        _ => false,
    };
    if state.transfers().any(|(_, transfer)| on_its_way(transfer)) {
        return Err(Refusal::Invalid("the messages are on their way already"));
    }
    if state.root.transfers.len() >= Transfer::COUNT_MAX {
        return Err(Refusal::TooMany("messages on their way"));
    }
    let part = TransferPart::Leaving {
        to,
        mailbox: id,
        uids: uids.clone(),
    };
    Ok(set(state, operation, Some(Transfer { time: now, part })))
}

pub(super) fn receive(
    state: &State,
    operation: u128,
    from: AccountId,
    to: MailboxId,
    messages: &[NewMessage],
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if state.transfer(operation).is_some() {
        return Err(Refusal::Invalid("the move was withdrawn"));
    }
    let mut decision = append::append(
        state,
        &to.into(),
        false,
        messages,
        Source::Append,
        now.into(),
    )?;
    if let Some(last) = decision.changes.last() {
        let transfer = Transfer {
            time: now,
            part: TransferPart::Arrived { from },
        };
        let change = Change::TransferSet {
            operation,
            transfer: Some(transfer),
        };
        decision.changes.list.push((last.next(), change));
    }
    Ok(decision)
}

pub(super) fn finish(state: &State, operation: u128, now: Timestamp) -> Result<Decision, Refusal> {
    let nothing = || Outcome::Expunged {
        number: None,
        uids: UidSet::new(),
    };
    let Some(TransferPart::Leaving { mailbox, uids, .. }) =
        state.transfer(operation).map(|transfer| &transfer.part)
    else {
        return Ok(Decision::nothing(nothing()));
    };
    let mut draft = Draft::new(state);
    let mut outcome = nothing();
    if state.mailbox(*mailbox).is_some() {
        let table = state.table(*mailbox)?;
        let rows: Vec<_> = table.rows_in(uids).take(WHOLE_ROWS_MAX).collect();
        if let Some(change) = removal(state, *mailbox, &rows, Cause::MovedAway, now)? {
            outcome = Outcome::Expunged {
                number: Some(draft.push(change)),
                uids: rows.iter().map(|row| row.uid).collect(),
            };
            trim_log(&mut draft, table, *mailbox);
        }
    }
    draft.push(Change::TransferSet {
        operation,
        transfer: None,
    });
    Ok(draft.decision(outcome))
}

pub(super) fn forget(state: &State, operation: u128) -> Decision {
    match state.transfer(operation) {
        Some(_) => set(state, operation, None),
        None => Decision::nothing(Outcome::Done),
    }
}

pub(super) fn withdraw(
    state: &State,
    operation: u128,
    from: AccountId,
    now: Timestamp,
) -> Decision {
    match state.transfer(operation).map(|transfer| &transfer.part) {
        Some(TransferPart::Arrived { .. }) => Decision::nothing(Outcome::Arrived),
        Some(_) => Decision::nothing(Outcome::Done),
        None => {
            let part = TransferPart::Withdrawn { from };
            set(state, operation, Some(Transfer { time: now, part }))
        }
    }
}

fn set(state: &State, operation: u128, transfer: Option<Transfer>) -> Decision {
    let mut draft = Draft::new(state);
    draft.push(Change::TransferSet {
        operation,
        transfer,
    });
    draft.decision(Outcome::Done)
}
