//! How FETCH's items are called in its answers.

use super::{astring, put};
use std::io::Write as _;
use terms::{FetchItem, Partial, Section, SectionText};

/// Writes the name under which `item` is answered: `BODY[1.HEADER]<0>` for
/// `BODY.PEEK[1.HEADER]<0.100>`. RFC 3501 §9, msg-att-static.
pub fn fetch_item_name(out: &mut Vec<u8>, item: &FetchItem) {
    let name = match item {
        FetchItem::Body {
            section, partial, ..
        } => {
            section_name(out, section);
            return origin(out, partial.as_ref());
        }
        FetchItem::Binary { path, partial, .. } => {
            put(out, "BINARY[");
            body_path(out, path);
            out.push(b']');
            return origin(out, partial.as_ref());
        }
        FetchItem::BinarySize(path) => {
            put(out, "BINARY.SIZE[");
            body_path(out, path);
            "]"
        }
        FetchItem::BodyStructureShort => "BODY",
        FetchItem::BodyStructure => "BODYSTRUCTURE",
        FetchItem::EmailId => "EMAILID",
        FetchItem::Envelope => "ENVELOPE",
        FetchItem::Flags => "FLAGS",
        FetchItem::InternalDate => "INTERNALDATE",
        FetchItem::ModSeq => "MODSEQ",
        FetchItem::Preview { .. } => "PREVIEW",
        FetchItem::Rfc822 => "RFC822",
        FetchItem::Rfc822Header => "RFC822.HEADER",
        FetchItem::Rfc822Size => "RFC822.SIZE",
        FetchItem::Rfc822Text => "RFC822.TEXT",
        FetchItem::SaveDate => "SAVEDATE",
        FetchItem::ThreadId => "THREADID",
        FetchItem::Uid => "UID",
    };
    put(out, name);
}

/// `"<" number ">"`: where a partial answer begins.
fn origin(out: &mut Vec<u8>, partial: Option<&Partial>) {
    if let Some(partial) = partial {
        // Writing to memory does not fail, here and below.
        let _ = write!(out, "<{}>", partial.offset);
    }
}

/// RFC 3501 §9, section
fn section_name(out: &mut Vec<u8>, section: &Section) {
    put(out, "BODY[");
    body_path(out, &section.path);
    if !section.path.is_empty() && section.text.is_some() {
        out.push(b'.');
    }
    match &section.text {
        None => {}
        Some(SectionText::Header) => put(out, "HEADER"),
        Some(SectionText::HeaderFields(fields)) => header_list(out, "HEADER.FIELDS", fields),
        Some(SectionText::HeaderFieldsNot(fields)) => header_list(out, "HEADER.FIELDS.NOT", fields),
        Some(SectionText::Text) => put(out, "TEXT"),
        Some(SectionText::Mime) => put(out, "MIME"),
    }
    out.push(b']');
}

fn body_path(out: &mut Vec<u8>, path: &[u32]) {
    for (index, part) in path.iter().enumerate() {
        let dot = if index > 0 { "." } else { "" };
        let _ = write!(out, "{dot}{part}");
    }
}

/// RFC 3501 §9, header-list
fn header_list(out: &mut Vec<u8>, name: &str, fields: &[String]) {
    put(out, name);
    put(out, " (");
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        astring(out, field.as_bytes());
    }
    out.push(b')');
}
