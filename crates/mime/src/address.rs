//! Address lists, read as generously as mail is written. RFC 5322 §3.4, §4.4.
//!
//! Nothing is decoded: names keep their encoded words (RFC 2047), as ENVELOPE
//! wants them. Quoting and comments are undone.

/// How many addresses of one message are given; the rest is left out of ENVELOPE.
/// An address may take one octet and its ENVELOPE forty.
pub const ADDRESSES_MAX: usize = 20_000;

/// One element of an address list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A mailbox.
    Mailbox {
        /// The display name, or else the last comment.
        name: Option<Vec<u8>>,
        /// The obsolete source route, `@a,@b`.
        route: Option<Vec<u8>>,
        /// What stands before the `@`, quoting undone. Empty where it is missing.
        local_part: Vec<u8>,
        /// What stands after it. Empty where it is missing.
        domain: Vec<u8>,
    },
    /// A group begins.
    Group(Vec<u8>),
    /// The group ends.
    GroupEnd,
}

/// How many octets of a message's address fields are read for its ENVELOPE, and of
/// one field otherwise; what follows is passed over. 100 for each address.
pub const ADDRESS_OCTETS_MAX: usize = 100 * ADDRESSES_MAX;

/// The addresses of a field's value, at most `max`.
pub fn addresses(value: &[u8], max: usize) -> Vec<Address> {
    Budget {
        addresses: max,
        octets: ADDRESS_OCTETS_MAX,
    }
    .addresses(value)
}

/// How much of a message's address fields may still be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    addresses: usize,
    octets: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            addresses: ADDRESSES_MAX,
            octets: ADDRESS_OCTETS_MAX,
        }
    }
}

impl Budget {
    /// The addresses of a field's value, as far as the budget goes.
    pub(crate) fn addresses(&mut self, value: &[u8]) -> Vec<Address> {
        let read = value.get(..self.octets).unwrap_or(value);
        let mut list = List {
            scan: Scan { rest: read },
            found: Vec::new(),
            max: self.addresses,
            is_cut: read.len() < value.len(),
            in_group: false,
            entry: Entry::default(),
        };
        list.run();
        self.octets -= read.len();
        self.addresses = self.addresses.saturating_sub(list.found.len());
        list.found
    }
}

/// What has been read since the last comma. It takes about two octets for each of
/// them, however many words they are.
#[derive(Default)]
struct Entry {
    /// All words with one blank where there were some.
    phrase: Vec<u8>,
    /// The words since the last blank that no dot bridges, without blanks: a local
    /// part, if an `@` follows.
    last: Vec<u8>,
    /// Where the phrase ends without those.
    last_start: usize,
    /// Whether the last word was a dot.
    after_dot: bool,
    comment: Option<Vec<u8>>,
    route: Option<Vec<u8>>,
    /// Local part and domain, once known.
    address: Option<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Adds a word, and whether blanks stood before it.
    fn push(&mut self, word: &[u8], blank: bool) {
        let is_dot = word == b".";
        if blank && !is_dot && !self.after_dot {
            self.last_start = self.phrase.len();
            self.last.clear();
        }
        if blank && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.extend_from_slice(word);
        self.last.extend_from_slice(word);
        self.after_dot = is_dot;
    }

    /// The words since the last blank that no dot bridges: a local part.
    fn take_local_part(&mut self) -> Vec<u8> {
        self.phrase.truncate(self.last_start);
        self.after_dot = false;
        std::mem::take(&mut self.last)
    }
}

struct List<'a> {
    scan: Scan<'a>,
    found: Vec<Address>,
    max: usize,
    /// Whether more follows that is not read.
    is_cut: bool,
    in_group: bool,
    entry: Entry,
}

