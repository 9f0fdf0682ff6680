//! `restante domain …`

use super::{ask, hold};
use crate::cli::hold::DomainCommand;
use crate::console::{columns, octets, show};
use crate::control::message::{DomainShown, Domains, HoldChange, HoldOf, Request};
use crate::error::Outcome;
use crate::place::Place;

/// Does it.
///
/// # Errors
/// Says why it was not done.
pub fn run(command: DomainCommand, place: &Place, json: bool) -> Outcome {
    match command {
        DomainCommand::List => {
            place.must_exist()?;
            let domains: Domains = ask(place, Request::DomainList)?;
            show(json, &domains, list)
        }
        DomainCommand::Show { name } => {
            place.must_exist()?;
            let domain: DomainShown = ask(place, Request::DomainShow { name })?;
            show(json, &domain, shown)
        }
        DomainCommand::Set {
            name,
            quota,
            messages,
            language,
            hold,
            yes,
        } => {
            let hold = hold.map(|hold| HoldChange {
                follow: hold.0.is_none(),
                hold: hold.0.map(|hold| hold.to_string()),
                ..HoldChange::default()
            });
            // Before anything is set: who says no has changed nothing.
            if let Some(change) = hold.as_ref().filter(|_| !yes) {
                hold::agreed(place, HoldOf::NewDomain(name.clone()), change.clone(), json)?;
            }
            let request = Request::DomainSet {
                name,
                quota: quota.map(|quota| quota.0.map(|octets| octets.0)),
                messages: messages.map(|messages| messages.0),
                language: language.map(|language| language.0.map(|tag| tag.0)),
                hold,
            };
            let domain: DomainShown = ask(place, request)?;
            show(json, &domain, shown)
        }
        DomainCommand::Remove { name } => {
            place.must_exist()?;
            let domain: DomainShown = ask(place, Request::DomainRemove { name })?;
            show(json, &domain, |domain| {
                format!("{} is removed\n", domain.name)
            })
        }
    }
}

fn limit(octets_max: Option<u64>) -> String {
    octets_max.map_or_else(|| "none".into(), octets)
}

fn list(domains: &Domains) -> String {
    if domains.domains.is_empty() {
        return "there is no domain\n".into();
    }
    let mut rows = vec![["DOMAIN", "ACCOUNTS", "QUOTA", "MESSAGES", "HOLD"].map(String::from)];
    for domain in &domains.domains {
        rows.push([
            domain.name.clone(),
            domain.accounts.to_string(),
            limit(domain.quota),
            domain
                .messages
                .map_or_else(|| "none".into(), |m| m.to_string()),
            domain.hold.clone().unwrap_or_else(|| "follows".into()),
        ]);
    }
    columns(&rows)
}

fn shown(domain: &DomainShown) -> String {
    columns(&[
        ["name".into(), domain.name.clone()],
        ["accounts".into(), domain.accounts.to_string()],
        ["quota of new accounts".into(), limit(domain.quota)],
        [
            "messages of new accounts".into(),
            domain
                .messages
                .map_or_else(|| "none".into(), |m| m.to_string()),
        ],
        [
            "hold".into(),
            domain
                .hold
                .clone()
                .unwrap_or_else(|| "follows the node".into()),
        ],
        [
            "language".into(),
            domain.language.clone().unwrap_or_else(|| "en".into()),
        ],
    ])
}
