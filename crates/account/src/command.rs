//! What an account is asked to do.

use crate::acl::{FlagRights, Identifier, Rights};
use crate::expunged::Cause;
use crate::{
    Collect, DeviceId, DeviceProtocols, EmailSet, HoldSettings, Limits, SpecialUses, UniqueIdForm,
};
use terms::{
    AccountId, BlobId, EmailNumber, FlagSet, InternalDate, MailboxId, MailboxName, ModSeq,
    StoreMode, StoreOp, Timestamp, Uid, UidSet, UidValidity,
};

/// Rows that one STORE or EXPUNGE touches in one commit; what is left is told in
/// [`crate::Decision::rest`].
pub const COMMIT_ROWS_MAX: usize = 10_000;

/// Rows that one COPY, MOVE, APPEND or DELETE touches at the most.
pub const WHOLE_ROWS_MAX: usize = 100_000;

/// A message that is to be added. Its blob has been put into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Its octets, but for the prefix. New to the account, unless `shared`.
    pub blob: BlobId,
    /// Octets of prefix and blob together.
    pub size: u32,
    /// What differs by recipient: whole header lines, up to
    /// [`NewMessage::PREFIX_OCTETS_MAX`] octets.
    pub prefix: Vec<u8>,
    /// Its first flags.
    pub flags: FlagSet,
    /// The internal date; `None`: now.
    pub internal_date: Option<InternalDate>,
    /// Its octets do not end in CRLF.
    pub lacks_final_crlf: bool,
    /// It came with SMTPUTF8 or a UTF8 APPEND. RFC 6856 §2.
    pub internationalised: bool,
    /// Octets of its RFC 6858 form, where it is internationalised.
    pub downgraded_size: Option<u32>,
    /// Another message of this account has bound the same blob: one transaction
    /// reached the account by two names.
    pub shared: bool,
    /// The unique-id it had where it comes from.
    pub unique_id: Option<String>,
}

impl NewMessage {
    /// Octets of a prefix at the most.
    pub const PREFIX_OCTETS_MAX: usize = 1_024;

    /// A message without flags, received now.
    pub fn new(blob: BlobId, size: u32) -> Self {
        Self {
            blob,
            size,
            prefix: Vec::new(),
            flags: FlagSet::new(),
            internal_date: None,
            lacks_final_crlf: false,
            internationalised: false,
            downgraded_size: None,
            shared: false,
            unique_id: None,
        }
    }
}

/// A mailbox by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailboxRef {
    /// This one, whatever its name is now.
    Id(MailboxId),
    /// The one that has this name.
    Name(MailboxName),
}

impl From<MailboxId> for MailboxRef {
    fn from(id: MailboxId) -> Self {
        Self::Id(id)
    }
}

impl From<MailboxName> for MailboxRef {
    fn from(name: MailboxName) -> Self {
        Self::Name(name)
    }
}

/// Where added messages come from: what the quota asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// LMTP: has the grace of one message and may make others give way.
    Delivery,
    /// IMAP APPEND.
    Append,
    /// An import by the operator: not held against the quota.
    Import,
}

/// How careful a sweep is: a run of the hold that would expunge a large part of an
/// account at one time waits a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SweepRules {
    /// A run is large that would expunge more than so many of a hundred messages
    /// of the account.
    pub run_percent_max: u8,
    /// A run of fewer rows is never large.
    pub run_rows_min: u64,
}

impl Default for SweepRules {
    fn default() -> Self {
        Self {
            run_percent_max: 50,
            run_rows_min: 100,
        }
    }
}

/// Which rows are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All in the mailbox.
    All,
    /// These; what is not there is left out.
    Uids(UidSet),
}

/// Which expunged rows are meant; all conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoWhich {
    /// Of these emails.
    pub emails: Option<EmailSet>,
    /// That lay in this mailbox when it was expunged.
    pub mailbox: Option<MailboxId>,
    /// Expunged for this cause.
    pub cause: Option<Cause>,
    /// Expunged at or after this moment.
    pub since: Option<Timestamp>,
    /// Expunged at or before this moment.
    pub until: Option<Timestamp>,
}