impl List<'_> {
    fn run(&mut self) {
        while self.found.len() < self.max {
            let Some((token, blank)) = self.scan.token() else {
                break;
            };
            match token {
                Token::Word(word) => self.entry.push(&word, blank),
                Token::Comment(text) => self.entry.comment = Some(text),
                Token::Special(b',') => self.end_entry(),
                Token::Special(b';') => {
                    self.end_entry();
                    self.end_group();
                }
                Token::Special(b':') if !self.in_group => {
                    let entry = std::mem::take(&mut self.entry);
                    self.found.push(Address::Group(entry.phrase));
                    self.in_group = true;
                }
                Token::Special(b'<') => self.angle(),
                Token::Special(b'@') => {
                    let local_part = self.entry.take_local_part();
                    let domain = self.domain();
                    self.entry.address.get_or_insert((local_part, domain));
                }
                Token::Special(b'.') => self.entry.push(b".", blank),
                // A stray closing bracket or colon means nothing.
                Token::Special(_) => {}
            }
        }
        // An address that is cut off would be another one.
        if !self.is_cut {
            self.end_entry();
        }
        self.end_group();
    }

    /// What stands between `<` and `>`. RFC 5322 §4.4, obs-route.
    fn angle(&mut self) {
        let mut inside = Entry::default();
        let mut route = Vec::new();
        loop {
            let before = self.scan.clone();
            match self.scan.token() {
                None | Some((Token::Special(b'>'), _)) => break,
                Some((Token::Special(b',' | b';'), _)) if inside.address.is_some() => {
                    self.scan = before;
                    break;
                }
                Some((Token::Word(word), blank)) => inside.push(&word, blank),
                Some((Token::Special(b'.'), blank)) => inside.push(b".", blank),
                Some((Token::Special(b'@'), _)) => {
                    let local_part = inside.take_local_part();
                    inside.phrase.clear();
                    inside.last_start = 0;
                    let domain = self.domain();
                    match self.scan.peek() {
                        // Another host of the route, or its end.
                        Some(b',' | b':' | b'@') if local_part.is_empty() => {
                            if !route.is_empty() {
                                route.push(b',');
                            }
                            route.push(b'@');
                            route.extend_from_slice(&domain);
                        }
                        _ => inside.address = Some((local_part, domain)),
                    }
                }
                Some(_) => {}
            }
        }
        self.entry.address = Some(inside.address.unwrap_or((inside.phrase, Vec::new())));
        self.entry.route = (!route.is_empty()).then_some(route);
    }

    /// A domain: words and dots, or a literal in brackets.
    fn domain(&mut self) -> Vec<u8> {
        let mut domain = Vec::new();
        let mut bridged = true;
        loop {
            let before = self.scan.clone();
            match self.scan.token() {
                Some((Token::Word(word), _)) if bridged => {
                    domain.extend_from_slice(&word);
                    bridged = false;
                }
                Some((Token::Special(b'.'), _)) => {
                    domain.push(b'.');
                    bridged = true;
                }
                Some((Token::Comment(text), _)) => self.entry.comment = Some(text),
                _ => {
                    self.scan = before;
                    return domain;
                }
            }
        }
    }

    fn end_entry(&mut self) {
        let entry = std::mem::take(&mut self.entry);
        let phrase = entry.phrase;
        let comment = entry.comment.filter(|text| !text.is_empty());
        let (name, (local_part, domain)) = match entry.address {
            Some(address) => ((!phrase.is_empty()).then_some(phrase), address),
            None if phrase.is_empty() => return,
            None => (None, (phrase, Vec::new())),
        };
        self.found.push(Address::Mailbox {
            name: name.or(comment),
            route: entry.route,
            local_part,
            domain,
        });
    }

    fn end_group(&mut self) {
        if self.in_group {
            self.found.push(Address::GroupEnd);
            self.in_group = false;
        }
    }
}

enum Token {
    /// An atom, a quoted string without its quotes, a domain literal with its
    /// brackets.
    Word(Vec<u8>),
    Comment(Vec<u8>),
    Special(u8),
}

#[derive(Clone)]
struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(octet)
    }

    /// The octet after any blanks.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    /// The next token, and whether blanks stood before it.
    fn token(&mut self) -> Option<(Token, bool)> {
        let before = self.rest.len();
        let first = self.peek()?;
        let blank = self.rest.len() != before;
        let token = match first {
            b'"' => Token::Word(self.quoted()),
            b'(' => Token::Comment(self.comment()),
            b'[' => Token::Word(self.literal()),
            octet if is_special(octet) => {
                self.next();
                Token::Special(octet)
            }
            _ => Token::Word(self.atom()),
        };
        Some((token, blank))
    }

    fn atom(&mut self) -> Vec<u8> {
        let ends = |octet: &u8| {
            is_special(*octet) || matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'(')
        };
        let end = self.rest.iter().position(ends);
        let (atom, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        atom.to_vec()
    }

    fn quoted(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        self.next();
        while let Some(octet) = self.next() {
            match octet {
                b'"' => break,
                b'\\' => text.extend(self.next()),
                b'\r' | b'\n' => {}
                _ => text.push(octet),
            }
        }
        text
    }

    fn literal(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while let Some(octet) = self.next() {
            if !octet.is_ascii_whitespace() {
                text.push(octet);
            }
            if octet == b']' {
                break;
            }
        }
        text
    }

    fn comment(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 0u32;
        while let Some(octet) = self.next() {
            match octet {
                b'(' => {
                    depth += 1;
                    if depth == 1 {
                        continue;
                    }
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b'\\' => {
                    text.extend(self.next());
                    continue;
                }
                b'\r' | b'\n' => continue,
                _ => {}
            }
            text.push(octet);
        }
        text.trim_ascii().to_vec()
    }
}

