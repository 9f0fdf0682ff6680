//! Where a name leads: into one's own account, or into another user's.
//!
//! Other users' mailboxes stand under `Users/<owner>/…`, the second element of
//! NAMESPACE (RFC 2342 §5). Rights are asked of the newest list, by each command.

use super::reply::Reply;
use super::user::{User, check_own, existing};
use crate::accounts::{Account, AccountName, NameRules};
use account::{Mailbox as Record, Rights, State};
use proto::imap::Mailbox;
use proto::imap::response::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terms::{AccountId, MailboxId, MailboxName};

/// The first level of other users' mailboxes.
pub(super) const OTHER_USERS: &str = "Users";

/// Accounts looked into by one LIST at the most: those that name the user first.
pub(super) const SHARERS_MAX: usize = 1_000;

/// Where a name leads.
#[derive(Clone)]
pub(super) struct Place {
    /// The account.
    pub(super) account: Account,
    /// Its owner, where that is somebody else.
    pub(super) owner: Option<Arc<str>>,
    /// The mailbox's name within it.
    pub(super) name: MailboxName,
}

/// A mailbox that is there, and what the user may do with it.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) state: Arc<State>,
    pub(super) id: MailboxId,
    pub(super) rights: Rights,
}

/// The name of another user's mailbox; `None` where it is too long for a name.
pub(super) fn shown(owner: &str, name: &MailboxName) -> Option<MailboxName> {
    MailboxName::new(&format!("{OTHER_USERS}/{owner}/{name}")).ok()
}

/// The owner and the name there, of another user's mailbox. RFC 4314 has nothing to
/// say of the levels above: they are no mailboxes.
pub(super) fn foreign(name: &MailboxName) -> Option<(&str, Option<&str>)> {
    let below = name.as_str().strip_prefix(OTHER_USERS)?.strip_prefix('/')?;
    Some(match below.split_once('/') {
        Some((owner, rest)) => (owner, Some(rest)),
        None => (below, None),
    })
}

/// Whether the name is of the levels that are kept for other users, in any case.
pub(super) fn is_reserved(name: &MailboxName) -> bool {
    let first = name.as_str().split(MailboxName::SEPARATOR).next();
    first.is_some_and(|level| level.eq_ignore_ascii_case(OTHER_USERS))
}

/// The account of that name, in any of its forms.
pub(super) fn account_named(
    directory: &account::directory::State,
    rules: &NameRules,
    name: &str,
) -> Option<AccountId> {
    let name = AccountName::new(name, rules).ok()?;
    Some(directory.account(name.as_str())?.id)
}

/// As if there were none: who may not see a mailbox is not told of it. RFC 4314 §6.
pub(super) fn no_such_mailbox() -> Reply {
    Reply::no(Code::NonExistent, "no such mailbox")
}

impl User {
    /// Where a name leads, whether or not there is such a mailbox.
    pub(super) async fn place(&self, name: MailboxName) -> Result<Place, Reply> {
        let Some((owner, rest)) = foreign(&name) else {
            return Ok(Place {
                account: self.account.clone(),
                owner: None,
                name,
            });
        };
        let rest = rest.and_then(|rest| MailboxName::new(rest).ok());
        let rest = rest.ok_or_else(no_such_mailbox)?;
        let (account, owner) = self.owner(owner).await?;
        Ok(Place {
            account,
            owner: Some(owner),
            name: rest,
        })
    }

    /// Another user who may have shared something.
    async fn owner(&self, name: &str) -> Result<(Account, Arc<str>), Reply> {
        let directory = self.directory.fresh().await?;
        let id = account_named(&directory, self.directory.rules(), name);
        // Nobody finds out who has an account: what is not shared is not there.
        let id = id.filter(|id| directory.is_sharer(*id, self.account.id()));
        let id = id.ok_or_else(no_such_mailbox)?;
        self.open_owner(&directory, id)
            .await?
            .ok_or_else(no_such_mailbox)
    }

