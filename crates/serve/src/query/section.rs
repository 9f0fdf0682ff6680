//! BODY[…] and its kin: what goes out as a literal.

use super::Message;
use super::derive::{Made, compute, held_range};
use super::octets::{Source, blob_size};
use crate::stream::{Node, StreamError};
use account::Row;
use mime::{Derived, FieldNames, Located, TransferEncoding, locate};
use std::ops::Range;
use std::sync::Arc;
use store::BlobError;
use terms::{BodyPath, FetchItem, Partial, Section, SectionText};

/// What an item's value is.
pub(super) enum Value {
    /// NIL: there is no such part.
    Nil,
    /// These octets, as a literal.
    Octets(Made),
    /// These octets, as they stand in an answer.
    Written(Made),
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

/// The fields that a section wants.
pub(super) struct Wanted {
    names: FieldNames,
    /// All but those are meant.
    not: bool,
}

impl Wanted {
    /// Of a section, if it wants fields.
    pub(super) fn of(section: &Section) -> Option<Self> {
        let (names, not) = match &section.text {
            Some(SectionText::HeaderFields(names)) => (names, false),
            Some(SectionText::HeaderFieldsNot(names)) => (names, true),
            _ => return None,
        };
        let names = FieldNames::new(names);
        Some(Self { names, not })
    }
}

/// Answers HEADER.FIELDS from the derived row if that has kept those fields.
pub(super) fn kept_fields(
    message: &Message<'_>,
    derived: &Derived<'_>,
    section: &Section,
    wanted: &Wanted,
) -> Option<Vec<u8>> {
    if wanted.not || !section.path.is_empty() {
        return None;
    }
    let mut octets = Vec::with_capacity(512);
    wanted.names.pick(message.row.prefix, false, &mut octets);
    if !derived.pick_kept(&wanted.names, &mut octets) {
        return None;
    }
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
    wanted: Option<&Arc<Wanted>>,
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
    let Some(wanted) = wanted.map(Arc::clone) else {
        return Ok(Ok(Value::Nil));
    };
    let mut octets = Vec::new();
    if prefix {
        wanted.names.pick(row.prefix, wanted.not, &mut octets);
    }
    let picked = compute(node, &header, move |header| {
        wanted.names.pick(header, wanted.not, &mut octets);
        // RFC 9051 §6.4.5.1: the blank line is always included.
        octets.extend_from_slice(b"\r\n");
        octets
    });
    Ok(picked
        .await
        .map(|octets| Value::Octets(header.made(octets)))
        .ok_or_else(|| BlobError::Failed("it cannot be parsed".to_owned())))
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
        Value::Octets(mut made) => {
            let length = made.octets.len();
            let place = |at: u64| usize::try_from(at).unwrap_or(length).min(length);
            let end = place(partial.offset.saturating_add(partial.count));
            made.octets.truncate(end);
            made.octets.drain(..place(partial.offset).min(end));
            Value::Octets(made)
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
        .map(|octets| Value::Octets(body.made(octets)))
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
        .map(|octets| Value::Written(message.made(octets)))
        .ok_or_else(|| BlobError::Failed("it cannot be parsed".to_owned())))
}
