//! UIDONLY: sessions that call messages by their unique identifiers alone. RFC 9586.
//!
//! Answers are UIDFETCH and VANISHED; whatever has a message number in it is refused.

use super::reply::Reply;
use super::search::numbers_in;
use proto::imap::response::Code;
use proto::imap::{CommandBody, SearchProgram, SelectParameters};

/// The answer to a command that has message numbers. RFC 9586 §3.
pub(super) fn uid_required() -> Reply {
    let text = "after ENABLE UIDONLY messages have no numbers";
    Reply::bad(text).with(Code::UidRequired)
}

/// Whether a command stands for messages by their numbers, or would answer with
/// such.
pub(super) fn needs_numbers(body: &CommandBody) -> bool {
    match body {
        CommandBody::Copy { uid, .. }
        | CommandBody::Fetch { uid, .. }
        | CommandBody::Move { uid, .. }
        | CommandBody::Store { uid, .. } => !uid,
        CommandBody::Search { uid, program, .. }
        | CommandBody::Sort { uid, program, .. }
        | CommandBody::Thread { uid, program, .. } => !uid || has_numbers(program),
        _ => false,
    }
}

/// Whether there are sets of message numbers among the criteria; `$` is none.
fn has_numbers(program: &SearchProgram) -> bool {
    match program {
        SearchProgram::Keys(key) => !numbers_in(key).is_empty(),
        SearchProgram::UnknownCharset => false,
    }
}

/// Whether a SELECT says which message numbers the client knows: RFC 7162 §3.2.5.2.
pub(super) fn names_numbers(parameters: &SelectParameters) -> bool {
    let qresync = parameters.qresync.as_ref();
    qresync.is_some_and(|known| known.matches.is_some())
}
