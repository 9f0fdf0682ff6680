//! BODYSTRUCTURE and BODY. RFC 9051 §7.5.2, RFC 3501 §7.4.2.

use crate::address::Budget;
use crate::cut;
use crate::envelope::put_envelope;
use crate::header::unfold;
use crate::parameter::{Parameters, parse_disposition};
use crate::string::{put_nstring, put_string};
use crate::walk::{Node, Shape, walk};

/// How much of a structure is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructureForm {
    /// BODYSTRUCTURE, and not BODY: with extension data.
    pub extended: bool,
    /// What lies in a message/global is shown: RFC 9051 §9, media-message. RFC 3501
    /// has that of message/rfc822 alone.
    pub global: bool,
}

/// The BODYSTRUCTURE or BODY of a message.
pub fn render_bodystructure(message: &[u8], form: StructureForm) -> Vec<u8> {
    bodystructure(message, &walk(message), form)
}

pub(crate) fn bodystructure(message: &[u8], nodes: &[Node<'_>], form: StructureForm) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut render = Render {
        message,
        nodes,
        extended: form.extended,
        global: form.global,
        budget: Budget::default(),
    };
    render.part(&mut out, 0);
    out
}

struct Render<'a> {
    message: &'a [u8],
    nodes: &'a [Node<'a>],
    extended: bool,
    global: bool,
    budget: Budget,
}

impl Render<'_> {
    /// Recurses as deep as the walk lets parts lie.
    fn part(&mut self, out: &mut Vec<u8>, index: usize) {
        let Some(node) = self.nodes.get(index) else {
            return;
        };
        out.push(b'(');
        if node.shape == Shape::Multipart {
            let mut child = index + 1;
            while child < node.next {
                self.part(out, child);
                child = self.nodes.get(child).map_or(node.next, |child| child.next);
            }
            out.push(b' ');
            put_string(out, &node.head.content_type.subtype);
            if self.extended {
                out.push(b' ');
                put_parameters(out, &node.head.parameters());
            }
        } else {
            self.leaf(out, index, node);
        }
        if self.extended {
            if node.shape != Shape::Multipart {
                out.push(b' ');
                put_nstring(out, node.head.md5.map(unfold).as_deref());
            }
            put_common_extension(out, node);
        }
        out.push(b')');
    }

    fn leaf(&mut self, out: &mut Vec<u8>, index: usize, node: &Node<'_>) {
        let kind = &node.head.content_type;
        put_string(out, &kind.media);
        out.push(b' ');
        put_string(out, &kind.subtype);
        out.push(b' ');
        let is_text = kind.is_media("text");
        let mut parameters = node.head.parameters();
        if is_text && kind.parameter("charset").is_none() {
            // RFC 2046 §4.1.2: the default is said, as for a part that says nothing.
            parameters.push((b"charset".to_vec(), b"us-ascii".to_vec()));
        }
        put_parameters(out, &parameters);
        for text in [node.head.id, node.head.description] {
            out.push(b' ');
            put_nstring(out, text.map(unfold).as_deref());
        }
        out.push(b' ');
        // RFC 2045 §6.1: 7bit where nothing is said.
        put_string(out, node.head.encoding.as_deref().unwrap_or(b"7bit"));
        put_number(out, node.end - node.body);
        let is_message = node.shape == Shape::Message && (self.global || !node.is_global());
        if is_message {
            let header = self.nodes.get(index + 1);
            let header = header.map_or(&[][..], |root| cut(self.message, root.header, root.body));
            out.push(b' ');
            put_envelope(out, header, &mut self.budget);
            out.push(b' ');
            self.part(out, index + 1);
        }
        if is_text || is_message {
            put_number(out, node.lines);
        }
    }
}

/// Disposition, language, location.
fn put_common_extension(out: &mut Vec<u8>, node: &Node<'_>) {
    out.push(b' ');
    match node.head.disposition.and_then(parse_disposition) {
        Some((disposition, parameters)) => {
            out.push(b'(');
            put_string(out, &disposition);
            out.push(b' ');
            put_parameters(out, &parameters);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    put_languages(out, node.head.language);
    out.push(b' ');
    put_nstring(out, node.head.location.map(unfold).as_deref());
}

fn put_languages(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let value = value.map(unfold).unwrap_or_default();
    let tags = value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii);
    let mut open = false;
    for tag in tags.filter(|tag| !tag.is_empty()) {
        out.push(if open { b' ' } else { b'(' });
        put_string(out, tag);
        open = true;
    }
    out.extend_from_slice(if open { b")" } else { b"NIL" });
}

fn put_parameters(out: &mut Vec<u8>, parameters: &Parameters) {
    if parameters.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    for (index, (name, value)) in parameters.iter().enumerate() {
        out.push(if index == 0 { b'(' } else { b' ' });
        put_string(out, name);
        out.push(b' ');
        put_string(out, value);
    }
    out.push(b')');
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(format!(" {number}").as_bytes());
}
