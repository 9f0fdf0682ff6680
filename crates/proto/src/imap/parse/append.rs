//! APPEND's and REPLACE's arguments, which end in literals that are not kept.

use super::cursor::{Cursor, LiteralHead, Parsed};
use crate::imap::append::{AppendLiteral, AppendPart, AppendStep, Replaces};
use crate::imap::command::Mailbox;
use terms::FlagSet;

/// What the octets before have left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::imap) struct Open {
    /// `CATENATE (`
    catenate: bool,
    /// `UTF8 (`
    utf8: bool,
    /// REPLACE, which has one message.
    single: bool,
}

/// What stands before the first literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::imap) struct Start {
    pub(in crate::imap) mailbox: Mailbox,
    pub(in crate::imap) old_name: Option<String>,
    pub(in crate::imap) replaces: Option<Replaces>,
    pub(in crate::imap) part: AppendPart,
    pub(in crate::imap) open: Open,
}

/// RFC 3502 §6.3.11, append, as far as the first literal that is not kept:
/// `SP mailbox 1*append-message`.
pub(super) fn append(cursor: &mut Cursor<'_>) -> Parsed<Start> {
    start(cursor, None)
}

/// RFC 8508 §6, replace and uid-replace: `SP seq-number SP mailbox append-message`.
pub(super) fn replace(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Start> {
    cursor.sp()?;
    let message = cursor.seq_number()?;
    start(cursor, Some(Replaces { uid, message }))
}

fn start(cursor: &mut Cursor<'_>, replaces: Option<Replaces>) -> Parsed<Start> {
    cursor.sp()?;
    let (mailbox, old_name) = cursor.mailbox_as_given()?;
    let mut open = Open {
        single: replaces.is_some(),
        ..Open::default()
    };
    let mut part = AppendPart::default();
    append_message(cursor, &mut open, &mut part)?;
    go_on(cursor, &mut open, &mut part)?;
    Ok(Start {
        mailbox,
        old_name,
        replaces,
        part,
        open,
    })
}

/// What follows a literal, as far as the next one or the end of the command.
pub(in crate::imap) fn append_part(cursor: &mut Cursor<'_>, open: &mut Open) -> Parsed<AppendPart> {
    let mut part = AppendPart::default();
    go_on(cursor, open, &mut part)?;
    Ok(part)
}

fn go_on(cursor: &mut Cursor<'_>, open: &mut Open, part: &mut AppendPart) -> Parsed<()> {
    while part.literal.is_none() {
        if open.utf8 {
            cursor.expect(b')', "a closing parenthesis")?;
            open.utf8 = false;
        } else if open.catenate && cursor.eat(b')') {
            open.catenate = false;
        } else if open.catenate {
            cursor.sp()?;
            cat_part(cursor, open, part)?;
        } else if cursor.at_end() || open.single {
            return cursor.end();
        } else {
            append_message(cursor, open, part)?;
        }
    }
    Ok(())
}

/// RFC 3501 §9, append: `[SP flag-list] [SP date-time] SP` and RFC 4466 §5,
/// append-data.
fn append_message(cursor: &mut Cursor<'_>, open: &mut Open, part: &mut AppendPart) -> Parsed<()> {
    cursor.sp()?;
    let mut flags = FlagSet::new();
    if cursor.peek() == Some(b'(') {
        flags = cursor.flag_list()?;
        cursor.sp()?;
    }
    let mut date = None;
    if cursor.peek() == Some(b'"') {
        date = Some(cursor.date_time()?);
        cursor.sp()?;
    }
    part.steps.push(AppendStep::Message { flags, date });
    if cursor.eat_word("CATENATE") {
        // RFC 4469 §5, append-data
        cursor.sp()?;
        cursor.expect(b'(', "a list of parts")?;
        open.catenate = true;
        return cat_part(cursor, open, part);
    }
    if cursor.eat_word("UTF8") {
        return utf8_literal(cursor, open, part);
    }
    literal(cursor, part, false)
}

/// RFC 4469 §5, cat-part
fn cat_part(cursor: &mut Cursor<'_>, open: &mut Open, part: &mut AppendPart) -> Parsed<()> {
    if cursor.eat_word("URL") {
        cursor.sp()?;
        let url = cursor.astring_utf8("a URL")?;
        part.steps.push(AppendStep::Url(url));
        return Ok(());
    }
    if cursor.eat_word("TEXT") {
        cursor.sp()?;
        return literal(cursor, part, false);
    }
    if cursor.eat_word("UTF8") {
        return utf8_literal(cursor, open, part);
    }
    cursor.fail("TEXT or URL")
}

/// RFC 6855 §4, which RFC 9755 has left out: `"UTF8" SP "(" literal8 ")"`
fn utf8_literal(cursor: &mut Cursor<'_>, open: &mut Open, part: &mut AppendPart) -> Parsed<()> {
    cursor.sp()?;
    cursor.expect(b'(', "a parenthesis")?;
    if cursor.peek() != Some(b'~') {
        return cursor.fail("a literal8");
    }
    open.utf8 = true;
    literal(cursor, part, true)
}

fn literal(cursor: &mut Cursor<'_>, part: &mut AppendPart, utf8: bool) -> Parsed<()> {
    let LiteralHead {
        octets,
        synchronizing,
        literal8,
    } = cursor.literal_head()?;
    part.literal = Some(AppendLiteral {
        octets,
        synchronizing,
        literal8,
        utf8,
    });
    cursor.end()
}
