//! Flags and keywords.

use std::fmt;

/// A flag that a standard gives its own bit. RFC 9051 §2.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SystemFlag {
    /// `\Answered`
    Answered = 0,
    /// `\Deleted`
    Deleted = 1,
    /// `\Draft`
    Draft = 2,
    /// `\Flagged`
    Flagged = 3,
    /// `\Seen`
    Seen = 4,
}

impl SystemFlag {
    /// All of them, in the order in which they are written to clients.
    pub const ALL: [Self; 5] = [
        Self::Answered,
        Self::Flagged,
        Self::Deleted,
        Self::Seen,
        Self::Draft,
    ];

    /// The flag's text, backslash included.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "\\Answered",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
            Self::Flagged => "\\Flagged",
            Self::Seen => "\\Seen",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A keyword: a flag that users and programs make up. An atom of up to
/// [`Keyword::OCTETS_MAX`] octets without a leading backslash. Two that differ
/// only in case are the same (RFC 9051 §2.3.2); the first spelling is kept.
#[derive(Clone, Debug)]
pub struct Keyword(Box<str>);

impl Keyword {
    /// The longest keyword that is taken. Ours.
    pub const OCTETS_MAX: usize = 250;

    /// `None` if `text` is no atom (RFC 9051 §9, flag-keyword) or too long.
    pub fn new(text: &str) -> Option<Self> {
        let legal = |octet: u8| (0x21..=0x7e).contains(&octet) && !b"(){%*\"\\]".contains(&octet);
        let fits = (1..=Self::OCTETS_MAX).contains(&text.len());
        (fits && text.bytes().all(legal)).then(|| Self(text.into()))
    }

    /// As it was first spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let folded = |text: &'_ Self| text.0.to_ascii_lowercase();
        folded(self).cmp(&folded(other))
    }
}

impl std::hash::Hash for Keyword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A flag as a client names it. `\Recent` is none: it cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// One of the standard's own.
    System(SystemFlag),
    /// Any other.
    Keyword(Keyword),
}

impl Flag {
    /// Reads `\Seen`, `$Forwarded`, …; `None` for `\Recent`, unknown `\Names`
    /// and what is no atom.
    pub fn parse(text: &str) -> Option<Self> {
        SystemFlag::ALL
            .into_iter()
            .find(|flag| flag.as_str().eq_ignore_ascii_case(text))
            .map(Self::System)
            .or_else(|| Keyword::new(text).map(Self::Keyword))
    }

    /// The flag's text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::System(flag) => flag.as_str(),
            Self::Keyword(keyword) => keyword.as_str(),
        }
    }
}

/// Some flags: system flags as bits, keywords ascending and each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagSet {
    system: u8,
    keywords: Vec<Keyword>,
}

impl FlagSet {
    /// None.
    pub const fn new() -> Self {
        Self {
            system: 0,
            keywords: Vec::new(),
        }
    }

    /// From the bits of [`FlagSet::system_bits`]; unknown bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Self {
            system: bits & 0b1_1111,
            keywords: Vec::new(),
        }
    }

    /// One bit per [`SystemFlag`], `1 << (flag as u8)`. Part of the format on disk.
    pub fn system_bits(&self) -> u8 {
        self.system
    }

    /// The keywords, ascending without regard to case.
    pub fn keywords(&self) -> &[Keyword] {
        &self.keywords
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.system == 0 && self.keywords.is_empty()
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: SystemFlag) -> bool {
        self.system & flag.bit() != 0
    }

    /// Whether `keyword` is set.
    pub fn has_keyword(&self, keyword: &Keyword) -> bool {
        self.keywords.binary_search(keyword).is_ok()
    }

    /// Sets one.
    pub fn insert(&mut self, flag: Flag) {
        match flag {
            Flag::System(flag) => self.system |= flag.bit(),
            Flag::Keyword(keyword) => {
                if let Err(at) = self.keywords.binary_search(&keyword) {
                    self.keywords.insert(at, keyword);
                }
            }
        }
    }

    /// Clears one.
    pub fn remove(&mut self, flag: &Flag) {
        match flag {
            Flag::System(flag) => self.system &= !flag.bit(),
            Flag::Keyword(keyword) => {
                if let Ok(at) = self.keywords.binary_search(keyword) {
                    self.keywords.remove(at);
                }
            }
        }
    }

    /// Every flag, system flags first.
    pub fn iter(&self) -> impl Iterator<Item = Flag> + '_ {
        let system = SystemFlag::ALL
            .into_iter()
            .filter(|&flag| self.has(flag))
            .map(Flag::System);
        system.chain(self.keywords.iter().cloned().map(Flag::Keyword))
    }
}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Self::new();
        for flag in flags {
            set.insert(flag);
        }
        set
    }
}

/// How STORE combines its flags with those of the message. RFC 9051 §6.4.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreMode {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// What STORE does to each message. RFC 9051 §6.4.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOp {
    /// How.
    pub mode: StoreMode,
    /// With what.
    pub flags: FlagSet,
}
