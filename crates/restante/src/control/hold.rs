//! What is said of holds, of undo and of domains.

use serde::{Deserialize, Serialize};

/// Whose hold is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldOf {
    /// An account's.
    Account(String),
    /// That which accounts of a domain follow.
    Domain(String),
    /// The same; the domain need not be there yet.
    NewDomain(String),
    /// That which all others follow.
    Default,
}

/// What is changed of a hold; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldChange {
    /// `remove`, `forever`, or a span such as `14d`.
    pub hold: Option<String>,
    /// Whether a RETR collects too.
    pub retr: Option<bool>,
    /// Whether deliveries may expunge what was collected.
    pub give_way: Option<bool>,
    /// Seconds.
    pub at_least: Option<u32>,
    /// Seconds.
    pub undo: Option<u32>,
    /// Seconds.
    pub forget_device: Option<u32>,
    /// Whether a RETR makes \Seen at QUIT.
    pub seen_after_retr: Option<bool>,
    /// Whether IMAP sees `$Collected`.
    pub show_collected: Option<bool>,
    /// It has none of its own any more and follows what stands above it.
    pub follow: bool,
}

/// A hold, as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HoldShown {
    /// The account or the domain; nothing: the node.
    pub name: Option<String>,
    /// `account`, `domain`, `node` or `configuration`: where it is set.
    pub set_by: String,
    /// `remove`, `forever` or a span.
    pub hold: String,
    /// `dele` or `retr`.
    pub collect: String,
    /// Whether deliveries may expunge what was collected.
    pub give_way: bool,
    /// A span.
    pub at_least: String,
    /// `never` or `quit`.
    pub seen_after_retr: String,
    /// A span.
    pub undo: String,
    /// A span.
    pub forget_device: String,
    /// Whether IMAP sees `$Collected`.
    pub show_collected: bool,
    /// Nothing goes before this moment, since something was changed: seconds since
    /// 1970.
    pub nothing_before: Option<i64>,
    /// A large run of the hold waits since this moment: seconds since 1970.
    pub run_waits_since: Option<i64>,
    /// By how many seconds the wall clock is ahead, where it is not believed and
    /// nothing is swept.
    pub clock_ahead_seconds: Option<i64>,
}

/// Messages and their octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareShown {
    /// How many.
    pub messages: u64,
    /// Octets that would be free.
    pub octets: u64,
}

impl ShareShown {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.octets += other.octets;
    }
}

/// What goes on one day.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct GoingShown {
    /// When the first of it goes: seconds since 1970.
    pub first: i64,
    /// How much.
    #[serde(flatten)]
    pub share: ShareShown,
}

/// A device that is waited for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingShown {
    /// Its name.
    pub device: String,
    /// When it was last heard of: seconds since 1970.
    pub heard: i64,
    /// What it has not collected, of what some other has.
    pub not_collected: ShareShown,
    /// What nobody but it is waited for.
    pub blocks: ShareShown,
}

/// What a hold comes to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HoldPreviewed {
    /// The hold: `14d`.
    pub hold: String,
    /// How many accounts were looked at.
    pub accounts: u64,
    /// All in INBOX.
    pub inbox: ShareShown,
    /// All that goes.
    pub total: ShareShown,
    /// When the first goes: seconds since 1970.
    pub first: Option<i64>,
    /// Day by day.
    pub going: Vec<GoingShown>,
    /// Collected, and stays since the hold is `forever`.
    pub stays: ShareShown,
    /// Collected and flagged: out of reach.
    pub flagged: ShareShown,
    /// Collected by no device.
    pub not_collected: ShareShown,
    /// What could give way to deliveries now.
    pub may_give_way: ShareShown,
    /// Who is waited for; for one account alone.
    pub devices: Vec<WaitingShown>,
    /// Whether the change lets something go sooner.
    pub sooner: bool,
}

/// The answer to `hold resume`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HoldResumed {
    /// Whether anything had stopped.
    pub was_stopped: bool,
}

/// Which expunged messages are meant; all that is named must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UndoFilter {
    /// Unique-ids of POP3, EMAILIDs or unique identifiers.
    pub messages: Vec<String>,
    /// From this mailbox.
    pub mailbox: Option<String>,
    /// For this cause.
    pub cause: Option<String>,
    /// Expunged at or after: seconds since 1970.
    pub since: Option<i64>,
    /// Expunged at or before: seconds since 1970.
    pub until: Option<i64>,
}

/// An expunged message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UndoEntry {
    /// Its POP3 unique-id.
    pub uidl: String,
    /// Its EMAILID.
    pub email_id: String,
    /// The mailbox it lay in, as it was called then.
    pub mailbox: String,
    /// Its unique identifier there.
    pub uid: u32,
    /// When it was expunged: seconds since 1970.
    pub expunged: i64,
    /// Why.
    pub cause: String,
    /// Its octets.
    pub octets: u64,
    /// Its subject, as far as it could be read.
    pub subject: String,
    /// Until when it is kept: seconds since 1970.
    pub kept_until: i64,
}

/// The answer to `undo list`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UndoListed {
    /// The newest first.
    pub messages: Vec<UndoEntry>,
    /// How many more there are.
    pub more: u64,
}

/// The answer to `undo restore`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UndoRestored {
    /// How many came back.
    pub messages: u64,
    /// The quota is exceeded now.
    pub over_quota: bool,
}

/// A domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DomainShown {
    /// Its name.
    pub name: String,
    /// How many accounts it has.
    pub accounts: u64,
    /// Octets that a new account may hold; none: no limit.
    pub quota: Option<u64>,
    /// Messages that a new account may hold; none: no limit.
    pub messages: Option<u64>,
    /// The hold that its accounts follow; none: the node's.
    pub hold: Option<String>,
    /// The language of its accounts.
    pub language: Option<String>,
}

/// The answer to `domain list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Domains {
    /// Ascending by name.
    pub domains: Vec<DomainShown>,
}
