//! The directory as a state machine: which names lead to which accounts, and by
//! what their owners are known.
//!
//! Names come normalised (lower case, NFC, the domain by IDNA); the directory
//! compares them octet by octet. Verifiers are opaque texts of the form
//! `{SCHEME}…`. All of it is in memory, by blocks of names that are shared
//! between snapshots and are the sections of its checkpoint.

mod blocks;
mod change;
mod codec;
mod decide;
mod fold;

pub use change::Changes;
pub use decide::decide;
pub use fold::Fold;

use crate::acl::Grantee;
use crate::persistent::Map;
use crate::{HoldSettings, Limits};
use blocks::{Blocks, Entry};
use change::Change;
use fold::Folding;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use terms::{AccountId, ModSeq, Timestamp, UidValidity};

/// The directory at one change. A copy costs nothing and stays as it is.
#[derive(Clone, Debug, Default)]
pub struct State {
    head: ModSeq,
    blocks: Blocks,
    /// Accounts that are out of the directory and may still be in the store.
    removals: Map<AccountId, Timestamp>,
    /// Where each account stands; follows from the blocks.
    ids: Map<AccountId, Arc<str>>,
    /// Accounts by the schemes of their verifiers; follows from the blocks.
    schemes: Arc<BTreeMap<String, usize>>,
    /// Who shares mailboxes with whom; follows from the blocks.
    shares: Map<(Grantee, AccountId), ()>,
    folding: Folding,
}

/// An account, as the directory knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which.
    pub id: AccountId,
    /// When it was added.
    pub added: Timestamp,
    /// Whether it can be used: else logins fail as if the password were wrong,
    /// and mail is refused for now.
    pub enabled: bool,
    /// Until when it can be used.
    pub expires: Option<Timestamp>,
    /// Ways to verify its password.
    pub verifiers: Vec<String>,
    /// Passwords of its devices.
    pub devices: Vec<DeviceCredential>,
    /// What else is set for it: language, and so on.
    pub settings: BTreeMap<String, String>,
    /// When it was last used, as far as filed.
    pub last_used: Option<Timestamp>,
    /// When and from where each of its devices was last used, as far as filed.
    pub uses: BTreeMap<crate::DeviceId, (Timestamp, String)>,
}

impl Record {
    /// An account without a password.
    pub fn new(id: AccountId, added: Timestamp) -> Self {
        Self {
            id,
            added,
            enabled: true,
            expires: None,
            verifiers: Vec::new(),
            devices: Vec::new(),
            settings: BTreeMap::new(),
            last_used: None,
            uses: BTreeMap::new(),
        }
    }

    /// Whether it can be used at this moment.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.enabled && self.expires.is_none_or(|end| now < end)
    }

    /// What [`Record::settings`] has at `hold` where the account has a hold of its
    /// own and follows no default.
    pub const HOLD: &str = "hold";

    /// Whether the account has a hold of its own.
    pub fn has_own_hold(&self) -> bool {
        self.settings.contains_key(Self::HOLD)
    }

    /// The password of a device, by the device's name.
    pub fn device(&self, name: &str) -> Option<&DeviceCredential> {
        self.devices.iter().find(|device| device.name == name)
    }
}

/// The password of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCredential {
    /// Which device of the account.
    pub device: crate::DeviceId,
    /// Its name.
    pub name: String,
    /// Ways to verify its password.
    pub verifiers: Vec<String>,
    /// Until when.
    pub expires: Option<Timestamp>,
}

/// A domain whose mail is taken here, and what its new accounts begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    /// Limits of new accounts.
    pub limits: Limits,
    /// Hold of new accounts; `None`: the node's.
    pub hold: Option<HoldSettings>,
    /// What else is set for it.
    pub settings: BTreeMap<String, String>,
}

