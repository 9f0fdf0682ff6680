//! Wakes accounts that have something to do by themselves: the hold, the end of the
//! undo window, devices that are silent.

use super::clock::Verdict;
use crate::auth::{Directory, walk_again};
use crate::notice::{self, Notice};
use account::directory;
use account::{Command, Outcome};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::{AccountId, Timestamp};
use tracing::{debug, info, warn};

/// Looks at what is due, again and again.
pub(crate) struct Sweeper {
    directory: Directory,
    /// Accounts that stayed due though they were woken, and when they are tried
    /// again: they must not keep the others from their turn.
    stuck: HashMap<AccountId, Stuck>,
    /// When the wall clock was last recorded.
    recorded: Option<Duration>,
}

struct Stuck {
    tries: u32,
    until: Duration,
}

/// Accounts that stayed due are remembered up to this number.
const STUCK_MAX: usize = 10_000;
/// An account that stayed due is tried again after so long, then twice as long,
/// up to a day.
const STUCK_WAIT: Duration = Duration::from_secs(300);
/// Between two times that the wall clock is recorded, for the next start.
const RECORD_WAIT: Duration = Duration::from_secs(3_600);

/// What the node's settings have at these keys: what was last known to be the right
/// time, and since when the wall clock is not believed.
const CLOCK: &str = "clock";
const CLOCK_DOUBTED: &str = "clock-doubted";

/// What all sweeps have done since the process began, for whoever watches it.
#[derive(Debug, Default)]
pub struct Sweeps {
    runs: AtomicU64,
    accounts: AtomicU64,
    expunged: AtomicU64,
    expunged_octets: AtomicU64,
    purged: AtomicU64,
    failed: AtomicU64,
    /// Of the last run.
    waiting: AtomicU64,
    stopped: AtomicU64,
    last: AtomicU64,
}

/// The numbers of [`Sweeps`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepTotals {
    /// Runs that were begun with a wall clock that is believed.
    pub runs: u64,
    /// Accounts that were woken.
    pub accounts: u64,
    /// Messages that a hold has expunged.
    pub expunged: u64,
    /// Octets that accounts take up less for that.
    pub expunged_octets: u64,
    /// Messages that the undo window no longer keeps.
    pub purged: u64,
    /// Accounts that could not be swept.
    pub failed: u64,
    /// Messages that wait a day since they are a large part of their account, as
    /// the last run has found them.
    pub waiting: u64,
    /// 1 while the wall clock is not believed and nothing is swept.
    pub stopped: u64,
    /// When the last run began, in seconds since 1970; 0: none yet.
    pub last: u64,
}

impl Sweeps {
    /// The numbers now.
    pub fn totals(&self) -> SweepTotals {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SweepTotals {
            runs: of(&self.runs),
            accounts: of(&self.accounts),
            expunged: of(&self.expunged),
            expunged_octets: of(&self.expunged_octets),
            purged: of(&self.purged),
            failed: of(&self.failed),
            waiting: of(&self.waiting),
            stopped: of(&self.stopped),
            last: of(&self.last),
        }
    }

    fn file(&self, run: &Run) {
        for (counter, count) in [
            (&self.accounts, run.accounts),
            (&self.expunged, run.expunged),
            (&self.expunged_octets, run.octets),
            (&self.purged, run.purged),
            (&self.failed, run.failed),
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        self.waiting.store(run.waiting, Ordering::Relaxed);
    }
}

/// What one run has done.
#[derive(Default)]
struct Run {
    accounts: u64,
    expunged: u64,
    octets: u64,
    purged: u64,
    waiting: u64,
    failed: u64,
    told: u64,
}

impl Sweeper {
    pub(crate) fn new(directory: Directory) -> Self {
        Self {
            directory,
            stuck: HashMap::new(),
            recorded: None,
        }
    }

