//! Deliveries and APPEND. RFC 9051 §6.3.12.

use super::{Draft, KeywordPlaces, collected, mailbox, mailboxes, next_uids};
use crate::changes::{Change, Placed};
use crate::command::{MailboxRef, NewMessage, Source, WHOLE_ROWS_MAX};
use crate::maildrop::is_unique_id;
use crate::moment::Moment;
use crate::outcome::{Decision, Outcome, Refusal};
use crate::rows::{Row, RowFlags, Rows};
use crate::state::State;
use crate::unique_id::Free;
use crate::{SpecialUses, Used};
use std::borrow::Cow;
use std::collections::BTreeMap;
use terms::{BlobId, EmailNumber, InternalDate, MailboxId, ModSeq, Timestamp};

pub(super) fn append(
    state: &State,
    to: &MailboxRef,
    create: bool,
    messages: &[NewMessage],
    source: Source,
    moment: Moment,
) -> Result<Decision, Refusal> {
    let now = moment.now;
    check(messages)?;
    let mut draft = Draft::new(state);
    let mut state = Cow::Borrowed(state);
    let id = match (find(&state, to), to) {
        (Some(id), _) => id,
        (None, MailboxRef::Name(name)) if create => {
            let change = mailboxes::creation(&state, name, SpecialUses::NONE, true, now)?;
            draft.push_on(state.to_mut(), change);
            find(&state, to).ok_or(Refusal::NoSuchMailbox)?
        }
        _ => return Err(Refusal::NoSuchMailbox),
    };
    let octets = messages.iter().map(|message| u64::from(message.size)).sum();
    let wanted = Used {
        octets,
        messages: messages.len() as u64,
    };
    if !has_room(&state, wanted, source) {
        let way = match source {
            Source::Delivery => super::sweep::give_way(&state, wanted, moment)?,
            Source::Append | Source::Import => None,
        };
        match way {
            Some(change) => {
                draft.push_on(state.to_mut(), change);
            }
            None if source == Source::Delivery && has_grace(&state, wanted) => {}
            None => return Err(Refusal::OverQuota),
        }
    }
    place(&state, draft, id, messages, now)
}

fn check(messages: &[NewMessage]) -> Result<(), Refusal> {
    if messages.is_empty() {
        return Err(Refusal::Invalid("no message to append"));
    }
    if messages.len() > WHOLE_ROWS_MAX {
        return Err(Refusal::TooMany("messages"));
    }
    for message in messages {
        if message.prefix.len() > NewMessage::PREFIX_OCTETS_MAX {
            return Err(Refusal::Invalid("the prefix is too long"));
        }
        if (message.size as usize) < message.prefix.len() {
            return Err(Refusal::Invalid("the size is below the prefix's"));
        }
        if message
            .unique_id
            .as_ref()
            .is_some_and(|id| !is_unique_id(id))
        {
            return Err(Refusal::Invalid("the unique-id is not legal"));
        }
    }
    Ok(())
}

/// The mailbox that is meant, if there is one.
pub(super) fn find(state: &State, mailbox: &MailboxRef) -> Option<MailboxId> {
    match mailbox {
        MailboxRef::Id(id) => state.mailbox(*id).map(|mailbox| mailbox.id),
        MailboxRef::Name(name) => state.mailbox_named(name).map(|mailbox| mailbox.id),
    }
}

fn has_room(state: &State, wanted: Used, source: Source) -> bool {
    let (limits, used) = (state.limits(), state.used());
    let fits = |limit: Option<u64>, used: u64, wanted: u64| {
        limit.is_none_or(|limit| used.saturating_add(wanted) <= limit)
    };
    source == Source::Import
        || (fits(limits.octets, used.octets, wanted.octets)
            && fits(limits.messages, used.messages, wanted.messages))
}

/// One message may go beyond, as long as the limits are not reached before it.
fn has_grace(state: &State, wanted: Used) -> bool {
    let (limits, used) = (state.limits(), state.used());
    wanted.messages == 1
        && limits.octets.is_none_or(|limit| used.octets < limit)
        && limits.messages.is_none_or(|limit| used.messages < limit)
}

fn place(
    state: &State,
    mut draft: Draft,
    id: MailboxId,
    messages: &[NewMessage],
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let target = mailbox(state, id)?;
    let (uids, uid_next) = next_uids(target, messages.len())?;
    let first_email = state.root.next_email;
    let mut keywords = KeywordPlaces::new(target);
    let mut rows = Rows::new();
    let mut counts = target.counts;
    let mut used = state.used();
    let mut unique_ids = Vec::new();
    let mut free = Free::new(state, messages.len());
    let mut shared: BTreeMap<BlobId, u32> = BTreeMap::new();
    let number = draft.next;
    for ((message, uid), offset) in messages.iter().zip(uids.iter()).zip(0..) {
        let email = EmailNumber(first_email.0.saturating_add(offset));
        let places = keywords.of(&collected::without_collected(&message.flags))?;
        let row = row(message, uid, email, number, &places, now);
        counts.add(row.flags, row.size);
        used.octets = used.octets.saturating_add(u64::from(row.size));
        used.messages = used.messages.saturating_add(1);
        let form = state.unique_id_form();
        let made = || form.map(|form| form.make(target.uid_validity, uid));
        if let Some(text) = message.unique_id.clone().or_else(made) {
            unique_ids.push((email, free.take(&text)));
        }
        if message.shared {
            let known = state.root.shared.get(&message.blob).copied().unwrap_or(0);
            let more = shared.entry(message.blob).or_insert(known);
            *more = more.saturating_add(1);
        }
        draft.changes.binds.push(message.blob);
        rows.push(&row);
    }
    draft.push(Change::Appended {
        placed: Placed {
            mailbox: id,
            rows,
            keywords: keywords.new,
            uid_next,
            counts,
        },
        next_email: EmailNumber(first_email.0.saturating_add(messages.len() as u64)),
        unique_ids,
        shared: shared.into_iter().collect(),
        used,
    });
    draft.changes.binds.sort_unstable();
    draft.changes.binds.dedup();
    Ok(draft.decision(Outcome::Appended {
        mailbox: id,
        uid_validity: target.uid_validity,
        uids,
        first_email,
    }))
}

fn row<'a>(
    message: &'a NewMessage,
    uid: terms::Uid,
    email: EmailNumber,
    modseq: ModSeq,
    keywords: &'a [u16],
    now: Timestamp,
) -> Row<'a> {
    Row {
        uid,
        blob: message.blob,
        email,
        modseq,
        flags: RowFlags::new(
            message.flags.system_bits(),
            message.lacks_final_crlf,
            message.internationalised,
        ),
        keywords,
        internal_date: message.internal_date.unwrap_or(InternalDate::utc(now)),
        save_date: now,
        size: message.size,
        prefix: &message.prefix,
        downgraded_size: message.downgraded_size,
    }
}
