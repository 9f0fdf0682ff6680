//! QRESYNC: what a client has missed of a mailbox that it comes back to.
//! RFC 7162 §3.2.5.

use super::selected::{Selected, Shown};
use crate::stream::{Stream, StreamError};
use account::{Mailbox, State};
use proto::imap::{QResync, response};
use terms::{ModSeq, Uid, UidSet};

/// Tells what was expunged, and what has changed, since the client was there. The
/// mailbox has just been opened, and described.
pub(super) async fn resync(
    stream: &mut Stream,
    selected: &mut Selected,
    state: &State,
    known: &QResync,
    shown: Shown,
) -> Result<(), StreamError> {
    if known.uid_validity != selected.view.uid_validity() {
        // "MUST ignore the remaining parameters and behave as if no dynamic message
        // data changed."
        return Ok(());
    }
    // Without a set: "1:<maxuid>".
    let all = || state.mailbox(selected.mailbox()).map(all_given);
    let asked = known.known_uids.clone().or_else(all).unwrap_or_default();
    let mut among = asked.clone();
    if let Some(last) = known
        .matches
        .as_ref()
        .and_then(|(numbers, uids)| last_match(selected, numbers, uids))
    {
        among.remove_range(Uid::MIN, last);
    }
    let mut out = Vec::new();
    let gone = expunged_since(state, selected, known.modseq, &among);
    // Before the FETCHes, or "the client might get confused about how message
    // numbers map to UIDs" (§3.2.6).
    response::vanished(&mut out, true, &gone);
    stream.send(&out).await?;
    let changed = match state.table(selected.mailbox()) {
        Ok(table) => table
            .changed_since(known.modseq)
            .map(|row| row.uid)
            .collect(),
        Err(_) => UidSet::new(),
    };
    let changed = asked.intersection(&changed);
    selected.write_rows(stream, state, &changed, shown).await
}

/// The last identifier that was given in the mailbox.
pub(super) fn last_given(record: &Mailbox) -> Option<Uid> {
    match record.uid_next {
        Some(next) => Uid::new(next.value() - 1),
        None => Some(Uid::MAX),
    }
}

/// All identifiers that were given in the mailbox.
fn all_given(record: &Mailbox) -> UidSet {
    last_given(record).map_or_else(UidSet::new, |last| UidSet::range(Uid::MIN, last))
}

/// Those of `among` that were expunged after `since`, but for those that the
/// session still counts: it is told of these by itself (§3.2.10.2). Where the log
/// of expunges does not reach back so far, all that is not there.
pub(super) fn expunged_since(
    state: &State,
    selected: &Selected,
    since: ModSeq,
    among: &UidSet,
) -> UidSet {
    let (Some(record), Ok(table)) = (
        state.mailbox(selected.mailbox()),
        state.table(selected.mailbox()),
    ) else {
        return UidSet::new();
    };
    let gone = match table.expunged_since(since) {
        Some(gone) => among.intersection(&gone),
        None => among
            .intersection(&all_given(record))
            .difference(&table.uids()),
    };
    gone.difference(&selected.view.uids())
}

/// The last identifier that the client knows by the right message number: of all
/// up to it, it knows what was expunged. RFC 7162 §3.2.5.2.
fn last_match(selected: &Selected, numbers: &UidSet, uids: &UidSet) -> Option<Uid> {
    // A number that is not there matches nothing; what is left is no longer than
    // the mailbox.
    let exists = Uid::new(selected.view.exists())?;
    let numbers = numbers.intersection(&UidSet::range(Uid::MIN, exists));
    let pairs = numbers.iter().zip(uids.iter());
    let right = pairs.filter(|(number, uid)| selected.view.number(*uid) == Some(number.value()));
    right.map(|(_, uid)| uid).last()
}
