//! What a commit carries: results, so that `apply` has nothing to compute.

use crate::device::Device;
use crate::expunged::Cause;
use crate::persistent::Run;
use crate::rows::Rows;
use crate::transfer::Transfer;
use crate::{
    Collect, Counts, DeviceId, EmailSet, HoldSettings, Limits, SpecialUses, UniqueIdForm, Used,
};
use terms::{
    BlobId, EmailNumber, Keyword, MailboxId, MailboxName, ModSeq, Timestamp, Uid, UidSet,
    UidValidity,
};

/// Numbered changes that are committed together, and what goes with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub(crate) list: Vec<(ModSeq, Change)>,
    pub(crate) notes: Vec<Note>,
    pub(crate) binds: Vec<BlobId>,
    pub(crate) releases: Vec<BlobId>,
}

impl Changes {
    /// Whether there is nothing to commit. Notes alone are not committed: they
    /// ride on the next change.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many changes.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of the first change.
    pub fn first(&self) -> Option<ModSeq> {
        self.list.first().map(|change| change.0)
    }

    /// The number of the last change.
    pub fn last(&self) -> Option<ModSeq> {
        self.list.last().map(|change| change.0)
    }

    /// Blobs that the commit binds.
    pub fn binds(&self) -> &[BlobId] {
        &self.binds
    }

    /// Blobs that the account needs no longer.
    pub fn releases(&self) -> &[BlobId] {
        &self.releases
    }

    /// Puts what was decided on the state after these changes behind them.
    pub fn extend(&mut self, later: Self) {
        self.list.extend(later.list);
        self.notes.extend(later.notes);
        self.binds.extend(later.binds);
        self.releases.extend(later.releases);
    }

    /// Lets notes ride along.
    pub fn note(&mut self, notes: impl IntoIterator<Item = Note>) {
        self.notes.extend(notes);
    }
}

/// What is worth keeping and is no change: it has no number and waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Messages up to this one were told as \Recent.
    RecentTold {
        /// In this mailbox.
        mailbox: MailboxId,
        /// Up to this.
        uid: Uid,
    },
    /// A device was here.
    LastPoll {
        /// Which.
        device: DeviceId,
        /// When.
        time: Timestamp,
    },
}

/// How many rows an email has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Copies {
    /// In mailboxes.
    pub live: u32,
    /// Expunged and kept.
    pub expunged: u32,
}

impl Copies {
    /// What is not written down: the one row of most messages.
    pub(crate) const ONE: Self = Self {
        live: 1,
        expunged: 0,
    };
    /// The email has gone for good.
    pub(crate) const GONE: Self = Self {
        live: 0,
        expunged: 0,
    };
}

/// Rows that came into a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub mailbox: MailboxId,
    pub rows: Rows,
    /// Keywords that come behind those of the mailbox.
    pub keywords: Vec<Keyword>,
    pub uid_next: Option<Uid>,
    pub counts: Counts,
}

/// Rows that left a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub mailbox: MailboxId,
    pub counts: Counts,
}

/// Sums and sparse facts of the account after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub used: Used,
    /// Emails whose number of rows is another now.
    pub copies: Vec<Run<Copies>>,
    /// Emails whose clock starts or stops.
    pub clocks: Vec<Run<Option<Timestamp>>>,
}

/// Rows of a mailbox that have the same flags after a STORE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlagGroup {
    pub uids: UidSet,
    pub system_bits: u8,
    pub keywords: Vec<u16>,
}

/// One step of an account. What is not said here is not changed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Created {
        time: Timestamp,
        limits: Limits,
        hold: HoldSettings,
        next_email: EmailNumber,
    },
    MailboxCreated {
        id: MailboxId,
        name: MailboxName,
        special_uses: SpecialUses,
        uid_validity: UidValidity,
        subscribe: bool,
    },
    MailboxDeleted {
        id: MailboxId,
    },
    MailboxesRenamed {
        names: Vec<(MailboxId, MailboxName)>,
    },
    Appended {
        placed: Placed,
        next_email: EmailNumber,
        unique_ids: Vec<(EmailNumber, String)>,
        /// Blobs that more than one email has, and how many more.
        shared: Vec<(BlobId, u32)>,
        used: Used,
    },
    Copied {
        placed: Placed,
        sums: Sums,
    },
    Moved {
        source: UidSet,
        taken: Taken,
        placed: Placed,
        sums: Sums,
    },
    Stored {
        mailbox: MailboxId,
        keywords: Vec<Keyword>,
        groups: Vec<FlagGroup>,
        counts: Counts,
        clocks: Vec<Run<Option<Timestamp>>>,
    },
    Expunged {
        time: Timestamp,
        cause: Cause,
        name: MailboxName,
        /// What the rows' keywords are places in; empty if they have none.
        keywords: Vec<Keyword>,
        rows: Rows,
        taken: Taken,
        sums: Sums,
    },
    Subscribed {
        name: MailboxName,
        subscribed: bool,
    },
    SpecialUsesSet {
        mailbox: MailboxId,
        special_uses: SpecialUses,
    },
    /// What the account has to do with a MOVE between accounts.
    TransferSet {
        operation: u128,
        transfer: Option<Transfer>,
    },
    /// Entries of a mailbox's list of rights: those with none go.
    RightsSet {
        mailbox: MailboxId,
        rights: Vec<(String, u32)>,
    },
    /// Annotations of a mailbox, or of the account: those without a value go.
    MetadataSet {
        mailbox: Option<MailboxId>,
        entries: Vec<(String, Option<Vec<u8>>)>,
    },
    Collected {
        device: DeviceId,
        how: Collect,
        emails: EmailSet,
        clocks: Vec<Run<Option<Timestamp>>>,
    },
    LimitsSet(Limits),
    HoldSet(HoldSettings),
    /// Everything of a device but its sets.
    DeviceSet {
        device: Device,
        clocks: Vec<Run<Option<Timestamp>>>,
    },
    Purged {
        /// Of which change, from which mailbox, which rows.
        rows: Vec<(ModSeq, MailboxId, UidSet)>,
        copies: Vec<Run<Copies>>,
        shared: Vec<(BlobId, u32)>,
        /// The time of the oldest that is left.
        oldest: Option<Timestamp>,
    },
    Restored {
        of: ModSeq,
        from: MailboxId,
        uids: UidSet,
        placed: Placed,
        sums: Sums,
        /// Emails that no device has collected now.
        uncollected: EmailSet,
        oldest: Option<Timestamp>,
    },
    ClocksSet {
        clocks: Vec<Run<Option<Timestamp>>>,
    },
    /// What devices have only read counts no longer.
    ReadForgotten,
    /// The owner was told that a device will be forgotten.
    DeviceWarned {
        device: DeviceId,
        time: Timestamp,
    },
    /// Since when a run of the hold waits because it is large.
    RunWaits(Option<Timestamp>),
    UniqueIdFormSet(Option<UniqueIdForm>),
    LogTrimmed {
        mailbox: MailboxId,
        floor: ModSeq,
    },
    Epoch {
        mailboxes: Vec<EpochMailbox>,
        next_email: EmailNumber,
        next_mailbox: MailboxId,
        next_device: DeviceId,
    },
}

/// What an Epoch does to a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochMailbox {
    pub id: MailboxId,
    pub uid_next: Option<Uid>,
    /// Given anew where the unique identifiers do not fit: rows are then numbered
    /// from one on.
    pub uid_validity: Option<UidValidity>,
}
