//! QUOTA's commands. RFC 9208 §7.

use super::cursor::{Cursor, Parsed};
use crate::imap::command::CommandBody;

/// `"GETQUOTA" SP quota-root-name`
pub(super) fn getquota(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    cursor.astring("a quota root").map(CommandBody::GetQuota)
}

/// `"SETQUOTA" SP quota-root-name SP setquota-list`; nobody may, so what is wanted
/// is not kept.
pub(super) fn setquota(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    cursor.astring("a quota root")?;
    cursor.sp()?;
    if !cursor.eat_word("()") {
        cursor.list_1(RESOURCES_MAX, |cursor| {
            cursor.atom("a resource")?;
            cursor.sp()?;
            cursor.number64()
        })?;
    }
    Ok(CommandBody::SetQuota)
}

/// More resources than there are kinds of them make no sense.
const RESOURCES_MAX: usize = 16;
