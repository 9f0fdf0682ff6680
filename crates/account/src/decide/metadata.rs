//! SETMETADATA. RFC 5464 §4.3.

use super::{Draft, mailbox};
use crate::changes::Change;
use crate::metadata::METADATA_LIMITS;
use crate::outcome::{Decision, Outcome, Refusal};
use crate::state::State;
use std::collections::BTreeMap;
use terms::MailboxId;

/// All entries or none.
pub(super) fn set_metadata(
    state: &State,
    of: Option<MailboxId>,
    entries: &[(String, Option<Vec<u8>>)],
) -> Result<Decision, Refusal> {
    let old = match of {
        None => &state.root.metadata,
        Some(id) => &mailbox(state, id)?.metadata,
    };
    // What is named twice has the value it was given last.
    let wanted: BTreeMap<&String, &Option<Vec<u8>>> = entries
        .iter()
        .map(|(entry, value)| (entry, value))
        .collect();
    let mut changed = Vec::new();
    let (mut count, mut octets) = (old.len(), state.metadata_octets());
    let mut grows = false;
    for (entry, value) in wanted {
        let before = old.get(entry);
        if before == value.as_ref() {
            continue;
        }
        if let Some(before) = before {
            count -= 1;
            octets = octets.saturating_sub(entry.len() + before.len());
        }
        if let Some(value) = value {
            if value.len() > METADATA_LIMITS.value_octets_max {
                return Err(Refusal::Invalid("the annotation is too long"));
            }
            count += 1;
            octets += entry.len() + value.len();
            grows |= before.is_none_or(|before| before.len() < value.len());
        }
        changed.push((entry.clone(), value.clone()));
    }
    if changed.is_empty() {
        return Ok(Decision::nothing(Outcome::Done));
    }
    let full = count > METADATA_LIMITS.entries_max || octets > METADATA_LIMITS.octets_max;
    if grows && full {
        return Err(Refusal::TooMany("annotations"));
    }
    let mut draft = Draft::new(state);
    draft.push(Change::MetadataSet {
        mailbox: of,
        entries: changed,
    });
    if let Some(id) = of {
        // RFC 7162 §3.2: it "MUST increment the per-mailbox mod-sequence", which a
        // STORE does, of no message too.
        draft.push(Change::Stored {
            mailbox: id,
            keywords: Vec::new(),
            groups: Vec::new(),
            counts: mailbox(state, id)?.counts,
            clocks: Vec::new(),
        });
    }
    Ok(draft.decision(Outcome::Done))
}

/// The change that gives a mailbox the annotations of INBOX, which keeps its own.
/// RFC 5464 §4.1.
pub(super) fn copied_from_inbox(state: &State, to: MailboxId) -> Option<Change> {
    let inbox = state.mailbox(MailboxId::INBOX)?;
    let copies = inbox.metadata.iter();
    let entries: Vec<_> = copies
        .map(|(entry, value)| (entry.clone(), Some(value.clone())))
        .collect();
    let octets: usize = inbox.metadata.iter().map(|(e, v)| e.len() + v.len()).sum();
    // Where they do not fit the mailbox is renamed without them.
    let fits = state.metadata_octets() + octets <= METADATA_LIMITS.octets_max;
    (fits && !entries.is_empty()).then_some(Change::MetadataSet {
        mailbox: Some(to),
        entries,
    })
}
