//! The derived row: made once, at delivery, and kept beside the blob.
//!
//! It is a cache. A row of another version, or one that cannot be read, is made
//! anew from the blob. What is too large to keep is left out and made when it is
//! asked for.

use crate::bodystructure::{StructureForm, bodystructure};
use crate::date::parse_date;
use crate::envelope::render_envelope;
use crate::header::{FieldNames, Fields, unfold};
use crate::preview::preview;
use crate::section::{Part, PartKind, TextPart};
use crate::subject::{BaseSubject, base_subject};
use crate::text::TransferEncoding;
use crate::walk::{Node, Shape, walk};
use crate::words::CHARSET_OCTETS_MAX;
use crate::{cut, header, search_text};
use std::collections::VecDeque;
use terms::{InternalDate, Malformed, Reader, Writer};

/// Rows of another version are made anew.
pub const DERIVED_VERSION: u8 = 7;

/// Longest row.
pub const DERIVED_OCTETS_MAX: usize = 256 * 1024;

/// Longest single text that is kept in a row.
const ITEM_OCTETS_MAX: usize = 64 * 1024;

/// Room for the small things of a row: identifiers, subject, preview.
const REST_OCTETS_MAX: usize = REFERENCES_OCTETS_MAX + 16 * 1024;

/// Longest list of references.
const REFERENCES_OCTETS_MAX: usize = 8 * 1024;

/// The fields whose octets are kept, those that mail programs ask for when they
/// list messages. The order is part of the format: add at the end and raise
/// [`DERIVED_VERSION`].
pub const CACHED_FIELDS: [&str; 30] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Reply-To",
    "Sender",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Description",
    "MIME-Version",
    "List-Id",
    "List-Post",
    "List-Subscribe",
    "List-Unsubscribe",
    "Newsgroups",
    "Priority",
    "X-Priority",
    "Importance",
    "Lines",
    "X-Label",
    "X-Original-To",
    "Delivered-To",
    "Disposition-Notification-To",
    "Auto-Submitted",
    "X-Spam-Status",
];

const CRLF_MISSING: u64 = 1;
const HAS_SENT: u64 = 2;
const IS_REPLY: u64 = 4;
const HAS_ENVELOPE: u64 = 8;
const HAS_STRUCTURE: u64 = 16;
const HAS_FIELDS: u64 = 32;
const HAS_SEARCH: u64 = 64;
const SEARCH_TOO_LONG: u64 = 128;
const HAS_GLOBAL: u64 = 256;

/// The texts that SEARCH looks through. They are added when somebody searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchText<'a> {
    /// Nobody has searched yet: see [`derive_searchable`].
    Missing,
    /// They are too long to be kept.
    TooLong,
    /// In the form of [`crate::unicode_casemap`], with NULs between what does not
    /// belong together.
    Kept {
        /// The message's header.
        header: &'a [u8],
        /// What BODY means: texts, and the headers of parts.
        body: &'a [u8],
    },
}

/// What is known of a message without its blob; a view of the row's octets.
///
/// Offsets and sizes are the blob's. A row's prefix stands in front of the blob
/// and belongs to the message's header: callers add its octets to sizes, and to
/// ranges of which [`crate::Located`] says so.
#[derive(Clone, Copy, Debug)]
pub struct Derived<'a> {
    /// Octets of the blob.
    pub size: u64,
    /// Octets of the message's header, the blank line included.
    pub header_length: u64,
    /// Whether the last line has no CRLF: POP3 sends one more (RFC 1939 §3).
    pub final_crlf_missing: bool,
    /// What the Date field says.
    pub sent: Option<InternalDate>,
    /// ENVELOPE, parentheses included; `None` where it is too long to be kept:
    /// see [`crate::render_envelope`].
    pub envelope: Option<&'a [u8]>,
    /// BODYSTRUCTURE; `None` as above: see [`crate::render_bodystructure`].
    pub bodystructure: Option<&'a [u8]>,
    /// BODY: the same without extension data.
    pub body: Option<&'a [u8]>,
    /// A message/global lies in it, and both structures show what is in that. For
    /// IMAP4rev1 they are rendered without: see [`StructureForm::global`].
    pub has_global: bool,
    /// The base subject (RFC 5256 §2.1).
    pub base_subject: &'a str,
    /// Whether the subject says that it is a reply or a forward.
    pub is_reply_or_forward: bool,
    /// The first words (RFC 8970).
    pub preview: &'a str,
    /// The Message-ID with its brackets; empty where there is none.
    pub message_id: &'a [u8],
    /// Message-IDs that this one refers to, oldest first, with their brackets and
    /// nothing between them. RFC 5256 §3, step 1.
    pub references: &'a [u8],
    /// What SEARCH looks through.
    pub search_text: SearchText<'a>,
    fields: Option<&'a [u8]>,
    parts: &'a [u8],
}

