//! What a client can ask for.

use super::acl::AclCommand;
use super::metadata::{GetMetadata, MetadataOptions, SetMetadata};
use std::fmt;
use terms::{
    FetchItem, MailboxName, MailboxNameError, ModSeq, SearchKey, SequenceSet, SortCriterion,
    SpecialUse, StatusItem, StoreOp, ThreadAlgorithm, UidSet, UidValidity,
};

/// What a client puts before a command and finds again before its answer.
/// RFC 3501 §9, tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub(super) Box<str>);

impl Tag {
    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command with its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its tag.
    pub tag: Tag,
    /// What is asked.
    pub body: CommandBody,
}

/// A mailbox that a client names; a text that no mailbox can have is no breach
/// of the grammar, so the command decides what to answer.
pub type Mailbox = Result<MailboxName, IllegalName>;

/// Why no mailbox can have this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IllegalName {
    /// It is neither modified UTF-7 (RFC 3501 §5.1.3) nor UTF-8, whichever it has to be.
    Encoding,
    /// It breaks the rules of names.
    Name(MailboxNameError),
}

impl fmt::Display for IllegalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => f.write_str("the mailbox name is neither modified UTF-7 nor UTF-8"),
            Self::Name(error) => error.fmt(f),
        }
    }
}

/// A command without its tag. RFC 3501 §6 where nothing else is cited; APPEND
/// and REPLACE come as [`super::AppendHead`].
#[derive(Clone, PartialEq, Eq)]
pub enum CommandBody {
    /// SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS. RFC 4314 §3.
    Acl(AclCommand),
    /// AUTHENTICATE
    Authenticate {
        /// The mechanism, in capitals.
        mechanism: String,
        /// The initial response as it stood there: base64, or `=`. RFC 4959 §3.
        initial: Option<Vec<u8>>,
    },
    /// CAPABILITY
    Capability,
    /// CHECK
    Check,
    /// CLOSE
    Close,
    /// COMPRESS, the algorithm in capitals. RFC 4978 §3.
    Compress(String),
    /// COPY and UID COPY
    Copy {
        /// Whether `set` has unique identifiers.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: Mailbox,
    },
    /// CREATE
    Create {
        /// Which.
        mailbox: Mailbox,
        /// USE: what for; `None` among them for what we have not heard of. RFC 6154
        /// §3.
        uses: Vec<Option<SpecialUse>>,
        /// As [`SelectParameters::old_name`].
        old_name: Option<String>,
    },
    /// DELETE
    Delete {
        /// Which.
        mailbox: Mailbox,
        /// As [`SelectParameters::old_name`].
        old_name: Option<String>,
    },
    /// ENABLE, the names in capitals. RFC 5161 §3.1.
    Enable(Vec<String>),
    /// EXPUNGE
    Expunge,
    /// FETCH and UID FETCH. For the latter UID is among the items.
    Fetch {
        /// Whether `set` has unique identifiers.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// What of them, in the order asked, each once.
        items: Vec<FetchItem>,
        /// Which of those that `set` means.
        modifiers: FetchModifiers,
    },
    /// GETMETADATA. RFC 5464 §4.2.
    GetMetadata(GetMetadata),
    /// GETQUOTA: the quota root. RFC 9208 §4.1.1.
    GetQuota(Vec<u8>),
    /// GETQUOTAROOT. RFC 9208 §4.1.2.
    GetQuotaRoot(Mailbox),
    /// SETQUOTA. RFC 9208 §4.1.3.
    SetQuota {
        /// The quota root.
        root: Vec<u8>,
        /// Resources, in capitals, and their limits.
        limits: Vec<(String, u64)>,
    },
    /// ID; `None` for NIL. RFC 2971 §3.1.
    Id(Option<Vec<(String, Option<String>)>>),
    /// IDLE. RFC 2177 §3.
    Idle,
    /// LIST
    List {
        /// The reference.
        reference: String,
        /// The patterns; none if no name can match what was asked.
        patterns: Vec<String>,
        /// Which, and what of them: `None` for a LIST as RFC 3501 has it.
        options: Option<ListOptions>,
    },
    /// LOGIN
    Login {
        /// Who.
        user: Vec<u8>,
        /// The password.
        password: Vec<u8>,
    },
    /// LOGOUT
    Logout,
    /// LSUB
    Lsub {
        /// The reference.
        reference: String,
        /// The patterns; none if no name can match what was asked.
        patterns: Vec<String>,
    },
    /// MOVE and UID MOVE. RFC 6851 §3.
    Move {
        /// Whether `set` has unique identifiers.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: Mailbox,
    },
    /// NAMESPACE. RFC 2342 §5.
    Namespace,
    /// NOOP
    Noop,
    /// RENAME
    Rename {
        /// The old name.
        from: Mailbox,
        /// The new one.
        to: Mailbox,
        /// The old name as it was given, where one of both is not in its normal
        /// form. RFC 9051 §6.3.6.
        old_name: Option<String>,
    },
    /// SEARCH and UID SEARCH
    Search {
        /// Whether the answer has unique identifiers.
        uid: bool,
        /// RETURN: what is to be told of what was found. `None` is a plain SEARCH.
        returns: Option<SearchReturn>,
        /// What is looked for.
        program: SearchProgram,
    },
    /// SELECT and EXAMINE
    Select {
        /// Which.
        mailbox: Mailbox,
        /// EXAMINE.
        read_only: bool,
        /// What stands in parentheses after the name.
        parameters: SelectParameters,
    },
    /// SORT and UID SORT. RFC 5256 §3.
    Sort {
        /// Whether the answer has unique identifiers.
        uid: bool,
        /// What is told of it; `None`: a plain SORT. RFC 5267 §3.
        returns: Option<SearchReturn>,
        /// By what; not empty.
        criteria: Vec<SortCriterion>,
        /// Of which messages.
        program: SearchProgram,
    },
    /// SETMETADATA. RFC 5464 §4.3.
    SetMetadata(SetMetadata),
    /// STARTTLS
    StartTls,
    /// STATUS
    Status {
        /// Of which.
        mailbox: Mailbox,
        /// What, in the order asked.
        items: Vec<StatusItem>,
    },
    /// STORE and UID STORE
    Store {
        /// Whether `set` has unique identifiers.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// What to do to their flags.
        op: StoreOp,
        /// `.SILENT`
        silent: bool,
        /// UNCHANGEDSINCE. RFC 7162 §3.1.3.
        unchanged_since: Option<ModSeq>,
    },
    /// SUBSCRIBE
    Subscribe(Mailbox),
    /// THREAD and UID THREAD. RFC 5256 §3.
    Thread {
        /// Whether the answer has unique identifiers.
        uid: bool,
        /// How.
        algorithm: ThreadAlgorithm,
        /// Of which messages.
        program: SearchProgram,
    },
    /// UNAUTHENTICATE. RFC 8437 §3.
    Unauthenticate,
    /// UIDBATCHES. RFC 10022 §3.1.
    UidBatches {
        /// Messages in a batch.
        size: u32,
        /// Of which batches, counted from the newest, as written.
        range: Option<(u32, u32)>,
    },
    /// UID EXPUNGE. RFC 4315 §2.1.
    UidExpunge(SequenceSet),
    /// UNSELECT. RFC 3691 §2.
    Unselect,
    /// UNSUBSCRIBE
    Unsubscribe(Mailbox),
}

