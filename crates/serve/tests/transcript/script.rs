//! Transcript files: what they say, and whether a line that came is the line
//! that was expected.

use std::collections::BTreeMap;

/// One step of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something about the world, before or between exchanges: a keyword, its
    /// arguments, and the block of `|` lines that follows it.
    World {
        keyword: String,
        arguments: String,
        block: Vec<String>,
    },
    /// Octets from the client.
    Client {
        connection: Connection,
        octets: Vec<u8>,
    },
    /// A line from the server, without its CRLF.
    Server {
        connection: Connection,
        pattern: String,
    },
    /// Lines from the server in any order: one of a run of `S*` lines.
    Unordered {
        connection: Connection,
        patterns: Vec<String>,
    },
    /// The server closes.
    Closed { connection: Connection },
    /// The client closes without a word.
    Drop { connection: Connection },
    /// The client begins TLS.
    StartTls { connection: Connection },
    /// So many seconds pass.
    Pass { seconds: u64 },
}

/// A protocol and a number, as in `pop3 2`.
pub(crate) type Connection = (String, u32);

/// Takes a file apart; `protocol` is that of lines that name none. Each step has
/// its line's number.
///
/// ```text
/// # A comment.
/// account alice secret        something about the world (see `world.rs`)
/// mail alice INBOX
/// | Subject: a block belongs to the line above it
/// |
/// | body
/// C: a line, CRLF is added
/// C+ octets\r\n\x00 with escapes, nothing is added
/// S: a line that must come; ${name} binds a word or is what was bound, ${*}
/// S: stands for anything
/// S* lines that come in any order, as many as follow each other
/// imap 2 C: another protocol, another connection
/// closed                      the server closes
/// drop                        the client closes
/// starttls                    the client begins TLS
/// pass 600                    seconds
/// ```
pub(crate) fn parse(text: &str, protocol: &str) -> Vec<(usize, Step)> {
    let mut steps: Vec<(usize, Step)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(text) = line.strip_prefix('|') {
            let text = text.strip_prefix(' ').unwrap_or(text);
            match steps.last_mut() {
                Some((_, Step::World { block, .. })) => block.push(text.to_owned()),
                _ => panic!("line {number}: a block belongs to nothing"),
            }
            continue;
        }
        let (connection, rest) = connection(line, protocol);
        match step(connection, rest) {
            Step::Unordered {
                connection,
                patterns,
            } => match steps.last_mut() {
                Some((
                    _,
                    Step::Unordered {
                        connection: last,
                        patterns: all,
                    },
                )) if *last == connection => {
                    all.extend(patterns);
                }
                _ => steps.push((
                    number,
                    Step::Unordered {
                        connection,
                        patterns,
                    },
                )),
            },
            step => steps.push((number, step)),
        }
    }
    steps
}

fn connection<'a>(line: &'a str, protocol: &str) -> (Connection, &'a str) {
    let mut connection = (protocol.to_owned(), 1);
    let mut rest = line;
    if let Some((word, after)) = rest.split_once(' ')
        && matches!(word, "imap" | "pop3" | "lmtp")
    {
        connection.0 = word.to_owned();
        rest = after;
    }
    if let Some((word, after)) = rest.split_once(' ')
        && let Ok(number) = word.parse()
    {
        connection.1 = number;
        rest = after;
    }
    (connection, rest)
}

fn step(connection: Connection, text: &str) -> Step {
    if let Some(line) = text.strip_prefix("C:") {
        let line = line.strip_prefix(' ').unwrap_or(line);
        let octets = [line.as_bytes(), b"\r\n"].concat();
        return Step::Client { connection, octets };
    }
    if let Some(octets) = text.strip_prefix("C+ ") {
        let octets = unescape(octets);
        return Step::Client { connection, octets };
    }
    if let Some(pattern) = text.strip_prefix("S:") {
        let pattern = pattern.strip_prefix(' ').unwrap_or(pattern).to_owned();
        return Step::Server {
            connection,
            pattern,
        };
    }
    if let Some(pattern) = text.strip_prefix("S* ") {
        let patterns = vec![pattern.to_owned()];
        return Step::Unordered {
            connection,
            patterns,
        };
    }
    let (keyword, arguments) = text.split_once(' ').unwrap_or((text, ""));
    match keyword {
        "closed" => Step::Closed { connection },
        "drop" => Step::Drop { connection },
        "starttls" => Step::StartTls { connection },
        "pass" => Step::Pass {
            seconds: arguments.trim().parse().expect("pass SECONDS"),
        },
        _ => Step::World {
            keyword: keyword.to_owned(),
            arguments: arguments.trim().to_owned(),
            block: Vec::new(),
        },
    }
}

