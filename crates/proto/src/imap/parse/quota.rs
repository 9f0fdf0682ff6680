//! QUOTA's commands. RFC 9208 §7.

use super::cursor::{Cursor, Parsed};
use crate::imap::command::CommandBody;

/// `"GETQUOTA" SP quota-root-name`
pub(super) fn getquota(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    cursor.astring("a quota root").map(CommandBody::GetQuota)
}

/// `"SETQUOTA" SP quota-root-name SP setquota-list`
pub(super) fn setquota(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let root = cursor.astring("a quota root")?;
    cursor.sp()?;
    let mut limits = Vec::new();
    if !cursor.eat_word("()") {
        limits = cursor.list_1(RESOURCES_MAX, |cursor| {
            let resource = cursor.atom("a resource")?.to_ascii_uppercase();
            cursor.sp()?;
            Ok((resource, cursor.number64()?))
        })?;
    }
    Ok(CommandBody::SetQuota { root, limits })
}

/// More resources than there are kinds of them make no sense.
const RESOURCES_MAX: usize = 16;
