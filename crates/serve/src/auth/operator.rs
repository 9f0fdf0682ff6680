//! What the operator does to the directory: adding, removing, passwords.

use super::directory::Directory;
use super::password::Password;
use super::pool::Busy;
use crate::accounts::{Account, AccountName, ExecuteError, Unavailable};
use account::directory::{Command, NewAccount, Record, Refusal};
use account::{HoldSettings, Limits};
use futures::StreamExt as _;
use store::CommitError;
use terms::AccountId;
use tracing::warn;

/// Why the operator's command was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The directory refuses it.
    #[error("{0}")]
    Refused(Refusal),
    /// The account refuses it.
    #[error("{0}")]
    Account(account::Refusal),
    /// The store has no space left.
    #[error("the store has no space left")]
    Full,
    /// The log is damaged: read-only until repaired.
    #[error("the directory or the account is damaged and read-only")]
    Damaged,
    /// Too many passwords wait.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The store does not answer.
    #[error("the store does not answer")]
    Unavailable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] CommitError),
}

impl From<Unavailable> for OperatorError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<ExecuteError<Refusal>> for OperatorError {
    fn from(error: ExecuteError<Refusal>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => Self::Refused(refusal),
            ExecuteError::Full => Self::Full,
            ExecuteError::Damaged => Self::Damaged,
            ExecuteError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<ExecuteError<account::Refusal>> for OperatorError {
    fn from(error: ExecuteError<account::Refusal>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => Self::Account(refusal),
            ExecuteError::Full => Self::Full,
            ExecuteError::Damaged => Self::Damaged,
            ExecuteError::Unavailable => Self::Unavailable,
        }
    }
}

/// An account that is to be added.
#[derive(Clone, Debug)]
pub struct Addition {
    /// Its name.
    pub name: AccountName,
    /// By what its password is verified: [`super::Auth::make`], or texts that
    /// [`super::check`] has passed. None: nobody can log in.
    pub verifiers: Vec<String>,
    /// What it may take up; `None`: what its domain says.
    pub limits: Option<Limits>,
    /// A hold of its own; `None`: it follows its domain, or the node.
    pub hold: Option<HoldSettings>,
}

/// Accounts made at the same time, so that they share the store's syncs.
const MADE_AT_ONCE: usize = 256;
/// Accounts that enter the directory in one command.
const ENTERED_AT_ONCE: usize = 1_000;

impl Directory {
    /// Adds an account, without mail and with its mailboxes.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn add(&self, addition: Addition) -> Result<Account, OperatorError> {
        let mark = self.defaults_mark(&self.snapshot());
        let account = self.make(&addition).await?;
        self.enter(vec![(addition, account.id())]).await?;
        self.follow_now(mark, vec![account.id()]).await;
        Ok(account)
    }

    /// Adds many accounts; `progress` is told how many are done. What was added
    /// before an error stays.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn add_many(
        &self,
        additions: Vec<Addition>,
        mut progress: impl FnMut(usize),
    ) -> Result<(), OperatorError> {
        let mut done = 0;
        for chunk in additions.chunks(ENTERED_AT_ONCE) {
            let mark = self.defaults_mark(&self.snapshot());
            let mut made = futures::stream::iter(chunk)
                .map(|addition| async move {
                    let account = self.make(addition).await?;
                    Ok::<_, OperatorError>((addition.clone(), account.id()))
                })
                .buffered(MADE_AT_ONCE);
            let mut entries = Vec::with_capacity(chunk.len());
            while let Some(entry) = made.next().await {
                entries.push(entry?);
                progress(done + entries.len());
            }
            done += entries.len();
            let ids = entries.iter().map(|(_, id)| *id).collect();
            self.enter(entries).await?;
            self.follow_now(mark, ids).await;
        }
        Ok(())
    }

    /// Makes the account itself. If the process ends before it is entered, nobody
    /// ever finds it: harmless.
    async fn make(&self, addition: &Addition) -> Result<Account, OperatorError> {
        let state = self.snapshot();
        let name = addition.name.as_str();
        if state.account(name).is_some() {
            return Err(OperatorError::Refused(Refusal::NameTaken(name.to_owned())));
        }
        let domain = addition.name.domain().and_then(|name| state.domain(name));
        let limits = addition
            .limits
            .or(domain.map(|domain| domain.limits))
            .unwrap_or_default();
        let hold = addition
            .hold
            .unwrap_or_else(|| self.followed_hold(&state, addition.name.domain()));
        let id = AccountId(self.accounts().node().env.random_u128());
        let floor = state.uid_validity_floor(name);
        Ok(self.accounts().create(id, limits, hold, floor).await?)
    }

    /// Enters accounts that were made; those that cannot be entered are removed
    /// again.
    async fn enter(&self, made: Vec<(Addition, AccountId)>) -> Result<(), OperatorError> {
        let entries = made.iter().map(|(addition, id)| NewAccount {
            name: addition.name.as_str().to_owned(),
            id: *id,
            verifiers: addition.verifiers.clone(),
            settings: addition
                .hold
                .map(|_| (Record::HOLD.to_owned(), "own".to_owned()))
                .into_iter()
                .collect(),
        });
        let entered = self.execute(Command::AddAccounts(entries.collect())).await;
        if let Err(ExecuteError::Refused(_)) = &entered {
            for (_, id) in made {
                if let Err(error) = self.accounts().remove(id).await {
                    warn!(account = %id, %error, "an account without a name stays in the store");
                }
            }
        }
        Ok(entered?)
    }

    /// Removes an account, its aliases and all its mail. The name leads nowhere as
    /// soon as the first step is durable; the rest is finished after a crash.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn remove(&self, name: &AccountName) -> Result<(), OperatorError> {
        let state = self.fresh().await?;
        let missing = || Refusal::NoSuchAccount(name.to_string());
        let record = state.account(name.as_str());
        let id = record
            .ok_or_else(missing)
            .map_err(OperatorError::Refused)?
            .id;
        let uid_validity = match self.accounts().open(id).await {
            Ok(account) => account.snapshot().last_uid_validity(),
            Err(crate::accounts::OpenError::Missing) => None,
            Err(crate::accounts::OpenError::Unavailable) => {
                return Err(OperatorError::Unavailable);
            }
        };
        self.execute(Command::RemoveAccount {
            name: name.as_str().to_owned(),
            uid_validity,
        })
        .await?;
        self.finish_removal(id).await
    }

    /// The last steps of a removal, which may be done twice.
    pub(super) async fn finish_removal(&self, id: AccountId) -> Result<(), OperatorError> {
        self.accounts().remove(id).await?;
        Ok(self.execute(Command::FinishRemoval(id)).await?)
    }

    /// Sets a new password.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn set_password(
        &self,
        name: &AccountName,
        password: &Password,
    ) -> Result<(), OperatorError> {
        let verifiers = self.auth().make(password).await?;
        let command = Command::SetVerifiers {
            name: name.as_str().to_owned(),
            verifiers,
            replaces: None,
        };
        Ok(self.execute(command).await?)
    }
}