    /// Opens another user's account, if that can be used.
    pub(super) async fn open_owner(
        &self,
        directory: &account::directory::State,
        id: AccountId,
    ) -> Result<Option<(Account, Arc<str>)>, Reply> {
        let now = self.directory.accounts().node().env.now();
        let usable = directory
            .record(id)
            .is_some_and(|record| record.is_usable(now));
        let (true, Some(name)) = (usable, directory.name_of(id)) else {
            return Ok(None);
        };
        let account = self.directory.accounts().open(id).await;
        let account = account.map_err(|_| Reply::from(crate::accounts::Unavailable))?;
        Ok(Some((account, Arc::from(name))))
    }

    /// The account that a state is of.
    pub(super) async fn account_of(&self, state: &State) -> Result<Account, Reply> {
        if state.account() == self.account.id() {
            return Ok(self.account.clone());
        }
        let account = self.directory.accounts().open(state.account()).await;
        account.map_err(|_| crate::accounts::Unavailable.into())
    }

    /// What the user may do with a mailbox: all with their own, but for what a
    /// device that may not delete lacks.
    pub(super) fn rights_on(&self, state: &State, record: &Record) -> Rights {
        if state.account() == self.account.id() {
            return self.own_rights();
        }
        let rights = record.rights_of(self.account.id());
        rights.without(self.withheld())
    }

    /// What the user may do with their own mailboxes.
    pub(super) fn own_rights(&self) -> Rights {
        Rights::ALL.without(self.withheld())
    }

    /// What a device that may not delete lacks: nor may it have others delete.
    fn withheld(&self) -> Rights {
        if self.may_delete {
            Rights::NONE
        } else {
            Rights::REMOVING.and(Rights::ADMINISTER)
        }
    }

    /// A mailbox that is there, with the rights that are asked.
    pub(super) async fn found(&self, mailbox: Mailbox, asked: Rights) -> Result<Found, Reply> {
        let place = self.place(existing(mailbox)?).await?;
        self.found_at(place, asked).await
    }

    /// The same of a place.
    pub(super) async fn found_at(&self, place: Place, asked: Rights) -> Result<Found, Reply> {
        let state = place.account.fresh().await?;
        let Some(record) = state.mailbox_named(&place.name) else {
            if place.owner.is_none() && state.is_level(&place.name) {
                let text = "only a level of names, no mailbox";
                return Err(Reply::no(Code::NonExistent, text));
            }
            return Err(no_such_mailbox());
        };
        let rights = self.rights_on(&state, record);
        self.check(rights, asked)?;
        let id = record.id;
        Ok(Found {
            place,
            state,
            id,
            rights,
        })
    }

    /// What the user may do with a mailbox that was found before, if that still has
    /// the rights that are asked: what takes time asks again before it acts.
    pub(super) async fn still_may(
        &self,
        account: &Account,
        mailbox: MailboxId,
        asked: Rights,
    ) -> Result<Rights, Reply> {
        let state = account.fresh().await?;
        let record = state.mailbox(mailbox).ok_or_else(no_such_mailbox)?;
        let rights = self.rights_on(&state, record);
        self.check(rights, asked)?;
        Ok(rights)
    }

    /// A mailbox that messages go into. RFC 4314 §4: the right i. RFC 9051 §6.3.12:
    /// TRYCREATE, "unless it is certain that the destination mailbox cannot be created".
    pub(super) async fn found_target(&self, place: Place) -> Result<Found, Reply> {
        if place.owner.is_none() {
            check_own(&place.name)?;
        }
        let reply = match self.found_at(place.clone(), Rights::INSERT).await {
            Ok(found) => return Ok(found),
            Err(reply) => reply,
        };
        let state = place.account.fresh().await?;
        let missing = state.mailbox_named(&place.name).is_none();
        if missing && self.may_create(&place).await.is_ok() {
            return Err(reply.or_try_create());
        }
        Err(reply)
    }