/// What the directory is asked to do. Accounts are named by any of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Adds a domain, or changes what is set for it.
    SetDomain {
        /// Its name.
        name: String,
        /// What is set.
        domain: Domain,
    },
    /// Changes what holds for the node: what no domain says otherwise, and what the
    /// server keeps for itself.
    SetNode {
        /// The hold that accounts follow: to what, or none; `None`: as it is.
        hold: Option<Option<HoldSettings>>,
        /// Settings: which, and to what; `None` clears one.
        settings: Vec<(String, Option<String>)>,
    },
    /// Removes a domain that no name is in.
    RemoveDomain {
        /// Its name.
        name: String,
    },
    /// Adds accounts, all or none, and their domains where they are new.
    AddAccounts(Vec<NewAccount>),
    /// Takes an account and its aliases out. What it has in the store is removed
    /// next; [`Command::FinishRemoval`] says that it was.
    RemoveAccount {
        /// Its name.
        name: String,
        /// The highest UIDVALIDITY that it has given: an account that is later
        /// added under one of its names begins above.
        uid_validity: Option<UidValidity>,
    },
    /// Files whom an account shares mailboxes with: what follows from its lists of
    /// rights, so that nobody has to look at all accounts to know.
    SetShares {
        /// Whose mailboxes.
        owner: AccountId,
        /// Whom with.
        with: BTreeSet<Grantee>,
    },
    /// The store has removed an account.
    FinishRemoval(AccountId),
    /// Gives an account another name.
    RenameAccount {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
        /// The old name becomes an alias.
        keep_alias: bool,
    },
    /// Sets the verifiers of an account's password.
    SetVerifiers {
        /// Its name.
        name: String,
        /// What they are from now on.
        verifiers: Vec<String>,
        /// Only if they are these now: a renewed hash must not undo a change of
        /// the password.
        replaces: Option<Vec<String>>,
    },
    /// Lets an account be used, or no longer.
    SetEnabled {
        /// Its name.
        name: String,
        /// Whether.
        enabled: bool,
    },
    /// Sets until when an account can be used.
    SetExpiry {
        /// Its name.
        name: String,
        /// Until when.
        expires: Option<Timestamp>,
    },
    /// Sets or clears one of an account's settings.
    Set {
        /// Its name.
        name: String,
        /// Which.
        key: String,
        /// To what.
        value: Option<String>,
    },
    /// Adds an alias.
    AddAlias {
        /// The alias.
        alias: String,
        /// The account's name.
        name: String,
    },
    /// Removes an alias.
    RemoveAlias {
        /// The alias.
        alias: String,
    },
    /// Sets the password of a device, in the place of one with the same number.
    SetDevice {
        /// The account's name.
        name: String,
        /// The password.
        credential: DeviceCredential,
    },
    /// Removes the password of a device.
    RemoveDevice {
        /// The account's name.
        name: String,
        /// Which.
        device: crate::DeviceId,
    },
    /// Files when accounts were last used.
    FileUse(Vec<(AccountId, Timestamp)>),
    /// Goes on after a repair: the number of changes jumps, so that none is used
    /// again that belongs to what is lost.
    Epoch {
        /// Numbers up to this one may have been told.
        told: ModSeq,
    },
    /// Files when and from where devices, and so their accounts, were last used.
    FileDeviceUse(Vec<DeviceUse>),
}

/// A device was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceUse {
    /// Of which account.
    pub account: AccountId,
    /// Which.
    pub device: crate::DeviceId,
    /// When.
    pub time: Timestamp,
    /// From where: an address, at most 64 octets.
    pub from: String,
}

impl DeviceUse {
    /// Octets of `from` at the most.
    pub const FROM_OCTETS_MAX: usize = 64;
}

/// An account to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// Its random number, never used before.
    pub id: AccountId,
    /// Ways to verify its password.
    pub verifiers: Vec<String>,
    /// What else is set for it.
    pub settings: BTreeMap<String, String>,
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is to be committed and applied.
    pub changes: Changes,
}