impl<'a> Derived<'a> {
    /// Reads a row.
    ///
    /// # Errors
    /// If it is of another version or damaged: make it anew.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(octets);
        if reader.u8()? != DERIVED_VERSION {
            return Err(reader.malformed("a derived row of this version"));
        }
        let flags = reader.varint()?;
        let (size, header_length) = (reader.varint()?, reader.varint()?);
        let sent = if flags & HAS_SENT == 0 {
            None
        } else {
            let seconds = reader.signed()?;
            let zone = i16::try_from(reader.signed()?);
            Some(InternalDate {
                seconds,
                zone_minutes: zone.map_err(|_| reader.malformed("a zone"))?,
            })
        };
        let mut kept = |flag| {
            let octets = reader.bytes()?;
            Ok((flags & flag != 0).then_some(octets))
        };
        let envelope = kept(HAS_ENVELOPE)?;
        let bodystructure = kept(HAS_STRUCTURE)?;
        let body = kept(HAS_STRUCTURE)?;
        let fields = kept(HAS_FIELDS)?;
        let row = Self {
            size,
            header_length,
            final_crlf_missing: flags & CRLF_MISSING != 0,
            sent,
            envelope,
            bodystructure,
            body,
            has_global: flags & HAS_GLOBAL != 0,
            fields,
            parts: reader.bytes()?,
            base_subject: reader.text()?,
            is_reply_or_forward: flags & IS_REPLY != 0,
            preview: reader.text()?,
            message_id: reader.bytes()?,
            references: reader.bytes()?,
            search_text: {
                let (header, body) = (reader.bytes()?, reader.bytes()?);
                if flags & HAS_SEARCH != 0 {
                    SearchText::Kept { header, body }
                } else if flags & SEARCH_TOO_LONG != 0 {
                    SearchText::TooLong
                } else {
                    SearchText::Missing
                }
            },
        };
        reader.finish()?;
        Ok(row)
    }

    /// Whether [`Derived::pick_fields`] can answer for these names.
    pub fn has_fields(&self, names: &[String]) -> bool {
        let kept = |name: &String| {
            CACHED_FIELDS
                .iter()
                .any(|kept| kept.eq_ignore_ascii_case(name))
        };
        self.fields.is_some() && names.iter().all(kept)
    }

    /// The blob's fields of these names as they stand, in their order.
    pub fn pick_fields(&self, names: &[String], out: &mut Vec<u8>) {
        self.put_fields(&wanted(&FieldNames::new(names)), out);
    }

    /// As [`Derived::pick_fields`] where that can answer, else `false`.
    pub fn pick_kept(&self, names: &FieldNames, out: &mut Vec<u8>) -> bool {
        let wanted = wanted(names);
        let kept = wanted.iter().filter(|&&is_wanted| is_wanted).count();
        let all = self.fields.is_some() && kept == names.count();
        if all {
            self.put_fields(&wanted, out);
        }
        all
    }

    fn put_fields(&self, wanted: &[bool; 30], out: &mut Vec<u8>) {
        let mut reader = Reader::new(self.fields.unwrap_or_default());
        while reader.remaining() > 0 {
            let (Ok(index), Ok(octets)) = (reader.u8(), reader.bytes()) else {
                return;
            };
            if wanted.get(usize::from(index)) == Some(&true) {
                out.extend_from_slice(octets);
            }
        }
    }

    /// The parts, the root first. Empty where the row is damaged.
    pub fn parts(&self) -> Vec<Part> {
        let mut reader = Reader::new(self.parts);
        let mut parts = Vec::new();
        let mut base = 0u64;
        while reader.remaining() > 0 {
            let Ok(part) = read_part(&mut reader, base) else {
                return Vec::new();
            };
            base = part.body.start;
            parts.push(part);
        }
        parts
    }
}

/// Which of the fields that are kept are among the names.
fn wanted(names: &FieldNames) -> [bool; 30] {
    CACHED_FIELDS.map(|kept| names.has(kept.as_bytes()))
}

