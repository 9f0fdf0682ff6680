//! STORE's arguments.

use super::cursor::{Cursor, Parsed};
use crate::imap::command::CommandBody;
use terms::{FlagSet, StoreMode, StoreOp};

/// RFC 3501 §9, store, with RFC 4466 §2.5, store-modifiers:
/// `SP sequence-set [SP store-modifiers] SP store-att-flags`
pub(super) fn store(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let set = cursor.sequence_set()?;
    cursor.sp()?;
    let mut unchanged_since = None;
    if cursor.eat(b'(') {
        // There is but one modifier, and it stands once. RFC 7162 §7.
        if !cursor.eat_word("UNCHANGEDSINCE ") {
            return cursor.fail("UNCHANGEDSINCE");
        }
        unchanged_since = Some(cursor.mod_sequence_valzer()?);
        cursor.expect(b')', "a closing parenthesis")?;
        cursor.sp()?;
    }
    let mode = if cursor.eat(b'+') {
        StoreMode::Add
    } else if cursor.eat(b'-') {
        StoreMode::Remove
    } else {
        StoreMode::Replace
    };
    if !cursor.eat_word("FLAGS") {
        return cursor.fail("FLAGS");
    }
    let silent = cursor.eat_word(".SILENT");
    cursor.sp()?;
    let flags = if cursor.peek() == Some(b'(') {
        cursor.flag_list()?
    } else {
        let mut flags: FlagSet = std::iter::once(cursor.flag()?).collect();
        while cursor.eat(b' ') {
            flags.insert(cursor.flag()?);
        }
        flags
    };
    Ok(CommandBody::Store {
        uid,
        set,
        op: StoreOp { mode, flags },
        silent,
        unchanged_since,
    })
}
