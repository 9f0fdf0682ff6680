//! Adding many accounts at one time.

use super::{Admin, told};
use crate::control::message::{AccountsImported, ImportedAccount};
use crate::error::{Failure, Outcome};
use account::directory::Command;
use futures::{StreamExt as _, TryStreamExt as _};
use serve::Env;
use serve::accounts::AccountName;
use serve::auth::{self, Addition, Cost, Password};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// Passwords that are changed at one time, so that they share the store's syncs.
const CHANGED_AT_ONCE: usize = 256;

/// An account whose line can be used.
struct Usable {
    name: AccountName,
    secret: String,
    line: u64,
}

impl Admin {
    /// Adds many accounts; those that are there get the new password. `done` is
    /// told how far it is.
    ///
    /// # Errors
    /// If the store fails. What is wrong with single ones stands in the answer.
    pub async fn import(
        &self,
        accounts: Vec<ImportedAccount>,
        done: &AtomicU64,
    ) -> Outcome<AccountsImported> {
        let mut imported = AccountsImported::default();
        let usable = self.usable(accounts, &mut imported.refused);
        let state = self.directory.fresh().await?;
        let (mut additions, mut changes) = (Vec::new(), Vec::new());
        // What somebody has gathered elsewhere does not go because a program here
        // collects it, before its owner has seen how this works.
        let imported_hold = self.directory.followed_hold(&state, None).imported();
        // Hashing is nearly all of the work: on every core, with room for the
        // sessions of a running server where there are several.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut verified = futures::stream::iter(usable)
            .map(|account| {
                let env = self.node.env.clone();
                async move { (verifiers(&env, &account.secret).await, account) }
            })
            .buffered(threads);
        while let Some((verifiers, account)) = verified.next().await {
            let Usable { name, line, .. } = account;
            match verifiers {
                Ok(verifiers) if state.account(name.as_str()).is_some() => {
                    changes.push((name, verifiers));
                }
                Ok(verifiers) => additions.push(Addition {
                    name,
                    verifiers,
                    limits: None,
                    hold: Some(imported_hold),
                }),
                Err(why) => imported.refused.push(format!("line {line}: {name}: {why}")),
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        imported.added = additions.len() as u64;
        imported.changed = changes.len() as u64;
        self.directory
            .add_many(additions, |_| {})
            .await
            .map_err(told)?;
        self.change(changes).await?;
        Ok(imported)
    }

    /// Those whose names can be used, each once; why the others cannot is added
    /// to `refused`.
    fn usable(&self, accounts: Vec<ImportedAccount>, refused: &mut Vec<String>) -> Vec<Usable> {
        let mut seen = HashSet::new();
        let mut usable = Vec::with_capacity(accounts.len());
        for ImportedAccount {
            name: text,
            secret,
            line,
        } in accounts
        {
            // An account that is there keeps its name and gets the password.
            let rules = self.directory.rules();
            let known = AccountName::new(&text, rules).ok();
            let known =
                known.filter(|name| self.directory.snapshot().account(name.as_str()).is_some());
            match known.map_or_else(|| AccountName::for_new(&text, rules), Ok) {
                Ok(name) if seen.insert(name.clone()) => usable.push(Usable { name, secret, line }),
                Ok(name) => refused.push(format!("line {line}: {name} stands above already")),
                Err(error) => refused.push(format!("line {line}: `{text}`: {error}")),
            }
        }
        usable
    }

    async fn change(&self, changes: Vec<(AccountName, Vec<String>)>) -> Outcome {
        futures::stream::iter(changes)
            .map(|(name, verifiers)| {
                let directory = self.directory.clone();
                let name = name.as_str().to_owned();
                let command = Command::SetVerifiers {
                    name,
                    verifiers,
                    replaces: None,
                };
                async move { directory.execute(command).await }
            })
            .buffer_unordered(CHANGED_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(())
    }
}

/// What is stored for a secret: a hash as it is, for a password what a new one
/// gets.
async fn verifiers(env: &Env, secret: &str) -> Outcome<Vec<String>> {
    let Some(password) = auth::plain_text(secret) else {
        auth::check(secret)?;
        return Ok(vec![secret.to_owned()]);
    };
    let password = Password::new(password.as_bytes())
        .filter(|_| !password.is_empty())
        .ok_or_else(|| Failure::new("the password is empty, too long or has a NUL"))?;
    let mut salts = [[0; 16]; 3];
    for salt in &mut salts {
        env.random(salt);
    }
    let make = move || auth::make(&password, salts, Cost::default());
    match env.compute(make).await {
        Some(made) if !made.is_empty() => Ok(made),
        _ => Err(Failure::new("the password could not be hashed")),
    }
}
