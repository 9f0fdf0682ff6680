//! What is said over the control socket. One request to a connection; its first
//! line carries the version, so that a program and a server of different
//! releases find out at once.

pub use super::hold::*;
use serde::{Deserialize, Deserializer, Serialize};
use terms::{Flag, FlagSet, InternalDate, MailboxName};

/// The version of all that is said here.
pub const VERSION: u32 = 2;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opening {
    /// [`VERSION`].
    pub version: u32,
    /// What is wanted.
    pub request: Request,
}

/// What is wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Add an account.
    AccountAdd {
        /// Its name.
        name: String,
        /// Its password.
        password: String,
        /// What it may hold, in octets.
        quota: Option<u64>,
    },
    /// All accounts: answered by [`Accounts`].
    AccountList,
    /// One account: answered by [`AccountShown`].
    AccountShow {
        /// Its name.
        name: String,
    },
    /// Other settings, in this order.
    AccountSet {
        /// Its name.
        name: String,
        /// What is set.
        settings: Vec<Setting>,
    },
    /// Another password.
    AccountPasswd {
        /// Its name.
        name: String,
        /// The new one.
        password: String,
    },
    /// Removes an account for good.
    AccountRemove {
        /// Its name.
        name: String,
    },
    /// Declares a device: answered by [`DeviceShown`].
    DeviceAdd(NewDevice),
    /// An account's devices: answered by [`Devices`].
    DeviceList {
        /// Whose.
        account: String,
    },
    /// Revokes a device: answered by [`Devices`].
    DeviceRevoke {
        /// Whose.
        account: String,
        /// Its name.
        name: String,
    },
    /// Adds many: lines of [`ImportedAccount`] follow, `null` ends them;
    /// answered by [`AccountsImported`].
    AccountImport,
    /// Reads the whole store: answered by [`Checked`].
    Check,
    /// Goes on with a damaged account: answered by [`Repaired`].
    Repair {
        /// Its name; without it every damaged one.
        account: Option<String>,
    },
    /// The hold of an account, a domain or the node: answered by [`HoldShown`].
    HoldShow {
        /// Whose.
        of: HoldOf,
    },
    /// What a hold comes to, or would: answered by [`HoldPreviewed`].
    HoldPreview {
        /// Whose.
        of: HoldOf,
        /// What would be set.
        change: HoldChange,
    },
    /// Sets a hold: answered by [`HoldShown`].
    HoldSet {
        /// Whose.
        of: HoldOf,
        /// What is set.
        change: HoldChange,
    },
    /// The wall clock is right: answered by [`HoldResumed`].
    HoldResume,
    /// What can be brought back: answered by [`UndoListed`].
    UndoList {
        /// Of which account.
        account: String,
        /// Which.
        which: UndoFilter,
    },
    /// Brings expunged messages back: answered by [`UndoRestored`].
    UndoRestore {
        /// Into which account.
        account: String,
        /// Which.
        which: UndoFilter,
        /// They stay collected by the devices that had collected them.
        keep_collected: bool,
    },
    /// All domains: answered by [`Domains`].
    DomainList,
    /// One domain: answered by [`DomainShown`].
    DomainShow {
        /// Its name.
        name: String,
    },
    /// Sets what a domain's accounts begin with, and makes it where it is new:
    /// answered by [`DomainShown`].
    DomainSet {
        /// Its name.
        name: String,
        /// Octets: to what, or no limit; `None`: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[serde(deserialize_with = "named")]
        quota: Option<Option<u64>>,
        /// Messages: to what, or no limit; `None`: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[serde(deserialize_with = "named")]
        messages: Option<Option<u64>>,
        /// The language of its accounts: to what, or English; `None`: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[serde(deserialize_with = "named")]
        language: Option<Option<String>>,
        /// What is changed of the hold that they follow; `None`: nothing.
        hold: Option<HoldChange>,
    },
    /// Removes a domain without accounts: answered by [`DomainShown`].
    DomainRemove {
        /// Its name.
        name: String,
    },
    /// Takes messages in: lines of [`Imported`] follow, `null` ends them; answered
    /// by [`Counted`].
    Import {
        /// Into which account.
        account: String,
    },
    /// What a POP3 device finds in its drop: answered by [`Reply::UniqueId`] lines
    /// and then how many they were.
    Pop3Uidls {
        /// Of which account.
        account: String,
        /// The device's name.
        device: String,
    },
    /// Gives messages out: answered by [`Reply::Subscriptions`], where it is about
    /// all mailboxes, [`Reply::Mailbox`] and [`Reply::Letter`] lines and then
    /// [`Counted`].
    Export {
        /// From which account.
        account: String,
        /// Only from this mailbox.
        mailbox: Option<String>,
    },
}

