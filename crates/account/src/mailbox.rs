//! What the root keeps of each mailbox.

use crate::RowFlags;
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{
    Flag, FlagSet, Keyword, MailboxId, MailboxName, ModSeq, SpecialUse, SystemFlag, Uid,
    UidValidity,
};

/// A mailbox as LIST, STATUS and SELECT see it, without its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Stays through RENAME.
    pub id: MailboxId,
    /// Its name now.
    pub name: MailboxName,
    /// What it is for. RFC 6154.
    pub special_uses: SpecialUses,
    /// RFC 9051 §2.3.1.1.
    pub uid_validity: UidValidity,
    /// What the next message gets; `None` when all have been given.
    pub uid_next: Option<Uid>,
    /// The last change to any of its rows; at creation that change. RFC 7162 §3.1.2.1.
    pub highest_modseq: ModSeq,
    /// The change that made it.
    pub created: ModSeq,
    /// The last change of its table, its log of expunges included.
    pub(crate) table_changed: ModSeq,
    /// The log of expunges knows nothing of what was before.
    pub(crate) log_floor: ModSeq,
    /// Kept, not counted.
    pub counts: Counts,
    /// The keywords that its rows have had, in the order of their first use: a
    /// row has places in this list.
    pub keywords: Arc<Vec<Keyword>>,
    /// The last change to the list of keywords.
    pub keywords_changed: ModSeq,
    /// Messages up to this one were told as \Recent. RFC 3501 §2.3.2.
    pub recent_told: u32,
    /// Identifier and rights. RFC 4314.
    pub acl: Arc<BTreeMap<String, u32>>,
    /// Entry and value. RFC 5464.
    pub metadata: Arc<BTreeMap<String, Vec<u8>>>,
}

/// Sums over the rows of a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Rows.
    pub messages: u32,
    /// Without \Seen.
    pub unseen: u32,
    /// With \Deleted.
    pub deleted: u32,
    /// Octets of all.
    pub octets: u64,
    /// Octets of those with \Deleted. RFC 9208 §4.1.4.
    pub deleted_octets: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, flags: RowFlags, size: u32) {
        self.messages = self.messages.saturating_add(1);
        self.octets = self.octets.saturating_add(u64::from(size));
        if !flags.has(SystemFlag::Seen) {
            self.unseen = self.unseen.saturating_add(1);
        }
        if flags.has(SystemFlag::Deleted) {
            self.deleted = self.deleted.saturating_add(1);
            self.deleted_octets = self.deleted_octets.saturating_add(u64::from(size));
        }
    }

    pub(crate) fn subtract(&mut self, flags: RowFlags, size: u32) {
        self.messages = self.messages.saturating_sub(1);
        self.octets = self.octets.saturating_sub(u64::from(size));
        if !flags.has(SystemFlag::Seen) {
            self.unseen = self.unseen.saturating_sub(1);
        }
        if flags.has(SystemFlag::Deleted) {
            self.deleted = self.deleted.saturating_sub(1);
            self.deleted_octets = self.deleted_octets.saturating_sub(u64::from(size));
        }
    }
}

impl Mailbox {
    /// Keywords at the most; a STORE that wants one more is refused.
    pub const KEYWORDS_MAX: usize = 256;

    /// The names of the keywords at these places.
    pub fn keyword_names<'a>(
        &'a self,
        places: &'a [u16],
    ) -> impl Iterator<Item = &'a Keyword> + 'a {
        places
            .iter()
            .filter_map(|&place| self.keywords.get(usize::from(place)))
    }

    /// The flags of a row of this mailbox.
    pub fn flag_set(&self, row: &crate::Row<'_>) -> FlagSet {
        let mut set = row.flags.flag_set();
        for keyword in self.keyword_names(row.keywords) {
            set.insert(Flag::Keyword(keyword.clone()));
        }
        set
    }

    /// The place of a keyword.
    pub fn keyword_place(&self, keyword: &Keyword) -> Option<u16> {
        let place = self.keywords.iter().position(|known| known == keyword)?;
        u16::try_from(place).ok()
    }
}

/// Some special uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SpecialUses(u16);

impl SpecialUses {
    /// None.
    pub const NONE: Self = Self(0);

    /// As on disk: a bit for each [`SpecialUse`], by its number.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// From [`SpecialUses::bits`].
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether `special` is one of them.
    pub fn has(self, special: SpecialUse) -> bool {
        self.0 & (1 << (special as u8)) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = SpecialUse> {
        SpecialUse::ALL
            .into_iter()
            .filter(move |&special| self.has(special))
    }
}

impl FromIterator<SpecialUse> for SpecialUses {
    fn from_iter<I: IntoIterator<Item = SpecialUse>>(uses: I) -> Self {
        Self(
            uses.into_iter()
                .fold(0, |bits, special| bits | (1 << (special as u8))),
        )
    }
}
