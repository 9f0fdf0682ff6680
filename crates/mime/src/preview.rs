//! The first words of a message, for lists of messages. RFC 8970.

use crate::cut;
use crate::text::{TransferEncoding, decode_text, html_to_text};
use crate::walk::{Node, Shape};

/// Longest preview, in characters. RFC 8970 §3.
const CHARACTERS_MAX: usize = 200;
/// How much of a plain body is looked at.
const PLAIN_OCTETS_MAX: usize = 3_072;
/// How much of an HTML body is looked at: it begins with much that is not shown.
const HTML_OCTETS_MAX: usize = 16_384;

/// The first text that is no attachment, plain if there is some.
pub(crate) fn preview(message: &[u8], nodes: &[Node<'_>]) -> String {
    let text_of = |subtype: &'static str| {
        nodes.iter().find(move |node| {
            node.shape == Shape::Leaf
                && node.head.content_type.is("text", subtype)
                && node.end > node.body
                && !node.head.is_attachment()
        })
    };
    if let Some(node) = text_of("plain") {
        let text = squeeze(&decode(message, node, PLAIN_OCTETS_MAX));
        if !text.is_empty() {
            return text;
        }
    }
    let html = text_of("html").map(|node| decode(message, node, HTML_OCTETS_MAX));
    squeeze(&html_to_text(&html.unwrap_or_default()))
}

fn decode(message: &[u8], node: &Node<'_>, octets_max: usize) -> String {
    let octets = cut(message, node.body, node.end);
    let octets = octets.get(..octets_max).unwrap_or(octets);
    let encoding = node.head.encoding.as_deref().unwrap_or_default();
    let charset = node.head.content_type.parameter("charset");
    decode_text(
        octets,
        TransferEncoding::from_token(encoding),
        charset.unwrap_or_default(),
    )
}

/// Single blanks; quoted lines left out where something else is there.
fn squeeze(text: &str) -> String {
    let own = text.lines().filter(|line| !line.starts_with('>'));
    let squeezed = squeeze_words(own.flat_map(str::split_whitespace));
    if squeezed.is_empty() {
        squeeze_words(text.split_whitespace())
    } else {
        squeezed
    }
}

fn squeeze_words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut characters = 0;
    for word in words {
        if characters > 0 && characters < CHARACTERS_MAX {
            out.push(' ');
            characters += 1;
        }
        for character in word.chars().filter(|character| !character.is_control()) {
            if characters == CHARACTERS_MAX {
                break;
            }
            out.push(character);
            characters += 1;
        }
        if characters >= CHARACTERS_MAX {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::walk;

    fn shown(message: &str) -> String {
        let message = message.replace('\n', "\r\n");
        preview(message.as_bytes(), &walk(message.as_bytes()))
    }

    #[test]
    fn previews() {
        assert_eq!(
            shown("A: b\n\n> quoted\nown  words\n\nhere\n"),
            "own words here"
        );
        assert_eq!(shown("A: b\n\n> quoted\n"), "> quoted");
        assert_eq!(shown("A: b\n\n"), "");
        let html = "Content-Type: text/html; charset=utf-8\n\n<head><style>p{}</style></head><p>Gr&uuml;n &amp; <b>bold</b></p>";
        assert_eq!(shown(html), "Grün & bold");
        let encoded = "Content-Transfer-Encoding: quoted-printable\n\ngr=C3=BCn=\nes\n";
        assert_eq!(shown(encoded), "grünes");
        let long = format!("A: b\n\n{}", "wörter ".repeat(500));
        assert_eq!(shown(&long).chars().count(), 200);
        let attached = "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment\n\nno\n--x\n\nyes\n--x--\n";
        assert_eq!(shown(attached), "yes");
    }
}