/// Why a command was not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No account has the name.
    NoSuchAccount(String),
    /// No alias has the name.
    NoSuchAlias(String),
    /// There is no such domain.
    NoSuchDomain(String),
    /// There is no such device.
    NoSuchDevice,
    /// An account or alias has the name already.
    NameTaken(String),
    /// A device of the name has another number.
    DeviceTaken(String),
    /// The domain has names in it.
    DomainInUse(String),
    /// The verifiers are others than was said.
    Changed,
    /// A part of the command breaks a bound.
    Invalid(&'static str),
    /// There are as many as there may be.
    TooMany(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchAccount(name) => write!(f, "there is no account {name}"),
            Self::NoSuchAlias(name) => write!(f, "there is no alias {name}"),
            Self::NoSuchDomain(name) => write!(f, "there is no domain {name}"),
            Self::NoSuchDevice => f.write_str("there is no such device"),
            Self::NameTaken(name) => write!(f, "the name {name} is taken"),
            Self::DeviceTaken(name) => write!(f, "there is a device {name}"),
            Self::DomainInUse(name) => write!(f, "the domain {name} has accounts or aliases"),
            Self::Changed => f.write_str("the password has changed meanwhile"),
            Self::Invalid(what) => f.write_str(what),
            Self::TooMany(what) => write!(f, "too many {what}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl State {
    /// The directory before its first change.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the last change.
    pub fn head(&self) -> ModSeq {
        self.head
    }

    /// The account that a name leads to, as an account or as an alias: the exact
    /// name. The caller splits at a separator only if this finds nothing.
    pub fn account(&self, name: &str) -> Option<&Record> {
        match self.blocks.get(&name_key(name))? {
            Entry::Account(record) => Some(record),
            Entry::Alias(id) => self.record(*id),
            _ => None,
        }
    }

    /// An account by its number.
    pub fn record(&self, id: AccountId) -> Option<&Record> {
        match self.blocks.get(self.ids.get(&id)?)? {
            Entry::Account(record) => Some(record),
            _ => None,
        }
    }

    /// The name of an account.
    pub fn name_of(&self, id: AccountId) -> Option<&str> {
        self.ids.get(&id)?.strip_prefix(NAME)
    }

    /// How many accounts.
    pub fn account_count(&self) -> usize {
        self.ids.len()
    }

    /// How many accounts have a verifier of the scheme: `SCRAM-SHA-256`.
    pub fn accounts_with(&self, scheme: &str) -> usize {
        self.schemes.get(scheme).copied().unwrap_or(0)
    }

    /// How many accounts have a password.
    pub fn accounts_with_password(&self) -> usize {
        self.accounts_with(ANY_SCHEME)
    }

    /// All accounts after `after`, ascending by name.
    pub fn accounts<'a>(
        &'a self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a Record)> + 'a {
        let from = name_key(after.unwrap_or_default());
        let skipped = after.map(str::to_owned);
        self.blocks
            .range_from(&from)
            .map_while(|(key, entry)| Some((key.strip_prefix(NAME)?, entry)))
            .filter(move |(name, _)| Some(*name) != skipped.as_deref())
            .filter_map(|(name, entry)| match entry {
                Entry::Account(record) => Some((name, &**record)),
                _ => None,
            })
    }

    /// The aliases of an account. Costs a look at every name.
    pub fn aliases(&self, id: AccountId) -> impl Iterator<Item = &str> + '_ {
        self.blocks
            .range_from(NAME)
            .map_while(|(key, entry)| Some((key.strip_prefix(NAME)?, entry)))
            .filter(move |(_, entry)| matches!(entry, Entry::Alias(of) if *of == id))
            .map(|(name, _)| name)
    }

    /// A domain.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        match self.blocks.get(&domain_key(name))? {
            Entry::Domain(domain) => Some(domain),
            _ => None,
        }
    }

    /// What holds for the node.
    pub fn node(&self) -> Option<&Domain> {
        match self.blocks.get(NODE)? {
            Entry::Domain(node) => Some(node),
            _ => None,
        }
    }

    /// All domains, ascending by name.
    pub fn domains(&self) -> impl Iterator<Item = (&str, &Domain)> + '_ {
        self.blocks
            .range_from(DOMAIN)
            .map_while(|(key, entry)| match entry {
                Entry::Domain(domain) => Some((key.strip_prefix(DOMAIN)?, &**domain)),
                _ => None,
            })
    }

    /// The highest UIDVALIDITY that accounts of this name have given, for
    /// [`crate::Command::CreateAccount`].
    pub fn uid_validity_floor(&self, name: &str) -> Option<UidValidity> {
        match self.blocks.get(&floor_key(name))? {
            Entry::Floor(floor) => Some(*floor),
            _ => None,
        }
    }

    /// Accounts that are out of the directory and may still be in the store.
    pub fn removals(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.removals.iter().map(|(id, _)| *id)
    }

    /// Whom an account shares mailboxes with, as far as it was filed.
    pub fn shares(&self, owner: AccountId) -> BTreeSet<Grantee> {
        match self.blocks.get(&shares_key(owner)) {
            Some(Entry::Shares(with)) => with.iter().copied().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether `owner` shares mailboxes with this account, as far as it was filed.
    pub fn is_sharer(&self, owner: AccountId, with: AccountId) -> bool {
        let to = |grantee: Grantee| self.shares.contains(&(grantee, owner));
        owner != with && (to(Grantee::Account(with)) || to(Grantee::Anyone))
    }

    /// Accounts that share mailboxes with this one, as far as it was filed: those
    /// that name it first.
    pub fn sharers(&self, with: AccountId) -> impl Iterator<Item = AccountId> + '_ {
        let of = move |grantee: Grantee| {
            let all = self.shares.range_from(&(grantee, AccountId(0)));
            let all = all.map(|((known, owner), ())| (*known, *owner));
            all.take_while(move |(known, _)| *known == grantee)
                .map(|(_, owner)| owner)
        };
        let named = Grantee::Account(with);
        let others =
            of(Grantee::Anyone).filter(move |owner| !self.shares.contains(&(named, *owner)));
        of(named).chain(others).filter(move |owner| *owner != with)
    }

    /// Files what was decided on this state.
    pub fn apply(&mut self, changes: &Changes) {
        for (number, change) in &changes.list {
            self.file(*number, change);
        }
    }

    fn file(&mut self, number: ModSeq, change: &Change) {
        self.head = number;
        match change {
            Change::Put { key, entry } => {
                let old = self.blocks.insert(number, key, entry.clone());
                self.note(key, old.as_ref(), Some(entry));
            }
            Change::Removed { key } => {
                let old = self.blocks.remove(number, key);
                self.note(key, old.as_ref(), None);
            }
            Change::RemovalBegun { id, time } => {
                self.removals.insert(*id, *time);
            }
            Change::RemovalFinished { id } => {
                self.removals.remove(id);
            }
            Change::Epoch => {}
            Change::Used(uses) => {
                for (id, time) in uses {
                    self.file_use(number, *id, *time, None);
                }
            }
            Change::DevicesUsed(uses) => {
                for used in uses {
                    self.file_use(number, used.account, used.time, Some(used));
                }
            }
        }
    }

    fn file_use(
        &mut self,
        number: ModSeq,
        id: AccountId,
        time: Timestamp,
        device: Option<&DeviceUse>,
    ) {
        let Some(key) = self.ids.get(&id).cloned() else {
            return;
        };
        if let Some(Entry::Account(record)) = self.blocks.get(&key) {
            let mut record = Record::clone(record);
            record.last_used = record.last_used.max(Some(time));
            if let Some(used) = device {
                // Devices that have gone leave nothing behind.
                let Record { devices, uses, .. } = &mut record;
                let is_known = |id: &crate::DeviceId| {
                    *id == crate::DeviceId::DEFAULT || devices.iter().any(|d| d.device == *id)
                };
                uses.retain(|id, _| is_known(id));
                if is_known(&used.device) {
                    uses.insert(used.device, (time, used.from.clone()));
                }
            }
            self.blocks
                .insert(number, &key, Entry::Account(Arc::new(record)));
        }
    }

    /// Keeps what follows from the blocks.
    fn note(&mut self, key: &str, old: Option<&Entry>, new: Option<&Entry>) {
        self.note_shares(key, old, new);
        if let Some(Entry::Account(record)) = old {
            // A record that has moved to another name stands there already.
            if self.ids.get(&record.id).is_some_and(|at| **at == *key) {
                self.ids.remove(&record.id);
            }
            self.count_schemes(record, false);
        }
        if let Some(Entry::Account(record)) = new {
            self.ids.insert(record.id, key.into());
            self.count_schemes(record, true);
        }
    }

    fn note_shares(&mut self, key: &str, old: Option<&Entry>, new: Option<&Entry>) {
        let owner = key
            .strip_prefix(SHARES)
            .map(|hex| u128::from_str_radix(hex, 16));
        let Some(Ok(owner)) = owner else { return };
        let owner = AccountId(owner);
        if let Some(Entry::Shares(with)) = old {
            for grantee in with.iter() {
                self.shares.remove(&(*grantee, owner));
            }
        }
        if let Some(Entry::Shares(with)) = new {
            for grantee in with.iter() {
                self.shares.insert((*grantee, owner), ());
            }
        }
    }

    fn count_schemes(&mut self, record: &Record, add: bool) {
        let schemes = Arc::make_mut(&mut self.schemes);
        let mut counted: Vec<&str> = record.verifiers.iter().filter_map(|v| scheme(v)).collect();
        if !record.verifiers.is_empty() {
            counted.push(ANY_SCHEME);
        }
        counted.sort_unstable();
        counted.dedup();
        for scheme in counted {
            let count = schemes.entry(scheme.to_owned()).or_default();
            *count = if add {
                *count + 1
            } else {
                count.saturating_sub(1)
            };
        }
    }
}

/// The scheme of a verifier: what stands in its braces.
pub fn scheme(verifier: &str) -> Option<&str> {
    let (scheme, _) = verifier.strip_prefix('{')?.split_once('}')?;
    Some(scheme)
}

/// Under what accounts with any verifier are counted: no scheme is called so.
const ANY_SCHEME: &str = "";

/// What keys of domains, names and floors begin with.
const DOMAIN: &str = "d:";
const FLOOR: &str = "f:";
const NAME: &str = "n:";
/// What the keys of who shares mailboxes begin with.
const SHARES: &str = "o:";
/// Where the node's own settings stand.
const NODE: &str = "s:node";

fn domain_key(name: &str) -> String {
    format!("{DOMAIN}{name}")
}

fn shares_key(owner: AccountId) -> String {
    format!("{SHARES}{:032x}", owner.0)
}

fn floor_key(name: &str) -> String {
    format!("{FLOOR}{name}")
}

fn name_key(name: &str) -> String {
    format!("{NAME}{name}")
}

#[cfg(test)]
mod tests;
