//! CREATE, DELETE, RENAME, SUBSCRIBE. RFC 9051 §6.3.4 to §6.3.8.
//!
//! Levels above a mailbox need no record: where none is there, LIST shows
//! \NonExistent. So CREATE makes one mailbox, and DELETE of one with inferiors
//! leaves a level behind (RFC 9051 §6.3.5).

use super::copy::{movement, rows_of};
use super::expunge::removal;
use super::{Draft, mailbox, metadata, next_uid_validity, rights};
use crate::SpecialUses;
use crate::acl::FlagRights;
use crate::changes::Change;
use crate::command::WHOLE_ROWS_MAX;
use crate::expunged::Cause;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::state::State;
use terms::{MailboxId, MailboxName, Timestamp, Uid, UidSet};

/// Mailboxes of an account at the most.
pub(super) const MAILBOXES_MAX: usize = 100_000;

/// Numbers of mailboxes have to fit the names of sections.
const MAILBOX_ID_MAX: u32 = (1 << 28) - 1;

pub(super) fn create(
    state: &State,
    name: &MailboxName,
    special_uses: SpecialUses,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if name.is_inbox() || state.mailbox_named(name).is_some() {
        return Err(Refusal::MailboxExists);
    }
    let change = creation(state, name, special_uses, false, now)?;
    let mut draft = Draft::new(state);
    draft.push(change);
    if let Some(change) = rights::inherited(state, state.root.next_mailbox, name) {
        draft.push(change);
    }
    Ok(draft.decision(Outcome::MailboxCreated {
        mailbox: state.root.next_mailbox,
    }))
}

/// The change that makes a mailbox.
pub(super) fn creation(
    state: &State,
    name: &MailboxName,
    special_uses: SpecialUses,
    subscribe: bool,
    now: Timestamp,
) -> Result<Change, Refusal> {
    if state.mailbox_count() >= MAILBOXES_MAX {
        return Err(Refusal::TooMany("mailboxes"));
    }
    if state.root.next_mailbox.0 >= MAILBOX_ID_MAX {
        return Err(Refusal::Exhausted);
    }
    Ok(Change::MailboxCreated {
        id: state.root.next_mailbox,
        name: name.clone(),
        special_uses,
        uid_validity: next_uid_validity(state.root.last_uid_validity, now)?,
        subscribe,
    })
}

pub(super) fn delete(
    state: &State,
    name: &MailboxName,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if name.is_inbox() {
        return Err(Refusal::Inbox);
    }
    let Some(record) = state.mailbox_named(name) else {
        return Err(if state.has_children(name) {
            Refusal::HasChildren
        } else {
            Refusal::NoSuchMailbox
        });
    };
    let mut draft = Draft::new(state);
    if record.counts.messages > 0 {
        let table = state.table(record.id)?;
        let rows: Vec<_> = table.rows().take(WHOLE_ROWS_MAX).collect();
        let more = table.len() > rows.len();
        if let Some(change) = removal(state, record.id, &rows, Cause::MailboxDeleted, now)? {
            draft.push(change);
        }
        if more {
            return Ok(draft.decision(Outcome::Done).with_rest(Some(Rest::Again)));
        }
    }
    draft.push(Change::MailboxDeleted { id: record.id });
    Ok(draft.decision(Outcome::Done))
}

pub(super) fn rename(
    state: &State,
    from: &MailboxName,
    to: &MailboxName,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if to.is_inbox() || state.mailbox_named(to).is_some() {
        return Err(Refusal::MailboxExists);
    }
    if from.is_inbox() {
        return rename_inbox(state, to, now);
    }
    if to.is_below(from) || from == to {
        return Err(Refusal::BadName);
    }
    let mut names = Vec::new();
    for mailbox in state.mailboxes() {
        match mailbox.name.moved(from, to) {
            None => {}
            Some(Err(_)) => return Err(Refusal::BadName),
            Some(Ok(name)) => {
                if state.mailbox_named(&name).is_some() {
                    return Err(Refusal::MailboxExists);
                }
                names.push((mailbox.id, name));
            }
        }
    }
    if names.is_empty() {
        return Err(Refusal::NoSuchMailbox);
    }
    let mut draft = Draft::new(state);
    draft.push(Change::MailboxesRenamed { names });
    Ok(draft.decision(Outcome::Done))
}

/// RFC 9051 §6.3.6: renaming INBOX moves its messages to a new mailbox; INBOX
/// stays, empty, and so do its inferiors.
fn rename_inbox(state: &State, to: &MailboxName, now: Timestamp) -> Result<Decision, Refusal> {
    let change = creation(state, to, SpecialUses::NONE, false, now)?;
    let target = state.root.next_mailbox;
    let mut draft = Draft::new(state);
    let mut after = state.clone();
    draft.push_on(&mut after, change);
    if let Some(change) = metadata::copied_from_inbox(&after, target) {
        draft.push_on(&mut after, change);
    }
    if mailbox(state, MailboxId::INBOX)?.counts.messages > 0 {
        let all = UidSet::range(Uid::MIN, Uid::MAX);
        let rows = rows_of(state, MailboxId::INBOX, (&all, false))?;
        let number = draft.next;
        draft.push(movement(
            &after,
            MailboxId::INBOX,
            (target, FlagRights::ALL),
            &rows,
            number,
            now,
        )?);
    }
    Ok(draft.decision(Outcome::MailboxCreated { mailbox: target }))
}

/// Names that one may be subscribed to at the most.
const SUBSCRIPTIONS_MAX: usize = 100_000;

pub(super) fn subscribe(
    state: &State,
    name: &MailboxName,
    subscribed: bool,
) -> Result<Decision, Refusal> {
    if state.is_subscribed(name) == subscribed {
        return Ok(Decision::nothing(Outcome::Done));
    }
    if subscribed && state.root.subscriptions.len() >= SUBSCRIPTIONS_MAX {
        return Err(Refusal::TooMany("subscriptions"));
    }
    let mut draft = Draft::new(state);
    draft.push(Change::Subscribed {
        name: name.clone(),
        subscribed,
    });
    Ok(draft.decision(Outcome::Done))
}

pub(super) fn set_special_uses(
    state: &State,
    id: MailboxId,
    special_uses: SpecialUses,
) -> Result<Decision, Refusal> {
    if mailbox(state, id)?.special_uses == special_uses {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let mut draft = Draft::new(state);
    draft.push(Change::SpecialUsesSet {
        mailbox: id,
        special_uses,
    });
    Ok(draft.decision(Outcome::Done))
}
