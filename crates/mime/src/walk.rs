//! The structure of a message: where each part begins and ends.
//!
//! One pass over the octets, no recursion. A boundary line ends whatever is open
//! inside its multipart; the line break before it belongs to it (RFC 2046
//! §5.1.1). A line is a boundary's as soon as it begins with it; of several, the
//! longest wins, then the innermost.

use crate::cut;
use crate::header::{Field, Fields, is_blank_line, line_end};
use crate::parameter::{ContentType, Parameters, parse_disposition, parse_token};
use memchr::memmem;

/// How many multiparts and messages may lie inside one another. What lies deeper
/// is one opaque part.
pub const DEPTH_MAX: usize = 100;

/// How many parts a message may have. What comes after is one opaque part.
pub const PARTS_MAX: usize = 10_000;

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Leaf,
    Multipart,
    /// message/rfc822 or message/global (RFC 9051 §6.4.5.1): its only child is the
    /// root of the message in it.
    Message,
}

/// A part. In a list of them each is followed by what lies in it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) shape: Shape,
    pub(crate) head: Head<'a>,
    /// Where its header begins.
    pub(crate) header: usize,
    /// Where its body begins.
    pub(crate) body: usize,
    /// Where its body ends.
    pub(crate) end: usize,
    /// Line feeds in the body.
    pub(crate) lines: usize,
    /// The index of the next part that does not lie in it.
    pub(crate) next: usize,
}

impl Node<'_> {
    /// Whether it is a message/global, which IMAP4rev1 takes for a part like any other.
    pub(crate) fn is_global(&self) -> bool {
        self.shape == Shape::Message && self.head.content_type.is("message", "global")
    }
}

/// What a part's header says about it.
#[derive(Clone, Debug)]
pub(crate) struct Head<'a> {
    /// With few of its parameters: see [`Head::parameters`].
    pub(crate) content_type: ContentType,
    /// The Content-Type field as it stands.
    declared: Option<&'a [u8]>,
    /// Whether the content type is not what the header says.
    pub(crate) substituted: bool,
    pub(crate) encoding: Option<Vec<u8>>,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) description: Option<&'a [u8]>,
    pub(crate) md5: Option<&'a [u8]>,
    pub(crate) disposition: Option<&'a [u8]>,
    pub(crate) language: Option<&'a [u8]>,
    pub(crate) location: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// `default` is what a part without a Content-Type is.
    fn read(header: &'a [u8], default: ContentType) -> Self {
        let mut this = Self {
            content_type: default,
            declared: None,
            substituted: false,
            encoding: None,
            id: None,
            description: None,
            md5: None,
            disposition: None,
            language: None,
            location: None,
        };
        let (mut content_type, mut encoding) = (None, None);
        for Field { name, value, .. } in Fields::new(header) {
            let Some((start, rest)) = name.split_at_checked(8) else {
                continue;
            };
            if !start.eq_ignore_ascii_case(b"content-") {
                continue;
            }
            let is = |name: &str| rest.eq_ignore_ascii_case(name.as_bytes());
            let place = match rest.len() {
                4 if is("type") => &mut content_type,
                17 if is("transfer-encoding") => &mut encoding,
                2 if is("id") => &mut this.id,
                11 if is("description") => &mut this.description,
                3 if is("md5") => &mut this.md5,
                11 if is("disposition") => &mut this.disposition,
                8 if is("language") => &mut this.language,
                8 if is("location") => &mut this.location,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        this.encoding = encoding.and_then(parse_token);
        if let Some(value) = content_type {
            let parsed = ContentType::parse(value).map(ContentType::without_others);
            this.content_type = parsed.unwrap_or_else(ContentType::plain_text);
            this.declared = Some(value);
        }
        this
    }

    /// All parameters of the content type, read anew.
    pub(crate) fn parameters(&self) -> Parameters {
        let declared = self.declared.filter(|_| !self.substituted);
        match declared.and_then(ContentType::parse) {
            Some(content_type) => content_type.parameters,
            None => self.content_type.parameters.clone(),
        }
    }

    fn substitute(&mut self, content_type: ContentType) {
        self.content_type = content_type;
        self.substituted = true;
    }

    /// Whether the sender wants it shown apart from the text.
    pub(crate) fn is_attachment(&self) -> bool {
        let disposition = self.disposition.and_then(parse_disposition);
        disposition.is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(b"attachment"))
    }
}

