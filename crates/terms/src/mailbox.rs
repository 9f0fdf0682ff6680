//! Mailbox names and uses.

use std::fmt;
use unicode_normalization::UnicodeNormalization as _;

/// A mailbox's name: UTF-8 in NFC, levels separated by `/`, none of them empty,
/// no control characters; INBOX always in capitals. RFC 9051 §5.1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Box<str>);

/// Why a text is no mailbox name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxNameError {
    /// It has no octets.
    Empty,
    /// A level between two separators, or before or after one, is empty.
    EmptyLevel,
    /// A control character.
    Control,
    /// Over [`MailboxName::OCTETS_MAX`] octets or [`MailboxName::LEVELS_MAX`] levels.
    TooLong,
}

impl fmt::Display for MailboxNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a mailbox name must not be empty",
            Self::EmptyLevel => "a mailbox name must not have an empty level",
            Self::Control => "a mailbox name must not have control characters",
            Self::TooLong => "the mailbox name is too long or too deep",
        })
    }
}

impl std::error::Error for MailboxNameError {}

impl MailboxName {
    /// What stands between the levels.
    pub const SEPARATOR: char = '/';
    /// The longest name, in octets of UTF-8. Ours.
    pub const OCTETS_MAX: usize = 1_000;
    /// The deepest name. Ours.
    pub const LEVELS_MAX: usize = 64;

    /// Normalises and checks `text`. INBOX is taken in any case, as the first
    /// level too (RFC 9051 §5.1).
    ///
    /// # Errors
    /// Says what the name breaks.
    pub fn new(text: &str) -> Result<Self, MailboxNameError> {
        if text.is_empty() {
            return Err(MailboxNameError::Empty);
        }
        if text.len() > Self::OCTETS_MAX {
            return Err(MailboxNameError::TooLong);
        }
        let mut name: String = text.nfc().collect();
        if name
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
        {
            return Err(MailboxNameError::Control);
        }
        if name.split(Self::SEPARATOR).any(str::is_empty) {
            return Err(MailboxNameError::EmptyLevel);
        }
        if name.len() > Self::OCTETS_MAX || name.split(Self::SEPARATOR).count() > Self::LEVELS_MAX {
            return Err(MailboxNameError::TooLong);
        }
        let first = name.find(Self::SEPARATOR).unwrap_or(name.len());
        if let Some(level) = name
            .get_mut(..first)
            .filter(|level| level.eq_ignore_ascii_case("INBOX"))
        {
            level.make_ascii_uppercase();
        }
        Ok(Self(name.into()))
    }

    /// INBOX.
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    /// Whether this is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The name as UTF-8.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name one level up.
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once(Self::SEPARATOR)
            .map(|(parent, _)| Self(parent.into()))
    }

    /// Whether this lies anywhere below `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(&*other.0)
            .is_some_and(|rest| rest.starts_with(Self::SEPARATOR))
    }

    /// The name that this, `from` or below it, has when `from` is renamed to `to`.
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Result<Self, MailboxNameError>> {
        let rest = self.0.strip_prefix(&*from.0)?;
        (rest.is_empty() || rest.starts_with(Self::SEPARATOR))
            .then(|| Self::new(&format!("{to}{rest}")))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// What a mailbox is for. RFC 6154 §2. The numbers are part of the format on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SpecialUse {
    /// `\All`
    All = 1,
    /// `\Archive`
    Archive = 2,
    /// `\Drafts`
    Drafts = 3,
    /// `\Flagged`
    Flagged = 4,
    /// `\Junk`
    Junk = 5,
    /// `\Sent`
    Sent = 6,
    /// `\Trash`
    Trash = 7,
    /// `\Important` (RFC 8457 §3)
    Important = 8,
}

impl SpecialUse {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::All,
        Self::Archive,
        Self::Drafts,
        Self::Flagged,
        Self::Junk,
        Self::Sent,
        Self::Trash,
        Self::Important,
    ];

    /// The attribute's text, backslash included.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
            Self::Important => "\\Important",
        }
    }

    /// From its number on disk.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|&special| special as u8 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_checked() {
        let name = |text: &str| MailboxName::new(text).map(|name| name.to_string());
        assert_eq!(name("inbox"), Ok("INBOX".into()));
        assert_eq!(name("iNbOx/sub"), Ok("INBOX/sub".into()));
        assert_eq!(name("inboxes"), Ok("inboxes".into()));
        assert_eq!(name("Cafe\u{301}"), Ok("Café".into()));
        assert_eq!(name(""), Err(MailboxNameError::Empty));
        assert_eq!(name("/a"), Err(MailboxNameError::EmptyLevel));
        assert_eq!(name("a//b"), Err(MailboxNameError::EmptyLevel));
        assert_eq!(name("a/"), Err(MailboxNameError::EmptyLevel));
        assert_eq!(name("a\r\nb"), Err(MailboxNameError::Control));
        assert_eq!(name(&"a".repeat(1001)), Err(MailboxNameError::TooLong));
        assert_eq!(name(&["a"; 65].join("/")), Err(MailboxNameError::TooLong));
    }
}
