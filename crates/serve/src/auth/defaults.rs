//! The hold that accounts follow: their domain's, else the node's, as it is set in
//! the store or else in the configuration. An account that has a hold of its own
//! follows none.
//!
//! A default that has changed is worked through account by account, some at a
//! time; how far it is stands in the directory, so that a restart goes on there. An
//! account that cannot follow now is marked there, and tried again; one that was added
//! while others were looked at is looked at in the end.

use super::directory::Directory;
use crate::accounts::ExecuteError;
use account::directory::{Command, Record, State};
use account::{HoldSettings, SweepRules};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use terms::{AccountId, Timestamp};
use tracing::{info, warn};

/// What the node's settings have at these keys: the defaults that all accounts
/// follow, and those that are being worked through with the last name that does.
const DONE: &str = "holds-done";
const AT: &str = "holds-at";
/// What an account's settings have at this key while it does not follow its default
/// yet: it could not be opened, or not be set.
const BEHIND: &str = "hold-behind";
/// Such an account is tried again after so long.
const BEHIND_WAIT: Duration = Duration::from_secs(3_600);
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

/// Accounts that do not follow their default yet, and when they are tried again;
/// `None`: not looked up yet.
#[derive(Debug, Default)]
pub(super) struct Behind(Mutex<Option<BTreeMap<AccountId, Duration>>>);

impl Behind {
    fn accounts(&self) -> MutexGuard<'_, Option<BTreeMap<AccountId, Duration>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, id: AccountId, until: Duration) {
        self.accounts().get_or_insert_default().insert(id, until);
    }

    fn remove(&self, id: AccountId) {
        self.accounts().get_or_insert_default().remove(&id);
    }

    /// Some that are to be tried at `now`; the first time, all that are marked.
    fn due(&self, state: &State, now: Duration, most: usize) -> Vec<AccountId> {
        let mut accounts = self.accounts();
        let accounts = accounts.get_or_insert_with(|| {
            let all = state.accounts(None).map(|(_, record)| record);
            let marked = all.filter(|record| record.settings.contains_key(BEHIND));
            marked.map(|record| (record.id, now)).collect()
        });
        let due = accounts.iter().filter(|(_, until)| **until <= now);
        due.map(|(id, _)| *id).take(most).collect()
    }
}

/// The node's setting that has all accounts looked at once more, those with a hold of
/// their own too: a clock that is right again may have left late dates in any.
pub(crate) fn walk_again() -> (String, Option<String>) {
    (DONE.to_owned(), Some(String::new()))
}

/// How far the accounts have been looked at.
struct Walk {
    mark: String,
    begun: Timestamp,
    /// The last name.
    last: Option<String>,
}

impl Walk {
    /// Goes on with what is kept, if it is of the same defaults.
    fn of(mark: String, kept: Option<&String>, now: Timestamp) -> Self {
        let parts = kept.and_then(|text| {
            let (of, rest) = text.split_once(' ')?;
            let (begun, last) = rest.split_once(' ')?;
            (of == mark).then_some((Timestamp(begun.parse().ok()?), last.to_owned()))
        });
        let (begun, last) = parts.unzip();
        Self {
            mark,
            begun: begun.unwrap_or(now),
            last,
        }
    }

