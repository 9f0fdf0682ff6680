//! What a command to the directory comes to.

use super::blocks::Entry;
use super::change::{Change, Changes};
use super::{
    Command, Decision, DeviceCredential, DeviceUse, Domain, NAME, NODE, NewAccount, Record,
    Refusal, State, domain_key, floor_key, name_key, shares_key,
};
use crate::HoldSettings;
use crate::acl::Grantee;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terms::{AccountId, ModSeq, Timestamp};

/// Octets of a name at the most.
const NAME_OCTETS_MAX: usize = 512;
/// Octets of a verifier at the most.
const VERIFIER_OCTETS_MAX: usize = 1_024;
/// Verifiers of one password at the most.
const VERIFIERS_MAX: usize = 6;
/// Devices with a password of one account at the most.
const DEVICES_MAX: usize = 32;
/// Settings of one account or domain at the most, and octets of each.
const SETTINGS_MAX: usize = 32;
const SETTING_OCTETS_MAX: usize = 1_024;
/// By how much an Epoch lets the number of changes jump.
const NUMBER_JUMP: u64 = 1 << 32;
/// Accounts that those of one account are shared with, at the most.
const SHARES_MAX: usize = 1_000;
/// Accounts added by one command at the most.
const ADDED_MAX: usize = 1_000;
/// Accounts that wait to be removed from the store at the most.
const REMOVALS_MAX: usize = 10_000;

/// What `command` comes to on `state` at the moment `now`.
///
/// # Errors
/// Says why it is not done.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Decision, Refusal> {
    let mut draft = Draft {
        state,
        changes: Vec::new(),
    };
    match command {
        Command::SetDomain { name, domain } => draft.set_domain(name, domain)?,
        Command::SetNode { hold, settings } => draft.set_node(*hold, settings)?,
        Command::RemoveDomain { name } => draft.remove_domain(name)?,
        Command::AddAccounts(accounts) => draft.add_accounts(accounts, now)?,
        Command::RemoveAccount { name, uid_validity } => {
            draft.remove_account(name, *uid_validity, now)?;
        }
        Command::SetShares { owner, with } => draft.set_shares(*owner, with)?,
        Command::FinishRemoval(id) => {
            if state.removals.contains(id) {
                draft.changes.push(Change::RemovalFinished { id: *id });
            }
        }
        Command::RenameAccount {
            from,
            to,
            keep_alias,
        } => draft.rename(from, to, *keep_alias)?,
        Command::AddAlias { alias, name } => draft.add_alias(alias, name)?,
        Command::RemoveAlias { alias } => {
            let key = name_key(alias);
            match state.blocks.get(&key) {
                Some(Entry::Alias(_)) => draft.changes.push(Change::Removed { key }),
                _ => return Err(Refusal::NoSuchAlias(alias.clone())),
            }
        }
        Command::FileUse(uses) => {
            let known = uses.iter().filter(|(id, _)| state.ids.contains(id));
            let known: Vec<_> = known.copied().collect();
            if !known.is_empty() {
                draft.changes.push(Change::Used(known));
            }
        }
        Command::Epoch { told } => {
            let told = state.head().max(*told);
            let number = told.0.saturating_add(NUMBER_JUMP);
            if number > ModSeq::MAX.0 {
                return Err(Refusal::TooMany("changes"));
            }
            let list = vec![(ModSeq(number), Change::Epoch)];
            return Ok(Decision {
                changes: Changes { list },
            });
        }
        Command::FileDeviceUse(uses) => {
            let known = uses.iter().filter(|used| {
                state.ids.contains(&used.account) && used.from.len() <= DeviceUse::FROM_OCTETS_MAX
            });
            let known: Vec<_> = known.cloned().collect();
            if !known.is_empty() {
                draft.changes.push(Change::DevicesUsed(known));
            }
        }
        Command::SetVerifiers { .. }
        | Command::SetEnabled { .. }
        | Command::SetExpiry { .. }
        | Command::Set { .. }
        | Command::SetDevice { .. }
        | Command::RemoveDevice { .. } => draft.change_account(command)?,
    }
    Ok(draft.decision())
}

struct Draft<'a> {
    state: &'a State,
    changes: Vec<Change>,
}

