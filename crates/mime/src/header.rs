//! Header fields as they stand.

use crate::cut;
use std::borrow::Cow;

/// One field of a header, folded lines included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// All its octets, the last CRLF included.
    pub raw: &'a [u8],
    /// What stands before the colon; empty for a line that has none.
    pub name: &'a [u8],
    /// What stands after the colon, still folded, the last CRLF included.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Whether this is the field of that name; a line without a name is none of any.
    pub fn is(&self, name: &str) -> bool {
        !self.name.is_empty() && self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header, up to its blank line or its end.
///
/// A line without a colon is a field without a name: only a blank line ends a
/// header (RFC 5322 §2.1), so that a header is the same octets for every reader.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of these octets, which begin a header.
    pub fn new(header: &'a [u8]) -> Self {
        Self { rest: header }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || is_blank_line(self.rest) {
            return None;
        }
        let mut end = line_end(self.rest, 0);
        while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
            end = line_end(self.rest, end);
        }
        let (raw, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let first_line = cut(raw, 0, line_end(raw, 0));
        let field = match memchr::memchr(b':', first_line) {
            Some(colon) => Field {
                raw,
                name: cut(raw, 0, colon).trim_ascii_end(),
                value: cut(raw, colon + 1, raw.len()),
            },
            None => Field {
                raw,
                name: &[],
                value: raw,
            },
        };
        Some(field)
    }
}

/// Where the line that begins at `start` ends, its line feed included.
pub(crate) fn line_end(octets: &[u8], start: usize) -> usize {
    let rest = cut(octets, start, octets.len());
    memchr::memchr(b'\n', rest).map_or(octets.len(), |at| start + at + 1)
}

/// Whether the octets begin with an empty line.
pub(crate) fn is_blank_line(octets: &[u8]) -> bool {
    octets.starts_with(b"\r\n") || octets.starts_with(b"\n")
}

/// The octets of the header that begins a message, its blank line included.
/// All of them where there is no blank line.
pub fn header_length(octets: &[u8]) -> usize {
    let mut at = 0;
    while at < octets.len() {
        let end = line_end(octets, at);
        if is_blank_line(cut(octets, at, end)) {
            return end;
        }
        at = end;
    }
    octets.len()
}

/// A field's value as one line: line breaks gone (RFC 5322 §2.2.3), no blanks
/// around it.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut line = Vec::with_capacity(value.len());
    for piece in value.split_inclusive(|&octet| octet == b'\n') {
        let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
        line.extend_from_slice(piece.strip_suffix(b"\r").unwrap_or(piece));
    }
    Cow::Owned(line)
}

/// The fields of these names (or, with `not`, all others) as they stand, in
/// their order, without the blank line. RFC 9051 §6.4.5.1, HEADER.FIELDS.
pub fn pick_fields(header: &[u8], names: &[String], not: bool, out: &mut Vec<u8>) {
    FieldNames::new(names).pick(header, not, out);
}

/// Names of fields. However many they are, a field is looked up among them by few
/// comparisons.
#[derive(Clone, Debug)]
pub struct FieldNames {
    /// In lower case, ascending, each once.
    names: Vec<String>,
}

impl FieldNames {
    /// Of these names.
    pub fn new(names: &[String]) -> Self {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        Self { names }
    }

    /// How many different ones there are.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// Whether the name is one of them.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.find(name).0
    }

    /// Whether the name is one of them, and to how many it was compared.
    fn find(&self, name: &[u8]) -> (bool, usize) {
        let mut compared = 0;
        let found = self.names.binary_search_by(|one| {
            compared += 1;
            one.bytes().cmp(name.iter().map(u8::to_ascii_lowercase))
        });
        (found.is_ok(), compared)
    }

    /// As [`pick_fields`].
    pub fn pick(&self, header: &[u8], not: bool, out: &mut Vec<u8>) {
        for field in Fields::new(header) {
            // A line without a name is a field of none.
            let has = !field.name.is_empty() && self.has(field.name);
            if has != not {
                out.extend_from_slice(field.raw);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_cut_at_their_folds() {
        let header = b"A: 1\r\n 2\r\nno colon\r\nB : 3\r\n\r\nC: body";
        let fields: Vec<_> = Fields::new(header).collect();
        assert_eq!(fields.len(), 3);
        assert_eq!(unfold(fields[0].value).as_ref(), b"1 2");
        assert_eq!(fields[1].name, b"");
        assert!(fields[2].is("b"));
        assert!(!fields[1].is(""));
        assert_eq!(header_length(header), header.len() - 7);
    }

    #[test]
    fn a_field_is_compared_to_few_names() {
        let names: Vec<String> = (0..1_000).map(|n| format!("X-{n}")).collect();
        let names = FieldNames::new(&names);
        for name in ["x-0", "X-999", "X-500", "Subject", "x-1000", ""] {
            let (found, compared) = names.find(name.as_bytes());
            assert_eq!(found, ["x-0", "X-999", "X-500"].contains(&name), "{name}");
            assert!(compared <= 11, "{name}: {compared}");
        }
        let same = vec!["To".to_owned(), "TO".to_owned(), "to".to_owned()];
        assert_eq!(FieldNames::new(&same).count(), 1);
    }

    #[test]
    fn fields_are_picked_in_their_order() {
        let header = b"To: a\r\nFrom: b\r\nTO: c\r\n d\r\n\r\n";
        let pick = |names: &[&str], not| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let mut out = Vec::new();
            pick_fields(header, &names, not, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(pick(&["to", "Cc"], false), "To: a\r\nTO: c\r\n d\r\n");
        assert_eq!(pick(&["to"], true), "From: b\r\n");
        assert_eq!(pick(&["cc"], false), "");
    }
}
