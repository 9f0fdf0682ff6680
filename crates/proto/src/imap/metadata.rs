//! GETMETADATA and SETMETADATA. RFC 5464.

use super::command::Mailbox;

/// The name of an annotation, in lower case: names are compared in any case.
/// RFC 5464 §3.2.
pub type Entry = String;

/// What GETMETADATA asks. RFC 5464 §4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMetadata {
    /// Of which mailbox; `None` for the empty name: of the server.
    pub mailbox: Option<Mailbox>,
    /// Of which annotations, and how.
    pub wanted: MetadataOptions,
}

/// Which annotations are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataOptions {
    /// MAXSIZE: only values of up to so many octets. RFC 5464 §4.2.1.
    pub octets_max: Option<u64>,
    /// DEPTH. RFC 5464 §4.2.2.
    pub depth: MetadataDepth,
    /// Those named.
    pub entries: Vec<Entry>,
}

/// How far below the entries that are named. RFC 5464 §4.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataDepth {
    /// These alone.
    #[default]
    Zero,
    /// And those immediately below.
    One,
    /// And all below.
    Infinity,
}

impl MetadataOptions {
    /// Whether `entry` is asked for.
    pub fn wants(&self, entry: &str) -> bool {
        self.entries.iter().any(|named| {
            let Some(below) = entry.strip_prefix(named.as_str()) else {
                return false;
            };
            match (below.strip_prefix('/'), self.depth) {
                (None, _) => below.is_empty(),
                (Some(_), MetadataDepth::Zero) => false,
                (Some(below), MetadataDepth::One) => !below.contains('/'),
                (Some(_), MetadataDepth::Infinity) => true,
            }
        })
    }
}

/// What SETMETADATA sets. RFC 5464 §4.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMetadata {
    /// Of which mailbox; `None` for the empty name: of the server.
    pub mailbox: Option<Mailbox>,
    /// Entries and their values; `None` for NIL: it goes.
    pub entries: Vec<(Entry, Option<Vec<u8>>)>,
}
