//! What SEARCH looks for.

use crate::{Date, Flag, ModSeq, SequenceSet};

/// A search criterion. RFC 9051 §6.4.4 where nothing else is cited. Texts are
/// UTF-8 already: the protocol has decoded the CHARSET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchKey {
    /// ALL
    All,
    /// All of them; an empty list is ALL.
    And(Vec<SearchKey>),
    /// OR
    Or(Box<SearchKey>, Box<SearchKey>),
    /// NOT
    Not(Box<SearchKey>),
    /// ANSWERED, SEEN, KEYWORD …
    Flag(Flag),
    /// RECENT (RFC 3501 §6.4.4)
    Recent,
    /// NEW: recent and not seen (RFC 3501 §6.4.4)
    New,
    /// OLD: not recent (RFC 3501 §6.4.4)
    Old,
    /// Message numbers
    Sequence(SequenceSet),
    /// UID
    Uid(SequenceSet),
    /// BEFORE: internal date before the day
    Before(Date),
    /// ON
    On(Date),
    /// SINCE: on the day or later
    Since(Date),
    /// SENTBEFORE: Date field before the day
    SentBefore(Date),
    /// SENTON
    SentOn(Date),
    /// SENTSINCE
    SentSince(Date),
    /// SAVEDBEFORE (RFC 8514 §4.3)
    SavedBefore(Date),
    /// SAVEDON (RFC 8514 §4.3)
    SavedOn(Date),
    /// SAVEDSINCE (RFC 8514 §4.3)
    SavedSince(Date),
    /// SAVEDATESUPPORTED (RFC 8514 §4.3)
    SaveDateSupported,
    /// LARGER: octets
    Larger(u64),
    /// SMALLER: octets
    Smaller(u64),
    /// YOUNGER: seconds (RFC 5032 §3)
    Younger(u32),
    /// OLDER: seconds (RFC 5032 §3)
    Older(u32),
    /// MODSEQ (RFC 7162 §3.1.5)
    ModSeq(ModSeq),
    /// EMAILID (RFC 8474 §6)
    EmailId(String),
    /// THREADID (RFC 8474 §6)
    ThreadId(String),
    /// BCC, CC, FROM, SUBJECT, TO, HEADER: field name, text; an empty text asks
    /// whether the field is there.
    Header(String, String),
    /// BODY
    Body(String),
    /// TEXT
    Text(String),
}
