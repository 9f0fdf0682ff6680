//! Holds: what is set, for whom, and what it comes to.

use super::Admin;
use crate::control::message::{
    GoingShown, HoldChange, HoldOf, HoldPreviewed, HoldResumed, HoldShown, ShareShown, WaitingShown,
};
use crate::error::{Failure, Outcome, While as _};
use crate::span::{HoldTerm, span_text};
use account::directory::{Command, Domain, Record};
use account::{Collect, Hold, HoldSettings, Preview, SeenAfterRetr, Share, State};
use futures::{StreamExt as _, TryStreamExt as _};
use serve::Account;
use serve::accounts::normal_domain;
use serve::auth::OperatorError;
use std::collections::BTreeMap;

/// Accounts that are looked at at one time.
const LOOKED_AT_ONCE: usize = 16;

/// A hold, and where it is set.
struct Found {
    name: Option<String>,
    set_by: &'static str,
    hold: HoldSettings,
    account: Option<Account>,
}

impl Admin {
    async fn find_hold(&self, of: &HoldOf) -> Outcome<Found> {
        let state = self.directory.fresh().await?;
        match of {
            HoldOf::Account(text) => {
                let (name, account) = self.open(text).await?;
                let own = state.record(account.id()).is_some_and(Record::has_own_hold);
                let domain = name.rsplit_once('@').and_then(|(_, of)| state.domain(of));
                let set_by = match domain.is_some_and(|domain| domain.hold.is_some()) {
                    _ if own => "account",
                    true => "domain",
                    false => self.node_sets_by(),
                };
                Ok(Found {
                    hold: account.fresh().await?.hold(),
                    name: Some(name),
                    set_by,
                    account: Some(account),
                })
            }
            HoldOf::Domain(text) | HoldOf::NewDomain(text) => {
                let name = normal_domain(text).when(format_args!("`{text}`"))?;
                let domain = state.domain(&name);
                if domain.is_none() && matches!(of, HoldOf::Domain(_)) {
                    return Err(no_domain(&name));
                }
                let set_by = if domain.is_some_and(|domain| domain.hold.is_some()) {
                    "domain"
                } else {
                    self.node_sets_by()
                };
                Ok(Found {
                    hold: self.directory.followed_hold(&state, Some(&name)),
                    name: Some(name),
                    set_by,
                    account: None,
                })
            }
            HoldOf::Default => Ok(Found {
                name: None,
                set_by: self.node_sets_by(),
                hold: self.directory.followed_hold(&state, None),
                account: None,
            }),
        }
    }

