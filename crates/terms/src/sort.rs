//! What SORT and THREAD go by.

/// What messages are sorted by. RFC 5256 §3 where nothing else is cited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// ARRIVAL: internal date
    Arrival,
    /// CC: the first address's local part
    Cc,
    /// DATE: sent date
    Date,
    /// DISPLAYFROM: the name that is shown (RFC 5957 §3)
    DisplayFrom,
    /// DISPLAYTO (RFC 5957 §3)
    DisplayTo,
    /// FROM: the first address's local part
    From,
    /// SIZE
    Size,
    /// SUBJECT: base subject
    Subject,
    /// TO: the first address's local part
    To,
}

/// One criterion of a SORT; of several the first counts most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SortCriterion {
    /// By what.
    pub key: SortKey,
    /// REVERSE
    pub reverse: bool,
}

/// How THREAD finds threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThreadAlgorithm {
    /// ORDEREDSUBJECT (RFC 5256 §3)
    OrderedSubject,
    /// REFERENCES (RFC 5256 §3)
    References,
    /// REFS: as REFERENCES, but subjects join nothing and threads stand in the
    /// order of their newest messages (draft-ietf-morg-inthread §5.1).
    Refs,
}
