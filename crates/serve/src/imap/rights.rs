//! What a device that may not delete lacks: the rights t (\Deleted), e (EXPUNGE)
//! and x (DELETE) of RFC 4314 §2.1, and what §4 makes of each command without them.

use super::reply::Reply;
use proto::imap::CommandBody;
use proto::imap::response::Code;
use terms::SystemFlag;

/// Why a command is not done for such a device.
pub(super) fn refusal(body: &CommandBody) -> Option<Reply> {
    let removes = match body {
        CommandBody::Store { op, .. } => op.flags.has(SystemFlag::Deleted),
        CommandBody::Expunge
        | CommandBody::UidExpunge(_)
        | CommandBody::Move { .. }
        | CommandBody::Delete(_)
        | CommandBody::Rename { .. } => true,
        _ => false,
    };
    removes.then(not_allowed)
}

/// The answer to what such a device may not do.
pub(super) fn not_allowed() -> Reply {
    Reply::no(Code::NoPerm, "this device may not delete")
}
