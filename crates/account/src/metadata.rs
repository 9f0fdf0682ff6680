//! Annotations of the account and of its mailboxes. RFC 5464.

use crate::state::State;
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{MailboxId, ModSeq};

/// What annotations may take up. RFC 5464 §4.1 wants values of 1,024 octets and
/// ten of them at the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLimits {
    /// Octets of a value.
    pub value_octets_max: usize,
    /// Entries of a mailbox, or of the account itself.
    pub entries_max: usize,
    /// Octets of all entries and values of an account: they are always loaded.
    pub octets_max: usize,
}

/// What holds for every account.
pub const METADATA_LIMITS: MetadataLimits = MetadataLimits {
    value_octets_max: 16 << 10,
    entries_max: 128,
    octets_max: 1 << 20,
};

/// Entries, in lower case, and their values.
pub type Metadata = Arc<BTreeMap<String, Vec<u8>>>;

impl State {
    /// The annotations of a mailbox, or of the account itself; `None` if there is
    /// no such mailbox.
    pub fn metadata(&self, of: Option<MailboxId>) -> Option<&Metadata> {
        match of {
            None => Some(&self.root.metadata),
            Some(id) => self
                .root
                .mailboxes
                .get(&id)
                .map(|mailbox| &mailbox.metadata),
        }
    }

    /// No annotation has changed after this; they may not have for longer.
    pub fn metadata_changed(&self) -> ModSeq {
        self.root.metadata_changed
    }

    /// Octets of all annotations.
    pub(crate) fn metadata_octets(&self) -> usize {
        let mailboxes = self.root.mailboxes.values();
        let all = mailboxes.map(|mailbox| &mailbox.metadata);
        all.chain([&self.root.metadata])
            .flat_map(|metadata| metadata.iter())
            .map(|(entry, value)| entry.len() + value.len())
            .sum()
    }
}