impl Draft<'_> {
    fn decision(self) -> Decision {
        let mut number = self.state.head();
        let numbered = self.changes.into_iter().map(|change| {
            number = number.next();
            (number, change)
        });
        Decision {
            changes: Changes {
                list: numbered.collect(),
            },
        }
    }

    fn put(&mut self, key: String, entry: Entry) {
        if self.state.blocks.get(&key) != Some(&entry) {
            self.changes.push(Change::Put { key, entry });
        }
    }

    fn set_domain(&mut self, name: &str, domain: &Domain) -> Result<(), Refusal> {
        check_name(name)?;
        check_settings(&domain.settings)?;
        self.put(domain_key(name), Entry::Domain(Arc::new(domain.clone())));
        Ok(())
    }

    fn set_node(
        &mut self,
        hold: Option<Option<HoldSettings>>,
        settings: &[(String, Option<String>)],
    ) -> Result<(), Refusal> {
        let mut node = self.state.node().cloned().unwrap_or_default();
        if let Some(hold) = hold {
            node.hold = hold;
        }
        for (key, value) in settings {
            match value {
                None => {
                    node.settings.remove(key);
                }
                Some(value) => {
                    check_setting(key, value)?;
                    node.settings.insert(key.clone(), value.clone());
                }
            }
        }
        if node.settings.len() > SETTINGS_MAX {
            return Err(Refusal::TooMany("settings"));
        }
        if self.state.node().is_some() || node != Domain::default() {
            self.put(NODE.to_owned(), Entry::Domain(Arc::new(node)));
        }
        Ok(())
    }

    fn remove_domain(&mut self, name: &str) -> Result<(), Refusal> {
        if self.state.domain(name).is_none() {
            return Err(Refusal::NoSuchDomain(name.to_owned()));
        }
        let mut names = self.state.blocks.range_from(NAME);
        if names.any(|(key, _)| domain_of(key) == Some(name)) {
            return Err(Refusal::DomainInUse(name.to_owned()));
        }
        let key = domain_key(name);
        self.changes.push(Change::Removed { key });
        Ok(())
    }

    fn add_accounts(&mut self, accounts: &[NewAccount], now: Timestamp) -> Result<(), Refusal> {
        if accounts.len() > ADDED_MAX {
            return Err(Refusal::TooMany("accounts in one command"));
        }
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        let mut domains = BTreeSet::new();
        for account in accounts {
            check_verifiers(&account.verifiers)?;
            check_settings(&account.settings)?;
            self.check_free(&account.name)?;
            if !names.insert(&account.name) {
                return Err(Refusal::NameTaken(account.name.clone()));
            }
            let known = self.state.ids.contains(&account.id)
                || self.state.removals.contains(&account.id)
                || account.id == AccountId::DIRECTORY;
            if known || !ids.insert(account.id) {
                return Err(Refusal::Invalid("the account's number was used before"));
            }
            if let Some(domain) = domain_of(&account.name)
                && self.state.domain(domain).is_none()
                && domains.insert(domain)
            {
                self.put(domain_key(domain), Entry::Domain(Arc::default()));
            }
            let record = Record {
                verifiers: account.verifiers.clone(),
                settings: account.settings.clone(),
                ..Record::new(account.id, now)
            };
            self.put(name_key(&account.name), Entry::Account(Arc::new(record)));
        }
        Ok(())
    }

    fn check_free(&self, name: &str) -> Result<(), Refusal> {
        check_name(name)?;
        if self.state.blocks.get(&name_key(name)).is_some() {
            return Err(Refusal::NameTaken(name.to_owned()));
        }
        Ok(())
    }

    fn remove_account(
        &mut self,
        name: &str,
        uid_validity: Option<terms::UidValidity>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let (id, main) = self.find(name)?;
        if self.state.removals.len() >= REMOVALS_MAX {
            return Err(Refusal::TooMany("accounts that wait to be removed"));
        }
        let aliases = self.state.aliases(id).map(str::to_owned);
        for name in std::iter::once(main).chain(aliases) {
            let floor = self.state.uid_validity_floor(&name).max(uid_validity);
            if let Some(floor) = floor {
                self.put(floor_key(&name), Entry::Floor(floor));
            }
            let key = name_key(&name);
            self.changes.push(Change::Removed { key });
        }
        let key = shares_key(id);
        if self.state.blocks.get(&key).is_some() {
            self.changes.push(Change::Removed { key });
        }
        self.changes.push(Change::RemovalBegun { id, time: now });
        Ok(())
    }

    fn set_shares(&mut self, owner: AccountId, with: &BTreeSet<Grantee>) -> Result<(), Refusal> {
        if !self.state.ids.contains(&owner) {
            return Err(Refusal::Invalid("there is no such account"));
        }
        if with.len() > SHARES_MAX {
            return Err(Refusal::TooMany("accounts that mailboxes are shared with"));
        }
        let key = shares_key(owner);
        if with.is_empty() {
            if self.state.blocks.get(&key).is_some() {
                self.changes.push(Change::Removed { key });
            }
            return Ok(());
        }
        let with = with.iter().copied().collect();
        self.put(key, Entry::Shares(Arc::new(with)));
        Ok(())
    }

    /// The account that a name leads to, and its main name.
    fn find(&self, name: &str) -> Result<(AccountId, String), Refusal> {
        let missing = || Refusal::NoSuchAccount(name.to_owned());
        let record = self.state.account(name).ok_or_else(missing)?;
        let main = self.state.name_of(record.id).ok_or_else(missing)?;
        Ok((record.id, main.to_owned()))
    }

    fn rename(&mut self, from: &str, to: &str, keep_alias: bool) -> Result<(), Refusal> {
        let (id, main) = self.find(from)?;
        check_name(to)?;
        match self.state.blocks.get(&name_key(to)) {
            None => {}
            // Its own alias may become its name.
            Some(Entry::Alias(of)) if *of == id => {}
            Some(_) => return Err(Refusal::NameTaken(to.to_owned())),
        }
        let record = self.state.record(id).cloned();
        let record = record.ok_or_else(|| Refusal::NoSuchAccount(from.to_owned()))?;
        if let Some(domain) = domain_of(to)
            && self.state.domain(domain).is_none()
        {
            self.put(domain_key(domain), Entry::Domain(Arc::default()));
        }
        self.put(name_key(to), Entry::Account(Arc::new(record)));
        let key = name_key(&main);
        if keep_alias {
            self.put(key, Entry::Alias(id));
        } else {
            self.changes.push(Change::Removed { key });
        }
        Ok(())
    }

    fn add_alias(&mut self, alias: &str, name: &str) -> Result<(), Refusal> {
        let (id, _) = self.find(name)?;
        self.check_free(alias)?;
        if let Some(domain) = domain_of(alias)
            && self.state.domain(domain).is_none()
        {
            self.put(domain_key(domain), Entry::Domain(Arc::default()));
        }
        self.put(name_key(alias), Entry::Alias(id));
        Ok(())
    }

    fn change_account(&mut self, command: &Command) -> Result<(), Refusal> {
        let (Command::SetVerifiers { name, .. }
        | Command::SetEnabled { name, .. }
        | Command::SetExpiry { name, .. }
        | Command::Set { name, .. }
        | Command::SetDevice { name, .. }
        | Command::RemoveDevice { name, .. }) = command
        else {
            return Ok(());
        };
        let (id, main) = self.find(name)?;
        let record = self.state.record(id).cloned();
        let mut record = record.ok_or_else(|| Refusal::NoSuchAccount(name.clone()))?;
        change_record(&mut record, command)?;
        self.put(name_key(&main), Entry::Account(Arc::new(record)));
        Ok(())
    }
}

