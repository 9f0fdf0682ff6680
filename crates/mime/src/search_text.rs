//! What SEARCH looks through, decoded once. RFC 9051 §6.4.4.

use crate::casemap::unicode_casemap;
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

fn put(text: &str, out: &mut String) {
    out.push_str(&unicode_casemap(text));
    out.push(BETWEEN);
}

fn put_header(header: &[u8], out: &mut String) {
    for field in Fields::new(header) {
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
