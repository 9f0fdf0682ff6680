//! What an operator may do with the accounts.

mod device;
mod domains;
mod health;
mod holds;
mod mail;
mod many;
mod settings;
mod undo;

pub use mail::{Exporter, Importer};

use crate::control::message::{AccountShown, Accounts, Letter};
use crate::error::{Failure, Outcome, While as _};
use crate::migrate::Message;
use account::directory::Refusal;
use account::{DropWindow, Limits, Maildrop, State};
use futures::{StreamExt as _, TryStreamExt as _};
use serve::accounts::AccountName;
use serve::auth::{Addition, Checked, OperatorError, Password};
use serve::{Account, Directory, Node};
use std::sync::Arc;
use store::Store;
use terms::{AccountId, MailboxName};

/// Accounts that are opened at one time for a list.
const OPENED_AT_ONCE: usize = 64;

/// The operator's view of the accounts.
pub struct Admin {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    directory: Directory,
}

impl Admin {
    /// Over an open node.
    pub fn new(node: Arc<Node>, store: Arc<dyn Store>, directory: Directory) -> Self {
        Self {
            node,
            store,
            directory,
        }
    }

    /// The longest message that is taken.
    pub fn message_octets_max(&self) -> u64 {
        self.node.limits.message_octets_max
    }

    /// The name in its normal form.
    fn name(&self, text: &str) -> Outcome<AccountName> {
        AccountName::new(text, self.directory.rules()).when(format_args!("`{text}`"))
    }

    /// The same of an account or alias that is to be made.
    fn new_name(&self, text: &str) -> Outcome<AccountName> {
        AccountName::for_new(text, self.directory.rules()).when(format_args!("`{text}`"))
    }

    /// The account of a name, and its name in its normal form.
    async fn open(&self, text: &str) -> Outcome<(String, Account)> {
        let (name, id) = self.find(text)?;
        let account = self.directory.accounts().open(id).await.when(&name)?;
        Ok((name, account))
    }

    /// The account that a name or an alias leads to, and its own name.
    fn find(&self, text: &str) -> Outcome<(String, AccountId)> {
        let name = self.name(text)?;
        let state = self.directory.snapshot();
        let record = state.account(name.as_str());
        let id = record
            .map(|record| record.id)
            .ok_or_else(|| no_account(name.as_str()))?;
        Ok((state.name_of(id).unwrap_or(name.as_str()).to_owned(), id))
    }

    /// Whether there is an account of this name.
    pub fn exists(&self, text: &str) -> bool {
        self.find(text).is_ok()
    }

    /// Adds an account.
    ///
    /// # Errors
    /// If there is one of the name already, or the name or password cannot be.
    pub async fn add(
        &self,
        text: &str,
        password: &str,
        quota: Option<u64>,
    ) -> Outcome<AccountShown> {
        let name = self.new_name(text)?;
        let verifiers = self.directory.auth().make(&usable(password)?).await?;
        let limits = quota.map(|octets| Limits {
            octets: Some(octets),
            messages: None,
        });
        let addition = Addition {
            name: name.clone(),
            verifiers,
            limits,
            hold: None,
        };
        let account = self.directory.add(addition).await.map_err(told)?;
        Ok(self.shown(name.as_str(), &account.snapshot()))
    }

    /// Sets a password.
    ///
    /// # Errors
    /// If there is no such account.
    pub async fn set_password(&self, text: &str, password: &str) -> Outcome<AccountShown> {
        let (_, account) = self.open(text).await?;
        let name = self.name(text)?;
        self.directory
            .set_password(&name, &usable(password)?)
            .await
            .map_err(told)?;
        Ok(self.shown(&self.find(text)?.0, &account.snapshot()))
    }

    /// Whether this is the account's password.
    ///
    /// # Errors
    /// If it cannot be checked now.
    pub async fn is_password(&self, text: &str, password: &str) -> Outcome<bool> {
        let (_, id) = self.find(text)?;
        let state = self.directory.snapshot();
        let verifiers = state
            .record(id)
            .map(|record| &record.verifiers[..])
            .unwrap_or_default();
        let password = usable(password)?;
        let checked = self
            .directory
            .auth()
            .check(Some((id, verifiers)), &password)
            .await?;
        Ok(matches!(checked, Checked::Right { .. }))
    }

