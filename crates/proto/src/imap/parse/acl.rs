//! RFC 4314 §7: setacl, deleteacl, getacl, listrights, myrights.

use super::cursor::{Cursor, Fail, Parsed};
use super::one_mailbox;
use crate::imap::acl::AclCommand;
use crate::imap::command::SyntaxError;
use terms::StoreMode;

/// `setacl = "SETACL" SP mailbox SP identifier SP mod-rights`
pub(super) fn set_acl(cursor: &mut Cursor<'_>) -> Parsed<AclCommand> {
    let mailbox = one_mailbox(cursor)?;
    let identifier = identifier(cursor)?;
    cursor.sp()?;
    let at = cursor.position();
    let text = cursor.astring_utf8("rights")?;
    let (mode, rights) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rights), _) => (StoreMode::Add, rights),
        (_, Some(rights)) => (StoreMode::Remove, rights),
        _ => (StoreMode::Replace, text.as_str()),
    };
    // RFC 4314 §2.1: "lowercase letters or digits".
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !rights.chars().all(legal) {
        return Err(Fail::Syntax(SyntaxError {
            expected: "rights in small letters",
            at,
        }));
    }
    Ok(AclCommand::Set {
        mailbox,
        identifier,
        mode,
        rights: rights.to_owned(),
    })
}

/// `deleteacl = "DELETEACL" SP mailbox SP identifier`
pub(super) fn delete_acl(cursor: &mut Cursor<'_>) -> Parsed<AclCommand> {
    Ok(AclCommand::Delete {
        mailbox: one_mailbox(cursor)?,
        identifier: identifier(cursor)?,
    })
}

/// `listrights = "LISTRIGHTS" SP mailbox SP identifier`
pub(super) fn list_rights(cursor: &mut Cursor<'_>) -> Parsed<AclCommand> {
    Ok(AclCommand::List {
        mailbox: one_mailbox(cursor)?,
        identifier: identifier(cursor)?,
    })
}

/// `SP identifier`, an astring.
fn identifier(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.sp()?;
    cursor.astring_utf8("an identifier")
}
