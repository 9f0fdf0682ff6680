//! `$Collected`: the keyword that shows IMAP what all POP3 devices have collected.
//!
//! A mirror of the device table: it is written when a clock starts and never read
//! back. Clients can neither set nor clear it.

use super::{Draft, KeywordPlaces, mailbox};
use crate::changes::{Change, FlagGroup};
use crate::outcome::Refusal;
use crate::persistent::Run;
use crate::rows::Row;
use crate::state::State;
use std::collections::BTreeMap;
use terms::{FlagSet, Keyword, MailboxId, Timestamp, Uid};

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

/// Takes the keyword from all rows of the account that have it: the account shows
/// it no longer.
pub(super) fn hide(draft: &mut Draft, after: &mut State) -> Result<(), Refusal> {
    let word = Keyword::new(COLLECTED);
    let mut changes = Vec::new();
    for record in after.mailboxes() {
        let place = word.as_ref().and_then(|word| record.keyword_place(word));
        let Some(place) = place else { continue };
        let table = after.table(record.id)?;
        let rows = table
            .rows()
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