/// `\r`, `\n`, `\t`, `\\`, `\xNN`; and `\*123 x` stands for 123 times `x`.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next().expect("an escape") {
            'r' => octets.push(b'\r'),
            'n' => octets.push(b'\n'),
            't' => octets.push(b'\t'),
            '\\' => octets.push(b'\\'),
            'x' => {
                let hex: String = chars.by_ref().take(2).collect();
                octets.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
            }
            '*' => {
                let count: String = chars.by_ref().take_while(|&c| c != ' ').collect();
                let octet = chars.next().expect("an octet to repeat") as u8;
                octets.extend(std::iter::repeat_n(octet, count.parse().expect("a count")));
            }
            other => panic!("unknown escape \\{other}"),
        }
    }
    octets
}

/// What `${name}` stands for.
pub(crate) type Bindings = BTreeMap<String, String>;

/// Puts what is bound into octets of a client.
pub(crate) fn substitute(octets: &[u8], bindings: &Bindings) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = octets;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"${") {
        let Some(end) = rest[at..].iter().position(|&octet| octet == b'}') else {
            break;
        };
        let name = String::from_utf8_lossy(&rest[at + 2..at + end]).into_owned();
        let value = bindings
            .get(&name)
            .unwrap_or_else(|| panic!("${{{name}}} is not bound"));
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value.as_bytes());
        rest = &rest[at + end + 1..];
    }
    out.extend_from_slice(rest);
    out
}

/// Whether `line` is what `pattern` says; binds what it leaves open.
pub(crate) fn matches(pattern: &str, line: &str, bindings: &mut Bindings) -> bool {
    let mut trial = bindings.clone();
    let found = matches_from(pattern, line, &mut trial);
    if found {
        *bindings = trial;
    }
    found
}

fn matches_from(pattern: &str, line: &str, bindings: &mut Bindings) -> bool {
    let Some((before, rest)) = pattern.split_once("${") else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(before) else {
        return false;
    };
    let (name, pattern) = rest.split_once('}').expect("a closing brace");
    if let Some(value) = bindings.get(name).filter(|_| name != "*") {
        let value = value.clone();
        return line
            .strip_prefix(value.as_str())
            .is_some_and(|line| matches_from(pattern, line, bindings));
    }
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    for end in ends {
        let value = &line[..end];
        if name != "*" {
            if value.is_empty() {
                continue;
            }
            if value.ends_with([' ', '(', ')', '[', ']', '"', '<', '>']) {
                return false;
            }
        }
        let mut trial = bindings.clone();
        if name != "*" {
            trial.insert(name.to_owned(), value.to_owned());
        }
        if matches_from(pattern, &line[end..], &mut trial) {
            *bindings = trial;
            return true;
        }
    }
    false
}

#[test]
fn patterns_bind_and_compare() {
    let mut bindings = Bindings::new();
    assert!(matches("+OK ${n} ${octets}", "+OK 2 320", &mut bindings));
    assert_eq!(bindings["octets"], "320");
    assert!(matches("1 ${octets}", "1 320", &mut bindings));
    assert!(!matches("1 ${octets}", "1 321", &mut bindings));
    assert!(matches("a ${*} c${*}", "a b b c", &mut bindings));
    assert!(!matches("a ${x}", "a b c", &mut bindings));
    assert!(matches("[${x}]", "[7]", &mut bindings));
    assert_eq!(substitute(b"UID ${x}\r\n", &bindings), b"UID 7\r\n");
    assert_eq!(unescape(r"a\r\n\x00\*3 y"), b"a\r\n\0yyy");
}
