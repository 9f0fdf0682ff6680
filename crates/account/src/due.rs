//! When an account next has something to do by itself.

use crate::decide::{forget_due, is_collected, purge_due, warn_due};
use crate::persistent::Run;
use crate::settings::{Collect, DAY};
use crate::state::State;
use crate::{DeviceId, EmailSet, HoldSettings, Refusal};
use std::collections::BTreeSet;
use terms::{EmailNumber, MailboxId, SystemFlag, Timestamp};

/// When clocks are over, under one state's hold. What some device has only read
/// stays for at least as long as the settings say.
pub(crate) struct Dues {
    hold: HoldSettings,
    /// Empty where it makes no difference.
    only_read: EmailSet,
}

impl Dues {
    pub(crate) fn new(state: &State) -> Self {
        Self::under(state, state.hold())
    }

    pub(crate) fn under(state: &State, hold: HoldSettings) -> Self {
        let mut only_read = EmailSet::new();
        if hold.collect == Collect::Retr && hold.read_stays_longer() {
            for device in state.devices().filter(|device| device.collects()) {
                only_read.extend(&device.only_read());
            }
        }
        Self { hold, only_read }
    }

    /// When the clock of `email` is over if it started at `start`.
    pub(crate) fn of(&self, email: EmailNumber, start: Timestamp) -> Option<Timestamp> {
        self.hold.due(start, self.only_read.contains(email))
    }

    /// When the first clock of a run is over.
    fn first_of(&self, run: &Run<Timestamp>) -> Option<Timestamp> {
        let all_read = self
            .only_read
            .covers(EmailNumber(run.first), EmailNumber(run.last));
        self.hold.due(run.value, all_read)
    }

    /// The emails whose clocks are over at `now`.
    pub(crate) fn over(&self, state: &State, now: Timestamp) -> EmailSet {
        let is_over = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
        let mut over = EmailSet::new();
        for run in state.root.clocks.runs() {
            if !is_over(self.hold.due(run.value, false)) {
                continue;
            }
            let mut emails = EmailSet::new();
            emails.insert_range(EmailNumber(run.first), EmailNumber(run.last));
            if !is_over(self.hold.due(run.value, true)) {
                emails.subtract(&self.only_read);
            }
            over.extend(&emails);
        }
        over
    }
}

/// The moment at which [`crate::Command::Sweep`] has something to do, or a device's
/// owner is to be warned; `None`: never. It stands in the envelope of every commit.
pub fn next_due(state: &State) -> Option<Timestamp> {
    let purge = state
        .root
        .expunged_oldest
        .map(|time| purge_due(state, time));
    let dues = Dues::new(state);
    let clock = state
        .root
        .clocks
        .runs()
        .filter_map(|run| dues.first_of(&run))
        .min();
    // A run that waits is looked at again when it has waited.
    let clock = match state.root.run_waits {
        None => clock,
        Some(since) => Some(since.plus_millis(DAY)),
    };
    let silent = state.devices().filter_map(|device| {
        forget_due(state, device)
            .into_iter()
            .chain(warn_due(state, device))
            .min()
    });
    let transfer = state.transfers().map(|(_, transfer)| transfer.due()).min();
    [purge, clock, silent.min(), transfer]
        .into_iter()
        .flatten()
        .min()
}

/// The devices whose owner is to be told, at `now`, that they will be forgotten.
/// None is forgotten before [`crate::Command::DeviceWarned`] has been done.
pub fn devices_to_warn(state: &State, now: Timestamp) -> Vec<DeviceId> {
    let devices = state.devices();
    devices
        .filter(|device| warn_due(state, device).is_some_and(|due| due <= now))
        .map(|device| device.id)
        .collect()
}

impl State {
    /// Between two times that a device's polls are filed.
    const POLLS_APART: i64 = 3_600_000;

    /// Whether a poll of the device at `now` is worth a commit: it was forgotten,
    /// or its last one was filed an hour ago.
    pub fn poll_is_due(&self, device: DeviceId, now: Timestamp) -> bool {
        self.device(device).is_some_and(|device| {
            device.forgotten.is_some()
                || device
                    .last_poll
                    .is_none_or(|last| last.plus_millis(Self::POLLS_APART) <= now)
        })
    }

    /// Whether every device that counts has collected `email`, and one at least.
    pub fn is_collected(&self, email: EmailNumber) -> bool {
        is_collected(self, email)
    }

    /// Emails whose clocks are not as they must be: what is collected in INBOX and not
    /// flagged, so within reach of the hold, has one, or it would stay for ever; nothing
    /// out of reach has one. Ascending; for a state in which INBOX's table is.
    ///
    /// # Errors
    /// If it is not.
    pub fn wrong_clocks(&self) -> Result<BTreeSet<EmailNumber>, Refusal> {
        let table = self.table(MailboxId::INBOX)?;
        let rows = table.rows();
        let in_reach: BTreeSet<EmailNumber> = rows
            .filter(|row| !row.flags.has(SystemFlag::Flagged))
            .map(|row| row.email)
            .collect();
        let lacks = |email: &EmailNumber| self.is_collected(*email) && self.clock(*email).is_none();
        let mut wrong: BTreeSet<EmailNumber> = in_reach.iter().copied().filter(lacks).collect();
        for run in self.root.clocks.runs() {
            let emails = (run.first..=run.last).map(EmailNumber);
            wrong.extend(emails.filter(|email| !in_reach.contains(email)));
        }
        Ok(wrong)
    }
}
