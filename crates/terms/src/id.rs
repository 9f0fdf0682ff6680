//! Numbers and identifiers.

use std::fmt;
use std::num::NonZeroU32;

/// A message's unique identifier within one mailbox and one UIDVALIDITY.
/// RFC 9051 §2.3.1.1: never zero, strictly ascending, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The smallest unique identifier.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The largest unique identifier.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// `None` for zero.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The plain number.
    pub fn value(self) -> u32 {
        self.0.get()
    }

    /// The next higher one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The unique identifier validity value of a mailbox. RFC 9051 §2.3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidValidity(NonZeroU32);

impl UidValidity {
    /// The smallest legal value.
    pub const MIN: Self = Self(NonZeroU32::MIN);

    /// `None` for zero.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The plain number.
    pub fn value(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for UidValidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a change to an account, which is at once the IMAP
/// mod-sequence of every row that the change touched. RFC 7162 §3.1.
/// Zero stands before the first change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModSeq(pub u64);

impl ModSeq {
    /// Before the first change.
    pub const ZERO: Self = Self(0);
    /// The largest that the grammar can carry: 63 bits. RFC 7162 §7.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The number of the following change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An account. Random, never reused: the names that lead to it belong to the
/// directory and may change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u128);

impl AccountId {
    /// The directory's own log lies beside the accounts' under this identifier.
    pub const DIRECTORY: Self = Self(0);
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

/// The octets of one message body. Random, chosen before the change that binds
/// it is decided, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub u128);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// A mailbox within its account. Ascending, never reused; it survives RENAME and
/// is what MAILBOXID (RFC 8474 §4) is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub u32);

impl MailboxId {
    /// INBOX is made with the account and never goes.
    pub const INBOX: Self = Self(1);
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message within its account, the same in every copy of it. Ascending, never
/// reused; EMAILID (RFC 8474 §5.1) and the POP3 unique-id are made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailNumber(pub u64);

impl fmt::Display for EmailNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
