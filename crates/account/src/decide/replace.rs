//! REPLACE. RFC 8508 §3.

use super::{append, expunge};
use crate::command::{MailboxRef, NewMessage, Source, Which};
use crate::expunged::Cause;
use crate::outcome::{Decision, Outcome, Refusal};
use crate::state::State;
use std::slice;
use terms::{MailboxId, Timestamp, Uid, UidSet};

/// The expunge is decided first, so that the new message may take the room of the
/// old one. Both go out in one commit.
pub(super) fn replace(
    state: &State,
    from: MailboxId,
    uid: Uid,
    to: &MailboxRef,
    message: &NewMessage,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let which = Which::Uids(UidSet::single(uid));
    let gone = expunge::expunge(state, from, &which, false, Cause::Expunge, now)?;
    if !matches!(&gone.outcome, Outcome::Expunged { uids, .. } if uids.contains(uid)) {
        return Err(Refusal::Expunged);
    }
    let mut changes = gone.changes;
    let mut after = state.clone();
    for (number, change) in &changes.list {
        after.apply_one(*number, change);
    }
    let messages = slice::from_ref(message);
    let added = append::append(&after, to, false, messages, Source::Append, now.into())?;
    changes.extend(added.changes);
    Ok(Decision {
        changes,
        outcome: added.outcome,
        rest: None,
    })
}
