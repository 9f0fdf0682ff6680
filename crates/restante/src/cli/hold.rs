//! The command line of holds, undo and domains.

use super::{OrNone, count_or_none, or_none, yes_or_no};
use crate::config::{Language, Octets};
use crate::span::{HoldTerm, Moment, seconds};
use clap::{Args, Subcommand, ValueEnum};

/// `restante hold …`
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Show a hold and what it comes to
    Show {
        #[command(flatten)]
        of: HoldTarget,
    },
    /// Change a hold
    ///
    /// Shows what the change comes to and asks. Nothing goes for a day (or for at-least) after a
    /// change that lets something go sooner.
    Set {
        #[command(flatten)]
        of: HoldTarget,
        #[command(flatten)]
        change: HoldOptions,
        /// It has none of its own any more: an account follows its domain or the node, a domain
        /// the node, the node its configuration
        #[arg(long, conflicts_with_all = ["hold", "collect", "give_way", "at_least", "undo", "forget_device", "seen_after_retr", "show_collected"])]
        follow: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Say what would go and when, what is out of reach and which device is waited for
    ///
    /// With options: what it would come to if they were set.
    Preview {
        #[command(flatten)]
        of: HoldTarget,
        #[command(flatten)]
        change: HoldOptions,
    },
    /// Say that the wall clock is right, where the hold has stopped because it had run away
    Resume,
}

/// Whose hold.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct HoldTarget {
    /// The account
    pub account: Option<String>,
    /// That which the accounts of a domain follow
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// That which all other accounts follow
    #[arg(long)]
    pub default: bool,
}

/// What is set of a hold.
#[derive(Args, Debug, Default)]
pub struct HoldOptions {
    /// How long mail stays after POP3 has collected it: `remove`, `forever`, or such as 14d or 6h
    #[arg(long, value_name = "HOLD", allow_hyphen_values = true)]
    pub hold: Option<HoldTerm>,
    /// What collects: DELE, or RETR too
    #[arg(long, value_name = "WHAT")]
    pub collect: Option<CollectBy>,
    /// Whether a delivery that does not fit may expunge the oldest that was collected
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no, action = clap::ArgAction::Set)]
    pub give_way: Option<bool>,
    /// How long mail stays at least that was only read, or that gives way
    #[arg(long, value_name = "SPAN", value_parser = seconds, allow_hyphen_values = true)]
    pub at_least: Option<u32>,
    /// How long what was expunged can be brought back
    #[arg(long, value_name = "SPAN", value_parser = seconds, allow_hyphen_values = true)]
    pub undo: Option<u32>,
    /// After how long a silent device is waited for no longer
    #[arg(long, value_name = "SPAN", value_parser = seconds, allow_hyphen_values = true)]
    pub forget_device: Option<u32>,
    /// Whether what POP3 retrieves becomes \Seen
    #[arg(long, value_name = "WHEN")]
    pub seen_after_retr: Option<SeenWhen>,
    /// Whether IMAP sees the keyword $Collected
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no, action = clap::ArgAction::Set)]
    pub show_collected: Option<bool>,
}

/// What collects a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CollectBy {
    /// DELE, then QUIT.
    Dele,
    /// RETR, then QUIT, too.
    Retr,
}

/// When what POP3 retrieves becomes \Seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeenWhen {
    /// Never.
    Never,
    /// At QUIT.
    Quit,
}

/// `restante undo …`
#[derive(Debug, Subcommand)]
pub enum UndoCommand {
    /// List what was expunged and can be brought back, the newest first
    List {
        /// The account
        account: String,
        #[command(flatten)]
        which: UndoOptions,
    },
    /// Bring expunged messages back: into their old mailbox, else INBOX
    ///
    /// All that is named must hold; with nothing named, all comes back.
    Restore {
        /// The account
        account: String,
        #[command(flatten)]
        which: UndoOptions,
        /// They stay collected by the devices that had collected them
        #[arg(long)]
        keep_collected: bool,
        /// Do not ask where nothing is named
        #[arg(long)]
        yes: bool,
    },
}

/// Which expunged messages.
#[derive(Args, Debug, Default)]
pub struct UndoOptions {
    /// Messages by POP3 unique-id, EMAILID or unique identifier
    #[arg(value_name = "MESSAGE")]
    pub messages: Vec<String>,
    /// That lay in this mailbox
    #[arg(long, value_name = "MAILBOX")]
    pub mailbox: Option<String>,
    /// That went for this cause: expunge, collected, hold, gave-way, mailbox-deleted, moved-away,
    /// operator
    #[arg(long, value_name = "CAUSE")]
    pub cause: Option<String>,
    /// That went at or after this: a day, a time in UTC, or how long ago (2d)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Moment>,
    /// That went at or before this
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Moment>,
}

/// `restante domain …`
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// List the domains
    List,
    /// Show one domain
    Show {
        /// Its name
        name: String,
    },
    /// Add a domain, or change what its new accounts begin with
    Set {
        /// Its name
        name: String,
        /// What a new account may hold, such as 500M or 1G; `none` for no limit
        #[arg(long, value_name = "SIZE", value_parser = or_none::<Octets>, allow_hyphen_values = true)]
        quota: Option<OrNone<Octets>>,
        /// How many messages a new account may hold; `none` for no limit
        #[arg(long, value_name = "COUNT", value_parser = count_or_none, allow_hyphen_values = true)]
        messages: Option<OrNone<u64>>,
        /// The language in which its accounts are written to, such as `de`; `none` for English
        #[arg(long, value_name = "TAG", value_parser = or_none::<Language>)]
        language: Option<OrNone<Language>>,
        /// The hold that its accounts follow; `none` for the node's. `restante hold set --domain`
        /// has the other settings
        #[arg(long, value_name = "HOLD", value_parser = or_none::<HoldTerm>, allow_hyphen_values = true)]
        hold: Option<OrNone<HoldTerm>>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Remove a domain that has no accounts
    Remove {
        /// Its name
        name: String,
    },
}
