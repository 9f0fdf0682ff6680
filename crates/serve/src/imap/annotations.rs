//! METADATA unasked, after ENABLE METADATA: "if server or mailbox annotations are
//! changed by a third-party" (RFC 5464 §4.4), of all mailboxes that the user may see.

use super::metadata::{ANNOTATED, Of, is_private};
use super::place::{SHARERS_MAX, shown};
use super::user::User;
use crate::accounts::Account;
use crate::stream::{Stream, StreamError};
use account::{Metadata, Rights, State};
use proto::imap::response;
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{AccountId, MailboxName, ModSeq};

/// Names, and what they are set to; `None`: removed.
type Entries = Vec<(String, Option<Vec<u8>>)>;

/// The annotations that a session has been told of.
pub(super) struct Annotations {
    /// Those of the user's own account.
    own: Known,
    /// Those of accounts that share something with the user.
    others: BTreeMap<AccountId, Other>,
    /// The directory that says which those are; `None`: not looked at yet.
    as_of: Option<ModSeq>,
    /// What the command that runs has set, and of what: its session knows.
    set: Option<(AccountId, Of, Entries)>,
}

/// Another user's account.
struct Other {
    account: Account,
    owner: Arc<str>,
    known: Known,
}

impl Annotations {
    fn new(own: &State) -> Self {
        Self {
            own: Known::of(own),
            others: BTreeMap::new(),
            as_of: None,
            set: None,
        }
    }

    /// The session itself has set these.
    pub(super) fn was_set(&mut self, account: AccountId, of: Of, entries: Entries) {
        self.set = Some((account, of, entries));
    }

    /// The accounts of others that are followed.
    pub(super) fn others(&self) -> impl Iterator<Item = &Account> {
        self.others.values().map(|other| &other.account)
    }
}

impl User {
    /// From now on the session hears of annotations that others change. RFC 5464
    /// §4.4.
    pub(super) fn enable_metadata(&mut self) {
        if self.annotations.is_none() {
            let annotations = Annotations::new(&self.account.snapshot());
            self.annotations = Some(Box::new(annotations));
        }
    }

    /// Tells which annotations others have changed. RFC 5464 §4.4.2.
    pub(super) async fn tell_metadata(&mut self, stream: &mut Stream) -> Result<(), StreamError> {
        let Some(mut annotations) = self.annotations.take() else {
            return Ok(());
        };
        self.follow(&mut annotations).await;
        let set = annotations.set.take();
        let set_in = |id| {
            let set = set.as_ref().filter(|(account, ..)| *account == id);
            set.map(|(_, of, entries)| (*of, entries))
        };
        let mut out = Vec::new();
        let utf8 = self.enabled.utf8;
        let state = self.account.snapshot();
        for (name, entries) in annotations.own.advance(&state, set_in(state.account())) {
            let name = name.as_ref().map(|(name, _)| name);
            let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
            response::metadata_changed(&mut out, name, entries, utf8);
        }
        for other in annotations.others.values_mut() {
            let state = other.account.snapshot();
            for (mailbox, entries) in other.known.advance(&state, set_in(state.account())) {
                let Some((name, of)) = mailbox else {
                    // The other user's server annotations are none of ours.
                    continue;
                };
                let may = state
                    .mailbox(of)
                    .map(|record| self.rights_on(&state, record));
                let sees = |may: Rights| may.has(Rights::LOOKUP) && may.has_any(ANNOTATED);
                let entries = entries.iter().map(String::as_str);
                let entries: Vec<&str> = entries.filter(|entry| !is_private(entry)).collect();
                if let Some(name) = shown(&other.owner, &name)
                    && may.is_some_and(sees)
                    && !entries.is_empty()
                {
                    response::metadata_changed(&mut out, Some(&name), entries, utf8);
                }
            }
        }
        self.annotations = Some(annotations);
        stream.send(&out).await
    }

    /// Sees to it that those are followed who share something with the user now. What
    /// comes newly is known as it is.
    async fn follow(&self, annotations: &mut Annotations) {
        let directory = self.directory.snapshot();
        if annotations.as_of == Some(directory.head()) {
            return;
        }
        let sharers = directory.sharers(self.account.id());
        let mut before = std::mem::take(&mut annotations.others);
        for id in sharers.take(SHARERS_MAX) {
            if let Some(other) = before.remove(&id) {
                annotations.others.insert(id, other);
            } else if let Ok(Some((account, owner))) = self.open_owner(&directory, id).await {
                let known = Known::of(&account.snapshot());
                let other = Other {
                    account,
                    owner,
                    known,
                };
                annotations.others.insert(id, other);
            }
        }
        annotations.as_of = Some(directory.head());
    }
}

/// What is known of the annotations of one account.
struct Known {
    /// All changes up to this one.
    seen: ModSeq,
    all: BTreeMap<Of, Metadata>,
}

/// A mailbox, or `None` for the account itself, and the entries that have changed.
type Changed = (Option<(MailboxName, terms::MailboxId)>, Vec<String>);

impl Known {
    fn of(state: &State) -> Self {
        let account = state.metadata(None).map(|metadata| (None, metadata));
        let mailboxes = state
            .mailboxes()
            .map(|mailbox| (Some(mailbox.id), &mailbox.metadata));
        Self {
            seen: state.metadata_changed(),
            all: account
                .into_iter()
                .chain(mailboxes.filter(|(_, metadata)| !metadata.is_empty()))
                .map(|(of, metadata)| (of, Arc::clone(metadata)))
                .collect(),
        }
    }

    /// Moves on to `state`; gives what has changed but for what the session itself has
    /// set.
    fn advance(&mut self, state: &State, set: Option<(Of, &Entries)>) -> Vec<Changed> {
        if state.metadata_changed() <= self.seen {
            return Vec::new();
        }
        let old = std::mem::replace(self, Self::of(state));
        let none = Metadata::default();
        let mut keys: Vec<Of> = self.all.keys().chain(old.all.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        let mut all = Vec::new();
        for of in keys {
            let record = of.and_then(|id| state.mailbox(id));
            if of.is_some() && record.is_none() {
                // It went, and its annotations with it.
                continue;
            }
            let before = old.all.get(&of).unwrap_or(&none);
            let now = self.all.get(&of).unwrap_or(&none);
            if Arc::ptr_eq(before, now) {
                continue;
            }
            let mut changed: Vec<String> = before
                .keys()
                .chain(now.keys())
                .filter(|entry| before.get(*entry) != now.get(*entry))
                .filter(|entry| !was_set(set, of, entry, now.get(*entry)))
                .cloned()
                .collect();
            changed.sort_unstable();
            changed.dedup();
            if !changed.is_empty() {
                all.push((
                    record.map(|record| (record.name.clone(), record.id)),
                    changed,
                ));
            }
        }
        all
    }
}

/// Whether the session itself has given the entry this value.
fn was_set(set: Option<(Of, &Entries)>, of: Of, entry: &str, value: Option<&Vec<u8>>) -> bool {
    let Some((set_of, entries)) = set else {
        return false;
    };
    let mut last = entries.iter().rev();
    let set = last.find(|(name, _)| name == entry);
    set_of == of && set.is_some_and(|(_, set)| set.as_ref() == value)
}