impl CommandBody {
    /// The command's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Acl(command) => command.name(),
            Self::Authenticate { .. } => "AUTHENTICATE",
            Self::Capability => "CAPABILITY",
            Self::Check => "CHECK",
            Self::Close => "CLOSE",
            Self::Compress(_) => "COMPRESS",
            Self::Copy { uid: false, .. } => "COPY",
            Self::Copy { uid: true, .. } => "UID COPY",
            Self::Create { .. } => "CREATE",
            Self::Delete { .. } => "DELETE",
            Self::Enable(_) => "ENABLE",
            Self::Expunge => "EXPUNGE",
            Self::Fetch { uid: false, .. } => "FETCH",
            Self::Fetch { uid: true, .. } => "UID FETCH",
            Self::GetMetadata(_) => "GETMETADATA",
            Self::GetQuota(_) => "GETQUOTA",
            Self::GetQuotaRoot(_) => "GETQUOTAROOT",
            Self::SetQuota { .. } => "SETQUOTA",
            Self::Id(_) => "ID",
            Self::Idle => "IDLE",
            Self::List { .. } => "LIST",
            Self::Login { .. } => "LOGIN",
            Self::Logout => "LOGOUT",
            Self::Lsub { .. } => "LSUB",
            Self::Move { uid: false, .. } => "MOVE",
            Self::Move { uid: true, .. } => "UID MOVE",
            Self::Namespace => "NAMESPACE",
            Self::Noop => "NOOP",
            Self::Rename { .. } => "RENAME",
            Self::Search { uid: false, .. } => "SEARCH",
            Self::Search { uid: true, .. } => "UID SEARCH",
            Self::Select {
                read_only: false, ..
            } => "SELECT",
            Self::Select { .. } => "EXAMINE",
            Self::Sort { uid: false, .. } => "SORT",
            Self::Sort { uid: true, .. } => "UID SORT",
            Self::SetMetadata(_) => "SETMETADATA",
            Self::StartTls => "STARTTLS",
            Self::Status { .. } => "STATUS",
            Self::Store { uid: false, .. } => "STORE",
            Self::Store { uid: true, .. } => "UID STORE",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Thread { uid: false, .. } => "THREAD",
            Self::Thread { uid: true, .. } => "UID THREAD",
            Self::Unauthenticate => "UNAUTHENTICATE",
            Self::UidBatches { .. } => "UIDBATCHES",
            Self::UidExpunge(_) => "UID EXPUNGE",
            Self::Unselect => "UNSELECT",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
        }
    }
}

