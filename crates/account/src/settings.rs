//! What an owner or operator sets for an account.

use terms::Timestamp;

/// Milliseconds in a day.
pub(crate) const DAY: i64 = 86_400_000;

/// How long a message that POP3 has collected stays on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// It goes at the QUIT that starts its clock. RFC 1939 §8.
    Remove,
    /// It goes when this many seconds have passed.
    Span(u32),
    /// It stays.
    Forever,
}

/// What collects a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collect {
    /// DELE, then QUIT.
    Dele,
    /// RETR, or a TOP that gave the whole body, too.
    Retr,
}

/// When a message that POP3 has retrieved becomes \Seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeenAfterRetr {
    /// Never.
    Never,
    /// At the QUIT.
    Quit,
}

/// The hold and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HoldSettings {
    /// How long.
    pub hold: Hold,
    /// What collects.
    pub collect: Collect,
    /// Whether deliveries that do not fit may expunge the oldest collected ones.
    pub give_way: bool,
    /// Seconds below which nothing that was only read is expunged.
    pub at_least_seconds: u32,
    /// Whether RETR makes a message \Seen.
    pub seen_after_retr: SeenAfterRetr,
    /// Seconds for which what was expunged can be brought back.
    pub undo_seconds: u32,
    /// Seconds of silence after which a device no longer counts.
    pub forget_device_seconds: u32,
    /// Whether IMAP sees `$Collected`.
    pub show_collected: bool,
    /// The last change, of these or of a device, that made something due sooner.
    /// Nothing goes before max(at-least, 24 h) after it.
    pub changed: Timestamp,
}

impl HoldSettings {
    /// The clock's time plus the span, the earliest moment at which the hold
    /// expunges what was collected at `start`, by RETR alone or not; `None` under
    /// `Forever`.
    pub fn due(&self, start: Timestamp, only_read: bool) -> Option<Timestamp> {
        let span = match self.hold {
            Hold::Remove => 0,
            Hold::Span(seconds) => seconds,
            Hold::Forever => return None,
        };
        // What was only read stays for at least so long.
        let seconds = if only_read {
            span.max(self.at_least_seconds)
        } else {
            span
        };
        Some(
            start
                .plus_millis(i64::from(seconds) * 1_000)
                .max(self.floor()),
        )
    }

    /// The earliest moment at which what was collected at `start` may give way.
    pub fn may_give_way(&self, start: Timestamp) -> Timestamp {
        start.plus_millis(self.at_least_millis()).max(self.floor())
    }

    /// Whether what was only read stays longer than what was deleted.
    pub(crate) fn read_stays_longer(&self) -> bool {
        match self.hold {
            Hold::Remove => self.at_least_seconds > 0,
            Hold::Span(seconds) => seconds < self.at_least_seconds,
            Hold::Forever => false,
        }
    }

    /// Whether these settings, in the place of `old`, let something go sooner.
    pub fn is_sooner_than(&self, old: &Self) -> bool {
        let span = |settings: &Self| match settings.hold {
            Hold::Remove => 0,
            Hold::Span(seconds) => u64::from(seconds),
            Hold::Forever => u64::MAX,
        };
        span(self) < span(old)
            || (self.collect == Collect::Retr && old.collect == Collect::Dele)
            || (self.give_way && !old.give_way)
            // What some device has only read stays no longer than the rest.
            || (self.collect == Collect::Dele
                && old.collect == Collect::Retr
                && old.read_stays_longer())
            || self.at_least_seconds < old.at_least_seconds
            || self.undo_seconds < old.undo_seconds
            || self.forget_device_seconds < old.forget_device_seconds
    }

    /// The same for an account whose mail comes from elsewhere: it stays, until its
    /// owner or the operator says otherwise.
    #[must_use]
    pub fn imported(self) -> Self {
        Self {
            hold: Hold::Forever,
            give_way: true,
            ..self
        }
    }

    /// Whether all is set as in `other`, whenever it was set.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Self {
            changed: other.changed,
            ..*self
        } == *other
    }

    /// Nothing goes sooner than this after a change of the settings.
    pub fn floor(&self) -> Timestamp {
        if self.changed == Timestamp::EPOCH {
            return Timestamp::EPOCH;
        }
        self.changed.plus_millis(self.at_least_millis().max(DAY))
    }

    /// `at-least` from a moment on.
    pub(crate) fn at_least(&self, from: Timestamp) -> Timestamp {
        from.plus_millis(self.at_least_millis())
    }

    fn at_least_millis(&self) -> i64 {
        i64::from(self.at_least_seconds).saturating_mul(1_000)
    }
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            hold: Hold::Span(30 * 86_400),
            collect: Collect::Dele,
            give_way: false,
            at_least_seconds: 86_400,
            seen_after_retr: SeenAfterRetr::Never,
            undo_seconds: 7 * 86_400,
            forget_device_seconds: 90 * 86_400,
            show_collected: false,
            changed: Timestamp::EPOCH,
        }
    }
}

/// What an account may take up; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Octets, each message once. RFC 9208 §5.1, STORAGE.
    pub octets: Option<u64>,
    /// Rows. RFC 9208 §5.2, MESSAGE.
    pub messages: Option<u64>,
}

/// What an account takes up, kept with each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Used {
    /// Octets, each message once.
    pub octets: u64,
    /// Rows.
    pub messages: u64,
}