    fn node_sets_by(&self) -> &'static str {
        let state = self.directory.snapshot();
        if state.node().is_some_and(|node| node.hold.is_some()) {
            "node"
        } else {
            "configuration"
        }
    }

    /// Shows a hold.
    ///
    /// # Errors
    /// If there is no such account or domain.
    pub async fn hold(&self, of: &HoldOf) -> Outcome<HoldShown> {
        let found = self.find_hold(of).await?;
        let state = found.account.as_ref().map(Account::snapshot);
        let now = self.node.env.now();
        let floor = found.hold.floor();
        Ok(HoldShown {
            name: found.name,
            set_by: found.set_by.to_owned(),
            nothing_before: (floor > now).then(|| floor.seconds()),
            run_waits_since: state
                .and_then(|state| state.run_waits())
                .map(|since| since.seconds()),
            clock_ahead_seconds: self.clock_ahead_seconds(),
            ..shown(&found.hold)
        })
    }

    /// By how much the wall clock is ahead, where it is not believed.
    pub(super) fn clock_ahead_seconds(&self) -> Option<i64> {
        let doubt = self.node.clock.doubt()?;
        Some(doubt.ahead_millis / 1_000)
    }

    /// What a hold comes to, or would after `change`.
    ///
    /// # Errors
    /// If there is no such account or domain, or one cannot be read.
    pub async fn preview_hold(&self, of: &HoldOf, change: &HoldChange) -> Outcome<HoldPreviewed> {
        let found = self.find_hold(of).await?;
        let hold = self.changed(&found, change)?;
        let mut all = HoldPreviewed {
            hold: HoldTerm(hold.hold).to_string(),
            sooner: hold.is_sooner_than(&found.hold),
            ..HoldPreviewed::default()
        };
        if let Some(account) = &found.account {
            let (state, preview) = self.look_at(account, &hold).await?;
            add(&mut all, &preview);
            all.devices = waiting(&state, &preview);
            return Ok(all);
        }
        let looks = futures::stream::iter(self.followers(of))
            .map(|id| {
                let accounts = self.directory.accounts().clone();
                async move {
                    let account = accounts.open(id).await?;
                    let (_, preview) = self.look_at(&account, &hold).await?;
                    Outcome::Ok(preview)
                }
            })
            .buffered(LOOKED_AT_ONCE);
        let mut looks = std::pin::pin!(looks);
        while let Some(preview) = looks.try_next().await? {
            add(&mut all, &preview);
        }
        Ok(all)
    }

    async fn look_at(
        &self,
        account: &Account,
        hold: &HoldSettings,
    ) -> Outcome<(std::sync::Arc<State>, Preview)> {
        let moment = self.node.moment();
        let read = account.read(|state| account::preview(state, hold, moment));
        read.await
            .map_err(|_| Failure::new("the account cannot be read"))
    }

    /// The accounts that follow a domain's hold, or the node's.
    fn followers(&self, of: &HoldOf) -> Vec<terms::AccountId> {
        let state = self.directory.snapshot();
        let wanted = match of {
            HoldOf::Domain(text) | HoldOf::NewDomain(text) => normal_domain(text).ok(),
            _ => None,
        };
        let follows = |name: &str| {
            let domain = name.rsplit_once('@').map(|(_, domain)| domain);
            match &wanted {
                Some(wanted) => domain == Some(wanted),
                None => domain.and_then(|name| state.domain(name)?.hold).is_none(),
            }
        };
        state
            .accounts(None)
            .filter(|(name, record)| !record.has_own_hold() && follows(name))
            .map(|(_, record)| record.id)
            .collect()
    }

    /// The hold after a change of it.
    fn changed(&self, found: &Found, change: &HoldChange) -> Outcome<HoldSettings> {
        if !change.follow {
            return change.apply(found.hold);
        }
        let state = self.directory.snapshot();
        let name = found.name.as_deref();
        Ok(match (&found.account, name) {
            (Some(_), Some(name)) => {
                let domain = name.rsplit_once('@').map(|(_, domain)| domain);
                self.directory.followed_hold(&state, domain)
            }
            (None, Some(_)) => self.directory.followed_hold(&state, None),
            _ => self.directory.hold_defaults().hold,
        })
    }

    /// The hold that a domain gets by a change of it; `None`: it follows the node.
    pub(super) async fn domain_hold(
        &self,
        name: &str,
        change: &HoldChange,
    ) -> Outcome<Option<HoldSettings>> {
        let found = self.find_hold(&HoldOf::NewDomain(name.to_owned())).await?;
        let hold = self.changed(&found, change)?;
        Ok((!change.follow).then_some(hold))
    }

    /// Sets a hold. Accounts that follow it do so within the next minutes.
    ///
    /// # Errors
    /// If there is no such account or domain, or the hold can be none.
    pub async fn set_hold(&self, of: &HoldOf, change: &HoldChange) -> Outcome<HoldShown> {
        let found = self.find_hold(of).await?;
        let hold = self.changed(&found, change)?;
        let kept = (!change.follow).then_some(hold);
        match (&found.account, &found.name) {
            (Some(account), Some(name)) => {
                // First the mark: no default overtakes what is set next.
                let mark = Command::Set {
                    name: name.clone(),
                    key: Record::HOLD.to_owned(),
                    value: kept.map(|_| "own".to_owned()),
                };
                self.directory
                    .execute(mark)
                    .await
                    .map_err(OperatorError::from)?;
                account
                    .execute(account::Command::SetHold(hold))
                    .await
                    .map_err(OperatorError::from)
                    .when(name)?;
                // CAPA before a login tells the smallest EXPIRE of all.
                serve::pop3::file_expire(&self.directory, account.id(), &hold).await;
            }
            (None, Some(name)) => {
                let state = self.directory.fresh().await?;
                let domain = state.domain(name).cloned().unwrap_or_default();
                let command = Command::SetDomain {
                    name: name.clone(),
                    domain: Domain {
                        hold: kept,
                        ..domain
                    },
                };
                self.directory
                    .execute(command)
                    .await
                    .map_err(OperatorError::from)?;
            }
            _ => {
                let command = Command::SetNode {
                    hold: Some(kept),
                    settings: Vec::new(),
                };
                self.directory
                    .execute(command)
                    .await
                    .map_err(OperatorError::from)?;
            }
        }
        self.hold(of).await
    }

    /// Lets an account that begins with mail from elsewhere keep it: one that has
    /// had no mail yet and no hold of its own gets `forever`. `true`: it did.
    ///
    /// # Errors
    /// If there is no such account, or it cannot be set.
    pub async fn keep_imported(&self, text: &str) -> Outcome<bool> {
        let (name, account) = self.open(text).await?;
        let state = account.fresh().await?;
        let untouched = state
            .mailboxes()
            .all(|mailbox| mailbox.uid_next == Some(terms::Uid::MIN));
        let own = self
            .directory
            .snapshot()
            .record(account.id())
            .is_some_and(Record::has_own_hold);
        if own || !untouched {
            return Ok(false);
        }
        let change = HoldChange {
            hold: Some("forever".to_owned()),
            ..HoldChange::default()
        };
        self.set_hold(&HoldOf::Account(name), &change).await?;
        Ok(true)
    }

    /// The wall clock is right: sweeping goes on.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn resume_hold(&self) -> Outcome<HoldResumed> {
        let was_stopped = self.node.clock.doubt().is_some();
        self.directory.resume_sweeping().await?;
        Ok(HoldResumed { was_stopped })
    }
}

