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
        let Self::Ranges(ranges) = self else {
            return UidSet::new();
        };
        let number = |number| match number {
            SequenceNumber::Number(value) => Uid::new(value),
            SequenceNumber::Last => last.and_then(Uid::new),
        };
        let mut runs: Vec<(Uid, Uid)> = ranges
            .iter()
            .filter_map(|range| {
                let (first, last) = (number(range.first)?, number(range.last)?);
                Some((first.min(last), first.max(last)))
            })
            .collect();
        // A set grows cheaply at its upper end only, and clients may write theirs
        // in any order.
        runs.sort_unstable();
        let mut set = UidSet::new();
        for (first, last) in runs {
            set.insert_range(first, last);
        }
        set
    }

    /// All from `first` on, where there is such a number.
    pub fn from(first: Option<u32>) -> Self {
        let range = |first| SequenceRange {
            first: SequenceNumber::Number(first),
            last: SequenceNumber::Number(u32::MAX),
        };
        Self::Ranges(first.map(range).into_iter().collect())
    }

    /// All up to `last`, where there is such a number.
    pub fn up_to(last: Option<u32>) -> Self {
        let range = |last| SequenceRange {
            first: SequenceNumber::Number(1),
            last: SequenceNumber::Number(last),
        };
        Self::Ranges(last.map(range).into_iter().collect())
    }

    /// Whether it is `$`.
    pub fn is_saved(&self) -> bool {
        *self == Self::SavedResult
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_resolved_in_any_order() {
        let number = |value| match value {
            0 => SequenceNumber::Last,
            value => SequenceNumber::Number(value),
        };
        let set = |ranges: &[(u32, u32)]| {
            let range = |&(first, last)| SequenceRange {
                first: number(first),
                last: number(last),
            };
            SequenceSet::Ranges(ranges.iter().map(range).collect())
        };
        for (ranges, last, expected) in [
            (&[(9, 9), (7, 5), (1, 6)][..], Some(9), "1:7,9"),
            (&[(12, 0)], Some(7), "7:12"),
            (&[(0, 0), (2, 2)], None, "2"),
            (&[(3, 0)], None, ""),
        ] {
            assert_eq!(set(ranges).resolve(last).to_string(), expected);
        }
        let many: Vec<(u32, u32)> = (1..100_000)
            .rev()
            .map(|value| (value * 2, value * 2))
            .collect();
        assert_eq!(set(&many).resolve(None).count(), 99_999);
    }
}
