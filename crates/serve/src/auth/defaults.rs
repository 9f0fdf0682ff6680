//! The hold that accounts follow: their domain's, else the node's, as it is set in
//! the store or else in the configuration. An account that has a hold of its own
//! follows none.
//!
//! A default that has changed is worked through account by account, some at a
//! time; how far it is stands in the directory, so that a restart goes on there.

use super::directory::Directory;
use account::directory::{Command, Record, State};
use account::{HoldSettings, SweepRules};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use terms::Timestamp;
use tracing::{info, warn};

/// What the node's settings have at these keys: the defaults that all accounts
/// follow, and those that are being worked through with the last name that does.
const DONE: &str = "holds-done";
const AT: &str = "holds-at";
/// The mark of what is built in, once accounts have followed something else.
const BUILT_IN: &str = "built-in";

/// What is configured for the hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldDefaults {
    /// What accounts follow where neither the store nor their domain says anything.
    pub hold: HoldSettings,
    /// How careful a sweep is.
    pub rules: SweepRules,
}

impl Directory {
    /// Sets what is configured. Accounts that follow it are worked through.
    pub fn configure_hold(&self, defaults: HoldDefaults) {
        *self.hold_defaults_mut() = defaults;
    }

    /// What is configured.
    pub fn hold_defaults(&self) -> HoldDefaults {
        *self.hold_defaults_mut()
    }

    /// How careful a sweep is.
    pub fn sweep_rules(&self) -> SweepRules {
        self.hold_defaults().rules
    }

    /// The hold that accounts of a domain follow; `None`: those without a domain.
    pub fn followed_hold(&self, state: &State, domain: Option<&str>) -> HoldSettings {
        let domain = domain.and_then(|name| state.domain(name)?.hold);
        let hold = domain
            .or_else(|| state.node()?.hold)
            .unwrap_or_else(|| self.hold_defaults().hold);
        HoldSettings {
            changed: Timestamp::EPOCH,
            ..hold
        }
    }

    /// A number that is another one when any default is.
    fn defaults_mark(&self, state: &State) -> Option<String> {
        let node = self.followed_hold(state, None);
        let domains: Vec<(&str, HoldSettings)> = state
            .domains()
            .filter_map(|(name, domain)| Some((name, domain.hold?)))
            .collect();
        if domains.is_empty() && node == HoldSettings::default() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (node, domains).hash(&mut hasher);
        Some(format!("{:016x}", hasher.finish()))
    }

    /// Lets some accounts follow a default that has changed; `true`: all do.
    pub(super) async fn follow_defaults(&self, most: usize) -> bool {
        let state = self.snapshot();
        let settings = state.node().map(|node| &node.settings);
        let kept = |key: &str| settings.and_then(|settings| settings.get(key));
        let mark = self.defaults_mark(&state);
        // All accounts were made with what is built in.
        let done = match (kept(DONE), &mark) {
            (None, mark) => mark.is_none(),
            (Some(done), mark) => done == mark.as_deref().unwrap_or(BUILT_IN),
        };
        // Half of them may follow another default that was withdrawn.
        if done && kept(AT).is_none() {
            return true;
        }
        let mark = mark.unwrap_or_else(|| BUILT_IN.to_owned());
        let after = kept(AT)
            .and_then(|text| text.split_once(' '))
            .filter(|(of, _)| *of == mark)
            .map(|(_, name)| name.to_owned());
        let (mut last, mut looked_at) = (None, 0);
        let mut followed = 0u64;
        let node = self.accounts().node();
        let mut stopped = false;
        for (name, record) in state.accounts(after.as_deref()).take(most) {
            if node.is_stopping() {
                stopped = true;
                break;
            }
            last = Some(name.to_owned());
            looked_at += 1;
            if !record.has_own_hold() && self.follow(&state, name, record).await {
                followed += 1;
            }
        }
        if followed > 0 {
            info!(
                accounts = followed,
                "accounts follow a default that has changed"
            );
        }
        if stopped && last.is_none() {
            return false;
        }
        let done = !stopped && looked_at < most;
        let settings = match last.filter(|_| !done) {
            Some(name) => vec![(AT.to_owned(), Some(format!("{mark} {name}")))],
            None => vec![(AT.to_owned(), None), (DONE.to_owned(), Some(mark))],
        };
        let command = Command::SetNode {
            hold: None,
            settings,
        };
        if let Err(error) = self.execute(command).await {
            warn!(%error, "how far the defaults are followed was not recorded");
            return false;
        }
        done
    }

    /// Lets one account follow; `true`: it has not done so before.
    async fn follow(&self, state: &State, name: &str, record: &Record) -> bool {
        let domain = name.rsplit_once('@').map(|(_, domain)| domain);
        let hold = self.followed_hold(state, domain);
        let account = match self.accounts().open(record.id).await {
            Ok(account) => account,
            Err(error) => {
                warn!(account = %record.id, %error, "an account does not follow a new default");
                return false;
            }
        };
        if account.snapshot().hold().is_same_as(&hold) {
            return false;
        }
        match account.execute(account::Command::SetHold(hold)).await {
            Ok(_) => true,
            Err(error) => {
                warn!(account = %record.id, %error, "an account does not follow a new default");
                false
            }
        }
    }
}