/// The name alone: arguments may hold passwords.
impl fmt::Debug for CommandBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an extended LIST asks for. RFC 5258 §3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Only names that are subscribed.
    pub subscribed: bool,
    /// Names above such as are selected, too.
    pub recursive_match: bool,
    /// Only mailboxes with a special use. RFC 6154 §2.
    pub special_use: bool,
    /// RETURN (SUBSCRIBED)
    pub return_subscribed: bool,
    /// RETURN (SPECIAL-USE)
    pub return_special_use: bool,
    /// RETURN (STATUS (…)). RFC 5819 §2.
    pub return_status: Vec<StatusItem>,
    /// RETURN (MYRIGHTS). RFC 8440 §3.
    pub return_my_rights: bool,
    /// RETURN (METADATA (…)). RFC 9590 §3.
    pub return_metadata: Option<MetadataOptions>,
}

/// RFC 4466 §2.4: fetch-modifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchModifiers {
    /// CHANGEDSINCE: only messages that have changed after it. MODSEQ is among
    /// the items then. RFC 7162 §3.1.4.1.
    pub changed_since: Option<ModSeq>,
    /// VANISHED: those that were expunged after it are told too; of UID FETCH
    /// with CHANGEDSINCE alone. RFC 7162 §3.2.6.
    pub vanished: bool,
    /// PARTIAL: some of those that the set means; of UID FETCH alone. RFC 9394
    /// §3.3.
    pub partial: Option<PartialRange>,
}

/// RFC 4466 §2.1: select-params.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectParameters {
    /// CONDSTORE. RFC 7162 §3.1.8.
    pub condstore: bool,
    /// QRESYNC.
    pub qresync: Option<QResync>,
    /// The mailbox's name as it was given, where that is not its normal form.
    /// RFC 9051 §6.3.2.
    pub old_name: Option<String>,
}

/// What a client knows of a mailbox that it comes back to. RFC 7162 §3.2.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QResync {
    /// The validity of all that follows.
    pub uid_validity: UidValidity,
    /// It knows all up to this change.
    pub modseq: ModSeq,
    /// The messages that it asks about; `None` for all.
    pub known_uids: Option<UidSet>,
    /// Message numbers and the identifiers that it knows for them, as many of
    /// each, in the same order. RFC 7162 §3.2.5.2.
    pub matches: Option<(UidSet, UidSet)>,
}

/// What is told of what a SEARCH found. RFC 4731 §3.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// MIN: the lowest.
    pub min: bool,
    /// MAX: the highest.
    pub max: bool,
    /// ALL; also where nothing was named.
    pub all: bool,
    /// COUNT: how many.
    pub count: bool,
    /// SAVE: `$` stands for them from now on. RFC 5182 §2.1.
    pub save: bool,
    /// PARTIAL: some of them.
    pub partial: Option<PartialRange>,
}

impl SearchReturn {
    /// RETURN (ALL), what an empty list means.
    pub const ALL: Self = Self {
        min: false,
        max: false,
        all: true,
        count: false,
        save: false,
        partial: None,
    };

    /// Whether there is anything to tell: not for SAVE alone (RFC 5182 §2.1).
    pub fn is_told(&self) -> bool {
        self.min || self.max || self.all || self.count || self.partial.is_some()
    }
}

/// Some of many results, by their place from one end. RFC 9394 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialRange {
    /// As written first; 1 or more.
    pub first: u32,
    /// As written last; 1 or more.
    pub last: u32,
    /// Counted from the newest: both were written with a minus.
    pub from_end: bool,
}

impl PartialRange {
    /// How many places there are from one end to the other.
    pub fn span(&self) -> u32 {
        self.first.abs_diff(self.last).saturating_add(1)
    }

    /// The places that are meant among `count` results in ascending order, from
    /// zero; empty where there are none.
    pub fn places(&self, count: u64) -> std::ops::Range<u64> {
        let (low, high) = (self.first.min(self.last), self.first.max(self.last));
        let (low, high) = (u64::from(low), u64::from(high).min(count));
        if low > high {
            0..0
        } else if self.from_end {
            count - high..count - low + 1
        } else {
            low - 1..high
        }
    }
}

impl fmt::Display for PartialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minus = if self.from_end { "-" } else { "" };
        write!(f, "{minus}{}:{minus}{}", self.first, self.last)
    }
}

/// What SEARCH looks for. RFC 3501 §6.4.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchProgram {
    /// The criteria, their texts in UTF-8.
    Keys(SearchKey),
    /// The CHARSET is none that we know: NO `[BADCHARSET]`.
    UnknownCharset,
}

/// Where a command left the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What should have stood there.
    pub expected: &'static str,
    /// At which octet of the command, from zero.
    pub at: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at octet {}", self.expected, self.at)
    }
}

impl std::error::Error for SyntaxError {}
