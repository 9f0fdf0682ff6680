//! SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS. RFC 4314.

use super::command::Mailbox;
use terms::StoreMode;

/// A command about rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AclCommand {
    /// SETACL. RFC 4314 §3.1.
    Set {
        /// On which mailbox.
        mailbox: Mailbox,
        /// To whom.
        identifier: String,
        /// Instead of those before, besides them, or no longer.
        mode: StoreMode,
        /// Letters; what they mean is not looked at.
        rights: String,
    },
    /// DELETEACL. RFC 4314 §3.2.
    Delete {
        /// On which mailbox.
        mailbox: Mailbox,
        /// Whose.
        identifier: String,
    },
    /// GETACL. RFC 4314 §3.3.
    Get(Mailbox),
    /// LISTRIGHTS. RFC 4314 §3.4.
    List {
        /// On which mailbox.
        mailbox: Mailbox,
        /// Whose.
        identifier: String,
    },
    /// MYRIGHTS. RFC 4314 §3.5.
    Mine(Mailbox),
}

impl AclCommand {
    /// The command's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Set { .. } => "SETACL",
            Self::Delete { .. } => "DELETEACL",
            Self::Get(_) => "GETACL",
            Self::List { .. } => "LISTRIGHTS",
            Self::Mine(_) => "MYRIGHTS",
        }
    }
}