/// What an account is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The first of an account: makes INBOX, Drafts, Sent, Junk, Trash and
    /// Archive, subscribed, and the device `default`.
    CreateAccount {
        /// What it may take up.
        limits: Limits,
        /// Its hold.
        hold: HoldSettings,
        /// UIDVALIDITYs are given above this one: the highest that an account of
        /// the same name has had.
        uid_validity_floor: Option<UidValidity>,
    },
    /// Adds messages, all or none. RFC 9051 §6.3.12.
    Append {
        /// Where to.
        mailbox: MailboxRef,
        /// Makes the mailbox if there is none of the name.
        create: bool,
        /// What; not empty.
        messages: Vec<NewMessage>,
        /// Where from.
        source: Source,
    },
    /// STORE. RFC 9051 §6.4.6.
    Store {
        /// Where.
        mailbox: MailboxId,
        /// Which; those that are not there are told as missing.
        uids: UidSet,
        /// What.
        op: StoreOp,
        /// Only rows that have not changed since. RFC 7162 §3.1.3.
        unchanged_since: Option<ModSeq>,
    },
    /// Takes rows out. RFC 9051 §6.4.3.
    Expunge {
        /// Where.
        mailbox: MailboxId,
        /// Which.
        which: Which,
        /// Only those with \Deleted.
        deleted_only: bool,
        /// Why.
        cause: Cause,
    },
    /// COPY. RFC 9051 §6.4.7.
    Copy {
        /// Where from.
        from: MailboxId,
        /// Which.
        uids: UidSet,
        /// What is not there: refused, or else left out.
        all: bool,
        /// Where to.
        to: MailboxRef,
    },
    /// MOVE. RFC 6851.
    Move {
        /// Where from.
        from: MailboxId,
        /// Which.
        uids: UidSet,
        /// What is not there: refused, or else left out.
        all: bool,
        /// Where to.
        to: MailboxRef,
    },
    /// REPLACE: takes a row out and adds a message, both or neither. RFC 8508 §3.
    Replace {
        /// Where the row is.
        from: MailboxId,
        /// Which.
        uid: Uid,
        /// Where the message goes.
        to: MailboxRef,
        /// What comes instead.
        message: Box<NewMessage>,
    },
    /// CREATE. RFC 9051 §6.3.4.
    CreateMailbox {
        /// Its name.
        name: MailboxName,
        /// What for. RFC 6154 §3.
        special_uses: SpecialUses,
    },
    /// DELETE. RFC 9051 §6.3.5.
    DeleteMailbox {
        /// Its name.
        name: MailboxName,
    },
    /// RENAME. RFC 9051 §6.3.6.
    RenameMailbox {
        /// From.
        from: MailboxName,
        /// To.
        to: MailboxName,
    },
    /// SUBSCRIBE and UNSUBSCRIBE. RFC 9051 §6.3.7, §6.3.8.
    Subscribe {
        /// Which name, whether or not there is such a mailbox.
        name: MailboxName,
        /// Or no longer.
        subscribed: bool,
    },
    /// Changes what a mailbox is for. RFC 6154 §5.4.
    SetSpecialUses {
        /// Which.
        mailbox: MailboxId,
        /// What for.
        special_uses: SpecialUses,
    },
    /// Messages are about to go to another account.
    BeginTransfer {
        /// The operation's number: random and new.
        operation: u128,
        /// To which.
        to: AccountId,
        /// From where.
        mailbox: MailboxId,
        /// Which; up to [`COMMIT_ROWS_MAX`].
        uids: UidSet,
    },
    /// Adds what has come from another account, unless it was withdrawn.
    ReceiveTransfer {
        /// The operation.
        operation: u128,
        /// From which.
        from: AccountId,
        /// Where to.
        mailbox: MailboxId,
        /// What; not empty.
        messages: Vec<NewMessage>,
    },
    /// What was leaving has arrived: it is expunged here.
    FinishTransfer(u128),
    /// The operation is over.
    ForgetTransfer(u128),
    /// What has not arrived may not come any more; [`crate::Outcome::Arrived`] says
    /// that it has.
    WithdrawTransfer {
        /// The operation.
        operation: u128,
        /// From which account.
        from: AccountId,
    },
    /// Gives rights, or takes them. RFC 4314 §3.1, §3.2.
    SetRights {
        /// On which mailbox.
        mailbox: MailboxId,
        /// To whom.
        identifier: Identifier,
        /// Instead of those before, besides them, or no longer.
        mode: StoreMode,
        /// Which.
        rights: Rights,
    },
    /// A STORE, COPY or MOVE by somebody who may change these flags alone, where
    /// the messages go. RFC 4314 §4.
    Within {
        /// Which flags.
        may: FlagRights,
        /// What is to be done.
        command: Box<Command>,
    },
    /// Sets and removes annotations, all or none. RFC 5464 §4.3.
    SetMetadata {
        /// Of which mailbox; `None`: of the account itself.
        mailbox: Option<MailboxId>,
        /// Entries in lower case; without a value they go.
        entries: Vec<(String, Option<Vec<u8>>)>,
    },
    /// What a POP3 session has collected, at its QUIT. RFC 1939 §6.
    Collect {
        /// By which device.
        device: DeviceId,
        /// How.
        how: Collect,
        /// What: email and the row it was listed by.
        messages: Vec<(EmailNumber, Uid)>,
    },
    /// Changes what the account may take up.
    SetLimits(Limits),
    /// Changes how the unique-ids of new mail are made; `None`: our own way.
    SetUniqueIdForm(Option<UniqueIdForm>),
    /// Changes the hold.
    SetHold(HoldSettings),
    /// Declares a device.
    DeclareDevice {
        /// Its name.
        name: String,
        /// What for.
        protocols: DeviceProtocols,
        /// Until when.
        expires: Option<Timestamp>,
        /// See [`crate::Device::may_not_delete`].
        may_not_delete: bool,
    },
    /// Revokes a device: it counts no longer.
    RevokeDevice(DeviceId),
    /// A device was heard of; see [`crate::State::poll_is_due`]. One that was
    /// forgotten counts again.
    Poll(DeviceId),
    /// A device's owner was told that it will be forgotten.
    DeviceWarned(DeviceId),
    /// Does what is due: expunges what the hold has held for long enough, lets go
    /// what the undo window no longer keeps, forgets silent devices. As much as
    /// one commit may; see [`crate::Decision::rest`].
    Sweep(SweepRules),
    /// Brings expunged rows back.
    Undo {
        /// Which.
        which: UndoWhich,
        /// They stay collected by the devices that had collected them.
        keep_collected: bool,
    },
    /// After a restore or where acknowledged changes are lost: numbers jump.
    Epoch {
        /// Numbers up to this one may have been told.
        told: ModSeq,
    },
    /// Forgets the oldest expunges of a mailbox, up to and with this change.
    TrimExpungeLog {
        /// Which.
        mailbox: MailboxId,
        /// Up to.
        floor: ModSeq,
    },
}
