//! FETCH's arguments.

use super::cursor::{Cursor, Parsed};
use super::returns::partial_range;
use crate::imap::command::{CommandBody, FetchModifiers};
use crate::imap::limits::{FETCH_ITEMS_MAX, HEADER_NAMES_MAX, PATH_PARTS_MAX};
use terms::{BodyPath, FetchItem, Partial, Section, SectionText};

/// RFC 3501 §9, fetch
pub(super) fn fetch(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let set = cursor.sequence_set()?;
    cursor.sp()?;
    let asked = if cursor.peek() == Some(b'(') {
        cursor.list_1(FETCH_ITEMS_MAX, fetch_att)?
    } else {
        match fetch_macro(cursor) {
            Some(items) => items,
            None => vec![fetch_att(cursor)?],
        }
    };
    let modifiers = fetch_modifiers(cursor, uid)?;
    let mut items = Vec::new();
    // "The UID in the FETCH response" is there even when not asked for. RFC 3501 §6.4.8.
    let always = uid.then_some(FetchItem::Uid);
    // CHANGEDSINCE "implicitly adds the MODSEQ FETCH message data item". RFC 7162
    // §3.1.4.1.
    let modseq = modifiers.changed_since.map(|_| FetchItem::ModSeq);
    for item in always.into_iter().chain(asked).chain(modseq) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(CommandBody::Fetch {
        uid,
        set,
        items,
        modifiers,
    })
}

