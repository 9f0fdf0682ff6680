//! EXPUNGE. RFC 9051 §6.4.3, §6.4.9.

use super::store::from_on;
use super::{Draft, Tally, collect, mailbox, runs};
use crate::changes::{Change, Sums, Taken};
use crate::command::{COMMIT_ROWS_MAX, Which};
use crate::expunge_log::ExpungeLog;
use crate::expunged::Cause;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::rows::{Row, Rows};
use crate::state::State;
use crate::table::Table;
use terms::{MailboxId, SystemFlag, Timestamp, Uid, UidSet};

pub(super) fn expunge(
    state: &State,
    id: MailboxId,
    which: &Which,
    deleted_only: bool,
    cause: Cause,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let record = mailbox(state, id)?;
    let nothing = || {
        Ok(Decision::nothing(Outcome::Expunged {
            number: None,
            uids: UidSet::new(),
        }))
    };
    // Most CLOSEs find nothing: they need no table.
    if record.counts.messages == 0 || (deleted_only && record.counts.deleted == 0) {
        return nothing();
    }
    let table = state.table(id)?;
    let all = UidSet::range(Uid::MIN, Uid::MAX);
    let uids = match which {
        Which::All => &all,
        Which::Uids(uids) => uids,
    };
    let mut rows = table
        .rows_in(uids)
        .filter(|row| !deleted_only || row.flags.has(SystemFlag::Deleted));
    let taken = rows.by_ref().take(COMMIT_ROWS_MAX).collect::<Vec<_>>();
    let rest = rows.next().map(|row| match which {
        Which::All => Rest::Again,
        Which::Uids(uids) => Rest::Uids(from_on(uids, row.uid)),
    });
    let Some(change) = removal(state, id, &taken, cause, now)? else {
        return nothing();
    };
    let mut draft = Draft::new(state);
    let uids = taken.iter().map(|row| row.uid).collect();
    let number = Some(draft.push(change));
    trim_log(&mut draft, table, id);
    Ok(draft
        .decision(Outcome::Expunged { number, uids })
        .with_rest(rest))
}

/// Forgets the oldest expunges of a mailbox where there are more than is kept, a
/// tenth of them at a time.
pub(super) fn trim_log(draft: &mut Draft, table: &Table, mailbox: MailboxId) {
    let log = table.expunge_log();
    let most = ExpungeLog::ENTRIES_MAX;
    if log.len() > most + most / 10
        && let Some((floor, _)) = log.entries().nth(log.len() - most)
    {
        draft.push(Change::LogTrimmed { mailbox, floor });
    }
}

/// The change that takes these rows, ascending, out of a mailbox; `None` if there
/// are none.
pub(super) fn removal(
    state: &State,
    id: MailboxId,
    taken: &[Row<'_>],
    cause: Cause,
    now: Timestamp,
) -> Result<Option<Change>, Refusal> {
    if taken.is_empty() {
        return Ok(None);
    }
    let record = mailbox(state, id)?;
    let mut counts = record.counts;
    let mut used = state.used();
    let mut tally = Tally::new(state);
    let mut rows = Rows::new();
    let mut leaving = Vec::new();
    let mut with_keywords = false;
    for row in taken {
        counts.subtract(row.flags, row.size);
        used.messages = used.messages.saturating_sub(1);
        let copies = tally.change(row.email, |copies| {
            copies.live = copies.live.saturating_sub(1);
            copies.expunged = copies.expunged.saturating_add(1);
        });
        if copies.live == 0 {
            used.octets = used.octets.saturating_sub(u64::from(row.size));
        }
        if id == MailboxId::INBOX {
            leaving.push((row.email, row.uid));
        }
        with_keywords |= !row.keywords.is_empty();
        rows.push(row);
    }
    let keywords = if with_keywords {
        record.keywords.to_vec()
    } else {
        Vec::new()
    };
    Ok(Some(Change::Expunged {
        time: now,
        cause,
        name: record.name.clone(),
        keywords,
        rows,
        taken: Taken {
            mailbox: id,
            counts,
        },
        sums: Sums {
            used,
            copies: tally.finish(),
            clocks: runs(collect::stopped(state, &leaving)?),
        },
    }))
}
