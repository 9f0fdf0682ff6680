//! `$Collected`: the keyword that shows IMAP what all POP3 devices have collected.
//!
//! A mirror of the device table, for rows of INBOX: it is written when a clock starts
//! and never read back. Clients can neither set nor clear it, nor carry it elsewhere.

use super::{Draft, KeywordPlaces, mailbox};
use crate::EmailSet;
use crate::changes::{Change, FlagGroup};
use crate::outcome::Refusal;
use crate::persistent::Run;
use crate::rows::Row;
use crate::state::State;
use std::collections::BTreeMap;
use terms::{EmailNumber, FlagSet, Keyword, MailboxId, ModSeq, SystemFlag, Timestamp, Uid};

/// The keyword that IMAP sees on a message that POP3 has collected, where the
/// account shows it.
pub const COLLECTED: &str = "$Collected";

/// Whether it is the keyword that no client may set or clear.
pub(super) fn is_collected_keyword(keyword: &Keyword) -> bool {
    keyword.as_str().eq_ignore_ascii_case(COLLECTED)
}

/// The same flags without the keyword that no client may set or clear.
pub fn without_collected(flags: &FlagSet) -> FlagSet {
    let mut flags = flags.clone();
    let named: Vec<Keyword> = flags
        .keywords()
        .iter()
        .filter(|keyword| is_collected_keyword(keyword))
        .cloned()
        .collect();
    for keyword in named {
        flags.remove(&terms::Flag::Keyword(keyword));
    }
    flags
}

/// The change that shows these rows of INBOX as collected and starts their
/// clocks; `None` where the mailbox has no room for one more keyword.
pub(super) fn shown(
    state: &State,
    rows: &[Row<'_>],
    clocks: Vec<Run<Option<Timestamp>>>,
) -> Result<Option<Change>, Refusal> {
    let target = mailbox(state, MailboxId::INBOX)?;
    let mut places = KeywordPlaces::new(target);
    let Some(place) = Keyword::new(COLLECTED).and_then(|word| places.place(&word).ok()) else {
        return Ok(None);
    };
    let groups = groups(rows, |keywords| match keywords.binary_search(&place) {
        Ok(_) => {}
        Err(at) => keywords.insert(at, place),
    });
    Ok(Some(Change::Stored {
        mailbox: target.id,
        keywords: places.new,
        groups,
        counts: target.counts,
        clocks,
    }))
}

/// Files a change that starts these clocks, and then shows what they are of, where
/// the account wants that.
pub(super) fn push_shown(
    draft: &mut Draft,
    state: &State,
    change: Change,
    clocks: &[Run<Option<Timestamp>>],
) -> Result<ModSeq, Refusal> {
    if !state.hold().show_collected || clocks.iter().all(|run| run.value.is_none()) {
        return Ok(draft.push(change));
    }
    let mut after = state.clone();
    let number = draft.push_on(&mut after, change);
    show_started(draft, &mut after, clocks)?;
    Ok(number)
}

/// Shows what the last change has started the clocks of, where the account wants that.
pub(super) fn show_started(
    draft: &mut Draft,
    after: &mut State,
    clocks: &[Run<Option<Timestamp>>],
) -> Result<(), Refusal> {
    let mut started = EmailSet::new();
    for run in clocks.iter().filter(|run| run.value.is_some()) {
        started.insert_range(EmailNumber(run.first), EmailNumber(run.last));
    }
    if !after.hold().show_collected || started.is_empty() {
        return Ok(());
    }
    let place = Keyword::new(COLLECTED)
        .and_then(|word| mailbox(after, MailboxId::INBOX).ok()?.keyword_place(&word));
    let has = |row: &Row<'_>| place.is_some_and(|place| row.keywords.contains(&place));
    let rows = after.table(MailboxId::INBOX)?.rows();
    let rows: Vec<Row<'_>> = rows
        .filter(|row| started.contains(row.email) && !row.flags.has(SystemFlag::Flagged))
        .filter(|row| !has(row))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    if let Some(change) = shown(after, &rows, Vec::new())? {
        draft.push_on(after, change);
    }
    Ok(())
}

/// Takes the keyword from all rows that have it, or from those of these emails: the
/// account shows it no longer, or they are collected no longer.
pub(super) fn hide(
    draft: &mut Draft,
    after: &mut State,
    only: Option<&EmailSet>,
) -> Result<(), Refusal> {
    let word = Keyword::new(COLLECTED);
    let mut changes = Vec::new();
    for record in after.mailboxes() {
        let place = word.as_ref().and_then(|word| record.keyword_place(word));
        let Some(place) = place else { continue };
        let table = after.table(record.id)?;
        let rows = table
            .rows()
            .filter(|row| only.is_none_or(|only| only.contains(row.email)))
            .filter(|row| row.keywords.binary_search(&place).is_ok());
        let rows: Vec<Row<'_>> = rows.collect();
        if rows.is_empty() {
            continue;
        }
        changes.push(Change::Stored {
            mailbox: record.id,
            keywords: Vec::new(),
            groups: groups(&rows, |keywords| keywords.retain(|known| *known != place)),
            counts: record.counts,
            clocks: Vec::new(),
        });
    }
    for change in changes {
        draft.push_on(after, change);
    }
    Ok(())
}

/// Rows by the flags that they get.
fn groups(rows: &[Row<'_>], edit: impl Fn(&mut Vec<u16>)) -> Vec<FlagGroup> {
    let mut groups: BTreeMap<(u8, Vec<u16>), Vec<Uid>> = BTreeMap::new();
    for row in rows {
        let mut keywords = row.keywords.to_vec();
        edit(&mut keywords);
        let key = (row.flags.system_bits(), keywords);
        groups.entry(key).or_default().push(row.uid);
    }
    let groups = groups.into_iter();
    groups
        .map(|((system_bits, keywords), uids)| FlagGroup {
            uids: uids.into_iter().collect(),
            system_bits,
            keywords,
        })
        .collect()
}
