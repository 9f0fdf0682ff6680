//! CREATE's arguments.

use super::cursor::{Cursor, Parsed, named};
use crate::imap::command::{CommandBody, IllegalName};
use terms::{MailboxName, SpecialUse};

/// RFC 3501 §9, create, with RFC 4466 §2.2, create-params. A separator at the end
/// only says that mailboxes will be made below (RFC 3501 §6.3.3): "the server
/// SHOULD ignore it".
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let octets = cursor.astring("a mailbox name")?;
    let mut uses = Vec::new();
    if !cursor.at_end() {
        cursor.sp()?;
        cursor.expect(b'(', "a parenthesis")?;
        if !cursor.eat_word("USE ") {
            return cursor.fail("USE");
        }
        uses = use_attrs(cursor)?;
        cursor.expect(b')', "a closing parenthesis")?;
    }
    let (mailbox, old_name) = match cursor.name_text(&octets) {
        Some(text) => {
            let name = text.strip_suffix(MailboxName::SEPARATOR).unwrap_or(&text);
            named(name)
        }
        None => (Err(IllegalName::Encoding), None),
    };
    Ok(CommandBody::Create {
        mailbox,
        uses,
        old_name,
    })
}

/// RFC 6154 §6: `"(" [use-attr *(SP use-attr)] ")"`
fn use_attrs(cursor: &mut Cursor<'_>) -> Parsed<Vec<Option<SpecialUse>>> {
    if cursor.eat_word("()") {
        return Ok(Vec::new());
    }
    cursor.list_1(USES_MAX, |cursor| {
        cursor.expect(b'\\', "a special use")?;
        let name = cursor.atom("a special use")?;
        let same = |special: &SpecialUse| {
            let known = special.as_str().get(1..);
            known.is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        Ok(SpecialUse::ALL.into_iter().find(same))
    })
}

/// More uses than there are kinds of them make no sense.
const USES_MAX: usize = 16;
