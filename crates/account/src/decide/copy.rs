//! COPY and MOVE. RFC 9051 §6.4.7, §6.4.8.

use super::collect::ClockRuns;
use super::expunge::trim_log;
use super::{Draft, KeywordPlaces, Tally, append, collect, collected, mailbox, next_uids, runs};
use crate::Used;
use crate::acl::FlagRights;
use crate::changes::{Change, Placed, Sums, Taken};
use crate::command::{MailboxRef, WHOLE_ROWS_MAX};
use crate::mailbox::{Counts, Mailbox};
use crate::outcome::{Decision, Outcome, Refusal};
use crate::rows::{Row, Rows};
use crate::state::State;
use std::collections::BTreeMap;
use terms::{MailboxId, ModSeq, SpecialUse, SystemFlag, Timestamp, UidSet};

/// Rows, and whether all of them must be there.
type Which<'a> = (&'a UidSet, bool);

pub(super) fn copy(
    state: &State,
    from: MailboxId,
    which: Which<'_>,
    (to, may): (&MailboxRef, FlagRights),
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let to = append::find(state, to).ok_or(Refusal::NoSuchMailbox)?;
    let (source, target) = (mailbox(state, from)?, mailbox(state, to)?);
    let rows = rows_of(state, from, which)?;
    if rows.is_empty() {
        return Ok(Decision::nothing(nothing_copied(target)));
    }
    let count = rows.len() as u64;
    let (limits, used) = (state.limits(), state.used());
    let beyond = limits
        .messages
        .is_some_and(|limit| used.messages.saturating_add(count) > limit);
    // Somebody who tidies up must not be stopped by what there is to tidy up.
    if beyond && !target.special_uses.has(SpecialUse::Trash) {
        return Err(Refusal::OverQuota);
    }
    let mut draft = Draft::new(state);
    let mut tally = Tally::new(state);
    for row in &rows {
        tally.change(row.email, |copies| {
            copies.live = copies.live.saturating_add(1)
        });
    }
    let placed = place(source, (target, may), target.counts, &rows, draft.next, now)?;
    let sums = Sums {
        used: Used {
            messages: used.messages.saturating_add(count),
            ..used
        },
        copies: tally.finish(),
        clocks: clocks_of_arrivals(state, &placed, now),
    };
    let outcome = copied(target, &rows, &placed, draft.next);
    let clocks = sums.clocks.clone();
    let change = Change::Copied { placed, sums };
    collected::push_shown(&mut draft, state, change, &clocks)?;
    Ok(draft.decision(outcome))
}

pub(super) fn move_rows(
    state: &State,
    from: MailboxId,
    which: Which<'_>,
    (to, may): (&MailboxRef, FlagRights),
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let to = append::find(state, to).ok_or(Refusal::NoSuchMailbox)?;
    let target = mailbox(state, to)?;
    let rows = rows_of(state, from, which)?;
    if rows.is_empty() {
        return Ok(Decision::nothing(nothing_copied(target)));
    }
    let mut draft = Draft::new(state);
    let change = movement(state, from, (to, may), &rows, draft.next, now)?;
    let outcome = match &change {
        Change::Moved { placed, .. } => copied(target, &rows, placed, draft.next),
        _ => Outcome::Done,
    };
    let clocks = match &change {
        Change::Moved { sums, .. } => sums.clocks.clone(),
        _ => ClockRuns::new(),
    };
    collected::push_shown(&mut draft, state, change, &clocks)?;
    trim_log(&mut draft, state.table(from)?, from);
    Ok(draft.decision(outcome))
}