fn read_part(reader: &mut Reader<'_>, base: u64) -> Result<Part, Malformed> {
    let bits = reader.u8()?;
    let kind = match bits & 3 {
        0 => PartKind::Leaf,
        1 => PartKind::Multipart,
        _ => PartKind::Message,
    };
    let encoding = match bits >> 2 & 3 {
        1 => TransferEncoding::QuotedPrintable,
        2 => TransferEncoding::Base64,
        3 => TransferEncoding::Unknown,
        _ => TransferEncoding::Identity,
    };
    let header = base.saturating_add(reader.varint()?);
    let body = header.saturating_add(reader.varint()?);
    let end = body.saturating_add(reader.varint()?);
    let next = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
    let text = if bits & 16 == 0 {
        None
    } else {
        Some(TextPart {
            is_html: bits & 32 != 0,
            charset: reader.bytes()?.to_vec(),
        })
    };
    Ok(Part {
        kind,
        header: header..body,
        body: body..end,
        next,
        encoding,
        text,
    })
}

fn write_part(writer: &mut Writer, node: &Node<'_>, base: usize, charsets: bool) {
    let kind = match node.shape {
        Shape::Leaf => 0,
        Shape::Multipart => 1,
        Shape::Message => 2,
    };
    let encoding = node.head.encoding.as_deref().unwrap_or_default();
    let encoding = match TransferEncoding::from_token(encoding) {
        TransferEncoding::Identity => 0,
        TransferEncoding::QuotedPrintable => 1,
        TransferEncoding::Base64 => 2,
        TransferEncoding::Unknown => 3,
    };
    let content_type = &node.head.content_type;
    let is_text = search_text::is_readable(node);
    let is_html = is_text && content_type.is("text", "html");
    writer.u8(kind | encoding << 2 | u8::from(is_text) << 4 | u8::from(is_html) << 5);
    writer.varint(node.header.saturating_sub(base) as u64);
    writer.varint(node.body.saturating_sub(node.header) as u64);
    writer.varint(node.end.saturating_sub(node.body) as u64);
    writer.varint(node.next as u64);
    if is_text {
        let charset = content_type.parameter("charset").unwrap_or_default();
        let charset = charset.to_ascii_lowercase();
        let kept = charsets && charset.len() <= CHARSET_OCTETS_MAX && charset != b"us-ascii";
        writer.bytes(if kept { &charset } else { &[] });
    }
}