    /// What is kept of it.
    fn settings(self, done: bool) -> Vec<(String, Option<String>)> {
        let Self { mark, begun, last } = self;
        match last.filter(|_| !done) {
            Some(last) => vec![(AT.to_owned(), Some(format!("{mark} {} {last}", begun.0)))],
            None => vec![(AT.to_owned(), None), (DONE.to_owned(), Some(mark))],
        }
    }
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
    pub(super) fn defaults_mark(&self, state: &State) -> Option<String> {
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
        self.try_again(&state, most).await;
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
        let node = self.accounts().node();
        let mut walk = Walk::of(mark, kept(AT), node.now());
        let (after, mut looked_at) = (walk.last.clone(), 0);
        let (mut stopped, mut followed) = (false, 0u64);
        for (name, record) in state.accounts(after.as_deref()).take(most) {
            if node.is_stopping() {
                stopped = true;
                break;
            }
            match self.follow(&state, name, record).await {
                Some(new) => followed += u64::from(new),
                None => {
                    stopped = true;
                    break;
                }
            }
            walk.last = Some(name.to_owned());
            looked_at += 1;
        }
        if stopped && walk.last.is_none() {
            return false;
        }
        let mut done = !stopped && looked_at < most;
        if done {
            let state = self.snapshot();
            let all = state.accounts(None);
            for (name, record) in all.filter(|(_, record)| record.added >= walk.begun) {
                let new = self.follow(&state, name, record).await;
                done &= new.is_some();
                followed += u64::from(new == Some(true));
            }
        }
        if followed > 0 {
            info!(
                accounts = followed,
                "accounts follow a default that has changed"
            );
        }
        let command = Command::SetNode {
            hold: None,
            settings: walk.settings(done),
        };
        if let Err(error) = self.execute(command).await {
            warn!(%error, "how far the defaults are followed was not recorded");
            return false;
        }
        done
    }

    /// Lets one account follow, or marks it as one that is to be tried again. Whether
    /// it has not done so before; `None`: its mark could not be kept.
    async fn follow(&self, state: &State, name: &str, record: &Record) -> Option<bool> {
        let caught_up = self.catch_up(state, name, record).await;
        if let Err(error) = &caught_up {
            warn!(
                account = name,
                error, "an account does not follow a new default yet"
            );
        }
        let behind = caught_up.is_err();
        let new = caught_up.unwrap_or(false);
        if behind {
            let now = self.accounts().node().env.monotonic();
            self.0.behind.insert(record.id, now + BEHIND_WAIT);
        } else if !record.settings.contains_key(BEHIND) {
            self.0.behind.remove(record.id);
        }
        if behind == record.settings.contains_key(BEHIND) {
            return Some(new);
        }
        let command = Command::Set {
            name: name.to_owned(),
            key: BEHIND.to_owned(),
            value: behind.then(|| "yes".to_owned()),
        };
        match self.execute(command).await {
            // Refused: it is not there any more.
            Ok(()) | Err(ExecuteError::Refused(_)) => {
                if !behind {
                    self.0.behind.remove(record.id);
                }
                Some(new)
            }
            Err(error) => {
                warn!(account = name, %error, "an account's mark was not kept");
                None
            }
        }
    }

    /// Tries again those that could not follow.
    async fn try_again(&self, state: &State, most: usize) {
        let now = self.accounts().node().env.monotonic();
        for id in self.0.behind.due(state, now, most) {
            match (state.name_of(id), state.record(id)) {
                (Some(name), Some(record)) => {
                    self.follow(state, name, record).await;
                }
                _ => self.0.behind.remove(id),
            }
        }
    }

    /// Has an account follow its default, if it follows one and does not do so yet; and
    /// mends dates of a clock that had run ahead.
    async fn catch_up(&self, state: &State, name: &str, record: &Record) -> Result<bool, String> {
        let account = self.accounts().open(record.id).await;
        let account = account.map_err(|error| error.to_string())?;
        let set = async |command| account.execute(command).await.map_err(|e| e.to_string());
        let known = account.snapshot();
        if account::has_late_dates(&known, self.accounts().node().env.now()) {
            set(account::Command::Sweep(self.sweep_rules())).await?;
        }
        let domain = name.rsplit_once('@').map(|(_, domain)| domain);
        let hold = self.followed_hold(state, domain);
        if record.has_own_hold() || known.hold().is_same_as(&hold) {
            return Ok(false);
        }
        set(account::Command::SetHold(hold)).await?;
        Ok(true)
    }

    /// Lets accounts that have just entered follow what has changed since they were
    /// made, when the defaults had this mark.
    pub(super) async fn follow_now(&self, made: Option<String>, ids: Vec<AccountId>) {
        let state = self.snapshot();
        if self.defaults_mark(&state) == made {
            return;
        }
        for id in ids {
            if let (Some(name), Some(record)) = (state.name_of(id), state.record(id)) {
                self.follow(&state, name, record).await;
            }
        }
    }
}
