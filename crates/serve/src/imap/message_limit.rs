//! MESSAGELIMIT and SAVELIMIT: how many messages one command may work on. RFC 9738.
//!
//! COPY, APPEND, SORT and THREAD of more are refused; other commands work on those
//! with the highest unique identifiers, and say down to which.

use super::reply::Reply;
use super::selected::Selected;
use super::user::User;
use crate::limits::MessageLimit;
use proto::imap::response::Code;
use terms::{SearchKey, Uid, UidSet};

/// Messages that a command works on.
pub(super) struct Highest {
    pub(super) uids: UidSet,
    /// Said at the command's end, where there were more.
    pub(super) limited: Option<Limited>,
}

/// There were more messages than a command works on: how many that is, and the lowest
/// that it did. RFC 9738 §3.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limited {
    pub(super) limit: u32,
    lowest: Option<Uid>,
}

impl Limited {
    pub(super) fn code(self) -> Code {
        Code::MessageLimit(self.limit, self.lowest)
    }
}

impl Highest {
    /// The highest of `uids`, as many as may be. RFC 9738 §3.1.
    pub(super) fn of(uids: UidSet, limit: Option<u32>) -> Self {
        let count = uids.count();
        let Some(limit) = limit.filter(|&limit| u64::from(limit) < count) else {
            let limited = None;
            return Self { uids, limited };
        };
        let uids = uids.at_places(count - u64::from(limit)..count);
        let lowest = uids.first();
        let limited = Some(Limited { limit, lowest });
        Self { uids, limited }
    }
}

/// The answer to a command that is not done in part, where there are too many
/// messages: it tells the lowest that would not have been too many. RFC 9738 §3.1.
pub(super) fn too_many(uids: &UidSet, limit: Option<u32>) -> Option<Reply> {
    let code = Highest::of(uids.clone(), limit).limited?.code();
    let text = "too many messages for one command, none was taken";
    Some(Reply::no(code, text))
}

/// The answer to a command that wants more messages than one may, whichever they are.
pub(super) fn beyond(limit: u32) -> Reply {
    let text = format!("a command works on {limit} messages at the most");
    Reply::no(Code::MessageLimit(limit, None), text)
}

impl User {
    /// What is set.
    pub(super) fn message_limit(&self) -> MessageLimit {
        self.directory.accounts().node().limits.message_limit
    }
}

/// The messages that a search looks at: those that its sets leave, wherever one of
/// them must hold; `None` for all.
pub(super) fn scope(selected: &Selected, key: &SearchKey) -> Option<UidSet> {
    match key {
        SearchKey::Uid(set) if set.is_saved() => Some(selected.saved.clone()),
        SearchKey::Uid(set) => Some(set.resolve(selected.view.last_uid().map(Uid::value))),
        SearchKey::Sequence(set) => selected.resolve(set, false).ok(),
        SearchKey::And(keys) => {
            let scopes = keys.iter().filter_map(|key| scope(selected, key));
            scopes.reduce(|one, other| one.intersection(&other))
        }
        SearchKey::Or(one, other) => {
            let mut either = scope(selected, one)?;
            either.extend(&scope(selected, other)?);
            Some(either)
        }
        _ => None,
    }
}