fn change_record(record: &mut Record, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::SetVerifiers {
            verifiers,
            replaces,
            ..
        } => {
            check_verifiers(verifiers)?;
            if replaces
                .as_ref()
                .is_some_and(|old| *old != record.verifiers)
            {
                return Err(Refusal::Changed);
            }
            record.verifiers.clone_from(verifiers);
        }
        Command::SetEnabled { enabled, .. } => record.enabled = *enabled,
        Command::SetExpiry { expires, .. } => record.expires = *expires,
        Command::Set { key, value, .. } => match value {
            None => {
                record.settings.remove(key);
            }
            Some(value) => {
                check_setting(key, value)?;
                record.settings.insert(key.clone(), value.clone());
                if record.settings.len() > SETTINGS_MAX {
                    return Err(Refusal::TooMany("settings"));
                }
            }
        },
        Command::SetDevice { credential, .. } => set_device(record, credential)?,
        Command::RemoveDevice { device, .. } => {
            let before = record.devices.len();
            record.devices.retain(|known| known.device != *device);
            record.uses.remove(device);
            if record.devices.len() == before {
                return Err(Refusal::NoSuchDevice);
            }
        }
        _ => {}
    }
    Ok(())
}

fn set_device(record: &mut Record, credential: &DeviceCredential) -> Result<(), Refusal> {
    check_verifiers(&credential.verifiers)?;
    if credential.name.is_empty() || credential.name.len() > crate::Device::NAME_OCTETS_MAX {
        return Err(Refusal::Invalid("a device's name has 1 to 64 octets"));
    }
    let same_name = record.device(&credential.name);
    if same_name.is_some_and(|known| known.device != credential.device) {
        return Err(Refusal::DeviceTaken(credential.name.clone()));
    }
    record
        .devices
        .retain(|known| known.device != credential.device);
    if record.devices.len() >= DEVICES_MAX {
        return Err(Refusal::TooMany("devices"));
    }
    record.devices.push(credential.clone());
    Ok(())
}

fn domain_of(name: &str) -> Option<&str> {
    name.rsplit_once('@').map(|(_, domain)| domain)
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > NAME_OCTETS_MAX || name.chars().any(char::is_control) {
        return Err(Refusal::Invalid("a name has 1 to 512 octets"));
    }
    Ok(())
}

fn check_verifiers(verifiers: &[String]) -> Result<(), Refusal> {
    if verifiers.len() > VERIFIERS_MAX {
        return Err(Refusal::TooMany("verifiers"));
    }
    if verifiers
        .iter()
        .any(|verifier| verifier.len() > VERIFIER_OCTETS_MAX)
    {
        return Err(Refusal::Invalid("a verifier is too long"));
    }
    Ok(())
}

fn check_settings(settings: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if settings.len() > SETTINGS_MAX {
        return Err(Refusal::TooMany("settings"));
    }
    for (key, value) in settings {
        check_setting(key, value)?;
    }
    Ok(())
}

fn check_setting(key: &str, value: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.len() + value.len() > SETTING_OCTETS_MAX {
        return Err(Refusal::Invalid("a setting is too long"));
    }
    Ok(())
}
