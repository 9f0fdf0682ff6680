//! A stored message is bound by the accounts that it is for.

use super::OverQuota;
use super::body::{Stored, Trouble};
use super::recipient::Recipient;
use crate::accounts::ExecuteError;
use crate::auth::Directory;
use crate::env::Env;
use crate::metrics::{Delivery, Service};
use crate::stream::Peer;
use account::{Command, MailboxRef, NewMessage, Refusal, Source};
use futures::future::join_all;
use proto::smtp::{EnhancedCode, Reply, ReversePath};
use proto::wire::BodyChanges;
use std::collections::BTreeMap;
use terms::{AccountId, MailboxName};
use tracing::info;

/// A message whose text is whole, and whom it is for.
pub(super) struct Letter {
    pub(super) stored: Result<Stored, Trouble>,
    pub(super) peer: Peer,
    /// As whom the client has logged in at the proxy.
    pub(super) login: Option<String>,
    pub(super) env: Env,
    pub(super) directory: Directory,
    pub(super) reverse_path: ReversePath,
    pub(super) internationalised: bool,
    pub(super) changes: BodyChanges,
    pub(super) recipients: Vec<Recipient>,
    pub(super) over_quota: OverQuota,
}

/// Has every account bind the message, all at once, and answers each recipient in
/// the order of RCPT. RFC 2033 §4.2. A reply is positive only when the message
/// is durable for that recipient.
pub(super) async fn deliver(letter: Letter) -> Vec<Reply> {
    let started = letter.env.monotonic();
    let replies = match letter.stored {
        Ok(stored) => bind(&letter, stored).await,
        Err(trouble) => vec![trouble.reply(); letter.recipients.len()],
    };
    let took = letter.env.monotonic().saturating_sub(started);
    let metrics = &letter.directory.accounts().node().metrics;
    metrics.of(Service::Lmtp).commands.observe(took);
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    for (recipient, reply) in letter.recipients.iter().zip(&replies) {
        metrics.deliveries.count(outcome(reply));
        info!(
            protocol = "lmtp",
            peer = %letter.peer,
            login = letter.login,
            from = %letter.reverse_path,
            to = %recipient.address,
            blob = letter.stored.ok().map(|stored| tracing::field::display(stored.blob)),
            octets = letter.stored.ok().map(|stored| stored.octets),
            bare_lfs = letter.changes.bare_lfs,
            nuls = letter.changes.nuls,
            code = reply.code,
            millis,
            "delivery"
        );
    }
    replies
}

