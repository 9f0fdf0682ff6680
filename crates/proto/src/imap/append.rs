//! APPEND and REPLACE: commands whose literals are passed on as they come.

use super::command::{Mailbox, Tag};
use terms::{FlagSet, InternalDate, SequenceNumber};

/// The beginning of an APPEND (RFC 3501 §6.3.11, RFC 3502) or REPLACE
/// (RFC 8508), as far as its first literal or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendHead {
    /// The command's tag.
    pub tag: Tag,
    /// Where to.
    pub mailbox: Mailbox,
    /// The mailbox's name as it was given, where that is not its normal form.
    /// RFC 9051 §6.3.12.
    pub old_name: Option<String>,
    /// REPLACE: the message that goes.
    pub replaces: Option<Replaces>,
    /// What stands there.
    pub part: AppendPart,
}

/// What a REPLACE replaces. RFC 8508 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// UID REPLACE.
    pub uid: bool,
    /// The message.
    pub message: SequenceNumber,
}

/// What stands up to the next literal that is passed on, or to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendPart {
    /// In this order.
    pub steps: Vec<AppendStep>,
    /// Octets that come now and belong to the message begun last; `None` at the
    /// end of the command.
    pub literal: Option<AppendLiteral>,
}

/// One thing that is said about the messages that are appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendStep {
    /// A message begins; the one before it is whole. RFC 3502 §6.3.11.
    Message {
        /// Flags that it is to have.
        flags: FlagSet,
        /// The internal date it is to have.
        date: Option<InternalDate>,
    },
    /// What this URL means belongs to the message. RFC 4469 §3.
    Url(String),
}

/// A literal as it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendLiteral {
    /// How many octets it has.
    pub octets: u64,
    /// `{n}`: the client waits for a continuation request. RFC 7888 §4.
    pub synchronizing: bool,
    /// `~{n}`: literal8, which may hold NUL. RFC 3516 §4.4.
    pub literal8: bool,
    /// `UTF8 (~{n})`: the message may have UTF-8 in its header. RFC 6855 §4.
    pub utf8: bool,
}
