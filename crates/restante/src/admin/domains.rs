//! Domains: what their accounts begin with and follow.

use super::Admin;
use super::holds::no_domain;
use crate::control::message::{DomainShown, Domains, HoldChange};
use crate::error::{Outcome, While as _};
use crate::span::HoldTerm;
use account::directory::{Command, Domain, State};
use serve::accounts::normal_domain;
use serve::auth::{LANGUAGE_SETTING, OperatorError};
use std::collections::BTreeMap;

impl Admin {
    /// All domains, ascending by name.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub async fn domains(&self) -> Outcome<Domains> {
        let state = self.directory.fresh().await?;
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, _) in state.accounts(None) {
            if let Some((_, domain)) = name.rsplit_once('@') {
                *counts.entry(domain).or_default() += 1;
            }
        }
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        let domains = state.domains();
        Ok(Domains {
            domains: domains
                .map(|(name, domain)| shown(name, domain, count(name)))
                .collect(),
        })
    }

    /// One domain.
    ///
    /// # Errors
    /// If there is none of the name.
    pub async fn domain(&self, text: &str) -> Outcome<DomainShown> {
        let name = normal_domain(text).when(format_args!("`{text}`"))?;
        let state = self.directory.fresh().await?;
        let domain = state.domain(&name).ok_or_else(|| no_domain(&name))?;
        Ok(shown(&name, domain, accounts(&state, &name)))
    }

    /// Changes a domain, or makes it. What its accounts have already stays.
    ///
    /// # Errors
    /// If the name can be none, or the hold.
    pub async fn set_domain(
        &self,
        text: &str,
        quota: Option<Option<u64>>,
        messages: Option<Option<u64>>,
        language: Option<Option<String>>,
        hold: Option<&HoldChange>,
    ) -> Outcome<DomainShown> {
        let name = normal_domain(text).when(format_args!("`{text}`"))?;
        let state = self.directory.fresh().await?;
        let mut domain = state.domain(&name).cloned().unwrap_or_default();
        domain.limits.octets = quota.unwrap_or(domain.limits.octets);
        domain.limits.messages = messages.unwrap_or(domain.limits.messages);
        match language {
            None => {}
            Some(None) => {
                domain.settings.remove(LANGUAGE_SETTING);
            }
            Some(Some(tag)) => {
                domain.settings.insert(LANGUAGE_SETTING.to_owned(), tag);
            }
        }
        if let Some(change) = hold {
            domain.hold = self.domain_hold(&name, change).await?;
        }
        let command = Command::SetDomain {
            name: name.clone(),
            domain,
        };
        self.directory
            .execute(command)
            .await
            .map_err(OperatorError::from)?;
        self.domain(&name).await
    }

    /// Removes a domain that has no accounts and no aliases.
    ///
    /// # Errors
    /// If it has, or is not there.
    pub async fn remove_domain(&self, text: &str) -> Outcome<DomainShown> {
        let removed = self.domain(text).await?;
        let command = Command::RemoveDomain {
            name: removed.name.clone(),
        };
        self.directory
            .execute(command)
            .await
            .map_err(OperatorError::from)?;
        Ok(removed)
    }
}

fn accounts(state: &State, domain: &str) -> u64 {
    let names = state.accounts(None);
    let of = |name: &str| name.rsplit_once('@').is_some_and(|(_, of)| of == domain);
    names.filter(|(name, _)| of(name)).count() as u64
}

fn shown(name: &str, domain: &Domain, accounts: u64) -> DomainShown {
    DomainShown {
        name: name.to_owned(),
        accounts,
        quota: domain.limits.octets,
        messages: domain.limits.messages,
        hold: domain.hold.map(|hold| HoldTerm(hold.hold).to_string()),
        language: domain.settings.get(LANGUAGE_SETTING).cloned(),
    }
}
