//! What SEARCH looks through, decoded once. RFC 9051 §6.4.4.

use crate::casemap::casemap_into;
use crate::cut;
use crate::header::Fields;
use crate::text::{TransferEncoding, decode_text, html_to_text};
use crate::walk::{Node, Shape};
use crate::words::decode_words;

/// Longest text that is kept, header and body together.
pub(crate) const SEARCH_TEXT_OCTETS_MAX: usize = 64 * 1024;

/// Stands between texts that do not belong together, so that nothing is found
/// across them.
const BETWEEN: char = '\0';

/// The texts of a message, in the form in which texts are compared.
#[derive(Default)]
pub(crate) struct SearchText {
    pub(crate) header: String,
    pub(crate) body: String,
}

impl SearchText {
    /// Of a message; `None` where it is too long to be kept.
    pub(crate) fn of(message: &[u8], nodes: &[Node<'_>]) -> Option<Self> {
        let mut this = Self::default();
        for (index, node) in nodes.iter().enumerate() {
            let header = cut(message, node.header, node.body);
            if index == 0 {
                put_header(header, &mut this.header);
            } else {
                put_header(header, &mut this.body);
            }
            put_body(message, node, &mut this.body);
            if this.header.len() + this.body.len() > SEARCH_TEXT_OCTETS_MAX {
                return None;
            }
        }
        Some(this)
    }
}

/// Adds a text; of one that is too long, hardly more than there is room for.
fn put(text: &str, out: &mut String) {
    casemap_into(text, SEARCH_TEXT_OCTETS_MAX, out);
    out.push(BETWEEN);
}

fn put_header(header: &[u8], out: &mut String) {
    for field in Fields::new(header) {
        if out.len() > SEARCH_TEXT_OCTETS_MAX {
            return;
        }
        let name = String::from_utf8_lossy(field.name);
        put(&format!("{name}: {}", decode_words(field.value)), out);
    }
}

/// Whether a part is text to read: also what a mail server reports (RFC 3464, 8098),
/// which is of media type message and has addresses in it that people look for.
pub(crate) fn is_readable(node: &Node<'_>) -> bool {
    let content_type = &node.head.content_type;
    node.shape == Shape::Leaf && (content_type.is_media("text") || content_type.is_media("message"))
}

fn put_body(message: &[u8], node: &Node<'_>, out: &mut String) {
    if !is_readable(node) {
        return;
    }
    let content_type = &node.head.content_type;
    let encoding = node.head.encoding.as_deref().unwrap_or_default();
    let charset = content_type.parameter("charset").unwrap_or_default();
    let octets = cut(message, node.body, node.end);
    let text = decode_text(octets, TransferEncoding::from_token(encoding), charset);
    put(&text, out);
    if content_type.is("text", "html") {
        // What it shows may be written otherwise: entities, tags in words.
        put(&html_to_text(&text), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::walk;

    #[test]
    fn what_is_too_long_is_not_folded_to_its_end() {
        // One character that becomes eighteen.
        for text in ["\u{fdfa}", "x"] {
            let mut out = String::new();
            put(&text.repeat(1_000_000), &mut out);
            assert!((SEARCH_TEXT_OCTETS_MAX + 1..SEARCH_TEXT_OCTETS_MAX + 10).contains(&out.len()));
            let fields = format!("Subject: {text}\r\n").repeat(100_000);
            put_header(fields.as_bytes(), &mut out);
            assert!(out.len() < SEARCH_TEXT_OCTETS_MAX + 10);
            assert!(SearchText::of(fields.as_bytes(), &walk(fields.as_bytes())).is_none());
        }
        // Three octets each that become one.
        let mut out = String::new();
        put(&"\u{ff21}".repeat(SEARCH_TEXT_OCTETS_MAX - 1), &mut out);
        assert_eq!(out.len(), SEARCH_TEXT_OCTETS_MAX);
    }
}