    /// Whether all of `asked` are there.
    pub(super) fn check(&self, rights: Rights, asked: Rights) -> Result<(), Reply> {
        if rights.has(asked) {
            return Ok(());
        }
        if !rights.has(Rights::LOOKUP) {
            return Err(no_such_mailbox());
        }
        Err(self.not_allowed(asked.without(rights)))
    }

    /// The answer to what the user may not do.
    pub(super) fn not_allowed(&self, lacking: Rights) -> Reply {
        if !self.may_delete && Rights::REMOVING.has(lacking) {
            return Reply::no(Code::NoPerm, "this device may not delete");
        }
        if !self.may_delete && lacking == Rights::ADMINISTER {
            let text = "this device may not delete, nor have others do it";
            return Reply::no(Code::NoPerm, text);
        }
        Reply::no(Code::NoPerm, "you have not the right to do that")
    }

    /// Whether something may be made of this name: right k on the nearest mailbox
    /// above it. RFC 4314 §4. In their own account everybody may.
    pub(super) async fn may_create(&self, place: &Place) -> Result<(), Reply> {
        if place.owner.is_none() {
            return Ok(());
        }
        let state = place.account.fresh().await?;
        let mut level = place.name.parent();
        while let Some(name) = level {
            if let Some(record) = state.mailbox_named(&name) {
                return self.check(self.rights_on(&state, record), Rights::CREATE);
            }
            level = name.parent();
        }
        Err(Reply::no(Code::NoPerm, "you have not the right to do that"))
    }

    /// The mailboxes of others that the user may see, by the names that they have
    /// for the user.
    pub(super) async fn shared_mailboxes(&self) -> Result<Others, Reply> {
        let directory = self.directory.fresh().await?;
        let mut others = Others::default();
        for owner in directory.sharers(self.account.id()).take(SHARERS_MAX) {
            let Some((account, owner)) = self.open_owner(&directory, owner).await? else {
                continue;
            };
            let state = account.snapshot();
            for record in state.mailboxes() {
                let rights = self.rights_on(&state, record);
                if rights.has(Rights::LOOKUP)
                    && let Some(name) = shown(&owner, &record.name)
                {
                    others.add(name, Arc::clone(&state), record.id, rights);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(others)
    }
}

/// Mailboxes of other users, by the names that they have for the user.
#[derive(Default)]
pub(super) struct Others {
    all: BTreeMap<MailboxName, Shared>,
    /// The levels above them.
    above: BTreeSet<MailboxName>,
}

/// Another user's mailbox.
pub(super) struct Shared {
    pub(super) state: Arc<State>,
    pub(super) id: MailboxId,
    pub(super) rights: Rights,
}

impl Others {
    fn add(&mut self, name: MailboxName, state: Arc<State>, id: MailboxId, rights: Rights) {
        let mut level = name.parent();
        while let Some(parent) = level {
            level = parent.parent();
            if !self.above.insert(parent) {
                break;
            }
        }
        self.all.insert(name, Shared { state, id, rights });
    }

    /// The names, ascending.
    pub(super) fn names(&self) -> impl Iterator<Item = &MailboxName> {
        self.all.keys()
    }

    /// What has the name.
    pub(super) fn get(&self, name: &MailboxName) -> Option<&Shared> {
        self.all.get(name)
    }

    /// Whether one of them lies below the name.
    pub(super) fn has_children(&self, name: &MailboxName) -> bool {
        self.above.contains(name)
    }
}

/// Whether a name under `Users/` may match.
pub(super) fn may_match_others(reference: &str, pattern: &str) -> bool {
    let whole = format!("{reference}{pattern}");
    let fixed = whole.split(['*', '%']).next().unwrap_or_default();
    let others = format!("{OTHER_USERS}/");
    fixed.starts_with(&others) || others.starts_with(fixed) || fixed == OTHER_USERS
}