fn write_parts(nodes: &[Node<'_>], charsets: bool) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut base = 0;
    for node in nodes {
        write_part(&mut writer, node, base, charsets);
        base = node.body;
    }
    writer.into_octets()
}

/// Makes the derived row of a message's octets, at most [`DERIVED_OCTETS_MAX`].
pub fn derive(message: &[u8]) -> Vec<u8> {
    derive_row(message, false)
}

/// The same with the texts that SEARCH looks through: not made at delivery, because
/// most mail is never searched for and what is kept would double.
pub fn derive_searchable(message: &[u8]) -> Vec<u8> {
    derive_row(message, true)
}

fn derive_row(message: &[u8], searchable: bool) -> Vec<u8> {
    let nodes = walk(message);
    let search = searchable.then(|| search_text::SearchText::of(message, &nodes));
    let header_length = nodes.first().map_or(0, |root| root.body);
    let header = cut(message, 0, header_length);
    let facts = Facts::read(header);
    let parts = write_parts(&nodes, true);
    let parts = if parts.len() <= ITEM_OCTETS_MAX {
        parts
    } else {
        write_parts(&nodes, false)
    };
    // What may be kept, most wanted first, while there is room.
    let kept = parts.len() + REST_OCTETS_MAX + search_text::SEARCH_TEXT_OCTETS_MAX;
    let mut room = DERIVED_OCTETS_MAX.saturating_sub(kept);
    let mut keep = |octets: Vec<u8>| {
        let fits = octets.len() <= room.min(ITEM_OCTETS_MAX);
        room -= if fits { octets.len() } else { 0 };
        fits.then_some(octets)
    };
    let envelope = keep(render_envelope(header));
    let fields = keep(facts.fields);
    let form = |extended| StructureForm {
        extended,
        global: true,
    };
    let structure = keep(bodystructure(message, &nodes, form(true)))
        .and_then(|full| Some((full, keep(bodystructure(message, &nodes, form(false)))?)));

    let mut flags = 0;
    for (flag, set) in [
        (
            CRLF_MISSING,
            !message.is_empty() && !message.ends_with(b"\r\n"),
        ),
        (HAS_SENT, facts.sent.is_some()),
        (IS_REPLY, facts.subject.is_reply_or_forward),
        (HAS_ENVELOPE, envelope.is_some()),
        (HAS_STRUCTURE, structure.is_some()),
        (HAS_FIELDS, fields.is_some()),
        (HAS_SEARCH, matches!(search, Some(Some(_)))),
        (SEARCH_TOO_LONG, matches!(search, Some(None))),
        (HAS_GLOBAL, nodes.iter().any(Node::is_global)),
    ] {
        flags |= if set { flag } else { 0 };
    }
    let mut writer = Writer::new();
    writer.u8(DERIVED_VERSION);
    writer.varint(flags);
    writer.varint(message.len() as u64);
    writer.varint(header_length as u64);
    if let Some(sent) = facts.sent {
        writer.signed(sent.seconds);
        writer.signed(i64::from(sent.zone_minutes));
    }
    let (bodystructure, body) = structure.unwrap_or_default();
    writer.bytes(&envelope.unwrap_or_default());
    writer.bytes(&bodystructure);
    writer.bytes(&body);
    writer.bytes(&fields.unwrap_or_default());
    writer.bytes(&parts);
    writer.text(&facts.subject.text);
    writer.text(&preview(message, &nodes));
    writer.bytes(&facts.message_id);
    writer.bytes(&facts.references);
    let search = search.flatten().unwrap_or_default();
    writer.bytes(search.header.as_bytes());
    writer.bytes(search.body.as_bytes());
    writer.into_octets()
}

/// What the header says.
#[derive(Default)]
struct Facts {
    fields: Vec<u8>,
    sent: Option<InternalDate>,
    subject: BaseSubject,
    message_id: Vec<u8>,
    references: Vec<u8>,
}

impl Facts {
    fn read(header: &[u8]) -> Self {
        let mut this = Self::default();
        let (mut date, mut subject, mut id) = (None, None, None);
        let (mut references, mut in_reply_to) = (None, None);
        let mut fields = Writer::new();
        for field in Fields::new(header) {
            let Some(index) = CACHED_FIELDS.iter().position(|name| field.is(name)) else {
                continue;
            };
            let header::Field { raw, value, .. } = field;
            if fields.len() <= ITEM_OCTETS_MAX {
                fields.u8(index as u8);
                fields.bytes(raw);
            }
            let place = match CACHED_FIELDS.get(index) {
                Some(&"Date") => &mut date,
                Some(&"Subject") => &mut subject,
                Some(&"Message-ID") => &mut id,
                Some(&"References") => &mut references,
                Some(&"In-Reply-To") => &mut in_reply_to,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        this.fields = fields.into_octets();
        this.sent = date.and_then(parse_date);
        this.subject = subject.map(base_subject).unwrap_or_default();
        this.message_id = id.map(|value| message_ids(value, 1)).unwrap_or_default();
        // RFC 5256 §3: References, or else the first of In-Reply-To.
        this.references = references
            .map(|value| message_ids(value, usize::MAX))
            .filter(|ids| !ids.is_empty())
            .or_else(|| in_reply_to.map(|value| message_ids(value, 1)))
            .unwrap_or_default();
        this
    }
}

/// The first `max` message identifiers of a value; of too many octets, the last.
fn message_ids(value: &[u8], max: usize) -> Vec<u8> {
    let value = unfold(value);
    Vec::from(LastIds::of(&value, max).ids).concat()
}

/// The last identifiers of a value, as many as there is room for.
#[derive(Default)]
struct LastIds<'a> {
    ids: VecDeque<&'a [u8]>,
    octets: usize,
}

impl<'a> LastIds<'a> {
    /// Of the first `max` of the value.
    fn of(value: &'a [u8], max: usize) -> Self {
        let mut this = Self::default();
        let mut rest = value;
        for _ in 0..max {
            let Some(start) = memchr::memchr(b'<', rest) else {
                break;
            };
            let from = rest.get(start..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'>', from) else {
                break;
            };
            this.push(cut(from, 0, end + 1));
            rest = from.get(end + 1..).unwrap_or_default();
        }
        this
    }

    fn push(&mut self, id: &'a [u8]) {
        self.ids.push_back(id);
        self.octets += id.len();
        while self.octets > REFERENCES_OCTETS_MAX {
            self.octets -= self.ids.pop_front().map_or(self.octets, <[u8]>::len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_references_the_last_are_held() {
        let value = format!("<first>{}<last>", "<>".repeat(1_000_000));
        let ids = LastIds::of(value.as_bytes(), usize::MAX);
        assert_eq!(ids.ids.len(), (REFERENCES_OCTETS_MAX - 6) / 2 + 1);
        assert!(ids.ids.capacity() <= REFERENCES_OCTETS_MAX);
        assert!(ids.ids.back().is_some_and(|id| *id == b"<last>"));
        let long = format!("<a><{}><b>", "x".repeat(REFERENCES_OCTETS_MAX));
        assert_eq!(message_ids(long.as_bytes(), usize::MAX), b"<b>");
        assert_eq!(message_ids(long.as_bytes(), 1), b"<a>");
        assert_eq!(message_ids(b"x <a> <b><c", 9), b"<a><b>");
    }
}