/// What is named in JSON is set, to nothing too: `null` is not what is missing.
fn named<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

/// One thing that is set for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// What it may hold, in octets; `None` for no limit.
    Quota(Option<u64>),
    /// How many messages it may hold; `None` for no limit.
    Messages(Option<u64>),
    /// Whether `name+folder` files into folders.
    Folders(bool),
    /// Whether it can be used.
    Enabled(bool),
    /// Until when it can be used, in seconds since 1970.
    Expires(Option<i64>),
    /// The language in which it is written to.
    Language(Option<String>),
    /// How POP3 unique-ids of new mail are made; `None`: our own way.
    UniqueIdForm(Option<String>),
    /// Seconds between two POP3 logins of a device; `None`: as for all.
    LoginDelay(Option<u64>),
    /// One more name.
    AddAlias(String),
    /// One name fewer.
    RemoveAlias(String),
}

/// What the server says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// How far it is.
    Progress {
        /// So much is done.
        done: u64,
        /// Of so much, where that is known.
        total: Option<u64>,
    },
    /// A mailbox of an export.
    Mailbox(String),
    /// A message of an export; its octets follow.
    Letter(Letter),
    /// The mailboxes that are subscribed to.
    Subscriptions(Vec<String>),
    /// A message of a POP3 drop.
    UniqueId(UniqueId),
    /// Done. The value is what the request's doc says.
    Done(serde_json::Value),
    /// Not done.
    Failed(String),
}

/// A device to be declared.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewDevice {
    /// Whose.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Its password, 128 random bits or more.
    pub password: String,
    /// Whether its password opens POP3.
    pub pop3: bool,
    /// Whether its password opens IMAP.
    pub imap: bool,
    /// When it ends, in seconds since 1970.
    pub expires: Option<i64>,
    /// It may remove nothing.
    pub may_not_delete: bool,
}

/// The devices of an account.
#[derive(Debug, Serialize, Deserialize)]
pub struct Devices {
    /// Whose.
    pub account: String,
    /// Those that are not revoked, in the order in which they were declared.
    pub devices: Vec<DeviceShown>,
}

/// One device. Moments are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceShown {
    /// Whose.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Whether its password opens POP3.
    pub pop3: bool,
    /// Whether its password opens IMAP.
    pub imap: bool,
    /// It may remove nothing.
    pub may_not_delete: bool,
    /// Whether messages wait for it to collect them.
    pub counts: bool,
    /// Whether anybody could log in as it.
    pub has_password: bool,
    /// Since when it is.
    pub declared: i64,
    /// When its password ends.
    pub expires: Option<i64>,
    /// When somebody last logged in as it, as far as known.
    pub last_used: Option<i64>,
    /// From where.
    pub from: Option<String>,
    /// When it last opened its drop.
    pub last_poll: Option<i64>,
    /// How many messages it has collected that are still there, or can come back.
    pub collected: u64,
    /// How many messages of INBOX it has not collected: its drop lists them.
    pub waiting: u64,
    /// How many messages INBOX has.
    pub inbox: u64,
}

/// An account of an import.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportedAccount {
    /// Its name.
    pub name: String,
    /// A password, or a hash behind its `{SCHEME}`.
    pub secret: String,
    /// The line in the file, for messages.
    pub line: u64,
}

/// What came of importing accounts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AccountsImported {
    /// How many are new.
    pub added: u64,
    /// How many were there and have another password now.
    pub changed: u64,
    /// What could not be taken, a text each.
    pub refused: Vec<String>,
}