pub(super) fn no_domain(name: &str) -> Failure {
    Failure::new(format!(
        "there is no domain {name}; `restante domain set {name}` makes it"
    ))
}

impl HoldChange {
    /// The hold with this change.
    fn apply(&self, mut hold: HoldSettings) -> Outcome<HoldSettings> {
        if let Some(text) = &self.hold {
            let HoldTerm(term) = text.parse().map_err(Failure::new)?;
            // What stays forever must be able to make room. Between two others, and
            // where it is `forever` already, what was said of it holds.
            let forever = term == Hold::Forever;
            if forever != (hold.hold == Hold::Forever) {
                hold.give_way = forever;
            }
            hold.hold = term;
        }
        if let Some(retr) = self.retr {
            hold.collect = if retr { Collect::Retr } else { Collect::Dele };
        }
        if let Some(seen) = self.seen_after_retr {
            hold.seen_after_retr = if seen {
                SeenAfterRetr::Quit
            } else {
                SeenAfterRetr::Never
            };
        }
        hold.give_way = self.give_way.unwrap_or(hold.give_way);
        hold.at_least_seconds = self.at_least.unwrap_or(hold.at_least_seconds);
        hold.undo_seconds = self.undo.unwrap_or(hold.undo_seconds);
        hold.forget_device_seconds = self.forget_device.unwrap_or(hold.forget_device_seconds);
        hold.show_collected = self.show_collected.unwrap_or(hold.show_collected);
        Ok(hold)
    }
}

fn shown(hold: &HoldSettings) -> HoldShown {
    HoldShown {
        name: None,
        set_by: String::new(),
        hold: HoldTerm(hold.hold).to_string(),
        collect: match hold.collect {
            Collect::Dele => "dele".to_owned(),
            Collect::Retr => "retr".to_owned(),
        },
        give_way: hold.give_way,
        at_least: span_text(hold.at_least_seconds),
        seen_after_retr: match hold.seen_after_retr {
            SeenAfterRetr::Never => "never".to_owned(),
            SeenAfterRetr::Quit => "quit".to_owned(),
        },
        undo: span_text(hold.undo_seconds),
        forget_device: span_text(hold.forget_device_seconds),
        show_collected: hold.show_collected,
        nothing_before: None,
        run_waits_since: None,
        clock_ahead_seconds: None,
    }
}

fn share(share: Share) -> ShareShown {
    ShareShown {
        messages: share.messages,
        octets: share.octets,
    }
}

/// Adds one account's preview to that of all.
fn add(all: &mut HoldPreviewed, preview: &Preview) {
    all.accounts += 1;
    all.inbox.add(share(preview.inbox));
    all.total.add(share(preview.total()));
    all.stays.add(share(preview.stays));
    all.flagged.add(share(preview.flagged));
    all.not_collected.add(share(preview.not_collected));
    all.may_give_way.add(share(preview.may_give_way));
    let first = preview.first().map(|first| first.seconds());
    all.first = all.first.into_iter().chain(first).min();
    let day = |first: i64| first.div_euclid(86_400);
    let mut days: BTreeMap<i64, GoingShown> = BTreeMap::new();
    let new = preview.going.iter().map(|going| GoingShown {
        first: going.first.seconds(),
        share: share(going.share),
    });
    for going in all.going.drain(..).chain(new) {
        match days.entry(day(going.first)) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(going);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.first = known.first.min(going.first);
                known.share.add(going.share);
            }
        }
    }
    all.going = days.into_values().collect();
}

fn waiting(state: &State, preview: &Preview) -> Vec<WaitingShown> {
    let devices = preview.devices.iter();
    devices
        .filter_map(|waiting| {
            let device = state.device(waiting.device)?;
            Some(WaitingShown {
                device: device.name.clone(),
                heard: device.heard().seconds(),
                not_collected: share(waiting.not_collected),
                blocks: share(waiting.blocks),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_give_way_that_was_set_outlives_another_span() {
        let start = HoldSettings {
            hold: Hold::Span(86_400),
            give_way: true,
            ..HoldSettings::default()
        };
        let change = |hold: &str, give_way| HoldChange {
            hold: Some(hold.to_owned()),
            give_way,
            ..HoldChange::default()
        };
        let mut hold = start;
        for (to, give_way, expected) in [
            ("14d", None, true),
            ("remove", None, true),
            ("7d", Some(false), false),
            ("14d", None, false),
            ("forever", None, true),
            ("forever", Some(false), false),
            ("forever", None, false),
            ("14d", Some(true), true),
            ("forever", None, true),
            ("14d", None, false),
        ] {
            hold = change(to, give_way).apply(hold).unwrap();
            assert_eq!(hold.give_way, expected, "{to} {give_way:?}");
        }
    }
}
