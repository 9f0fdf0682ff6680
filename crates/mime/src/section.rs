//! Where a section of a message lies. RFC 9051 §6.4.5.1.

use crate::derived::Derived;
use crate::text::TransferEncoding;
use std::ops::Range;
use terms::{Section, SectionText};

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A body without parts of its own.
    Leaf,
    /// Its children follow.
    Multipart,
    /// message/rfc822 or message/global: the root of the message in it follows.
    Message,
}

/// What it takes to read a text part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPart {
    /// Whether it is HTML.
    pub is_html: bool,
    /// Its charset's label, in lower case; empty where none is given.
    pub charset: Vec<u8>,
}

/// One part of a message. In a list of them each is followed by what lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// The octets of its header, the blank line included. Of the blob, as below.
    pub header: Range<u64>,
    /// The octets of its body.
    pub body: Range<u64>,
    /// The index of the next part that does not lie in it.
    pub next: usize,
    /// How the body is encoded.
    pub encoding: TransferEncoding,
    /// Set for leaves of type text.
    pub text: Option<TextPart>,
}

/// What a section is, in ranges of the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// There is no such part.
    Missing,
    /// These octets; before them the row's prefix if `prefix`.
    Octets {
        /// Whether the prefix belongs to it, in front.
        prefix: bool,
        /// Of the blob.
        range: Range<u64>,
    },
    /// Fields of this header: pick them and end them with a blank line.
    Header {
        /// Whether the prefix belongs to it, in front.
        prefix: bool,
        /// Of the blob.
        range: Range<u64>,
    },
}

/// Where a section lies. The prefix of a row is header octets of the message
/// itself, never of a part.
pub fn locate(derived: &Derived<'_>, section: &Section) -> Located {
    if section.path.is_empty() {
        return whole(derived, section.text.as_ref());
    }
    let parts = derived.parts();
    let Some(index) = part_index(&parts, &section.path) else {
        return Located::Missing;
    };
    let Some(part) = parts.get(index) else {
        return Located::Missing;
    };
    let octets = |range: &Range<u64>| Located::Octets {
        prefix: false,
        range: range.clone(),
    };
    let Some(text) = &section.text else {
        return octets(&part.body);
    };
    if *text == SectionText::Mime {
        return Located::Octets {
            // Part 1 of a message that is no multipart has the message's header.
            prefix: index == 0,
            range: part.header.clone(),
        };
    }
    // The others are defined for parts that are messages alone.
    let inner = (part.kind == PartKind::Message).then(|| parts.get(index + 1));
    let Some(inner) = inner.flatten() else {
        return Located::Missing;
    };
    match text {
        SectionText::Header => octets(&inner.header),
        SectionText::Text => octets(&inner.body),
        SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_) => Located::Header {
            prefix: false,
            range: inner.header.clone(),
        },
        SectionText::Mime => Located::Missing,
    }
}

/// Sections of the message itself.
fn whole(derived: &Derived<'_>, text: Option<&SectionText>) -> Located {
    let header = 0..derived.header_length;
    match text {
        None => Located::Octets {
            prefix: true,
            range: 0..derived.size,
        },
        Some(SectionText::Header) => Located::Octets {
            prefix: true,
            range: header,
        },
        Some(SectionText::Text) => Located::Octets {
            prefix: false,
            range: derived.header_length..derived.size,
        },
        Some(SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_)) => Located::Header {
            prefix: true,
            range: header,
        },
        // MIME needs a part (RFC 9051 §9, section-text).
        Some(SectionText::Mime) => Located::Missing,
    }
}

/// The index of the part at the end of the path. A message that is no multipart
/// has part 1, its body; the parts of a message/rfc822 part are those of the
/// message in it.
pub(crate) fn part_index(parts: &[Part], path: &[u32]) -> Option<usize> {
    let mut numbers = path.iter();
    let mut index = message_part(parts, 0, *numbers.next()?)?;
    for &number in numbers {
        index = match parts.get(index)?.kind {
            PartKind::Leaf => return None,
            PartKind::Multipart => child(parts, index, number)?,
            PartKind::Message => message_part(parts, index + 1, number)?,
        };
    }
    Some(index)
}

/// A part of the message whose root is `root`.
fn message_part(parts: &[Part], root: usize, number: u32) -> Option<usize> {
    match parts.get(root)?.kind {
        PartKind::Multipart => child(parts, root, number),
        PartKind::Leaf | PartKind::Message => (number == 1).then_some(root),
    }
}

fn child(parts: &[Part], parent: usize, number: u32) -> Option<usize> {
    let end = parts.get(parent)?.next;
    let mut index = parent + 1;
    for _ in 1..number {
        if index >= end {
            return None;
        }
        index = parts.get(index)?.next.max(index + 1);
    }
    (number > 0 && index < end).then_some(index)
}
