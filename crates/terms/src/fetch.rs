//! What FETCH and STATUS ask for.

/// A part of a message's structure, from its root: `1.2` is `[1, 2]`. Each is 1
/// or more. RFC 9051 §6.4.5.1.
pub type BodyPath = Vec<u32>;

/// What of a part is meant. RFC 9051 §6.4.5.1, section-text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SectionText {
    /// The part's header (of a message/rfc822 part, or of the message).
    Header,
    /// HEADER.FIELDS: those fields alone.
    HeaderFields(Vec<String>),
    /// HEADER.FIELDS.NOT: all but those.
    HeaderFieldsNot(Vec<String>),
    /// What follows the header.
    Text,
    /// The part's MIME header; the path is not empty.
    Mime,
}

/// A section: a part and what of it; `None` is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Section {
    /// Which part; empty for the message itself.
    pub path: BodyPath,
    /// What of it.
    pub text: Option<SectionText>,
}

/// `<offset.count>`: count is never zero. RFC 9051 §6.4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partial {
    /// First octet, from zero.
    pub offset: u64,
    /// Octets at the most.
    pub count: u64,
}

/// One data item of a FETCH. RFC 9051 §6.4.5 where nothing else is cited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FetchItem {
    /// BODY[…] or BODY.PEEK[…]
    Body {
        /// Of what.
        section: Section,
        /// Which octets of it.
        partial: Option<Partial>,
        /// Without setting \Seen.
        peek: bool,
    },
    /// BINARY[…] or BINARY.PEEK[…]: transfer encoding undone. RFC 3516 §4.2.
    Binary {
        /// Of which part.
        path: BodyPath,
        /// Which octets of it.
        partial: Option<Partial>,
        /// Without setting \Seen.
        peek: bool,
    },
    /// BINARY.SIZE[…] (RFC 3516 §4.2)
    BinarySize(BodyPath),
    /// BODY without a section: BODYSTRUCTURE without extension data.
    BodyStructureShort,
    /// BODYSTRUCTURE
    BodyStructure,
    /// EMAILID (RFC 8474 §5.1)
    EmailId,
    /// ENVELOPE
    Envelope,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// MODSEQ (RFC 7162 §3.1.4.2)
    ModSeq,
    /// PREVIEW; true with LAZY (RFC 8970 §3.1)
    Preview {
        /// Only if it costs nothing.
        lazy: bool,
    },
    /// RFC822: as BODY[], named so in the answer. RFC 3501 §6.4.5.
    Rfc822,
    /// RFC822.HEADER: as `BODY.PEEK[HEADER]`. RFC 3501 §6.4.5.
    Rfc822Header,
    /// RFC822.SIZE
    Rfc822Size,
    /// RFC822.TEXT: as `BODY[TEXT]`. RFC 3501 §6.4.5.
    Rfc822Text,
    /// SAVEDATE (RFC 8514 §4.2)
    SaveDate,
    /// THREADID (RFC 8474 §5.2)
    ThreadId,
    /// UID
    Uid,
}

/// One data item of a STATUS. RFC 9051 §6.3.11 where nothing else is cited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT (RFC 3501 §6.3.10)
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// DELETED
    Deleted,
    /// DELETED-STORAGE (RFC 9208 §4.1.4)
    DeletedStorage,
    /// SIZE
    Size,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.2.2)
    HighestModSeq,
    /// MAILBOXID (RFC 8474 §4.3)
    MailboxId,
    /// APPENDLIMIT (RFC 7889 §3)
    AppendLimit,
}
