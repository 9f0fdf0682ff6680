//! Content-Type and Content-Disposition: a value and its parameters. RFC 2045
//! §5.1, RFC 2183 §2, RFC 2231.

use crate::header::unfold;

/// How many parameters of one field are kept.
const PARAMETERS_MAX: usize = 200;

/// Names and values, quoting and continuations undone.
pub(crate) type Parameters = Vec<(Vec<u8>, Vec<u8>)>;

/// A media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentType {
    pub(crate) media: Vec<u8>,
    pub(crate) subtype: Vec<u8>,
    pub(crate) parameters: Parameters,
}

impl ContentType {
    /// `None` where the value is no media type. RFC 2045 §5.2: such a part is
    /// plain text.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let value = unfold(value);
        let mut scan = Scan::new(&value);
        let media = scan.token()?;
        if scan.next_significant() != Some(b'/') {
            return None;
        }
        let subtype = scan.token()?;
        Some(Self {
            media,
            subtype,
            parameters: scan.parameters(),
        })
    }

    /// With those parameters alone that say where parts lie and what texts are, each
    /// once. A parameter takes many times its octets, and a message has many parts.
    pub(crate) fn without_others(self) -> Self {
        let kept = |name: &&'static str| {
            let value = self.parameter(name)?;
            Some((name.as_bytes().to_vec(), value.to_vec()))
        };
        let parameters = ["boundary", "charset"].iter().filter_map(kept).collect();
        Self { parameters, ..self }
    }

    /// RFC 2045 §5.2.
    pub(crate) fn plain_text() -> Self {
        let charset = (b"charset".to_vec(), b"us-ascii".to_vec());
        Self {
            media: b"text".to_vec(),
            subtype: b"plain".to_vec(),
            parameters: vec![charset],
        }
    }

    /// A part that is looked into no further.
    pub(crate) fn opaque() -> Self {
        Self::bare(b"application", b"octet-stream")
    }

    pub(crate) fn bare(media: &[u8], subtype: &[u8]) -> Self {
        Self {
            media: media.to_vec(),
            subtype: subtype.to_vec(),
            parameters: Vec::new(),
        }
    }

    pub(crate) fn is(&self, media: &str, subtype: &str) -> bool {
        self.is_media(media) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    pub(crate) fn is_media(&self, media: &str) -> bool {
        self.media.eq_ignore_ascii_case(media.as_bytes())
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&[u8]> {
        let found = |entry: &&(Vec<u8>, Vec<u8>)| entry.0.eq_ignore_ascii_case(name.as_bytes());
        self.parameters
            .iter()
            .find(found)
            .map(|(_, value)| value.as_slice())
    }
}

/// A disposition and its parameters.
pub(crate) fn parse_disposition(value: &[u8]) -> Option<(Vec<u8>, Parameters)> {
    let value = unfold(value);
    let mut scan = Scan::new(&value);
    let disposition = scan.token()?;
    Some((disposition, scan.parameters()))
}

/// The first token of a value: a transfer encoding. `None` where there is none or
/// something else follows it.
pub(crate) fn parse_token(value: &[u8]) -> Option<Vec<u8>> {
    let value = unfold(value);
    let mut scan = Scan::new(&value);
    let token = scan.token()?;
    matches!(scan.next_significant(), None | Some(b';')).then_some(token)
}

struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The octet after blanks and comments, not taken.
    fn significant(&mut self) -> Option<u8> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            match self.rest.first() {
                Some(b'(') => self.skip_comment(),
                other => return other.copied(),
            }
        }
    }

    fn next_significant(&mut self) -> Option<u8> {
        let octet = self.significant()?;
        self.rest = self.rest.get(1..).unwrap_or_default();
        Some(octet)
    }

    fn skip_comment(&mut self) {
        let mut depth = 0u32;
        let mut quoted = false;
        let end = self.rest.iter().position(|&octet| {
            match octet {
                _ if quoted => quoted = false,
                b'\\' => quoted = true,
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let end = end.map_or(self.rest.len(), |end| end + 1);
        self.rest = self.rest.get(end..).unwrap_or_default();
    }

    /// A token (RFC 2045 §5.1).
    fn token(&mut self) -> Option<Vec<u8>> {
        self.significant()?;
        let is_token = |octet: &u8| *octet > b' ' && !b"()<>@,;:\\\"/[]?=\x7f".contains(octet);
        let end = self.rest.iter().position(|octet| !is_token(octet));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!token.is_empty()).then(|| token.to_vec())
    }

    fn parameters(&mut self) -> Parameters {
        let mut found = Vec::new();
        while found.len() < PARAMETERS_MAX {
            // What is no parameter is passed over, up to the next semicolon.
            match self.next_significant() {
                None => break,
                Some(b';') => {}
                Some(_) => continue,
            }
            let Some(name) = self.token() else {
                continue;
            };
            if self.significant() == Some(b'=') {
                self.next_significant();
                found.push((name, self.value()));
            }
        }
        merge_continuations(found)
    }

    /// A quoted string, or all up to the semicolon: values with blanks and `=` in
    /// them are common though they should be quoted.
    fn value(&mut self) -> Vec<u8> {
        if self.significant() == Some(b'"') {
            return self.quoted();
        }
        let mut blank = true;
        let end = self.rest.iter().position(|&octet| {
            let ends = octet == b';' || (octet == b'(' && blank);
            blank = octet.is_ascii_whitespace();
            ends
        });
        let (value, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        value.trim_ascii().to_vec()
    }

    fn quoted(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut octets = self.rest.iter().copied().skip(1);
        let mut taken = 1;
        while let Some(octet) = octets.next() {
            taken += 1;
            match octet {
                b'"' => break,
                b'\\' => {
                    taken += 1;
                    value.extend(octets.next());
                }
                _ => value.push(octet),
            }
        }
        self.rest = self.rest.get(taken..).unwrap_or_default();
        value
    }
}

/// Puts `name*0`, `name*1*`, … together: as `name`, or as `name*` where one of
/// them is encoded. RFC 2231 §3, §6 ("IMAP4 servers SHOULD decode parameter value
/// continuations").
fn merge_continuations(found: Parameters) -> Parameters {
    if !found
        .iter()
        .any(|(name, _)| split_continuation(name).is_some())
    {
        return found;
    }
    let mut merged: Parameters = Vec::new();
    let mut pieces: Vec<(Vec<u8>, Vec<Piece>)> = Vec::new();
    for (name, value) in found {
        let Some((base, number, encoded)) = split_continuation(&name) else {
            merged.push((name, value));
            continue;
        };
        let piece = Piece {
            number,
            encoded,
            value,
        };
        match pieces
            .iter_mut()
            .find(|(name, _)| name.eq_ignore_ascii_case(base))
        {
            Some((_, list)) => list.push(piece),
            None => pieces.push((base.to_vec(), vec![piece])),
        }
    }
    for (mut name, mut list) in pieces {
        list.sort_by_key(|piece| piece.number);
        let encoded = list.iter().any(|piece| piece.encoded);
        let mut value = Vec::new();
        for piece in &list {
            if encoded && !piece.encoded {
                percent_encode(&piece.value, &mut value);
            } else {
                value.extend_from_slice(&piece.value);
            }
        }
        if encoded {
            name.push(b'*');
        }
        merged.push((name, value));
    }
    merged
}

struct Piece {
    number: u32,
    encoded: bool,
    value: Vec<u8>,
}

/// `name*2*` as (`name`, 2, true).
fn split_continuation(name: &[u8]) -> Option<(&[u8], u32, bool)> {
    let (name, encoded) = match name.strip_suffix(b"*") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let star = name.iter().position(|&octet| octet == b'*')?;
    let number = std::str::from_utf8(name.get(star + 1..)?).ok()?;
    Some((name.get(..star)?, number.parse().ok()?, encoded))
}

fn percent_encode(value: &[u8], out: &mut Vec<u8>) {
    for &octet in value {
        if octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
            out.push(octet);
        } else {
            out.extend_from_slice(format!("%{octet:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> String {
        let Some(parsed) = ContentType::parse(value.as_bytes()) else {
            return "none".to_owned();
        };
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let mut shown = format!("{}/{}", text(&parsed.media), text(&parsed.subtype));
        for (name, value) in &parsed.parameters {
            shown += &format!(" {}={}|", text(name), text(value));
        }
        shown
    }

    #[test]
    fn content_types_are_read() {
        for (value, expected) in [
            ("text/plain", "text/plain"),
            (
                " Text / HTML ; Charset = \"utf-8\"",
                "Text/HTML Charset=utf-8|",
            ),
            (
                "text/plain; charset=us-ascii (Plain text)",
                "text/plain charset=us-ascii|",
            ),
            (
                "text/plain (a (b) \\) c); charset=x",
                "text/plain charset=x|",
            ),
            (
                "multipart/mixed; boundary=----=_Next(1)",
                "multipart/mixed boundary=----=_Next(1)|",
            ),
            ("a/b; name=my file.txt; x=y", "a/b name=my file.txt| x=y|"),
            ("a/b; x=\"q\\\"z;\";;y=\"\"", "a/b x=q\"z;| y=|"),
            ("a/b junk; x=1; =2; y", "a/b x=1|"),
            ("a/b; x=\"unclosed", "a/b x=unclosed|"),
            ("text", "none"),
            ("", "none"),
            ("/plain", "none"),
            ("a/b; n*1=b; n*0=a; n*2=c", "a/b n=abc|"),
            (
                "a/b; n*0*=utf-8''%41; n*1=b c; x=1",
                "a/b x=1| n*=utf-8''%41b%20c|",
            ),
            ("a/b; n*=utf-8''%41", "a/b n*=utf-8''%41|"),
            (
                "multipart/mixed; boundary=\"foo\r\n bar\"",
                "multipart/mixed boundary=foo bar|",
            ),
        ] {
            assert_eq!(shown(value), expected, "{value}");
        }
    }

    #[test]
    fn an_encoding_is_one_token() {
        assert_eq!(parse_token(b" Base64 (x)\r\n"), Some(b"Base64".to_vec()));
        assert_eq!(parse_token(b"?invalid"), None);
        assert_eq!(parse_token(b"two words"), None);
    }
}