async fn bind(letter: &Letter, stored: Stored) -> Vec<Reply> {
    // Several recipients may be one account: its commands follow each other,
    // those of different accounts do not wait.
    let mut accounts: BTreeMap<AccountId, Vec<usize>> = BTreeMap::new();
    for (index, recipient) in letter.recipients.iter().enumerate() {
        accounts
            .entry(recipient.account.id())
            .or_default()
            .push(index);
    }
    let bound = accounts.into_values().map(|indexes| async move {
        let mut bound = Vec::new();
        let mut replies = Vec::new();
        for index in indexes {
            if let Some(recipient) = letter.recipients.get(index) {
                replies.push((index, one(letter, stored, recipient, &mut bound).await));
            }
        }
        replies
    });
    let mut replies: Vec<_> = join_all(bound).await.into_iter().flatten().collect();
    replies.sort_unstable_by_key(|(index, _)| *index);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// Adds the message for one recipient. `bound` says where in this account it
/// lies already: who is reached by two names gets it once.
async fn one(
    letter: &Letter,
    stored: Stored,
    recipient: &Recipient,
    bound: &mut Vec<MailboxName>,
) -> Reply {
    let named = recipient.folder.clone();
    for mailbox in named.into_iter().chain([MailboxName::inbox()]) {
        if bound.contains(&mailbox) {
            return delivered(recipient, stored);
        }
        let message = new_message(letter, stored, recipient, !bound.is_empty());
        let command = Command::Append {
            mailbox: MailboxRef::Name(mailbox.clone()),
            create: false,
            messages: vec![message],
            source: Source::Delivery,
        };
        match recipient.account.execute(command).await {
            Ok(_) => {
                bound.push(mailbox);
                return delivered(recipient, stored);
            }
            // The folder has gone since RCPT.
            Err(ExecuteError::Refused(Refusal::NoSuchMailbox)) if !mailbox.is_inbox() => {}
            Err(error) => return refused(letter, recipient, error).await,
        }
    }
    Trouble::Failed.reply()
}

fn new_message(letter: &Letter, stored: Stored, recipient: &Recipient, shared: bool) -> NewMessage {
    let prefix = format!("Delivered-To: {}\r\n", recipient.address).into_bytes();
    let prefix_octets = u32::try_from(prefix.len()).unwrap_or(u32::MAX);
    let downgraded_size = if letter.internationalised {
        downgraded_size(&prefix, stored)
    } else {
        None
    };
    NewMessage {
        prefix,
        downgraded_size,
        lacks_final_crlf: stored.lacks_final_crlf,
        internationalised: letter.internationalised,
        shared,
        ..NewMessage::new(stored.blob, stored.octets.saturating_add(prefix_octets))
    }
}

/// Octets of the RFC 6858 form of prefix and blob; `None` where that is what they
/// are already.
fn downgraded_size(prefix: &[u8], stored: Stored) -> Option<u32> {
    let form = mime::downgrade(prefix);
    if form.is_none() && stored.downgraded.is_none() {
        return None;
    }
    let prefix_octets = form.map_or(prefix.len(), |form| form.len());
    let prefix_octets = u32::try_from(prefix_octets).unwrap_or(u32::MAX);
    let octets = stored.downgraded.unwrap_or(stored.octets);
    Some(octets.saturating_add(prefix_octets))
}

fn delivered(recipient: &Recipient, stored: Stored) -> Reply {
    Reply::new(
        250,
        EnhancedCode(2, 0, 0),
        format!("stored for <{}> as {}", recipient.address, stored.blob),
    )
}

async fn refused(letter: &Letter, recipient: &Recipient, error: ExecuteError<Refusal>) -> Reply {
    // Removed since RCPT: the sender is told now, not after days of trying.
    if let Ok(state) = letter.directory.fresh().await
        && state.record(recipient.account.id()).is_none()
    {
        return super::recipient::unknown_user();
    }
    match error {
        ExecuteError::Refused(Refusal::OverQuota) => over_quota(letter.over_quota),
        ExecuteError::Refused(Refusal::NoAccount) => super::recipient::unknown_user(),
        ExecuteError::Refused(Refusal::TooMany(_) | Refusal::Exhausted) => {
            Reply::new(452, EnhancedCode(4, 2, 2), "the mailbox is full")
        }
        ExecuteError::Full => Trouble::Full.reply(),
        ExecuteError::Refused(refusal) => {
            tracing::error!(%refusal, "a delivery was refused");
            Trouble::Failed.reply()
        }
        ExecuteError::Damaged | ExecuteError::Unavailable => Reply::new(
            451,
            EnhancedCode(4, 2, 0),
            "the mailbox is not available, try later",
        ),
    }
}

/// What a reply to RCPT or after the text stands for; nothing, where the client has
/// said something wrong. RFC 3463 §3.
pub(super) fn outcome(reply: &Reply) -> Option<Delivery> {
    let EnhancedCode(_, subject, detail) = reply.enhanced.unwrap_or(EnhancedCode(4, 0, 0));
    Some(match (reply.code / 100, subject, detail) {
        (2, _, _) => Delivery::Stored,
        (_, 1, 1 | 2) => Delivery::UnknownRecipient,
        (_, 2, 2) => Delivery::OverQuota,
        (_, 3, 1) => Delivery::StoreFull,
        (_, 3, 4) => Delivery::TooBig,
        (_, 5, _) => return None,
        (_, 6, _) => Delivery::Content,
        _ => Delivery::Unavailable,
    })
}

/// The account is full. RFC 5321 §4.2.3 has both codes.
pub(super) fn over_quota(kind: OverQuota) -> Reply {
    match kind {
        OverQuota::Temporary => Reply::new(452, EnhancedCode(4, 2, 2), "the mailbox is over quota"),
        OverQuota::Permanent => Reply::new(552, EnhancedCode(5, 2, 2), "the mailbox is over quota"),
    }
}