/// The change that moves these rows.
pub(super) fn movement(
    state: &State,
    from: MailboxId,
    (to, may): (MailboxId, FlagRights),
    rows: &[Row<'_>],
    number: ModSeq,
    now: Timestamp,
) -> Result<Change, Refusal> {
    let (source, target) = (mailbox(state, from)?, mailbox(state, to)?);
    let mut counts = source.counts;
    for row in rows {
        counts.subtract(row.flags, row.size);
    }
    // RFC 6851 §3.3: MOVE onto itself gives the messages new identifiers.
    let before = if from == to { counts } else { target.counts };
    let placed = place(source, (target, may), before, rows, number, now)?;
    let clocks = if to == MailboxId::INBOX {
        clocks_of_arrivals(state, &placed, now)
    } else {
        clocks_of_departures(state, from, rows)?
    };
    Ok(Change::Moved {
        source: rows.iter().map(|row| row.uid).collect(),
        taken: Taken {
            mailbox: from,
            counts: if from == to { placed.counts } else { counts },
        },
        placed,
        sums: Sums {
            used: state.used(),
            copies: Vec::new(),
            clocks,
        },
    })
}

pub(super) fn rows_of<'a>(
    state: &'a State,
    from: MailboxId,
    (uids, all): Which<'a>,
) -> Result<Vec<Row<'a>>, Refusal> {
    let rows: Vec<_> = state
        .table(from)?
        .rows_in(uids)
        .take(WHOLE_ROWS_MAX + 1)
        .collect();
    if rows.len() > WHOLE_ROWS_MAX {
        return Err(Refusal::TooMany("messages"));
    }
    if all && (rows.len() as u64) < uids.count() {
        return Err(Refusal::Expunged);
    }
    Ok(rows)
}

/// Puts copies of rows into a mailbox: email, flags and internal date stay, the
/// save date is now.
fn place(
    source: &Mailbox,
    (target, may): (&Mailbox, FlagRights),
    mut counts: Counts,
    rows: &[Row<'_>],
    number: ModSeq,
    now: Timestamp,
) -> Result<Placed, Refusal> {
    let (uids, uid_next) = next_uids(target, rows.len())?;
    let mut keywords = KeywordPlaces::new(target);
    let mut copies = Rows::new();
    let bits_may = may.system_bits();
    // What mirrors the devices says something of rows of INBOX alone.
    let mirrored = source.id == MailboxId::INBOX && target.id == MailboxId::INBOX;
    // Most rows have the keywords of the row before.
    let mut recent: (&[u16], Vec<u16>) = (&[], Vec::new());
    for (row, uid) in rows.iter().zip(uids.iter()) {
        if recent.0 != row.keywords {
            // RFC 4314 §4: flags that somebody may not set are not copied.
            let copied = if may.others { row.keywords } else { &[] };
            let names = source.keyword_names(copied);
            let names = names.filter(|word| mirrored || !collected::is_collected_keyword(word));
            let places = keywords.places(names)?;
            recent = (row.keywords, places);
        }
        let copy = Row {
            uid,
            modseq: number,
            flags: row
                .flags
                .with_system_bits(row.flags.system_bits() & bits_may),
            keywords: &recent.1,
            save_date: now,
            ..*row
        };
        counts.add(copy.flags, copy.size);
        copies.push(&copy);
    }
    Ok(Placed {
        mailbox: target.id,
        rows: copies,
        keywords: keywords.new,
        uid_next,
        counts,
    })
}

fn copied(target: &Mailbox, rows: &[Row<'_>], placed: &Placed, number: ModSeq) -> Outcome {
    Outcome::Copied {
        number: Some(number),
        to: target.id,
        uid_validity: target.uid_validity,
        source: rows.iter().map(|row| row.uid).collect(),
        target: placed.rows.uids(),
    }
}

fn nothing_copied(target: &Mailbox) -> Outcome {
    Outcome::Copied {
        number: None,
        to: target.id,
        uid_validity: target.uid_validity,
        source: UidSet::new(),
        target: UidSet::new(),
    }
}

/// What comes into INBOX and was collected by all starts its clock anew; by the flags
/// that it has there, which may be fewer.
fn clocks_of_arrivals(state: &State, placed: &Placed, now: Timestamp) -> ClockRuns {
    if placed.mailbox != MailboxId::INBOX {
        return Vec::new();
    }
    let clocks: BTreeMap<_, _> = placed
        .rows
        .iter()
        .filter(|row| !row.flags.has(SystemFlag::Flagged))
        .filter(|row| collect::is_collected(state, row.email))
        .map(|row| (row.email.0, Some(now)))
        .collect();
    runs(clocks)
}

/// What leaves INBOX is out of the hold's reach.
fn clocks_of_departures(
    state: &State,
    from: MailboxId,
    rows: &[Row<'_>],
) -> Result<ClockRuns, Refusal> {
    if from != MailboxId::INBOX {
        return Ok(Vec::new());
    }
    let leaving: Vec<_> = rows.iter().map(|row| (row.email, row.uid)).collect();
    Ok(runs(collect::stopped(state, &leaving)?))
}