/// The parts of a message, the root first. There is always a root.
pub(crate) fn walk(octets: &[u8]) -> Vec<Node<'_>> {
    let mut walk = Walk {
        octets,
        nodes: Vec::new(),
        open: Vec::new(),
        boundaries: Vec::new(),
        counted: 0,
        feeds: 0,
    };
    walk.run();
    walk.nodes
}

struct Walk<'a> {
    octets: &'a [u8],
    nodes: Vec<Node<'a>>,
    /// The parts that have not ended, the root first; line feeds before their bodies.
    open: Vec<(usize, usize)>,
    /// Boundaries that may come, and the place in `open` of their multiparts.
    boundaries: Vec<(Vec<u8>, usize)>,
    /// Up to where line feeds have been counted, and how many there are.
    counted: usize,
    feeds: usize,
}

/// A boundary line.
struct Line {
    start: usize,
    end: usize,
    /// Which of the boundaries.
    boundary: usize,
    closes: bool,
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        let mut found = self.enter(0);
        let delimiter = memmem::Finder::new("\n--");
        loop {
            let line = match found {
                Entered::Line(line) => line,
                Entered::Body(at) => match self.next_boundary(at, &delimiter) {
                    Some(line) => line,
                    None => break,
                },
            };
            found = self.cross(&line);
        }
        self.close(0, self.octets.len());
    }

    /// Ends what the line ends and enters the part that follows it.
    fn cross(&mut self, line: &Line) -> Entered {
        let Some(&(_, depth)) = self.boundaries.get(line.boundary) else {
            return Entered::Body(line.end);
        };
        let before = cut(self.octets, 0, line.start);
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        let before = before.strip_suffix(b"\r").unwrap_or(before);
        self.close(depth + 1, before.len());
        if line.closes {
            self.boundaries.truncate(line.boundary);
            return Entered::Body(line.end);
        }
        self.boundaries.truncate(line.boundary + 1);
        self.enter(line.end)
    }

    /// Begins a part, and the message in it if it is one, and the message in that…
    fn enter(&mut self, mut start: usize) -> Entered {
        loop {
            if self.nodes.len() >= PARTS_MAX {
                return self.enter_opaque(start);
            }
            let (body, line) = self.header(start);
            let head = Head::read(cut(self.octets, start, body), self.default_type());
            let deep = self.open.len() >= DEPTH_MAX;
            let (shape, head) = shape(head, deep);
            if let (Shape::Multipart, Some(boundary)) =
                (shape, head.content_type.parameter("boundary"))
            {
                self.boundaries
                    .push((boundary.trim_ascii_end().to_vec(), self.open.len()));
            }
            let feeds = self.feeds_before(body);
            self.open.push((self.nodes.len(), feeds));
            self.nodes.push(Node {
                shape,
                head,
                header: start,
                body,
                end: body,
                lines: 0,
                next: 0,
            });
            match (shape, line) {
                // A message of no octets is still one.
                (Shape::Message, _) => start = body,
                (_, Some(line)) => return Entered::Line(line),
                (_, None) => return Entered::Body(body),
            }
        }
    }

    /// Takes all the rest as one part.
    fn enter_opaque(&mut self, start: usize) -> Entered {
        self.boundaries.clear();
        let mut head = Head::read(&[], ContentType::opaque());
        head.substituted = true;
        let feeds = self.feeds_before(start);
        self.open.push((self.nodes.len(), feeds));
        self.nodes.push(Node {
            shape: Shape::Leaf,
            head,
            header: start,
            body: start,
            end: start,
            lines: 0,
            next: 0,
        });
        Entered::Body(start)
    }

    /// RFC 2046 §5.1.5: in a digest, a part that does not say is a message.
    fn default_type(&self) -> ContentType {
        let parent = self
            .open
            .last()
            .and_then(|&(index, _)| self.nodes.get(index));
        match parent {
            Some(node)
                if node.shape == Shape::Multipart
                    && node.head.content_type.is("multipart", "digest") =>
            {
                ContentType::bare(b"message", b"rfc822")
            }
            _ => ContentType::plain_text(),
        }
    }

    /// Where the header that begins at `start` ends; a boundary line may end it.
    fn header(&self, start: usize) -> (usize, Option<Line>) {
        let mut at = start;
        while at < self.octets.len() {
            let end = line_end(self.octets, at);
            if let Some(line) = self.boundary_line(at) {
                return (at, Some(line));
            }
            if is_blank_line(cut(self.octets, at, end)) {
                return (end, None);
            }
            at = end;
        }
        (self.octets.len(), None)
    }

    /// The first boundary line at or after the start of the line at `at`.
    fn next_boundary(&self, mut at: usize, delimiter: &memmem::Finder<'_>) -> Option<Line> {
        if self.boundaries.is_empty() {
            return None;
        }
        loop {
            if let Some(line) = self.boundary_line(at) {
                return Some(line);
            }
            at += delimiter.find(self.octets.get(at..)?)? + 1;
        }
    }

    /// The line that begins here if it is a boundary's.
    fn boundary_line(&self, start: usize) -> Option<Line> {
        if self.boundaries.is_empty() {
            return None;
        }
        let text = self.octets.get(start..)?.strip_prefix(b"--")?;
        let begins = |(_, (boundary, _)): &(usize, &(Vec<u8>, usize))| text.starts_with(boundary);
        let candidates = self.boundaries.iter().enumerate().filter(begins);
        // The last of the longest.
        let (index, (boundary, _)) = candidates.max_by_key(|(_, (boundary, _))| boundary.len())?;
        Some(Line {
            start,
            end: line_end(self.octets, start),
            boundary: index,
            closes: text.get(boundary.len()..)?.starts_with(b"--"),
        })
    }

    /// Ends all open parts but the first `keep`.
    fn close(&mut self, keep: usize, end: usize) {
        let feeds = self.feeds_before(end);
        while self.open.len() > keep {
            let Some((index, feeds_before)) = self.open.pop() else {
                return;
            };
            let next = self.nodes.len();
            if let Some(node) = self.nodes.get_mut(index) {
                node.next = next;
                node.end = end.max(node.body);
                node.lines = feeds.saturating_sub(feeds_before);
                if node.shape == Shape::Multipart && next == index + 1 {
                    // RFC 2046 §5.1: a multipart has at least one part. One that
                    // has none is shown as the text it is.
                    node.shape = Shape::Leaf;
                    node.head.substitute(ContentType::plain_text());
                }
            }
        }
    }

    /// How many line feeds stand before `at`, which mostly only grows.
    fn feeds_before(&mut self, at: usize) -> usize {
        let count = |octets: &[u8]| memchr::memchr_iter(b'\n', octets).count();
        if at >= self.counted {
            self.feeds += count(cut(self.octets, self.counted, at));
        } else {
            self.feeds -= count(cut(self.octets, at, self.counted));
        }
        self.counted = at;
        self.feeds
    }
}