    /// All accounts, ascending by name.
    ///
    /// # Errors
    /// If one cannot be read.
    pub async fn list(&self) -> Outcome<Accounts> {
        let state = self.directory.fresh().await?;
        let known: Vec<(String, AccountId)> = state
            .accounts(None)
            .map(|(name, record)| (name.to_owned(), record.id))
            .collect();
        let accounts = futures::stream::iter(known)
            .map(|(name, id)| {
                let accounts = self.directory.accounts().clone();
                let known = Arc::clone(&state);
                async move {
                    let account = accounts.open(id).await.when(&name)?;
                    let record = known.record(id);
                    Outcome::Ok(settings::summary(&name, record, &account.snapshot()))
                }
            })
            .buffered(OPENED_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Accounts { accounts })
    }

    /// One account with its mailboxes.
    ///
    /// # Errors
    /// If there is none.
    pub async fn show(&self, text: &str) -> Outcome<AccountShown> {
        let (name, account) = self.open(text).await?;
        let state = account.fresh().await?;
        let damaged = self.is_damaged(account.id()).await?;
        Ok(AccountShown {
            damaged,
            ..self.shown(&name, &state)
        })
    }

    /// Removes an account and all its mail.
    ///
    /// # Errors
    /// If there is none.
    pub async fn remove(&self, text: &str) -> Outcome<AccountShown> {
        let (name, account) = self.open(text).await?;
        let removed = self.shown(&name, &account.snapshot());
        let canonical = self.name(&name)?;
        self.directory.remove(&canonical).await.map_err(told)?;
        Ok(removed)
    }

    /// Whether nothing was ever put into a mailbox.
    ///
    /// # Errors
    /// If there is no such account.
    pub async fn is_untouched(&self, text: &str, mailbox: &MailboxName) -> Outcome<bool> {
        let (_, account) = self.open(text).await?;
        let state = account.fresh().await?;
        let next = state
            .mailbox_named(mailbox)
            .and_then(|mailbox| mailbox.uid_next);
        Ok(next == Some(terms::Uid::MIN))
    }

    /// Puts messages into an account, all or none.
    ///
    /// # Errors
    /// If they cannot be taken.
    pub async fn append(&self, text: &str, messages: Vec<Message>) -> Outcome {
        let mut importer = self.importer(text).await?;
        for message in messages {
            let Message {
                mailbox,
                flags,
                date,
                octets,
                ..
            } = message;
            let letter = Letter::new(&mailbox, &flags, date, octets.len() as u64);
            importer.put(&letter, octets).await?;
        }
        let counted = importer.finish().await?;
        match counted.refused.first() {
            None => Ok(()),
            Some(why) => Err(Failure::new(why)),
        }
    }

    /// What a POP3 device would find now, and the state that names it.
    ///
    /// # Errors
    /// If there is no such account or device.
    pub async fn maildrop(&self, text: &str, device: &str) -> Outcome<(Arc<State>, Maildrop)> {
        let (name, account) = self.open(text).await?;
        account.fresh().await?;
        let found = account
            .snapshot()
            .device_named(device)
            .map(|found| found.id);
        let id = found.ok_or_else(|| Failure::new(format!("{name} has no device {device}")))?;
        let open = |state: &State| Maildrop::open(state, id, DropWindow::Uncollected);
        match account.read(open).await {
            Ok(read) => Ok(read),
            Err(error) => Err(Failure::new(format!("{name}: {error:?}"))),
        }
    }

    /// Begins an import of mail.
    ///
    /// # Errors
    /// If there is no such account.
    pub async fn importer(&self, text: &str) -> Outcome<Importer> {
        let (_, account) = self.open(text).await?;
        let env = self.node.env.clone();
        Ok(Importer::new(
            account,
            Arc::clone(&self.store),
            env,
            self.message_octets_max(),
        ))
    }

    /// Begins an export of mail.
    ///
    /// # Errors
    /// If there is no such account or mailbox.
    pub async fn exporter(&self, text: &str, mailbox: Option<&str>) -> Outcome<Exporter> {
        let (_, account) = self.open(text).await?;
        let state = account.fresh().await?;
        Exporter::new(account, Arc::clone(&self.store), state, mailbox)
    }
}

fn no_account(name: &str) -> Failure {
    Failure::new(format!("there is no account {name}"))
}

/// A password that can be one.
fn usable(password: &str) -> Outcome<Password> {
    Password::new(password.as_bytes())
        .filter(|_| !password.is_empty())
        .ok_or_else(|| {
            Failure::new(format!(
                "this can be no password: it must have 1 to {} octets, none of them NUL",
                Password::OCTETS_MAX
            ))
        })
}

/// What the directory says, for a person.
fn told(error: OperatorError) -> Failure {
    match error {
        OperatorError::Refused(Refusal::NameTaken(name)) => {
            Failure::new(format!("there is already an account {name}"))
        }
        OperatorError::Refused(Refusal::NoSuchAccount(name)) => no_account(&name),
        other => Failure::from(other),
    }
}