    /// One look: wakes the accounts that are due, the longest due first.
    pub(crate) async fn sweep(&mut self) {
        let node = Arc::clone(self.directory.accounts().node());
        if !self.clock_is_right().await {
            node.sweeps.stopped.store(1, Ordering::Relaxed);
            return;
        }
        node.sweeps.stopped.store(0, Ordering::Relaxed);
        let now = node.env.now();
        let seconds = u64::try_from(now.seconds()).unwrap_or(0);
        node.sweeps.runs.fetch_add(1, Ordering::Relaxed);
        node.sweeps.last.store(seconds, Ordering::Relaxed);
        let limit = node.limits.sweep_accounts_max;
        let store = self.directory.store();
        let due = match store.due(now, limit + self.stuck.len()).await {
            Ok(due) => due,
            Err(error) => {
                warn!(%error, "what is due cannot be looked up");
                return;
            }
        };
        self.stuck
            .retain(|id, _| due.iter().any(|due| due.account == *id));
        let elapsed = node.env.monotonic();
        let waits = |id: &AccountId| self.stuck.get(id).is_some_and(|s| elapsed < s.until);
        let ids = due.iter().map(|due| due.account).filter(|id| !waits(id));
        let ids: Vec<AccountId> = ids.take(limit).collect();
        let mut run = Run::default();
        for id in ids {
            if node.is_stopping() {
                break;
            }
            let done = self.wake(id, now, &mut run).await;
            if !done || self.is_still_due(id, now).await {
                self.put_off(id, elapsed);
            }
        }
        node.sweeps.file(&run);
        if run.accounts > 0 {
            info!(
                accounts = run.accounts,
                expunged = run.expunged,
                octets = run.octets,
                purged = run.purged,
                waiting = run.waiting,
                owners_told = run.told,
                failed = run.failed,
                "swept"
            );
        }
    }

    fn put_off(&mut self, id: AccountId, elapsed: Duration) {
        if self.stuck.len() >= STUCK_MAX && !self.stuck.contains_key(&id) {
            return;
        }
        let stuck = self.stuck.entry(id).or_insert(Stuck {
            tries: 0,
            until: elapsed,
        });
        stuck.until = elapsed + STUCK_WAIT * 2u32.pow(stuck.tries.min(8));
        stuck.tries = stuck.tries.saturating_add(1);
    }

    /// Has one account do what is due.
    async fn wake(&self, id: AccountId, now: Timestamp, run: &mut Run) -> bool {
        let account = match self.directory.accounts().open(id).await {
            Ok(account) => account,
            Err(error) => {
                debug!(account = %id, %error, "an account that is due cannot be opened");
                run.failed += 1;
                return false;
            }
        };
        run.accounts += 1;
        // Its owner is told first: no device is forgotten before that.
        for device in account::devices_to_warn(&account.snapshot(), now) {
            let notice = Notice::DeviceSilent { device };
            if let Err(error) = notice::deliver(&self.directory, &account, &notice).await {
                warn!(account = %id, %error, "an owner was not told of a silent device");
                continue;
            }
            if account.execute(Command::DeviceWarned(device)).await.is_ok() {
                run.told += 1;
            }
        }
        // What cannot be settled now stays due, and is tried again.
        super::transfers::settle(self.directory.accounts(), &account, now).await;
        let command = Command::Sweep(self.directory.sweep_rules());
        match account.execute(command).await {
            Ok(Outcome::Swept {
                expunged,
                octets,
                purged,
                waiting,
            }) => {
                run.expunged += expunged;
                run.octets += octets;
                run.purged += purged;
                run.waiting += waiting;
                if waiting > 0 {
                    warn!(
                        account = %id,
                        messages = waiting,
                        "the hold would expunge a large part of an account: it waits a day"
                    );
                }
                debug!(account = %id, expunged, octets, purged, "an account was swept");
                true
            }
            Ok(_) => true,
            Err(error) => {
                warn!(account = %id, %error, "an account was not swept");
                run.failed += 1;
                false
            }
        }
    }

    async fn is_still_due(&self, id: AccountId, now: Timestamp) -> bool {
        match self.directory.accounts().open(id).await {
            Ok(account) => account::next_due(&account.snapshot()).is_some_and(|due| due <= now),
            Err(_) => true,
        }
    }

