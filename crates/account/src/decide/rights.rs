//! SETACL and DELETEACL. RFC 4314 §3.1, §3.2.

use super::{Draft, mailbox};
use crate::acl::{Grantee, Identifier, Rights};
use crate::changes::Change;
use crate::mailbox::Mailbox;
use crate::outcome::{Decision, Outcome, Refusal};
use crate::state::State;
use terms::{MailboxId, MailboxName, StoreMode};

/// Entries of all lists of rights of an account: they are always loaded.
const ACCOUNT_RIGHTS_MAX: usize = 10_000;

pub(super) fn set_rights(
    state: &State,
    id: MailboxId,
    identifier: Identifier,
    mode: StoreMode,
    rights: Rights,
) -> Result<Decision, Refusal> {
    if identifier.grantee == Grantee::Account(state.account()) {
        return Err(Refusal::Invalid("the owner has all rights, always"));
    }
    let record = mailbox(state, id)?;
    let old = record.rights_at(identifier);
    let new = match mode {
        StoreMode::Replace => rights,
        StoreMode::Add => old.and(rights),
        StoreMode::Remove => old.without(rights),
    };
    if new == old {
        return Ok(Decision::nothing(Outcome::Done));
    }
    if old.is_empty() {
        let all: usize = state.mailboxes().map(|mailbox| mailbox.acl.len()).sum();
        if record.acl.len() >= Mailbox::RIGHTS_MAX || all >= ACCOUNT_RIGHTS_MAX {
            return Err(Refusal::TooMany("entries in the list of rights"));
        }
    }
    let mut draft = Draft::new(state);
    draft.push(Change::RightsSet {
        mailbox: id,
        rights: vec![(identifier.text(), new.bits())],
    });
    Ok(draft.decision(Outcome::Done))
}

/// The change that gives a new mailbox the rights of the one that it lies below.
pub(super) fn inherited(state: &State, id: MailboxId, name: &MailboxName) -> Option<Change> {
    let mut level = name.parent();
    while let Some(name) = level {
        if let Some(above) = state.mailbox_named(&name) {
            let all: usize = state.mailboxes().map(|mailbox| mailbox.acl.len()).sum();
            let rights = above.acl.iter().map(|(text, bits)| (text.clone(), *bits));
            let fits = all + above.acl.len() <= ACCOUNT_RIGHTS_MAX;
            return (fits && !above.acl.is_empty()).then(|| Change::RightsSet {
                mailbox: id,
                rights: rights.collect(),
            });
        }
        level = name.parent();
    }
    None
}
