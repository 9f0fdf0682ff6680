//! Sequence sets as a client writes them.

use crate::{Uid, UidSet};

/// A number in a sequence set: a number or `*`, the largest in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SequenceNumber {
    /// A message number or a unique identifier, as the command has it. Never 0.
    Number(u32),
    /// `*`. RFC 9051 §9, seq-number.
    Last,
}

/// One part of a sequence set, its ends in the order they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceRange {
    /// As written first; equal to `last` for a single number.
    pub first: SequenceNumber,
    /// As written last.
    pub last: SequenceNumber,
}

/// A set of message numbers or unique identifiers, as written.
/// RFC 9051 §9, sequence-set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SequenceSet {
    /// Numbers and ranges.
    Ranges(Vec<SequenceRange>),
    /// `$`: the saved search result. RFC 9051 §6.4.4.1.
    SavedResult,
}

impl SequenceSet {
    /// The numbers meant, where `last` is what `*` stands for; `None` where there
    /// is nothing in the mailbox. `3:*` covers the last message even if that is
    /// below 3 (RFC 9051 §9, seq-range). `$` gives the empty set: the session
    /// knows its saved result. Message numbers are returned in a [`UidSet`] too.
    pub fn resolve(&self, last: Option<u32>) -> UidSet {
        let mut set = UidSet::new();
        let Self::Ranges(ranges) = self else {
            return set;
        };
        let number = |number| match number {
            SequenceNumber::Number(value) => Uid::new(value),
            SequenceNumber::Last => last.and_then(Uid::new),
        };
        for range in ranges {
            if let (Some(first), Some(last)) = (number(range.first), number(range.last)) {
                set.insert_range(first, last);
            }
        }
        set
    }

    /// Whether `*` stands in it.
    pub fn has_last(&self) -> bool {
        match self {
            Self::Ranges(ranges) => ranges.iter().any(|range| {
                range.first == SequenceNumber::Last || range.last == SequenceNumber::Last
            }),
            Self::SavedResult => false,
        }
    }
}