/// The answer to [`Request::AccountList`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Accounts {
    /// Ascending by name.
    pub accounts: Vec<AccountShown>,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountShown {
    /// Its name.
    pub name: String,
    /// Its identifier.
    pub id: String,
    /// Messages in it.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// What it may hold, in octets; none: no limit.
    pub quota: Option<u64>,
    /// How many messages it may hold; none: no limit.
    pub messages_quota: Option<u64>,
    /// Whether it can be used, but for its end.
    pub enabled: bool,
    /// Until when it can be used, in seconds since 1970.
    pub expires: Option<i64>,
    /// When it was last used, as far as filed: seconds since 1970.
    pub last_used: Option<i64>,
    /// Whether `name+folder` files into folders.
    pub folders: bool,
    /// The form of POP3 unique-ids of new mail, where it is not our own.
    #[serde(default)]
    pub unique_id_form: Option<String>,
    /// Seconds between two POP3 logins, where that is its own.
    #[serde(default)]
    pub login_delay: Option<u64>,
    /// The language in which it is written to; none: English.
    pub language: Option<String>,
    /// Its other names; empty in a list.
    pub aliases: Vec<String>,
    /// Its mailboxes; empty in a list.
    pub mailboxes: Vec<MailboxShown>,
    /// Its log has a hole: read-only until repaired. Not looked at for a list.
    pub damaged: bool,
}

/// One mailbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailboxShown {
    /// Its name.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Those without \Seen.
    pub unseen: u64,
    /// Octets of them all.
    pub octets: u64,
}

/// The answer to [`Request::Check`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Checked {
    /// How many accounts were looked at.
    pub accounts: u64,
    /// How many commits.
    pub commits: u64,
    /// How many message bodies.
    pub blobs: u64,
    /// Octets read.
    pub octets: u64,
    /// What is wrong, a line each. Empty: all is whole.
    pub faults: Vec<String>,
    /// What was noticed besides.
    pub notes: Vec<String>,
}

/// The answer to [`Request::Repair`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Repaired {
    /// The accounts that were repaired.
    pub accounts: Vec<String>,
    /// What could not be brought back, a line each.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// The answer to an import or export of mail.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Messages that were taken in or given out.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// Messages that were counted again at the end.
    pub verified: u64,
    /// What could not be taken, a text each.
    pub refused: Vec<String>,
    /// What was noticed besides, a text each.
    pub notes: Vec<String>,
}

/// A message of a POP3 drop.
#[derive(Debug, Serialize, Deserialize)]
pub struct UniqueId {
    /// Its number in a session that began now.
    pub number: u32,
    /// RFC 1939 §7, UIDL.
    pub unique_id: String,
    /// Octets as RETR sends them to a client without UTF8.
    pub octets: u32,
    /// Its unique identifier in INBOX.
    pub uid: u32,
    /// Its internal date: seconds since 1970.
    pub received: i64,
}

/// A message without its octets, which follow the line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Letter {
    /// The mailbox.
    pub mailbox: String,
    /// Flags and keywords.
    pub flags: Vec<String>,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i16,
    /// How many octets follow.
    pub octets: u64,
    /// The POP3 unique-id that it had where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
}

/// What is taken in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Imported {
    /// A mailbox, which may stay empty.
    Mailbox {
        /// Its name.
        name: String,
        /// Whether it is subscribed to if it is new.
        subscribed: bool,
    },
    /// A name that is subscribed to.
    Subscribed(String),
    /// A message; its octets follow.
    Letter(Letter),
}

impl Letter {
    /// Of a message.
    pub fn new(mailbox: &MailboxName, flags: &FlagSet, date: InternalDate, octets: u64) -> Self {
        Self {
            mailbox: mailbox.to_string(),
            flags: flags.iter().map(|flag| flag.as_str().to_owned()).collect(),
            seconds: date.seconds,
            zone_minutes: date.zone_minutes,
            octets,
            unique_id: None,
        }
    }

    /// The flags; what is none is left out.
    pub fn flag_set(&self) -> FlagSet {
        self.flags
            .iter()
            .filter_map(|flag| Flag::parse(flag))
            .collect()
    }

    /// The date.
    pub fn date(&self) -> InternalDate {
        InternalDate {
            seconds: self.seconds,
            zone_minutes: self.zone_minutes,
        }
    }
}