enum Entered {
    /// A body begins here.
    Body(usize),
    /// This boundary line ended the header.
    Line(Line),
}

/// What a part is taken for.
fn shape(mut head: Head<'_>, deep: bool) -> (Shape, Head<'_>) {
    let shape = if head.content_type.is_media("multipart") {
        Shape::Multipart
    } else if head.content_type.is("message", "rfc822") || head.content_type.is("message", "global")
    {
        Shape::Message
    } else {
        return (Shape::Leaf, head);
    };
    if deep {
        head.substitute(ContentType::opaque());
        return (Shape::Leaf, head);
    }
    let boundary = head.content_type.parameter("boundary").unwrap_or_default();
    if shape == Shape::Multipart && boundary.trim_ascii_end().is_empty() {
        // RFC 2045 §5.2: what cannot be read as its type is plain text.
        head.substitute(ContentType::plain_text());
        return (Shape::Leaf, head);
    }
    (shape, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shape and subtree's end of each, and the body of a leaf.
    fn shown(message: &str) -> String {
        let message = message.replace('\n', "\r\n");
        let nodes = walk(message.as_bytes());
        let mut out = String::new();
        for node in &nodes {
            let kind = match node.shape {
                Shape::Leaf => "leaf",
                Shape::Multipart => "multi",
                Shape::Message => "message",
            };
            let text = &message[node.body..node.end];
            let body = if node.shape == Shape::Leaf { text } else { "" };
            out += &format!("{kind}:{}:{body:?} ", node.next);
        }
        out.trim_end().to_owned()
    }

    #[test]
    fn structures() {
        for (message, expected) in [
            ("", "leaf:1:\"\""),
            ("\n", "leaf:1:\"\""),
            ("A: b\n", "leaf:1:\"\""),
            ("A: b\n\nc\n", "leaf:1:\"c\\r\\n\""),
            (
                "Content-Type: multipart/mixed; boundary=x\n\npre\n--x\n\na\n--x \nB: c\n--x--\nepi\n--x\n",
                "multi:3:\"\" leaf:2:\"a\" leaf:3:\"\"",
            ),
            (
                "Content-Type: multipart/mixed; boundary=x\n--x\n\na\n--x--",
                "leaf:1:\"a\\r\\n--x--\"",
            ),
            // No boundary, or none that comes: text.
            ("Content-Type: multipart/mixed\n\na\n", "leaf:1:\"a\\r\\n\""),
            (
                "Content-Type: multipart/mixed; boundary=x\n\na\n--x--\n",
                "leaf:1:\"a\\r\\n--x--\\r\\n\"",
            ),
            // The outer boundary ends an inner part that is not closed.
            (
                "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n--xy\n\na\n--x\n\nb\n--yx\n",
                "multi:4:\"\" multi:3:\"\" leaf:3:\"a\" leaf:4:\"b\\r\\n--yx\\r\\n\"",
            ),
            (
                "Content-Type: message/rfc822\n\nA: b\n\nc",
                "message:2:\"\" leaf:2:\"c\"",
            ),
            (
                "Content-Type: message/rfc822\n",
                "message:2:\"\" leaf:2:\"\"",
            ),
            (
                "Content-Type: Message/Global\n\nA: b\n\nc",
                "message:2:\"\" leaf:2:\"c\"",
            ),
            (
                "Content-Type: multipart/digest; boundary=x\n\n--x\n\nA: b\n\nc\n--x\n\n--x--",
                "multi:5:\"\" message:3:\"\" leaf:3:\"c\" message:5:\"\" leaf:5:\"\"",
            ),
        ] {
            assert_eq!(shown(message), expected, "{message}");
        }
    }

    #[test]
    fn depth_and_parts_are_bounded() {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(500);
        let nodes = walk(nested.as_bytes());
        assert_eq!(nodes.len(), DEPTH_MAX + 1);
        assert!(nodes.last().unwrap().head.substituted);

        let mut many = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n".to_vec();
        many.extend(b"--x\r\n\r\n".repeat(PARTS_MAX * 2));
        let nodes = walk(&many);
        assert_eq!(nodes.len(), PARTS_MAX + 1);
        assert_eq!(nodes.last().unwrap().end, many.len());
    }

    #[test]
    fn few_parameters_are_held() {
        let many = "; x=y; charset=z".repeat(100);
        let message = format!("Content-Type: a/b{many}\r\n\r\nc");
        let nodes = walk(message.as_bytes());
        assert_eq!(nodes[0].head.content_type.parameters.len(), 1);
        assert_eq!(
            nodes[0].head.content_type.parameter("charset"),
            Some(&b"z"[..])
        );
        assert_eq!(nodes[0].head.parameters().len(), 200);
    }

    #[test]
    fn lines_are_counted() {
        let message = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\nb\r\n\r\n--x\r\n\r\nc\r\n--x--\r\n";
        let lines: Vec<_> = walk(message).iter().map(|node| node.lines).collect();
        assert_eq!(lines, [9, 2, 0]);
    }
}
