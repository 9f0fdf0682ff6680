//! Wakes accounts that have something to do by themselves.

use super::account::Accounts;
use account::{Command, Outcome, SweepRules};
use std::collections::HashSet;
use std::time::Duration;
use terms::{AccountId, Timestamp};
use tracing::{debug, info, warn};

/// Looks at what is due, again and again.
pub(crate) struct Sweeper {
    accounts: Accounts,
    /// Accounts that stayed due though they were woken: they must not keep the
    /// others from their turn.
    stuck: HashSet<AccountId>,
    /// Wall and elapsed time of the last sweep that was right.
    clocks: Option<(Timestamp, Duration)>,
}

/// The wall clock may run ahead of elapsed time by so much, in milliseconds.
const AHEAD_MAX: i64 = 3_600_000;
/// After so much agreement, in milliseconds, a wall clock that jumped is believed.
const AGREEMENT: i64 = 24 * AHEAD_MAX;
/// Accounts that stayed due are remembered up to this number.
const STUCK_MAX: usize = 10_000;

impl Sweeper {
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self {
            accounts,
            stuck: HashSet::new(),
            clocks: None,
        }
    }

    /// One look: wakes the accounts that are due, the longest due first.
    pub(crate) async fn sweep(&mut self) {
        let node = std::sync::Arc::clone(self.accounts.node());
        let now = node.env.now();
        if !self.clock_is_right(now, node.env.monotonic()) {
            return;
        }
        let limit = node.limits.sweep_accounts_max;
        let found = self
            .accounts
            .store()
            .due(now, limit + self.stuck.len())
            .await;
        let due = match found {
            Ok(due) => due,
            Err(error) => {
                warn!(%error, "what is due cannot be looked up");
                return;
            }
        };
        let is_due: HashSet<AccountId> = due.iter().map(|due| due.account).collect();
        self.stuck.retain(|id| is_due.contains(id));
        let fresh = due.iter().filter(|due| !self.stuck.contains(&due.account));
        let ids: Vec<AccountId> = fresh.map(|due| due.account).take(limit).collect();
        for id in ids {
            if node.is_stopping() {
                return;
            }
            let done = self.wake(id).await;
            if (!done || self.is_still_due(id, now).await) && self.stuck.len() < STUCK_MAX {
                self.stuck.insert(id);
            }
        }
    }

    /// Has one account do what is due.
    async fn wake(&self, id: AccountId) -> bool {
        let account = match self.accounts.open(id).await {
            Ok(account) => account,
            Err(error) => {
                debug!(account = %id, %error, "an account that is due cannot be opened");
                return false;
            }
        };
        match account.execute(Command::Sweep(SweepRules::default())).await {
            Ok(Outcome::Swept {
                expunged, purged, ..
            }) => {
                info!(account = %id, expunged, purged, "swept");
                true
            }
            Ok(_) => true,
            Err(error) => {
                warn!(account = %id, %error, "an account was not swept");
                false
            }
        }
    }

    async fn is_still_due(&self, id: AccountId, now: Timestamp) -> bool {
        match self.accounts.open(id).await {
            Ok(account) => account::next_due(&account.snapshot()).is_some_and(|due| due <= now),
            Err(_) => true,
        }
    }

    /// Whether the wall clock went on as time did. One that jumped ahead would
    /// let mail go too early: nothing is swept until it has agreed for a day.
    /// Backwards is harmless: nothing is due sooner.
    fn clock_is_right(&mut self, wall: Timestamp, elapsed: Duration) -> bool {
        let Some((last_wall, last_elapsed)) = self.clocks else {
            self.clocks = Some((wall, elapsed));
            return true;
        };
        let passed = elapsed.saturating_sub(last_elapsed).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let ahead = wall.0.saturating_sub(last_wall.0).saturating_sub(passed);
        if ahead <= AHEAD_MAX {
            self.clocks = Some((wall, elapsed));
            return true;
        }
        if passed >= AGREEMENT {
            warn!("the wall clock is believed again");
            self.clocks = Some((wall, elapsed));
            return true;
        }
        warn!(
            ahead_seconds = ahead / 1_000,
            "the wall clock has jumped ahead: nothing is swept for a day"
        );
        false
    }
}
