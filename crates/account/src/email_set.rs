//! Sets of email numbers as runs.

use crate::persistent::RunMap;
use std::fmt;
use terms::EmailNumber;

/// A set of email numbers, kept as runs; a copy costs nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EmailSet {
    runs: RunMap<()>,
}

impl EmailSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many numbers are in it.
    pub fn count(&self) -> u64 {
        self.runs()
            .map(|(first, last)| (last.0 - first.0).saturating_add(1))
            .fold(0, u64::saturating_add)
    }

    /// How many runs it is kept as: what it costs.
    pub fn run_count(&self) -> usize {
        self.runs.run_count()
    }

    /// The runs, ascending, both ends included.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = (EmailNumber, EmailNumber)> + '_ {
        self.runs
            .runs()
            .map(|run| (EmailNumber(run.first), EmailNumber(run.last)))
    }

    /// Whether `email` is in it.
    pub fn contains(&self, email: EmailNumber) -> bool {
        self.runs.get(email.0).is_some()
    }

    /// Whether all from `first` to `last` are in it.
    pub(crate) fn covers(&self, first: EmailNumber, last: EmailNumber) -> bool {
        let run = self.runs.run_at(first.0);
        run.is_some_and(|run| last.0 <= run.last)
    }

    /// Removes all that is not in `other`.
    pub(crate) fn retain(&mut self, other: &Self) {
        let mut outside = self.clone();
        outside.subtract(other);
        self.subtract(&outside);
    }

    /// Adds one.
    pub fn insert(&mut self, email: EmailNumber) {
        self.runs.set(email.0, email.0, Some(()));
    }

    /// Adds all from `first` to `last`.
    pub fn insert_range(&mut self, first: EmailNumber, last: EmailNumber) {
        self.runs.set(first.0, last.0, Some(()));
    }

    /// Removes one.
    pub fn remove(&mut self, email: EmailNumber) {
        self.runs.set(email.0, email.0, None);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        for (first, last) in other.runs() {
            self.insert_range(first, last);
        }
    }

    /// Removes all of `other`.
    pub fn subtract(&mut self, other: &Self) {
        for (first, last) in other.runs() {
            self.runs.set(first.0, last.0, None);
        }
    }
}

impl FromIterator<EmailNumber> for EmailSet {
    fn from_iter<I: IntoIterator<Item = EmailNumber>>(emails: I) -> Self {
        let mut set = Self::new();
        for email in emails {
            set.insert(email);
        }
        set
    }
}

impl fmt::Debug for EmailSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.runs()).finish()
    }
}
