//! BODY[…] and its kin: what goes out as a literal.

use super::Message;
use super::derive::{compute, held_range};
use super::octets::{Source, blob_size};
use crate::stream::{Node, StreamError};
use account::Row;
use mime::{Derived, Located, TransferEncoding, locate, pick_fields};
use std::ops::Range;
use store::BlobError;
use terms::{BodyPath, FetchItem, Partial, Section, SectionText};

/// What an item's value is.
pub(super) enum Value {
    /// NIL: there is no such part.
    Nil,
    /// These octets, as a literal.
    Octets(Vec<u8>),
    /// These octets, as they stand in an answer.
    Written(Vec<u8>),
    /// A range of the message, as a literal.
    Range(Range<u64>),
    /// The part's transfer encoding is not known. RFC 3516 §4.3.
    Undecodable,
}

/// The section that an item asks for, and which octets of it.
pub(super) fn section_of(item: &FetchItem) -> Option<(Section, Option<Partial>)> {
    let of = |text| Section {
        path: BodyPath::new(),
        text,
    };
    match item {
        FetchItem::Body {
            section, partial, ..
        } => Some((section.clone(), *partial)),
        // RFC 3501 §6.4.5: functionally equivalent to these.
        FetchItem::Rfc822 => Some((of(None), None)),
        FetchItem::Rfc822Header => Some((of(Some(SectionText::Header)), None)),
        FetchItem::Rfc822Text => Some((of(Some(SectionText::Text)), None)),
        _ => None,
    }
}

/// Whether the section is the whole message: then the row alone knows its length.
pub(super) fn is_whole(section: &Section) -> bool {
    section.path.is_empty() && section.text.is_none()
}

/// The fields that a section wants, if it wants fields: the names and whether
/// all but those are meant.
fn fields_of(section: &Section) -> Option<(&[String], bool)> {
    match &section.text {
        Some(SectionText::HeaderFields(names)) => Some((names, false)),
        Some(SectionText::HeaderFieldsNot(names)) => Some((names, true)),
        _ => None,
    }
}

/// Answers HEADER.FIELDS from the derived row if that has kept those fields.
pub(super) fn kept_fields(
    message: &Message<'_>,
    derived: &Derived<'_>,
    section: &Section,
) -> Option<Vec<u8>> {
    let (names, not) = fields_of(section)?;
    if not || !section.path.is_empty() || !derived.has_fields(names) {
        return None;
    }
    let mut octets = Vec::with_capacity(512);
    pick_fields(message.row.prefix, names, false, &mut octets);
    derived.pick_fields(names, &mut octets);
    octets.extend_from_slice(b"\r\n");
    Some(octets)
}

/// What a section is.
///
/// # Errors
/// The outer one: the node has too much to do. The inner one: the message cannot
/// be read.
pub(super) async fn section_value(
    node: &Node,
    source: Source<'_>,
    row: &Row<'_>,
    derived: &Derived<'_>,
    section: &Section,
) -> Result<Result<Value, BlobError>, StreamError> {
    let (prefix, range) = match locate(derived, section) {
        Located::Missing => return Ok(Ok(Value::Nil)),
        Located::Octets { prefix, range } => {
            return Ok(Ok(Value::Range(in_message(row, prefix, range))));
        }
        Located::Header { prefix, range } => (prefix, range),
    };
    let header = match held_range(node, source, row, range, 2).await? {
        Ok(header) => header,
        Err(error) => return Ok(Err(error)),
    };
    let Some((names, not)) = fields_of(section) else {
        return Ok(Ok(Value::Nil));
    };
    let mut octets = Vec::new();
    if prefix {
        pick_fields(row.prefix, names, not, &mut octets);
    }
    pick_fields(&header, names, not, &mut octets);
    // RFC 9051 §6.4.5.1: the blank line is always included.
    octets.extend_from_slice(b"\r\n");
    Ok(Ok(Value::Octets(octets)))
}

/// A range of the blob as one of the message, which the prefix begins.
fn in_message(row: &Row<'_>, prefix: bool, range: Range<u64>) -> Range<u64> {
    let shift = row.prefix.len() as u64;
    let start = if prefix {
        range.start
    } else {
        range.start + shift
    };
    start..range.end + shift
}

/// The octets of a value that a partial fetch means. RFC 9051 §6.4.5: past the
/// end there is nothing.
pub(super) fn cut(value: Value, partial: Option<Partial>) -> Value {
    let Some(partial) = partial else {
        return value;
    };
    match value {
        Value::Octets(octets) => {
            let length = octets.len();
            let place = |at: u64| usize::try_from(at).unwrap_or(length).min(length);
            let end = place(partial.offset.saturating_add(partial.count));
            let octets = octets.get(place(partial.offset)..end);
            Value::Octets(octets.unwrap_or_default().to_vec())
        }
        Value::Range(range) => {
            let start = range.start.saturating_add(partial.offset).min(range.end);
            let end = start.saturating_add(partial.count).min(range.end);
            Value::Range(start..end)
        }
        other => other,
    }
}

/// The octets of a part, transfer encoding undone. RFC 3516 §4.2.
///
/// # Errors
/// As for [`section_value`].
pub(super) async fn binary_value(
    node: &Node,
    source: Source<'_>,
    row: &Row<'_>,
    derived: &Derived<'_>,
    path: &[u32],
) -> Result<Result<Value, BlobError>, StreamError> {
    let section = Section {
        path: path.to_vec(),
        text: None,
    };
    let Located::Octets { range, .. } = locate(derived, &section) else {
        return Ok(Ok(Value::Nil));
    };
    let encoding = derived
        .parts()
        .iter()
        .find(|part| !path.is_empty() && part.body == range)
        .map_or(TransferEncoding::Identity, |part| part.encoding);
    if encoding == TransferEncoding::Unknown {
        return Ok(Ok(Value::Undecodable));
    }
    if encoding == TransferEncoding::Identity {
        return Ok(Ok(Value::Range(in_message(row, path.is_empty(), range))));
    }
    let body = match held_range(node, source, row, range, 2).await? {
        Ok(body) => body,
        Err(error) => return Ok(Err(error)),
    };
    let decoded = compute(node, &body, move |octets| {
        encoding.decode(octets).into_owned()
    })
    .await;
    Ok(decoded
        .map(Value::Octets)
        .ok_or_else(|| BlobError::Failed("it cannot be decoded".to_owned())))
}

/// ENVELOPE, BODYSTRUCTURE or BODY of a message whose derived row is too small
/// for it or has it in another form, rendered from the blob.
///
/// # Errors
/// As for [`section_value`].
pub(super) async fn render(
    node: &Node,
    source: Source<'_>,
    row: &Row<'_>,
    derived: &Derived<'_>,
    item: &FetchItem,
    global: bool,
) -> Result<Result<Value, BlobError>, StreamError> {
    let range = match item {
        FetchItem::Envelope => 0..derived.header_length,
        _ => 0..blob_size(row),
    };
    let is_envelope = *item == FetchItem::Envelope;
    let form = mime::StructureForm {
        extended: *item == FetchItem::BodyStructure,
        global,
    };
    let message = match held_range(node, source, row, range, 2).await? {
        Ok(message) => message,
        Err(error) => return Ok(Err(error)),
    };
    let rendered = compute(node, &message, move |message| {
        if is_envelope {
            mime::render_envelope(message)
        } else {
            mime::render_bodystructure(message, form)
        }
    })
    .await;
    Ok(rendered
        .map(Value::Written)
        .ok_or_else(|| BlobError::Failed("it cannot be parsed".to_owned())))
}
