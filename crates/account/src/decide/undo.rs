//! Bringing back what was expunged.

use super::{Ascending, Draft, KeywordPlaces, Tally, collected, mailbox, next_uids, runs};
use crate::EmailSet;
use crate::changes::{Change, Placed, Sums};
use crate::command::{COMMIT_ROWS_MAX, UndoWhich};
use crate::expunged::Batch;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::rows::{Row, Rows};
use crate::state::State;
use std::collections::BTreeMap;
use terms::{MailboxId, ModSeq, SystemFlag, Timestamp, UidSet};

pub(super) fn undo(
    state: &State,
    which: &UndoWhich,
    keep_collected: bool,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let list = state.expunged()?;
    let mut after = state.clone();
    let mut draft = Draft::new(state);
    let mut count = 0;
    let mut rest = None;
    for batch in list.batches().filter(|batch| which.meets(batch)) {
        let rows: Vec<_> = batch
            .rows
            .iter()
            .filter(|row| {
                which
                    .emails
                    .as_ref()
                    .is_none_or(|emails| emails.contains(row.email))
            })
            .collect();
        if rows.is_empty() {
            continue;
        }
        if count > 0 && count + rows.len() > COMMIT_ROWS_MAX {
            rest = Some(Rest::Again);
            break;
        }
        count += rows.len();
        let change = restoration(&after, batch, &rows, keep_collected, draft.next, now)?;
        let clocks = match &change {
            Change::Restored { sums, .. } => sums.clocks.clone(),
            _ => Vec::new(),
        };
        draft.push_on(&mut after, change);
        collected::show_started(&mut draft, &mut after, &clocks)?;
        if !keep_collected {
            // Other rows of theirs may stand in INBOX.
            let emails = rows.iter().map(|row| row.email).collect();
            collected::hide(&mut draft, &mut after, Some(&emails))?;
        }
    }
    if count == 0 {
        return Err(Refusal::NothingToRestore);
    }
    let (limits, used) = (after.limits(), after.used());
    let over_quota = limits.octets.is_some_and(|limit| used.octets > limit)
        || limits.messages.is_some_and(|limit| used.messages > limit);
    Ok(draft
        .decision(Outcome::Restored {
            count: count as u64,
            over_quota,
        })
        .with_rest(rest))
}

impl UndoWhich {
    /// Whether this email is meant, if its batch is.
    pub fn has(&self, email: terms::EmailNumber) -> bool {
        self.emails
            .as_ref()
            .is_none_or(|emails| emails.contains(email))
    }

    /// Whether rows of this batch are meant.
    pub fn meets(&self, batch: &Batch) -> bool {
        self.mailbox.is_none_or(|mailbox| mailbox == batch.mailbox)
            && self.cause.is_none_or(|cause| cause == batch.cause)
            && self.since.is_none_or(|since| since <= batch.time)
            && self.until.is_none_or(|until| batch.time <= until)
    }
}

/// The change that brings these rows of a batch back: into the old mailbox, else
/// INBOX; with new identifiers, without \Deleted, the emails as they were.
fn restoration(
    state: &State,
    batch: &Batch,
    rows: &[Row<'_>],
    keep_collected: bool,
    number: ModSeq,
    now: Timestamp,
) -> Result<Change, Refusal> {
    let target = match state.mailbox(batch.mailbox) {
        Some(target) => target,
        None => mailbox(state, MailboxId::INBOX)?,
    };
    let (uids, uid_next) = next_uids(target, rows.len())?;
    let mut keywords = KeywordPlaces::new(target);
    let mut counts = target.counts;
    let mut used = state.used();
    let mut tally = Tally::new(state);
    let mut restored = Rows::new();
    let mut taken = Ascending::default();
    let mut clocks = BTreeMap::new();
    let mirrors = keep_collected && target.id == MailboxId::INBOX && state.hold().show_collected;
    for (row, uid) in rows.iter().zip(uids.iter()) {
        let keeps_mirror = mirrors && super::is_collected(state, row.email);
        let names = row.keywords.iter();
        let names = names.filter_map(|&place| batch.keywords.get(usize::from(place)));
        let names = names.filter(|word| keeps_mirror || !collected::is_collected_keyword(word));
        let places = keywords.places(names)?;
        let deleted = 1 << (SystemFlag::Deleted as u8);
        let row_back = Row {
            uid,
            modseq: number,
            flags: row
                .flags
                .with_system_bits(row.flags.system_bits() & !deleted),
            keywords: &places,
            save_date: now,
            ..*row
        };
        let copies = tally.change(row.email, |copies| {
            copies.live = copies.live.saturating_add(1);
            copies.expunged = copies.expunged.saturating_sub(1);
        });
        if copies.live == 1 {
            used.octets = used.octets.saturating_add(u64::from(row.size));
        }
        used.messages = used.messages.saturating_add(1);
        counts.add(row_back.flags, row_back.size);
        let in_reach = target.id == MailboxId::INBOX && !row.flags.has(SystemFlag::Flagged);
        if !keep_collected && state.clock(row.email).is_some() {
            // Another row of it is in INBOX, and no device has collected it now.
            clocks.insert(row.email.0, None);
        } else if keep_collected && in_reach && super::is_collected(state, row.email) {
            clocks.insert(row.email.0, Some(now));
        }
        taken.push(row.uid);
        restored.push(&row_back);
    }
    let taken = taken.finish();
    let uncollected = if keep_collected {
        EmailSet::new()
    } else {
        rows.iter().map(|row| row.email).collect()
    };
    let oldest = oldest_without(state, batch, &taken)?;
    Ok(Change::Restored {
        of: batch.number,
        from: batch.mailbox,
        uids: taken,
        placed: Placed {
            mailbox: target.id,
            rows: restored,
            keywords: keywords.new,
            uid_next,
            counts,
        },
        sums: Sums {
            used,
            copies: tally.finish(),
            clocks: runs(clocks),
        },
        uncollected,
        oldest,
    })
}

/// When the oldest was expunged of what is left.
fn oldest_without(
    state: &State,
    gone: &Batch,
    uids: &UidSet,
) -> Result<Option<Timestamp>, Refusal> {
    let left = state.expunged()?.batches().filter(|batch| {
        batch.number != gone.number
            || batch.mailbox != gone.mailbox
            || batch.rows.uids().iter().any(|&uid| !uids.contains(uid))
    });
    Ok(left.map(|batch| batch.time).min())
}
