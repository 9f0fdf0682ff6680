//! Who may do what with a mailbox. RFC 4314.

use crate::mailbox::Mailbox;
use crate::state::State;
use std::collections::BTreeSet;
use std::fmt;
use terms::{AccountId, Flag, FlagSet, SystemFlag};

/// Some rights. RFC 4314 §2.1. The bits are part of the format on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rights(u32);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// `l`: the mailbox is seen by LIST and LSUB.
    pub const LOOKUP: Self = Self(1);
    /// `r`: SELECT, STATUS.
    pub const READ: Self = Self(1 << 1);
    /// `s`: \Seen is kept.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: flags but \Seen and \Deleted.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: APPEND, COPY into it.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: mail is sent to it. Nothing asks for it here.
    pub const POST: Self = Self(1 << 5);
    /// `k`: mailboxes are made below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: the mailbox is deleted or renamed.
    pub const DELETE: Self = Self(1 << 7);
    /// `t`: \Deleted.
    pub const DELETED: Self = Self(1 << 8);
    /// `e`: EXPUNGE.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: rights are given and taken.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// All of them.
    pub const ALL: Self = Self((1 << 11) - 1);
    /// What a device lacks that may not delete: t, e and x.
    pub const REMOVING: Self = Self(1 << 7 | 1 << 8 | 1 << 9);

    /// In the order of RFC 4314 §2.1.
    const LETTERS: [(char, Self); 11] = [
        ('l', Self::LOOKUP),
        ('r', Self::READ),
        ('s', Self::SEEN),
        ('w', Self::WRITE),
        ('i', Self::INSERT),
        ('p', Self::POST),
        ('k', Self::CREATE),
        ('x', Self::DELETE),
        ('t', Self::DELETED),
        ('e', Self::EXPUNGE),
        ('a', Self::ADMINISTER),
    ];

    /// What clients of RFC 2086 mean by `c` and `d`. RFC 4314 §2.1.1.
    const OLD: [(char, Self); 2] = [
        ('c', Self(Self::CREATE.0 | Self::DELETE.0)),
        ('d', Self(Self::DELETED.0 | Self::EXPUNGE.0)),
    ];

    /// As on disk.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From [`Rights::bits`]; unknown ones are none.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// What the letters mean, `c` and `d` too; `None` if one means nothing.
    pub fn parse(letters: &str) -> Option<Self> {
        let known = || Self::LETTERS.iter().chain(&Self::OLD);
        letters.chars().try_fold(Self::NONE, |rights, letter| {
            let (_, more) = known().find(|(known, _)| *known == letter)?;
            Some(rights.and(*more))
        })
    }

    /// These and those.
    pub const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// These but for those.
    pub fn without(self, less: Self) -> Self {
        Self(self.0 & !less.0)
    }

    /// Whether all of `asked` are among them.
    pub fn has(self, asked: Self) -> bool {
        self.0 & asked.0 == asked.0
    }

    /// Whether one of `asked` is among them.
    pub fn has_any(self, asked: Self) -> bool {
        self.0 & asked.0 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The letters, one by one.
    pub fn letters() -> impl Iterator<Item = char> {
        Self::LETTERS.iter().map(|(letter, _)| *letter)
    }
}

/// RFC 4314 §2.1.1: `c` is shown with any of its rights, `d` too.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for (letter, right) in Self::LETTERS.iter().chain(&Self::OLD) {
            if self.has_any(*right) {
                f.write_char(*letter)?;
            }
        }
        Ok(())
    }
}

/// Which flags somebody may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagRights {
    /// \Seen.
    pub seen: bool,
    /// \Deleted.
    pub deleted: bool,
    /// All others.
    pub others: bool,
}

impl FlagRights {
    /// All flags.
    pub const ALL: Self = Self {
        seen: true,
        deleted: true,
        others: true,
    };

    /// What rights mean for flags. RFC 4314 §4.
    pub fn of(rights: Rights) -> Self {
        Self {
            seen: rights.has(Rights::SEEN),
            deleted: rights.has(Rights::DELETED),
            others: rights.has(Rights::WRITE),
        }
    }

    /// The bits of system flags that may be changed.
    pub(crate) fn system_bits(self) -> u8 {
        let bit = |flag: SystemFlag| FlagSet::from_iter([Flag::System(flag)]).system_bits();
        let own = |may: bool, bits: u8| if may { bits } else { 0 };
        let (seen, deleted) = (bit(SystemFlag::Seen), bit(SystemFlag::Deleted));
        own(self.seen, seen) | own(self.deleted, deleted) | own(self.others, !(seen | deleted))
    }
}