fn is_special(octet: u8) -> bool {
    matches!(
        octet,
        b'<' | b'>' | b'@' | b',' | b';' | b':' | b'.' | b')' | b']'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name|route|local|domain`, groups as `group:` and `;`.
    fn shown(value: &str) -> String {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let show = |address: &Address| match address {
            Address::Group(name) => format!("{}:", text(name)),
            Address::GroupEnd => ";".to_owned(),
            Address::Mailbox {
                name,
                route,
                local_part,
                domain,
            } => [
                name.as_deref().unwrap_or(b"-"),
                route.as_deref().unwrap_or(b"-"),
                local_part,
                domain,
            ]
            .map(text)
            .join("|"),
        };
        let list = addresses(value.as_bytes(), 100);
        list.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn address_lists_are_read() {
        for (value, expected) in [
            ("user@domain", "-|-|user|domain"),
            ("<user@domain>", "-|-|user|domain"),
            ("foo bar <user@domain>", "foo bar|-|user|domain"),
            ("\"foo \\\"bar\" <user@domain>", "foo \"bar|-|user|domain"),
            ("<@route:user@domain>", "-|@route|user|domain"),
            (
                "<@route@route2:user@domain>",
                "-|@route,@route2|user|domain",
            ),
            (
                "hello <@route ,@route2:user@domain>",
                "hello|@route,@route2|user|domain",
            ),
            ("user (hello)", "hello|-|user|"),
            ("hello <user>", "hello|-|user|"),
            ("@domain", "-|-||domain"),
            (
                "user@domain (Real (deep) Name)",
                "Real (deep) Name|-|user|domain",
            ),
            ("group: a@b, c@d;, e@f", "group: -|-|a|b -|-|c|d ; -|-|e|f"),
            ("group:;", "group: ;"),
            ("group:a@b", "group: -|-|a|b ;"),
            (
                "\"quoted local\"@example.com",
                "-|-|quoted local|example.com",
            ),
            ("a . b @ c . d", "-|-|a.b|c.d"),
            ("John Q. Public <q@x>", "John Q. Public|-|q|x"),
            ("Joe Blow joe@x", "Joe Blow|-|joe|x"),
            ("user@[127.0.0.1]", "-|-|user|[127.0.0.1]"),
            ("=?utf-8?Q?J=C3=B6rg?= <j@x>", "=?utf-8?Q?J=C3=B6rg?=|-|j|x"),
            ("Foo <>", "Foo|-||"),
            ("<>", "-|-||"),
            (" , ,", ""),
            ("", ""),
            ("a@b, , c@d,", "-|-|a|b -|-|c|d"),
            ("\"unclosed <a@b>", "-|-|unclosed <a@b>|"),
            ("(unclosed", ""),
            ("x <a@b, c@d>", "x|-|a|b -|-|c|d"),
            ("undisclosed-recipients: ;", "undisclosed-recipients: ;"),
        ] {
            assert_eq!(shown(value), expected, "{value}");
        }
    }

    #[test]
    fn no_more_are_given_than_asked_for() {
        assert!(addresses(&b"a,".repeat(1_000), 10).len() <= 11);
    }

    #[test]
    fn words_take_no_more_octets_than_they_have() {
        let mut entry = Entry::default();
        for _ in 0..100_000 {
            entry.push(b".", false);
        }
        let octets = entry.phrase.capacity() + entry.last.capacity();
        assert!(octets <= 4 * 100_000, "{octets}");
        assert_eq!(entry.take_local_part().len(), 100_000);
        assert!(entry.phrase.is_empty());
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let dots = ".".repeat(ADDRESS_OCTETS_MAX);
        assert_eq!(shown(&format!("a@b, {dots}@y")), "-|-|a|b");
        assert_eq!(shown(&format!("g: a@b, c <{dots}@y>;")), "g: -|-|a|b ;");
        assert_eq!(shown(&format!("{dots}@y")), "");
        // As far as it is read.
        assert_eq!(shown(&format!("{}@y", &dots[2..])).len(), dots.len() + 4);
    }

    #[test]
    fn all_fields_of_a_message_share_a_budget() {
        let mut budget = Budget::default();
        let long = [b"a@b,"[..].to_vec(), vec![b'.'; ADDRESS_OCTETS_MAX - 8]].concat();
        assert_eq!(budget.addresses(&long).len(), 2);
        assert_eq!(budget.addresses(b"c@d,").len(), 1);
        assert_eq!(budget.addresses(b"e@f").len(), 0);
    }
}