/// RFC 4466 §2.4, fetch-modifiers
fn fetch_modifiers(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<FetchModifiers> {
    let mut modifiers = FetchModifiers::default();
    if cursor.at_end() {
        return Ok(modifiers);
    }
    cursor.sp()?;
    let at = cursor.position();
    cursor.list_1(MODIFIERS_MAX, |cursor| {
        let at = cursor.position();
        match cursor.atom("a modifier")?.to_ascii_uppercase().as_str() {
            "CHANGEDSINCE" => {
                cursor.sp()?;
                modifiers.changed_since = Some(cursor.mod_sequence_value()?);
            }
            "PARTIAL" if uid && modifiers.partial.is_none() => {
                cursor.sp()?;
                modifiers.partial = Some(partial_range(cursor)?);
            }
            // RFC 7162 §3.2.6: "NOT allowed with a FETCH command".
            "VANISHED" if uid => modifiers.vanished = true,
            _ => {
                cursor.rewind(at);
                return cursor.fail("a known modifier");
            }
        }
        Ok(())
    })?;
    // "MUST only be specified together with the CHANGEDSINCE UID FETCH modifier".
    if modifiers.vanished && modifiers.changed_since.is_none() {
        cursor.rewind(at);
        return cursor.fail("CHANGEDSINCE beside VANISHED");
    }
    Ok(modifiers)
}

/// More modifiers than there are kinds of them make no sense.
const MODIFIERS_MAX: usize = 8;

/// RFC 3501 §6.4.5: ALL, FAST and FULL stand for several items, and stand alone.
fn fetch_macro(cursor: &mut Cursor<'_>) -> Option<Vec<FetchItem>> {
    use FetchItem::{BodyStructureShort, Envelope, Flags, InternalDate, Rfc822Size};
    let start = cursor.position();
    let word = cursor
        .atom("an item")
        .unwrap_or_default()
        .to_ascii_uppercase();
    match word.as_str() {
        "ALL" => Some(vec![Flags, InternalDate, Rfc822Size, Envelope]),
        "FAST" => Some(vec![Flags, InternalDate, Rfc822Size]),
        "FULL" => Some(vec![
            Flags,
            InternalDate,
            Rfc822Size,
            Envelope,
            BodyStructureShort,
        ]),
        _ => {
            cursor.rewind(start);
            None
        }
    }
}

/// RFC 3501 §9, fetch-att
fn fetch_att(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    let at = cursor.position();
    // `BODY[` reads as an atom up to the section's end: the name ends before it.
    for (name, peek) in [("BODY.PEEK[", true), ("BODY[", false)] {
        if cursor.eat_word(name) {
            let section = section(cursor)?;
            let partial = partial(cursor)?;
            return Ok(FetchItem::Body {
                section,
                partial,
                peek,
            });
        }
    }
    // RFC 3516 §7, fetch-att
    for (name, peek) in [("BINARY.PEEK[", true), ("BINARY[", false)] {
        if cursor.eat_word(name) {
            let path = section_binary(cursor)?;
            let partial = partial(cursor)?;
            return Ok(FetchItem::Binary {
                path,
                partial,
                peek,
            });
        }
    }
    if cursor.eat_word("BINARY.SIZE[") {
        return section_binary(cursor).map(FetchItem::BinarySize);
    }
    match cursor.atom("an item")?.to_ascii_uppercase().as_str() {
        "BODY" => Ok(FetchItem::BodyStructureShort),
        "BODYSTRUCTURE" => Ok(FetchItem::BodyStructure),
        "EMAILID" => Ok(FetchItem::EmailId),
        "ENVELOPE" => Ok(FetchItem::Envelope),
        "FLAGS" => Ok(FetchItem::Flags),
        "INTERNALDATE" => Ok(FetchItem::InternalDate),
        "MODSEQ" => Ok(FetchItem::ModSeq),
        "PREVIEW" => Ok(preview(cursor)),
        "RFC822" => Ok(FetchItem::Rfc822),
        "RFC822.HEADER" => Ok(FetchItem::Rfc822Header),
        "RFC822.SIZE" => Ok(FetchItem::Rfc822Size),
        "RFC822.TEXT" => Ok(FetchItem::Rfc822Text),
        "SAVEDATE" => Ok(FetchItem::SaveDate),
        "THREADID" => Ok(FetchItem::ThreadId),
        "UID" => Ok(FetchItem::Uid),
        _ => {
            cursor.rewind(at);
            cursor.fail("a known item")
        }
    }
}

/// RFC 8970 §4: `"PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]`
fn preview(cursor: &mut Cursor<'_>) -> FetchItem {
    // What else stands in parentheses are the command's own modifiers.
    let lazy = cursor.eat_word(" (LAZY)");
    FetchItem::Preview { lazy }
}

/// RFC 3501 §9, section: `"[" [section-spec] "]"`, the bracket taken already.
fn section(cursor: &mut Cursor<'_>) -> Parsed<Section> {
    let mut path = BodyPath::new();
    while matches!(cursor.peek(), Some(b'0'..=b'9')) {
        if path.len() == PATH_PARTS_MAX {
            return cursor.fail("a shorter path of parts");
        }
        path.push(cursor.nz_number()?);
        if cursor.eat(b']') {
            return Ok(Section { path, text: None });
        }
        cursor.expect(b'.', "a dot or a bracket")?;
    }
    if path.is_empty() && cursor.eat(b']') {
        return Ok(Section { path, text: None });
    }
    let text = section_text(cursor, path.is_empty())?;
    cursor.expect(b']', "a bracket")?;
    Ok(Section {
        path,
        text: Some(text),
    })
}

/// RFC 5092 §11, enc-section, decoded: a section that is all there is.
pub(in crate::imap) fn whole_section(cursor: &mut Cursor<'_>) -> Option<Section> {
    let mut path = BodyPath::new();
    loop {
        if matches!(cursor.peek(), Some(b'0'..=b'9')) && path.len() < PATH_PARTS_MAX {
            path.push(cursor.nz_number().ok()?);
            if cursor.at_end() {
                return Some(Section { path, text: None });
            }
            cursor.expect(b'.', "a dot").ok()?;
            continue;
        }
        let text = section_text(cursor, path.is_empty()).ok()?;
        let text = Some(text);
        return cursor.at_end().then_some(Section { path, text });
    }
}

/// RFC 3516 §7, section-binary: `"[" [section-part] "]"`, the bracket taken already.
fn section_binary(cursor: &mut Cursor<'_>) -> Parsed<BodyPath> {
    let section = section(cursor)?;
    if section.text.is_some() {
        return cursor.fail("the numbers of a part alone");
    }
    Ok(section.path)
}

/// RFC 3501 §9, section-msgtext and section-text: MIME is of a part only.
fn section_text(cursor: &mut Cursor<'_>, whole: bool) -> Parsed<SectionText> {
    if cursor.eat_word("HEADER.FIELDS.NOT") {
        return header_list(cursor).map(SectionText::HeaderFieldsNot);
    }
    if cursor.eat_word("HEADER.FIELDS") {
        return header_list(cursor).map(SectionText::HeaderFields);
    }
    if cursor.eat_word("HEADER") {
        return Ok(SectionText::Header);
    }
    if cursor.eat_word("TEXT") {
        return Ok(SectionText::Text);
    }
    if !whole && cursor.eat_word("MIME") {
        return Ok(SectionText::Mime);
    }
    cursor.fail("a section")
}

/// `SP header-list`; RFC 3501 §9, header-list
fn header_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.sp()?;
    cursor.list_1(HEADER_NAMES_MAX, |cursor| {
        cursor.astring_utf8("a header field's name")
    })
}

/// RFC 3501 §9: `["<" number "." nz-number ">"]`
fn partial(cursor: &mut Cursor<'_>) -> Parsed<Option<Partial>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let offset = cursor.number64()?;
    cursor.expect(b'.', "a dot")?;
    let count = match cursor.number64()? {
        0 => return cursor.fail("a count above zero"),
        count => count,
    };
    cursor.expect(b'>', "a closing angle bracket")?;
    Ok(Some(Partial { offset, count }))
}