/// Who rights are given to, or taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee {
    /// Everybody who has an account. RFC 4314 §3, `anyone`.
    Anyone,
    /// One of them: by its number, so that nobody inherits rights with a name.
    Account(AccountId),
}

/// What an entry of a list of rights stands for. RFC 4314 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// Rights that are taken: they go before those given.
    pub negative: bool,
    /// Whose.
    pub grantee: Grantee,
}

impl Identifier {
    /// As on disk.
    pub(crate) fn text(self) -> String {
        let minus = if self.negative { "-" } else { "" };
        match self.grantee {
            Grantee::Anyone => format!("{minus}anyone"),
            Grantee::Account(id) => format!("{minus}{:032x}", id.0),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let (negative, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let grantee = match name {
            "anyone" => Grantee::Anyone,
            hex => Grantee::Account(AccountId(u128::from_str_radix(hex, 16).ok()?)),
        };
        Some(Self { negative, grantee })
    }
}

impl Mailbox {
    /// Entries of a list of rights at the most.
    pub const RIGHTS_MAX: usize = 250;

    /// Who may do what, but for the owner, who may do all.
    pub fn rights(&self) -> impl Iterator<Item = (Identifier, Rights)> + '_ {
        self.acl.iter().filter_map(|(text, bits)| {
            Some((Identifier::from_text(text)?, Rights::from_bits(*bits)))
        })
    }

    /// What an entry says.
    pub fn rights_at(&self, identifier: Identifier) -> Rights {
        let bits = self.acl.get(&identifier.text()).copied();
        Rights::from_bits(bits.unwrap_or(0))
    }

    /// What another account may do. RFC 4314 §2: all that is given, without all
    /// that is taken.
    pub fn rights_of(&self, who: AccountId) -> Rights {
        if self.acl.is_empty() {
            return Rights::NONE;
        }
        let both = |negative: bool| {
            let at = |grantee| self.rights_at(Identifier { negative, grantee });
            at(Grantee::Anyone).and(at(Grantee::Account(who)))
        };
        both(false).without(both(true))
    }
}

impl State {
    /// Whom any mailbox is shared with.
    pub fn shared_with(&self) -> BTreeSet<Grantee> {
        self.mailboxes()
            .flat_map(Mailbox::rights)
            .filter(|(identifier, rights)| !identifier.negative && !rights.is_empty())
            .map(|(identifier, _)| identifier.grantee)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_rights() {
        for (text, shown) in [
            ("", ""),
            ("l", "l"),
            ("lrswipkxtea", "lrswipkxteacd"),
            ("c", "kxc"),
            ("d", "ted"),
            ("k", "kc"),
            ("aelr", "lread"),
        ] {
            let rights = Rights::parse(text).unwrap();
            assert_eq!(rights.to_string(), shown, "{text}");
            assert_eq!(Rights::from_bits(rights.bits()), rights);
            assert_eq!(
                Rights::parse(shown),
                Some(match text {
                    // Shown for old programs, c and d say more than was given.
                    "k" => Rights::CREATE.and(Rights::DELETE),
                    "aelr" => rights.and(Rights::DELETED),
                    _ => rights,
                })
            );
        }
        assert_eq!(Rights::parse("lz"), None);
        assert_eq!(Rights::parse("L"), None);
        assert_eq!(Rights::from_bits(u32::MAX), Rights::ALL);
    }

    #[test]
    fn identifiers_are_texts() {
        for negative in [false, true] {
            for grantee in [Grantee::Anyone, Grantee::Account(AccountId(7))] {
                let identifier = Identifier { negative, grantee };
                assert_eq!(Identifier::from_text(&identifier.text()), Some(identifier));
            }
        }
        assert_eq!(Identifier::from_text("fred"), None);
    }

    #[test]
    fn flags_follow_rights() {
        let none = FlagRights::of(Rights::NONE).system_bits();
        assert_eq!(none, 0);
        let seen = FlagRights::of(Rights::SEEN).system_bits();
        let deleted = FlagRights::of(Rights::DELETED).system_bits();
        let others = FlagRights::of(Rights::WRITE).system_bits();
        assert_eq!((seen.count_ones(), deleted.count_ones()), (1, 1));
        assert_eq!(seen & deleted | others & (seen | deleted), 0);
        assert_eq!(seen | deleted | others, FlagRights::ALL.system_bits());
    }
}
