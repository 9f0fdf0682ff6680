//! How a command ends.

use super::message_limit::Limited;
use crate::accounts::{ExecuteError, Unavailable};
use account::Refusal;
use proto::imap::response::{self, Code, Status};
use std::borrow::Cow;
use terms::ModSeq;

/// What is said with a command's tag, and what may be told before it.
#[derive(Debug)]
pub(super) struct Reply {
    status: Status,
    code: Option<Code>,
    text: Cow<'static, str>,
    /// What the session may be told of before.
    pub(super) tell: Tell,
    /// It says how far the session has been told, where it says nothing else.
    modseq: bool,
    /// There were more messages than a command works on. RFC 9738 §3.1.
    limited: Option<Limited>,
}

/// What a session may be told of at a command's end. RFC 3501 §7.4.1, RFC 9051
/// §7.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// Nothing: the command was none, or its answer begins a new view.
    Nothing,
    /// New messages and flags: FETCH, STORE and SEARCH by message number.
    ButExpunges,
    /// Everything.
    All,
}

impl Reply {
    /// It was done.
    pub(super) fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Ok, None, text)
    }

    /// It was not done.
    pub(super) fn no(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::No, Some(code), text)
    }

    /// It was no command, or none for this state.
    pub(super) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Bad, None, text).telling(Tell::Nothing)
    }

    /// The mailbox that is selected has been deleted.
    pub(super) fn gone() -> Self {
        Self::no(Code::NonExistent, "the mailbox has been deleted")
    }

    /// The mailbox is selected by EXAMINE.
    pub(super) fn read_only() -> Self {
        Self::new(Status::No, None, "the mailbox is selected read-only")
    }

    /// A message number stands for nothing. RFC 9051 §9, seq-number: "the server
    /// should respond with a tagged BAD".
    pub(super) fn no_such_number() -> Self {
        Self::bad("there is no message of such a number")
    }

    fn new(status: Status, code: Option<Code>, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
            tell: Tell::All,
            modseq: false,
            limited: None,
        }
    }

    /// The same with HIGHESTMODSEQ, as it is when all has been told. RFC 7162
    /// §3.2.7.
    pub(super) fn with_modseq(mut self) -> Self {
        self.modseq = true;
        self
    }

    /// Fills in what [`Reply::with_modseq`] asks for.
    pub(super) fn fill_in_modseq(&mut self, highest: impl FnOnce() -> Option<ModSeq>) {
        if self.modseq && self.code.is_none() {
            self.code = highest().map(Code::HighestModSeq);
        }
    }

    /// The same with MESSAGELIMIT, where that is to be said.
    pub(super) fn limited(mut self, limited: Option<Limited>) -> Self {
        self.limited = limited;
        self
    }

    /// Says MESSAGELIMIT where there is room for it; otherwise it comes back, to be
    /// told in an untagged NO before. RFC 9738 §3.1.
    pub(super) fn fill_in_limit(&mut self) -> Option<Code> {
        let code = self.limited.take()?.code();
        if self.status == Status::Ok && self.code.is_none() {
            self.code = Some(code);
            return None;
        }
        Some(code)
    }

    /// The same with a response code.
    pub(super) fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The same, telling this before.
    pub(super) fn telling(mut self, tell: Tell) -> Self {
        self.tell = tell;
        self
    }

    /// Whether it says OK.
    pub(super) fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// Whether it says BAD.
    pub(super) fn is_bad(&self) -> bool {
        self.status == Status::Bad
    }

    /// Writes the tagged response.
    pub(super) fn write(&self, out: &mut Vec<u8>, tag: &str) {
        response::status(out, tag, self.status, self.code.as_ref(), &self.text);
    }
}

/// The account cannot be read now.
impl From<Unavailable> for Reply {
    fn from(_: Unavailable) -> Self {
        Self::no(Code::Unavailable, "the account is not available, try later")
    }
}

/// Why a command on the account was not done.
impl From<ExecuteError<Refusal>> for Reply {
    fn from(error: ExecuteError<Refusal>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refused(&refusal),
            ExecuteError::Full => Self::no(Code::Unavailable, "the server has no space left"),
            ExecuteError::Damaged => Self::no(
                Code::Corruption,
                "the account is damaged and read-only until it is repaired",
            ),
            ExecuteError::Unavailable => Unavailable.into(),
        }
    }
}

fn refused(refusal: &Refusal) -> Reply {
    let code = match refusal {
        Refusal::NoSuchMailbox => Code::NonExistent,
        Refusal::MailboxExists => Code::AlreadyExists,
        Refusal::Inbox | Refusal::BadName | Refusal::Invalid(_) => Code::Cannot,
        Refusal::HasChildren => Code::HasChildren,
        Refusal::OverQuota => Code::OverQuota,
        Refusal::TooMany(_) => Code::Limit,
        Refusal::Expunged => Code::ExpungeIssued,
        Refusal::Needed(_) => Code::Unavailable,
        _ => Code::ServerBug,
    };
    Reply::no(code, refusal.to_string())
}

impl Reply {
    /// The same refusal where the mailbox could be made: APPEND, COPY, MOVE.
    /// RFC 3501 §7.1, TRYCREATE.
    pub(super) fn or_try_create(mut self) -> Self {
        if self.code == Some(Code::NonExistent) {
            self.code = Some(Code::TryCreate);
        }
        self
    }
}
