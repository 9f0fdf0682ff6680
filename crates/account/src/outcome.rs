//! What `decide` answers.

use crate::DeviceId;
use crate::changes::Changes;
use std::fmt;
use terms::{EmailNumber, MailboxId, ModSeq, UidSet, UidValidity};

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is to be committed and applied; empty where nothing changes.
    pub changes: Changes,
    /// What the session is told.
    pub outcome: Outcome,
    /// More remains than one commit may hold: ask again once this is applied,
    /// with this rest where a set of rows was given.
    pub rest: Option<Rest>,
}

/// What is left of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The same command with these rows.
    Uids(UidSet),
    /// The same command again.
    Again,
}

/// What a session is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and there is nothing to say.
    Done,
    /// Messages were added. RFC 9051 §7.1, APPENDUID.
    Appended {
        /// Where.
        mailbox: MailboxId,
        /// Its validity.
        uid_validity: UidValidity,
        /// As what, in the order given.
        uids: UidSet,
        /// Their numbers, consecutive from this one.
        first_email: EmailNumber,
    },
    /// STORE was done.
    Stored {
        /// The change, where there was one.
        number: Option<ModSeq>,
        /// Rows whose flags are other now.
        changed: UidSet,
        /// Rows that had those flags already: they keep their mod-sequence.
        unchanged: UidSet,
        /// Rows that have changed since UNCHANGEDSINCE. RFC 7162 §3.1.3.
        modified: UidSet,
        /// Rows that are not there.
        missing: UidSet,
    },
    /// Rows were taken out.
    Expunged {
        /// The change, where there was one.
        number: Option<ModSeq>,
        /// Which.
        uids: UidSet,
    },
    /// COPY or MOVE was done. RFC 9051 §7.1, COPYUID: the sets correspond in
    /// ascending order. Both are empty where nothing was there.
    Copied {
        /// The change, where there was one.
        number: Option<ModSeq>,
        /// Where to.
        to: MailboxId,
        /// Its validity.
        uid_validity: UidValidity,
        /// Source rows.
        source: UidSet,
        /// Target rows.
        target: UidSet,
    },
    /// A mailbox was made.
    MailboxCreated {
        /// Which.
        mailbox: MailboxId,
    },
    /// A device was declared.
    DeviceDeclared {
        /// Which.
        device: DeviceId,
    },
    /// QUIT: what went.
    Collected {
        /// How many were filed for the device.
        collected: u64,
        /// Rows of INBOX that were expunged.
        expunged: UidSet,
    },
    /// What was due is done, or as much as one commit may.
    Swept {
        /// Rows of INBOX that the hold has expunged.
        expunged: u64,
        /// Octets that the account takes up less.
        octets: u64,
        /// Expunged rows that were let go.
        purged: u64,
        /// Rows that are over and wait a day, because they are a large part of the
        /// account.
        waiting: u64,
    },
    /// What was to be withdrawn has arrived.
    Arrived,
    /// Rows came back.
    Restored {
        /// How many.
        count: u64,
        /// The quota is exceeded now.
        over_quota: bool,
    },
}

/// Why a command was not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    // Not possible now; the peer must act.
    /// No such mailbox. RFC 9051 §7.1: NONEXISTENT, or TRYCREATE where one could
    /// be made.
    NoSuchMailbox,
    /// There is one already, or a level that cannot be selected. ALREADYEXISTS.
    MailboxExists,
    /// INBOX cannot be deleted, and nothing can be renamed to it.
    Inbox,
    /// The name is a level with inferiors that cannot be selected. HASCHILDREN.
    HasChildren,
    /// The new name is no legal name, or lies below the old one.
    BadName,
    /// The message, or the copies, do not fit. OVERQUOTA.
    OverQuota,
    /// More mailboxes, keywords, devices or rows than there may be. LIMIT.
    TooMany(&'static str),
    /// Some of the rows, all of which were asked for, are not there. RFC 2180
    /// §4.4.1; EXPUNGEISSUED.
    Expunged,
    /// No such device.
    NoSuchDevice,
    /// A device of that name is there.
    DeviceExists,
    /// The account has been created already.
    AccountExists,
    /// There is nothing that could be brought back.
    NothingToRestore,
    /// A part of the command breaks a bound: a fault of the caller.
    Invalid(&'static str),
    // We must act.
    /// The account has not been created: its log is empty.
    NoAccount,
    /// A part of the state must be loaded first; then ask again.
    Needed(Part),
    /// All unique identifiers, or mailbox numbers, have been given.
    Exhausted,
}

/// A part of the state that may be unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The table of a mailbox.
    Table(MailboxId),
    /// What was expunged and can be brought back.
    Expunged,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchMailbox => "no such mailbox",
            Self::MailboxExists => "there is a mailbox of that name",
            Self::Inbox => "not possible with INBOX",
            Self::HasChildren => "the mailbox has inferior names",
            Self::BadName => "the name is not possible",
            Self::OverQuota => "over quota",
            Self::TooMany(what) => return write!(f, "too many {what}"),
            Self::Expunged => "some of the messages have been expunged",
            Self::NoSuchDevice => "no such device",
            Self::DeviceExists => "there is a device of that name",
            Self::AccountExists => "the account exists",
            Self::NothingToRestore => "there is nothing to bring back",
            Self::Invalid(what) => return write!(f, "{what}"),
            Self::NoAccount => "the account has not been created",
            Self::Needed(_) => "a part of the account is not loaded",
            Self::Exhausted => "all numbers have been given",
        })
    }
}

impl std::error::Error for Refusal {}
