//! What was expunged and can be brought back.

use super::Admin;
use crate::control::message::{UndoEntry, UndoFilter, UndoListed, UndoRestored};
use crate::error::{Failure, Outcome, While as _};
use account::{Batch, Cause, Command, EmailSet, State, UndoWhich};
use mime::Derived;
use serve::Account;
use serve::accounts::ReadError;
use serve::auth::OperatorError;
use terms::{BlobId, EmailNumber, MailboxId, MailboxName, Timestamp};

/// Messages that are listed at the most.
const LISTED_MAX: usize = 10_000;
/// Derived rows that are asked for at one time.
const DERIVED_AT_ONCE: usize = 500;

/// The causes by the words that people use.
const CAUSES: [(&str, Cause); 7] = [
    ("expunge", Cause::Expunge),
    ("collected", Cause::Collected),
    ("hold", Cause::Hold),
    ("gave-way", Cause::GaveWay),
    ("mailbox-deleted", Cause::MailboxDeleted),
    ("moved-away", Cause::MovedAway),
    ("operator", Cause::Operator),
];

/// The word for a cause.
fn cause_text(cause: Cause) -> &'static str {
    let known = CAUSES.iter().find(|(_, of)| *of == cause);
    known.map_or("unknown", |(text, _)| text)
}

impl Admin {
    /// What can be brought back, the newest first.
    ///
    /// # Errors
    /// If there is no such account, or the filter names what is none.
    pub async fn undo_list(&self, text: &str, filter: &UndoFilter) -> Outcome<UndoListed> {
        let (_, account) = self.open(text).await?;
        let (state, which) = self.which(&account, filter).await?;
        let mut listed = UndoListed::default();
        let mut blobs = Vec::new();
        let expunged = state.expunged()?;
        let window = i64::from(state.hold().undo_seconds).max(86_400);
        for batch in expunged.batches().rev().filter(|batch| which.meets(batch)) {
            for row in batch.rows.iter() {
                if !which.has(row.email) {
                    continue;
                }
                if listed.messages.len() >= LISTED_MAX {
                    listed.more += 1;
                    continue;
                }
                blobs.push(row.blob);
                listed.messages.push(UndoEntry {
                    uidl: state.unique_id(row.email),
                    email_id: state.email_id(row.email),
                    mailbox: batch.name.to_string(),
                    uid: row.uid.value(),
                    expunged: batch.time.seconds(),
                    cause: cause_text(batch.cause).to_owned(),
                    octets: row.size.into(),
                    subject: String::new(),
                    kept_until: batch.time.seconds().saturating_add(window),
                });
            }
        }
        self.name_subjects(&mut listed.messages, &blobs).await?;
        Ok(listed)
    }

    async fn name_subjects(&self, messages: &mut [UndoEntry], blobs: &[BlobId]) -> Outcome {
        let parts = messages.chunks_mut(DERIVED_AT_ONCE);
        for (messages, blobs) in parts.zip(blobs.chunks(DERIVED_AT_ONCE)) {
            let derived = self.store.derived(blobs).await?;
            for (message, octets) in messages.iter_mut().zip(derived) {
                let octets = octets.unwrap_or_default();
                if let Ok(derived) = Derived::decode(&octets) {
                    message.subject = derived.base_subject.to_owned();
                }
            }
        }
        Ok(())
    }

    /// Brings messages back.
    ///
    /// # Errors
    /// If there is no such account, or nothing that could come back.
    pub async fn undo_restore(
        &self,
        text: &str,
        filter: &UndoFilter,
        keep_collected: bool,
    ) -> Outcome<UndoRestored> {
        let (name, account) = self.open(text).await?;
        let (_, which) = self.which(&account, filter).await?;
        let command = Command::Undo {
            which,
            keep_collected,
        };
        let done = account.execute(command).await;
        match done.map_err(OperatorError::from).when(name)? {
            account::Outcome::Restored { count, over_quota } => Ok(UndoRestored {
                messages: count,
                over_quota,
            }),
            _ => Err(Failure::new("the account has answered out of turn")),
        }
    }

    /// What a filter means in an account as it is.
    async fn which(
        &self,
        account: &Account,
        filter: &UndoFilter,
    ) -> Outcome<(std::sync::Arc<State>, UndoWhich)> {
        account.fresh().await?;
        let cause = match &filter.cause {
            None => None,
            Some(text) => {
                let known = CAUSES.iter().find(|(word, _)| word == text);
                let words: Vec<&str> = CAUSES.iter().map(|(word, _)| *word).collect();
                let wrong = || format!("`{text}` is no cause: write {}", words.join(", "));
                Some(known.ok_or_else(|| Failure::new(wrong()))?.1)
            }
        };
        let read = account.read(|state| {
            let expunged = state.expunged()?;
            let mut batches = expunged.batches();
            let wanted = filter.mailbox.as_ref();
            let mailbox = wanted.map(|text| mailbox(state, text, &mut batches));
            let emails = (!filter.messages.is_empty()).then(|| emails(state, &filter.messages));
            Ok((mailbox, emails))
        });
        let (state, (mailbox, emails)) = read.await.map_err(unreadable)?;
        let mailbox = match mailbox {
            None => None,
            Some(Some(mailbox)) => Some(mailbox),
            Some(None) => {
                let text = filter.mailbox.as_deref().unwrap_or_default();
                return Err(Failure::new(format!("nothing was expunged from {text}")));
            }
        };
        let emails = emails.transpose().map_err(Failure::new)?;
        Ok((
            state,
            UndoWhich {
                emails,
                mailbox,
                cause,
                since: filter.since.map(Timestamp::from_seconds),
                // To the end of the second.
                until: filter
                    .until
                    .map(|until| Timestamp::from_seconds(until).plus_millis(999)),
            },
        ))
    }
}

fn unreadable(error: ReadError) -> Failure {
    match error {
        ReadError::Refused(refusal) => Failure::from(refusal),
        ReadError::Unavailable => Failure::new("the account is not available"),
    }
}

/// The mailbox of this name, or the last that had it when something was expunged.
fn mailbox(
    state: &State,
    text: &str,
    batches: &mut dyn DoubleEndedIterator<Item = &Batch>,
) -> Option<MailboxId> {
    let name = MailboxName::new(text).ok()?;
    if let Some(mailbox) = state.mailbox_named(&name) {
        return Some(mailbox.id);
    }
    batches
        .rev()
        .find(|batch| batch.name == name)
        .map(|batch| batch.mailbox)
}

/// The messages that are named by unique-id, EMAILID or unique identifier.
fn emails(state: &State, names: &[String]) -> Result<EmailSet, String> {
    let mut found = EmailSet::new();
    let mut left: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let Ok(expunged) = state.expunged() else {
        return Err("what was expunged is not loaded".to_owned());
    };
    let mut known: Vec<(EmailNumber, u32)> = Vec::new();
    for batch in expunged.batches() {
        known.extend(batch.rows.iter().map(|row| (row.email, row.uid.value())));
    }
    for (email, uid) in known {
        let texts = [
            state.unique_id(email),
            state.email_id(email),
            uid.to_string(),
        ];
        for text in &texts {
            if names.iter().any(|name| name == text) {
                found.insert(email);
                left.remove(text.as_str());
            }
        }
    }
    match left.first() {
        None => Ok(found),
        Some(name) => Err(format!("no expunged message is called {name}")),
    }
}
