//! Who has an account here: logins, recipients, and the operator's commands.

use super::defaults::HoldDefaults;
use super::login::Used;
use super::service::Auth;
use crate::accounts::{
    Account, AccountName, Accounts, ExecuteError, Handle, NameRules, Registry, Unavailable,
    normal_domain,
};
use account::DeviceId;
use account::directory::{Command, Refusal, State};
use proto::smtp::{Address, Domain};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;
use terms::AccountId;
use tokio::task::JoinHandle;
use tracing::warn;

/// The account's setting that says in which language it is written to: `de`, as
/// RFC 5646 has it. Without it: English.
pub const LANGUAGE_SETTING: &str = "language";

/// Whom a message is for.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// The account.
    pub account: Account,
    /// The account's name, in its normal form.
    pub name: String,
    /// What followed the separator, as it was written: a folder, if there is one
    /// of the name.
    pub detail: Option<String>,
}

/// Why an address is no recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// The domain is ours, the user is not.
    #[error("there is no such user")]
    UnknownUser,
    /// The domain is not ours.
    #[error("there is no such domain here")]
    UnknownDomain,
    /// The operator has disabled the account, or its time is over.
    #[error("the account is disabled")]
    Disabled,
    /// The store does not answer.
    #[error("the account is not available")]
    Unavailable,
}

/// The directory of a node. Cheap to clone.
#[derive(Clone)]
pub struct Directory(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) accounts: Accounts,
    pub(super) auth: Auth,
    rules: NameRules,
    pub(super) handle: Handle<State>,
    registry: Registry<State>,
    pub(super) standings: super::standing::Standings,
    /// What was used, to be filed now and then.
    pub(super) used: Mutex<HashMap<(AccountId, DeviceId), Used>>,
    hold: Mutex<HoldDefaults>,
    pub(super) behind: super::defaults::Behind,
    /// What happens by itself.
    background: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

impl Directory {
    /// Opens the directory that lies in the accounts' store, finishes removals
    /// that were interrupted, and from now on wakes accounts that are due.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn open(
        accounts: Accounts,
        auth: Auth,
        rules: NameRules,
    ) -> Result<Self, Unavailable> {
        let registry = Registry::new(Arc::clone(accounts.node()), Arc::clone(accounts.store()));
        let handle = registry.open(AccountId::DIRECTORY).await?;
        let directory = Self(Arc::new(Inner {
            accounts,
            auth,
            rules,
            handle,
            registry,
            standings: Default::default(),
            used: Mutex::default(),
            hold: Mutex::default(),
            behind: Default::default(),
            background: Mutex::default(),
        }));
        directory.restore_clock();
        *directory.background() = super::background::start(&directory);
        directory.start_standings();
        Ok(directory)
    }

    /// Stops the node and closes the store, once what is on its way has arrived or
    /// the limit for stopping is over. Sessions end before this is called.
    pub async fn close(&self) {
        let node = self.0.accounts.node();
        node.stop();
        let background = std::mem::take(&mut *self.background());
        let settled = async {
            // It files what is left before it ends.
            for task in background {
                if let Err(error) = task.await {
                    warn!(%error, "what happens by itself has ended early");
                }
            }
            self.0.accounts.settled().await;
            self.0.registry.settled().await;
        };
        if node
            .env
            .timeout(node.limits.shutdown, settled)
            .await
            .is_err()
        {
            warn!("the store is closed while commands are on their way");
        }
        self.store().close().await;
    }

    fn background(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        let tasks = &self.0.background;
        tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is configured for the hold, to be read or set.
    pub(super) fn hold_defaults_mut(&self) -> MutexGuard<'_, HoldDefaults> {
        self.0.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store under it.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.0.accounts.store()
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// How names are completed and taken apart.
    pub fn rules(&self) -> &NameRules {
        &self.0.rules
    }

    /// What checks passwords and makes verifiers.
    pub fn auth(&self) -> &Auth {
        &self.0.auth
    }

    /// The newest directory that this process knows.
    pub fn snapshot(&self) -> Arc<State> {
        self.0.handle.snapshot()
    }

    /// The directory, as new as the store has it.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn fresh(&self) -> Result<Arc<State>, Unavailable> {
        self.0.handle.fresh().await
    }

    /// Has a command of the directory done.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute(&self, command: Command) -> Result<(), ExecuteError<Refusal>> {
        self.0.handle.execute(command).await
    }

    /// Finds the account that an address stands for: an exact account or alias
    /// before the local part is split.
    ///
    /// # Errors
    /// See [`RecipientError`].
    pub async fn recipient(&self, address: &Address) -> Result<Recipient, RecipientError> {
        let unavailable = |_| RecipientError::Unavailable;
        let state = self.fresh().await.map_err(unavailable)?;
        let text = match &address.domain {
            None => address.local.clone(),
            Some(Domain::Name(domain) | Domain::Literal(domain)) => {
                self.check_domain(&state, domain)?;
                format!("{}@{domain}", address.local)
            }
        };
        let exact = AccountName::new(&text, &self.0.rules).ok();
        let exact = exact.and_then(|name| state.account(name.as_str()));
        let (record, detail) = match exact {
            Some(record) => (record, None),
            None => AccountName::split(&text, &self.0.rules)
                .and_then(|(base, detail)| Some((state.account(base.as_str())?, Some(detail))))
                .ok_or(RecipientError::UnknownUser)?,
        };
        if !record.is_usable(self.0.accounts.node().env.now()) {
            return Err(RecipientError::Disabled);
        }
        let account = self.0.accounts.open(record.id).await.map_err(|error| {
            warn!(account = %record.id, %error, "a recipient's account cannot be opened");
            RecipientError::Unavailable
        })?;
        Ok(Recipient {
            account,
            name: state.name_of(record.id).unwrap_or_default().to_owned(),
            detail,
        })
    }

    /// Whether mail for the domain is taken here.
    fn check_domain(&self, state: &State, domain: &str) -> Result<(), RecipientError> {
        let domain = normal_domain(domain).map_err(|_| RecipientError::UnknownDomain)?;
        let default = self.0.rules.default_domain.as_deref();
        let is_default = default.is_some_and(|own| normal_domain(own).as_ref() == Ok(&domain));
        if is_default || state.domain(&domain).is_some() {
            Ok(())
        } else {
            Err(RecipientError::UnknownDomain)
        }
    }
}