    /// Whether the wall clock is believed; records what it says.
    async fn clock_is_right(&mut self) -> bool {
        let node = Arc::clone(self.directory.accounts().node());
        let (wall, elapsed) = (node.env.now(), node.env.elapsed());
        let verdict = node.clock.look(wall, elapsed);
        let since_record = self.recorded.map(|last| elapsed.saturating_sub(last));
        match verdict {
            Verdict::Right if since_record.is_some_and(|since| since < RECORD_WAIT) => {}
            Verdict::Right | Verdict::RightAgain => {
                let mut settings = clock_settings(wall, None);
                if verdict == Verdict::RightAgain {
                    info!("the wall clock is believed again: the hold goes on");
                    settings.push(walk_again());
                }
                self.recorded = Some(elapsed);
                self.directory.record_clock(settings).await;
            }
            Verdict::Doubted(doubt) => {
                warn!(
                    ahead_seconds = doubt.ahead_millis / 1_000,
                    "the wall clock has run away from the time that has passed: nothing is \
                     swept until `restante hold resume` or a day of agreement"
                );
                let right = node.clock.counted(elapsed);
                let settings = clock_settings(right, Some(doubt.since));
                self.directory.record_clock(settings).await;
            }
            Verdict::StillDoubted(_) => {}
        }
        matches!(verdict, Verdict::Right | Verdict::RightAgain)
    }
}

/// One of the node's settings.
type Setting = (String, Option<String>);

/// What is the right time, and since when the wall clock says another.
fn clock_settings(right: Timestamp, doubted: Option<Timestamp>) -> Vec<Setting> {
    let text = |time: Timestamp| time.0.to_string();
    vec![
        (CLOCK.to_owned(), Some(text(right))),
        (CLOCK_DOUBTED.to_owned(), doubted.map(text)),
    ]
}

impl Directory {
    /// Takes over what was recorded before the process began.
    pub(crate) fn restore_clock(&self) {
        let node = self.accounts().node();
        let state = self.snapshot();
        let Some(settings) = state.node().map(|node| &node.settings) else {
            return;
        };
        let time = |key: &str| settings.get(key)?.parse().ok().map(Timestamp);
        if let Some(right) = time(CLOCK) {
            let (wall, elapsed) = (node.env.now(), node.env.elapsed());
            node.clock
                .restore(right, time(CLOCK_DOUBTED), wall, elapsed);
            if let Some(doubt) = node.clock.doubt() {
                warn!(
                    ahead_seconds = doubt.ahead_millis / 1_000,
                    "the wall clock is not where it was left: nothing is swept until \
                     `restante hold resume` or a day of agreement"
                );
            }
        }
    }

    /// Records the time where none ever was: the next process must know what to hold
    /// its clock against, however soon this one ends.
    pub(crate) async fn begin_clock(&self) {
        let state = self.snapshot();
        if (state.node()).is_some_and(|node| node.settings.contains_key(CLOCK)) {
            return;
        }
        let node = self.accounts().node();
        let right = node.clock.counted(node.env.elapsed());
        self.record_clock(clock_settings(right, None)).await;
    }

    /// Records what is said of the clock.
    async fn record_clock(&self, settings: Vec<Setting>) {
        let command = directory::Command::SetNode {
            hold: None,
            settings,
        };
        if let Err(error) = self.execute(command).await {
            warn!(%error, "what the wall clock says was not recorded");
        }
    }

    /// The wall clock is right: the operator says so. Sweeping goes on.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn resume_sweeping(
        &self,
    ) -> Result<(), super::ExecuteError<account::directory::Refusal>> {
        let node = self.accounts().node();
        let wall = node.env.now();
        let mut settings = clock_settings(wall, None);
        if node.clock.doubt().is_some() {
            settings.push(walk_again());
        }
        let command = directory::Command::SetNode {
            hold: None,
            settings,
        };
        self.execute(command).await?;
        node.clock.resume(wall, node.env.elapsed());
        Ok(())
    }
}
