//! The moment of a decision.

use terms::Timestamp;

/// When something is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What is filed as the time of what happens.
    pub now: Timestamp,
    /// What the hold goes by where it takes something away: no later than `now`.
    /// It is earlier while a clock is ahead that has run away from the time that
    /// has passed.
    pub believed: Timestamp,
}

impl From<Timestamp> for Moment {
    /// Where the clock is believed.
    fn from(now: Timestamp) -> Self {
        Self { now, believed: now }
    }
}
