//! LIST's and LSUB's arguments.

use super::cursor::{Cursor, Parsed};
use super::metadata::metadata_options;
use super::status_items;
use crate::imap::command::{CommandBody, ListOptions};

/// RFC 5258 §6, list: `"LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP
/// list-return-opts]`
pub(super) fn list(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let mut options = ListOptions::default();
    let mut extended = cursor.peek() == Some(b'(');
    if extended {
        select_opts(cursor, &mut options)?;
        cursor.sp()?;
    }
    let reference = cursor.astring("a reference")?;
    cursor.sp()?;
    // mbox-or-pat: list-mailbox / patterns
    let found = if cursor.peek() == Some(b'(') {
        extended = true;
        cursor.list_1(PATTERNS_MAX, Cursor::list_mailbox)?
    } else {
        vec![cursor.list_mailbox()?]
    };
    if !cursor.at_end() {
        cursor.sp()?;
        extended = true;
        return_opts(cursor, &mut options)?;
    }
    let (reference, patterns) = texts(cursor, &reference, &found);
    Ok(CommandBody::List {
        reference,
        patterns,
        options: extended.then_some(options),
    })
}

/// RFC 3501 §9, lsub
pub(super) fn lsub(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let reference = cursor.astring("a reference")?;
    cursor.sp()?;
    let pattern = cursor.list_mailbox()?;
    let (reference, patterns) = texts(cursor, &reference, &[pattern]);
    Ok(CommandBody::Lsub {
        reference,
        patterns,
    })
}

/// Most patterns in one LIST.
const PATTERNS_MAX: usize = 100;

/// More options than there are kinds of them make no sense.
const OPTIONS_MAX: usize = 16;

/// The texts; no patterns where no name can match.
fn texts(cursor: &Cursor<'_>, reference: &[u8], patterns: &[Vec<u8>]) -> (String, Vec<String>) {
    let Some(reference) = cursor.name_text(reference) else {
        return (String::new(), Vec::new());
    };
    let patterns = patterns.iter();
    let patterns = patterns.filter_map(|pattern| cursor.name_text(pattern));
    (reference, patterns.collect())
}

/// RFC 5258 §6, list-select-opts; RFC 6154 §6
fn select_opts(cursor: &mut Cursor<'_>, options: &mut ListOptions) -> Parsed<()> {
    let start = cursor.position();
    if cursor.eat_word("()") {
        return Ok(());
    }
    cursor.list_1(OPTIONS_MAX, |cursor| {
        let at = cursor.position();
        match cursor.atom("an option")?.to_ascii_uppercase().as_str() {
            "RECURSIVEMATCH" => options.recursive_match = true,
            // There are none (§3.1).
            "REMOTE" => {}
            "SPECIAL-USE" => options.special_use = true,
            "SUBSCRIBED" => options.subscribed = true,
            _ => {
                cursor.rewind(at);
                return cursor.fail("a known selection option");
            }
        }
        Ok(())
    })?;
    // §3.1: "MUST return a tagged BAD response" where it modifies nothing.
    if options.recursive_match && !options.subscribed {
        cursor.rewind(start);
        return cursor.fail("SUBSCRIBED beside RECURSIVEMATCH");
    }
    Ok(())
}

/// RFC 5258 §6, list-return-opts; RFC 5819 §4; RFC 6154 §6; RFC 8440 §4; RFC 9590
/// §4
fn return_opts(cursor: &mut Cursor<'_>, options: &mut ListOptions) -> Parsed<()> {
    if !cursor.eat_word("RETURN ") {
        return cursor.fail("RETURN");
    }
    if cursor.eat_word("()") {
        return Ok(());
    }
    cursor.list_1(OPTIONS_MAX, |cursor| {
        let at = cursor.position();
        match cursor.atom("an option")?.to_ascii_uppercase().as_str() {
            // It is always told.
            "CHILDREN" => {}
            "METADATA" => {
                cursor.sp()?;
                options.return_metadata = Some(metadata_options(cursor)?);
            }
            "MYRIGHTS" => options.return_my_rights = true,
            "SPECIAL-USE" => options.return_special_use = true,
            "STATUS" => {
                cursor.sp()?;
                options.return_status = status_items(cursor)?;
            }
            "SUBSCRIBED" => options.return_subscribed = true,
            _ => {
                cursor.rewind(at);
                return cursor.fail("a known return option");
            }
        }
        Ok(())
    })?;
    Ok(())
}
