//! What is set for an account, and what is shown of it.

use super::Admin;
use crate::control::message::{AccountShown, MailboxShown, Setting};
use crate::error::{Failure, Outcome, While as _};
use account::directory::{Command, Record};
use account::{Limits, Mailbox, State, UniqueIdForm};
use serve::Account;
use serve::auth::{LANGUAGE_SETTING, OperatorError};
use serve::lmtp::FOLDERS_SETTING;
use serve::pop3::LOGIN_DELAY_SETTING;
use terms::Timestamp;

impl Admin {
    /// Sets one thing after another. What was set before one that cannot be stays.
    ///
    /// # Errors
    /// If there is no such account, or something cannot be set.
    pub async fn set(&self, text: &str, settings: Vec<Setting>) -> Outcome<AccountShown> {
        let (name, account) = self.open(text).await?;
        for setting in settings {
            self.set_one(&name, &account, setting).await?;
        }
        let state = account.fresh().await?;
        Ok(self.shown(&name, &state))
    }

    async fn set_one(&self, name: &str, account: &Account, setting: Setting) -> Outcome {
        let name = name.to_owned();
        let set = |key: &str, value: Option<String>| Command::Set {
            name: name.clone(),
            key: key.to_owned(),
            value,
        };
        let limits = account.snapshot().limits();
        let command = match setting {
            Setting::Quota(octets) => {
                return limit(&name, account, Limits { octets, ..limits }).await;
            }
            Setting::Messages(messages) => {
                return limit(&name, account, Limits { messages, ..limits }).await;
            }
            Setting::Folders(yes) => set(FOLDERS_SETTING, yes.then(|| "yes".to_owned())),
            Setting::Language(tag) => set(LANGUAGE_SETTING, tag),
            Setting::UniqueIdForm(form) => {
                let form = form.map(|form| UniqueIdForm::new(&form)).transpose()?;
                let command = account::Command::SetUniqueIdForm(form);
                return account.execute(command).await.map(drop).when(&name);
            }
            Setting::LoginDelay(seconds) => set(
                LOGIN_DELAY_SETTING,
                seconds.map(|seconds| seconds.to_string()),
            ),
            Setting::Enabled(enabled) => Command::SetEnabled { name, enabled },
            Setting::Expires(seconds) => Command::SetExpiry {
                name,
                expires: seconds.map(Timestamp::from_seconds),
            },
            Setting::AddAlias(alias) => Command::AddAlias {
                alias: self.new_name(&alias)?.to_string(),
                name,
            },
            Setting::RemoveAlias(alias) => {
                let alias = self.name(&alias)?.to_string();
                // Nobody takes away another account's name by a slip.
                let state = self.directory.fresh().await?;
                let of = state.account(&alias).map(|record| record.id);
                if of.is_some_and(|of| of != account.id()) {
                    return Err(Failure::new(format!(
                        "{alias} is a name of another account"
                    )));
                }
                Command::RemoveAlias { alias }
            }
        };
        let done = self.directory.execute(command).await;
        done.map_err(|error| Failure::from(OperatorError::from(error)))
    }

    /// All that is shown of an account.
    pub(super) fn shown(&self, name: &str, state: &State) -> AccountShown {
        let directory = self.directory.snapshot();
        let aliases = directory.aliases(state.account()).map(str::to_owned);
        let mailbox = |mailbox: &Mailbox| MailboxShown {
            name: mailbox.name.to_string(),
            messages: mailbox.counts.messages.into(),
            unseen: mailbox.counts.unseen.into(),
            octets: mailbox.counts.octets,
        };
        AccountShown {
            aliases: aliases.collect(),
            mailboxes: state.mailboxes().map(mailbox).collect(),
            ..summary(name, directory.record(state.account()), state)
        }
    }
}

async fn limit(name: &str, account: &Account, limits: Limits) -> Outcome {
    let command = account::Command::SetLimits(limits);
    account.execute(command).await.map(drop).when(name)
}

/// What a list shows of an account.
pub(super) fn summary(name: &str, record: Option<&Record>, state: &State) -> AccountShown {
    let (used, limits) = (state.used(), state.limits());
    let set = |key: &str| record.and_then(|record| record.settings.get(key));
    AccountShown {
        name: name.to_owned(),
        id: state.account().to_string(),
        messages: used.messages,
        octets: used.octets,
        quota: limits.octets,
        messages_quota: limits.messages,
        enabled: record.is_some_and(|record| record.enabled),
        expires: record.and_then(|record| record.expires.map(Timestamp::seconds)),
        last_used: record.and_then(|record| record.last_used.map(Timestamp::seconds)),
        folders: set(FOLDERS_SETTING).is_some_and(|is| is == "yes"),
        unique_id_form: state.unique_id_form().map(|form| form.as_str().to_owned()),
        login_delay: set(LOGIN_DELAY_SETTING).and_then(|delay| delay.parse().ok()),
        language: set(LANGUAGE_SETTING).cloned(),
        aliases: Vec::new(),
        mailboxes: Vec::new(),
        damaged: false,
    }
}
