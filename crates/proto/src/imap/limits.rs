//! How much a client may say.

/// Bounds of what is read, by the state of the session. Reaching one has a
/// defined answer: see [`super::CommandReader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest line of a command, its end included. RFC 7162 §4 wants 8,192 at
    /// least.
    pub line_octets_max: u32,
    /// Longest literal that is no message to append.
    pub literal_octets_max: u32,
    /// Longest command: its lines and literals together.
    pub command_octets_max: u32,
    /// Most literals in one command.
    pub literals_max: u32,
    /// Longest literal that does not wait: none of its own, or
    /// [`Limits::LITERAL_MINUS_OCTETS_MAX`].
    pub unasked_octets_max: u32,
}

impl Limits {
    /// Longest literal that does not wait, under LITERAL-. RFC 7888 §5.
    pub const LITERAL_MINUS_OCTETS_MAX: u32 = 4_096;

    /// Before login: nothing but names, passwords and tokens is wanted.
    pub const BEFORE_LOGIN: Self = Self {
        line_octets_max: 16 << 10,
        literal_octets_max: 4 << 10,
        command_octets_max: 16 << 10,
        literals_max: 8,
        unasked_octets_max: u32::MAX,
    };
    /// After login.
    pub const LOGGED_IN: Self = Self {
        line_octets_max: 64 << 10,
        literal_octets_max: 64 << 10,
        command_octets_max: 256 << 10,
        literals_max: 1_000,
        unasked_octets_max: u32::MAX,
    };
}

/// How many octets of an unwanted literal, or of an overlong line, are read and
/// thrown away before the session is given up.
pub(super) const DISCARD_OCTETS_MAX: u64 = 64 << 10;
/// Deepest nesting of search criteria.
pub(super) const NESTING_MAX: u32 = 32;
/// Most parts in a section's path, `BODY[1.2.3]`.
pub(super) const PATH_PARTS_MAX: usize = 100;
/// Most pairs in an ID. RFC 2971 §3.3.
pub(super) const ID_PAIRS_MAX: usize = 30;
/// Most field names in one HEADER.FIELDS.
pub(super) const HEADER_NAMES_MAX: usize = 1_000;
/// Most items in one FETCH.
pub(super) const FETCH_ITEMS_MAX: usize = 1_000;
/// Most criteria in one SORT.
pub(super) const SORT_CRITERIA_MAX: usize = 100;
/// Most entries in one GETMETADATA or SETMETADATA.
pub(super) const METADATA_ENTRIES_MAX: usize = 1_000;
/// Octets of the name of an entry at the most.
pub(super) const METADATA_ENTRY_OCTETS_MAX: usize = 512;
