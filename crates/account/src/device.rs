//! POP3 devices and what they have collected.

use crate::EmailSet;
use terms::Timestamp;

/// A device within its account. Ascending, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

impl DeviceId {
    /// All logins that name no device.
    pub const DEFAULT: Self = Self(1);
}

/// A mail program that collects from the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub id: DeviceId,
    /// As its owner calls it; unique among the devices that were not revoked.
    pub name: String,
    /// Since when it counts.
    pub declared: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// When its password ends.
    pub expires: Option<Timestamp>,
    /// When it was silent for too long and stopped counting.
    pub forgotten: Option<Timestamp>,
    /// When its owner was told that it will be forgotten.
    pub warned: Option<Timestamp>,
    /// When it last polled, as far as filed.
    pub last_poll: Option<Timestamp>,
    /// What it may be used for.
    pub protocols: DeviceProtocols,
    /// Its DELE hides for it alone and counts for nothing.
    pub may_not_delete: bool,
    /// What left its drop.
    pub collected: EmailSet,
    /// What it has read, counted under `collect = "retr"`, and still lists.
    pub read: EmailSet,
}

impl Device {
    /// Octets of a name at the most.
    pub const NAME_OCTETS_MAX: usize = 64;

    /// Whether a message waits for it.
    pub fn counts(&self) -> bool {
        self.collects() && self.forgotten.is_none()
    }

    /// Whether what it collects is collected for the account: true of a forgotten
    /// device too, for what it took before.
    pub fn collects(&self) -> bool {
        self.protocols.pop3 && !self.may_not_delete && self.revoked.is_none()
    }

    /// Whether a program has logged in with it.
    pub(crate) fn was_used(&self) -> bool {
        self.last_poll.is_some() || !self.collected.is_empty() || !self.read.is_empty()
    }

    /// When it last was heard of.
    pub fn heard(&self) -> Timestamp {
        self.last_poll
            .map_or(self.declared, |poll| poll.max(self.declared))
    }

    /// What a change of it says: all but its sets and its warning, which have
    /// changes of their own.
    pub(crate) fn record(&self) -> Self {
        Self {
            warned: None,
            collected: EmailSet::new(),
            read: EmailSet::new(),
            ..self.clone()
        }
    }

    /// What it has only read, and not taken out of its drop.
    pub(crate) fn only_read(&self) -> EmailSet {
        let mut set = self.read.clone();
        set.subtract(&self.collected);
        set
    }
}

/// What a device's password opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceProtocols {
    /// POP3.
    pub pop3: bool,
    /// IMAP.
    pub imap: bool,
}
