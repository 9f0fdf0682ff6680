//! What CAPA promises about whole accounts: EXPIRE and LOGIN-DELAY (RFC 2449
//! §6.5, §6.7), and the lock of a drop (RFC 1939 §4).
//!
//! When a device logged in last, and who has a lock, is known to this process
//! alone and not filed: a restart forgets it.

use crate::auth::Directory;
use account::directory::{Command, State};
use account::{DeviceId, HoldSettings};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use terms::{AccountId, ModSeq};
use tracing::warn;

/// The account setting that mirrors what EXPIRE says to its owner, in days; not
/// there where that is NEVER. So that CAPA before a login knows the smallest.
pub const EXPIRE_SETTING: &str = "pop3-expire";
/// The setting of an account or a domain for the seconds between two logins.
pub const LOGIN_DELAY_SETTING: &str = "pop3-login-delay";

/// What is set for all POP3 listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// One session at a time for each device. RFC 1939 §4.
    pub exclusive: bool,
    /// Between two logins of a device, where neither account nor domain says
    /// otherwise.
    pub login_delay: Duration,
}

/// A drop, as far as logins and locks go.
pub(super) type DropKey = (AccountId, DeviceId);

/// What all POP3 sessions of a node know of each other.
#[derive(Debug, Default)]
pub struct Policy {
    settings: Settings,
    logins: Mutex<Logins>,
    locked: Arc<Mutex<HashSet<DropKey>>>,
    extremes: Mutex<Option<Known>>,
}

/// Which drops must wait, and until when by the monotonic clock.
#[derive(Debug, Default)]
struct Logins {
    until: HashMap<DropKey, Duration>,
    /// When there are so many, those that need not wait are forgotten.
    clean_at: usize,
}

/// The extremes of a directory.
#[derive(Clone, Copy, Debug)]
struct Known {
    head: ModSeq,
    at: Duration,
    extremes: Extremes,
}

/// What CAPA says before a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extremes {
    /// The smallest EXPIRE of any account; `None`: all are NEVER.
    pub(super) expire_days: Option<u32>,
    /// The longest delay of any.
    pub(super) login_delay: Duration,
}

/// Another session has the drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InUse;

impl Extremes {
    fn shorten(&mut self, days: Option<u32>) {
        let (one, other) = (self.expire_days, days);
        self.expire_days = one.into_iter().chain(other).min();
    }
}

/// A drop that nobody else may open until this goes.
#[derive(Debug)]
pub(super) struct Lock {
    key: DropKey,
    locked: Arc<Mutex<HashSet<DropKey>>>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        lock(&self.locked).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Policy {
    /// So few logins are not worth looking through.
    const LOGINS_MIN: usize = 1_000;
    /// Beyond so many that must wait no other is remembered.
    const LOGINS_MAX: usize = 1_000_000;
    /// Directories with more accounts are looked through once a minute at the
    /// most.
    const LARGE: usize = 10_000;

    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Locks a drop, where drops are locked.
    pub(super) fn lock(&self, key: DropKey) -> Result<Option<Lock>, InUse> {
        if !self.settings.exclusive {
            return Ok(None);
        }
        if !lock(&self.locked).insert(key) {
            return Err(InUse);
        }
        Ok(Some(Lock {
            key,
            locked: Arc::clone(&self.locked),
        }))
    }

    /// How long an account's devices must wait between two logins.
    pub(super) fn login_delay(&self, directory: &State, account: AccountId) -> Duration {
        let record = directory.record(account);
        let own = record.and_then(|record| seconds(record.settings.get(LOGIN_DELAY_SETTING)));
        let domain = || {
            let (_, domain) = directory.name_of(account)?.rsplit_once('@')?;
            let domain = directory.domain(domain)?;
            seconds(domain.settings.get(LOGIN_DELAY_SETTING))
        };
        own.or_else(domain).unwrap_or(self.settings.login_delay)
    }

    /// Files a login at `now`; or says how long it must wait yet.
    pub(super) fn log_in(
        &self,
        key: DropKey,
        delay: Duration,
        now: Duration,
    ) -> Result<(), Duration> {
        let mut logins = lock(&self.logins);
        if let Some(left) = logins.until.get(&key).and_then(|end| end.checked_sub(now))
            && !left.is_zero()
        {
            return Err(left);
        }
        if delay.is_zero() {
            logins.until.remove(&key);
            return Ok(());
        }
        if logins.until.len() >= logins.clean_at {
            logins.until.retain(|_, end| *end > now);
            logins.clean_at = (logins.until.len() * 2).max(Self::LOGINS_MIN);
        }
        if logins.until.len() < Self::LOGINS_MAX {
            logins.until.insert(key, now + delay);
        }
        Ok(())
    }

    /// Whether the directory does not know what EXPIRE says to this account.
    pub(super) fn is_unfiled(
        &self,
        directory: &State,
        account: AccountId,
        hold: &HoldSettings,
    ) -> bool {
        let filed = directory.record(account);
        let filed = filed.and_then(|record| record.settings.get(EXPIRE_SETTING));
        filed.and_then(|days| days.parse().ok()) != hold.expire_days()
    }

    /// What may be said to somebody who has not logged in.
    pub(super) fn extremes(&self, all: &Directory, now: Duration) -> Extremes {
        let directory = &*all.snapshot();
        let mut known = lock(&self.extremes);
        let settled = known.filter(|known| {
            known.head == directory.head()
                || (directory.account_count() > Self::LARGE
                    && now < known.at + Duration::from_secs(60))
        });
        if let Some(known) = settled {
            return known.extremes;
        }
        let extremes = self.find(all, directory);
        *known = Some(Known {
            head: directory.head(),
            at: now,
            extremes,
        });
        extremes
    }

    fn find(&self, all: &Directory, directory: &State) -> Extremes {
        let mut found = Extremes {
            expire_days: all.followed_hold(directory, None).expire_days(),
            login_delay: self.settings.login_delay,
        };
        for (name, _) in directory.domains() {
            found.shorten(all.followed_hold(directory, Some(name)).expire_days());
        }
        let delays = directory
            .domains()
            .filter_map(|(_, domain)| seconds(domain.settings.get(LOGIN_DELAY_SETTING)));
        for delay in delays {
            found.login_delay = found.login_delay.max(delay);
        }
        for (_, record) in directory.accounts(None) {
            if let Some(delay) = seconds(record.settings.get(LOGIN_DELAY_SETTING)) {
                found.login_delay = found.login_delay.max(delay);
            }
            let days = record.settings.get(EXPIRE_SETTING);
            found.shorten(days.and_then(|days| days.parse().ok()));
        }
        found
    }
}

fn seconds(setting: Option<&String>) -> Option<Duration> {
    setting?.parse().ok().map(Duration::from_secs)
}

/// Mirrors in the directory what EXPIRE says to the owner of an account, where
/// that has changed.
pub async fn file_expire(directory: &Directory, account: AccountId, hold: &HoldSettings) {
    let state = directory.snapshot();
    let (Some(record), Some(name)) = (state.record(account), state.name_of(account)) else {
        return;
    };
    let days = hold.expire_days().map(|days| days.to_string());
    if record.settings.get(EXPIRE_SETTING) == days.as_ref() {
        return;
    }
    let command = Command::Set {
        name: name.to_owned(),
        key: EXPIRE_SETTING.to_owned(),
        value: days,
    };
    if let Err(error) = directory.execute(command).await {
        warn!(%account, ?error, "EXPIRE was not filed");
    }
}
