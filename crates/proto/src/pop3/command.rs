//! Commands.

use crate::sasl::{self, Secret};
use std::fmt;

/// Longest ordinary command, CRLF included, in octets. RFC 2449 §4.
const COMMAND_OCTETS_MAX: usize = 255;

/// What a line asks for. Message numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `AUTH` with a mechanism's name, as it came, and perhaps an initial
    /// response. RFC 5034 §4.
    Auth {
        /// The mechanism's name.
        mechanism: String,
        /// The initial response, in base64 or `=`.
        initial: Option<Vec<u8>>,
    },
    /// `AUTH` alone: older programs ask so which mechanisms there are.
    AuthList,
    /// `CAPA`, RFC 2449 §5.
    Capa,
    /// `DELE msg`
    Dele(u32),
    /// `LANG [range]`, RFC 6856 §3.
    Lang(Option<String>),
    /// `LIST [msg]`
    List(Option<u32>),
    /// `NOOP`
    Noop,
    /// `PASS string`
    Pass(Secret),
    /// `QUIT`
    Quit,
    /// `RETR msg`
    Retr(u32),
    /// `RSET`
    Rset,
    /// `STAT`
    Stat,
    /// `STLS`, RFC 2595 §4.
    Stls,
    /// `TOP msg n`
    Top {
        /// Which message.
        message: u32,
        /// How many lines of the body.
        lines: u64,
    },
    /// `UIDL [msg]`
    Uidl(Option<u32>),
    /// `USER name`
    User(String),
    /// `UTF8`, RFC 6856 §2.
    Utf8,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// No such keyword.
    Unknown,
    /// The keyword is known, what follows it is not as it should be. Says what
    /// was expected.
    Arguments(&'static str),
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown command"),
            Self::Arguments(expected) => write!(f, "syntax: {expected}"),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// How long a line, CRLF included, may be that begins so: AUTH may carry an
/// initial response (RFC 5034 §4), and a password may be as long as one.
pub fn line_octets_max(line: &[u8]) -> usize {
    let is = |keyword: &[u8]| {
        line.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case(keyword))
    };
    if is(b"AUTH ") || is(b"PASS ") {
        sasl::LINE_OCTETS_MAX
    } else {
        COMMAND_OCTETS_MAX
    }
}

/// Takes a line, without its end, apart. Keywords are taken in any case; blanks
/// after the last argument are forgiven.
///
/// # Errors
/// See [`SyntaxError`].
pub fn command(line: &[u8]) -> Result<Command, SyntaxError> {
    let (keyword, argument) = match memchr::memchr(b' ', line) {
        Some(at) => (line.get(..at), line.get(at + 1..)),
        None => (Some(line), None),
    };
    let keyword = keyword.unwrap_or_default().to_ascii_uppercase();
    // RFC 1939 §7: PASS has exactly one argument, so blanks are part of it.
    if keyword == b"PASS" {
        return argument
            .and_then(|password| std::str::from_utf8(password).ok())
            .filter(|password| !password.is_empty() && !password.contains('\0'))
            .map(|password| Command::Pass(Secret::new(password.into())))
            .ok_or(SyntaxError::Arguments("PASS <password>"));
    }
    let argument = argument.unwrap_or_default().trim_ascii();
    let none = |command, expected| {
        if argument.is_empty() {
            Ok(command)
        } else {
            Err(SyntaxError::Arguments(expected))
        }
    };
    match &*keyword {
        b"AUTH" => auth(argument),
        b"CAPA" => none(Command::Capa, "CAPA"),
        b"DELE" => one(argument, Command::Dele, "DELE <message>"),
        b"LANG" => lang(argument),
        b"LIST" => optional(argument, Command::List, "LIST [<message>]"),
        b"NOOP" => none(Command::Noop, "NOOP"),
        b"QUIT" => none(Command::Quit, "QUIT"),
        b"RETR" => one(argument, Command::Retr, "RETR <message>"),
        b"RSET" => none(Command::Rset, "RSET"),
        b"STAT" => none(Command::Stat, "STAT"),
        b"STLS" => none(Command::Stls, "STLS"),
        b"TOP" => top(argument),
        b"UIDL" => optional(argument, Command::Uidl, "UIDL [<message>]"),
        b"USER" => text(argument)
            .map(Command::User)
            .ok_or(SyntaxError::Arguments("USER <name>")),
        b"UTF8" => none(Command::Utf8, "UTF8"),
        _ => Err(SyntaxError::Unknown),
    }
}

/// One argument of UTF-8 without control characters; blanks may stand in it.
fn text(argument: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(argument).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.into())
}

/// A number of digits only. One too large for us is too large for any drop.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u64, |number, &digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}

fn message(digits: &[u8]) -> Option<u32> {
    number(digits).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn one(
    argument: &[u8],
    make: impl Fn(u32) -> Command,
    expected: &'static str,
) -> Result<Command, SyntaxError> {
    message(argument)
        .map(make)
        .ok_or(SyntaxError::Arguments(expected))
}

fn optional(
    argument: &[u8],
    make: impl Fn(Option<u32>) -> Command,
    expected: &'static str,
) -> Result<Command, SyntaxError> {
    if argument.is_empty() {
        return Ok(make(None));
    }
    one(argument, |message| make(Some(message)), expected)
}

/// A basic language range: `*`, or subtags of letters and digits. RFC 4647 §2.1.
fn lang(argument: &[u8]) -> Result<Command, SyntaxError> {
    if argument.is_empty() {
        return Ok(Command::Lang(None));
    }
    let subtag = |subtag: &[u8]| {
        (1..=8).contains(&subtag.len()) && subtag.iter().all(u8::is_ascii_alphanumeric)
    };
    let is_range = argument == b"*" || argument.split(|&octet| octet == b'-').all(subtag);
    text(argument)
        .filter(|_| is_range)
        .map(|range| Command::Lang(Some(range)))
        .ok_or(SyntaxError::Arguments("LANG [<language-range>]"))
}

fn words(argument: &[u8]) -> impl Iterator<Item = &[u8]> {
    argument
        .split(|&octet| octet == b' ')
        .filter(|word| !word.is_empty())
}

fn top(argument: &[u8]) -> Result<Command, SyntaxError> {
    let mut words = words(argument);
    let (first, second, third) = (words.next(), words.next(), words.next());
    match (first.and_then(message), second.and_then(number), third) {
        (Some(message), Some(lines), None) => Ok(Command::Top { message, lines }),
        _ => Err(SyntaxError::Arguments("TOP <message> <lines>")),
    }
}

fn auth(argument: &[u8]) -> Result<Command, SyntaxError> {
    let mut words = words(argument);
    let Some(mechanism) = words.next() else {
        return Ok(Command::AuthList);
    };
    let initial = words.next().map(<[u8]>::to_vec);
    match (text(mechanism), words.next()) {
        (Some(mechanism), None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(SyntaxError::Arguments(
            "AUTH <mechanism> [<initial-response>]",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands() {
        let check = |line: &str, expected: Command| {
            assert_eq!(command(line.as_bytes()), Ok(expected), "{line:?}");
        };
        check("USER a b", Command::User("a b".into()));
        check("uSeR ü@example.org ", Command::User("ü@example.org".into()));
        check("PASS  a b ", Command::Pass(Secret::new(" a b ".into())));
        check("stat", Command::Stat);
        check("STAT  ", Command::Stat);
        check("LIST", Command::List(None));
        check("list 2", Command::List(Some(2)));
        check("UIDL 007", Command::Uidl(Some(7)));
        check("RETR 0", Command::Retr(0));
        check("RETR 99999999999999999999999", Command::Retr(u32::MAX));
        check("DELE 1", Command::Dele(1));
        check(
            "TOP 1  0",
            Command::Top {
                message: 1,
                lines: 0,
            },
        );
        check(
            "TOP 1 99999999999999999999999",
            Command::Top {
                message: 1,
                lines: u64::MAX,
            },
        );
        check("RSET", Command::Rset);
        check("NOOP", Command::Noop);
        check("QUIT", Command::Quit);
        check("CAPA", Command::Capa);
        check("STLS", Command::Stls);
        check("utf8", Command::Utf8);
        check("LANG", Command::Lang(None));
        check("LANG *", Command::Lang(Some("*".into())));
        check("lang de-CH-1996", Command::Lang(Some("de-CH-1996".into())));
        check("AUTH", Command::AuthList);
        check(
            "AUTH plain",
            Command::Auth {
                mechanism: "plain".into(),
                initial: None,
            },
        );
        check(
            "AUTH PLAIN =",
            Command::Auth {
                mechanism: "PLAIN".into(),
                initial: Some(b"=".to_vec()),
            },
        );
    }

    #[test]
    fn what_is_no_command() {
        for line in [
            "", " ", "FOO", "STATS", " STAT", "STAT\t", "APOP a b", "ST\0AT", "LAST",
        ] {
            assert_eq!(
                command(line.as_bytes()),
                Err(SyntaxError::Unknown),
                "{line:?}"
            );
        }
        for line in [
            "STAT 1",
            "RETR",
            "RETR x",
            "RETR -1",
            "RETR 1 2",
            "LIST 1x",
            "TOP 1",
            "TOP 1 2 3",
            "TOP a 1",
            "PASS",
            "PASS ",
            "USER",
            "USER  ",
            "USER a\0b",
            "AUTH A B C",
            "DELE +1",
            "UTF8 USER",
            "LANG de en",
            "LANG de-",
            "LANG ümlaut",
            "LANG abcdefghi",
        ] {
            let error = command(line.as_bytes());
            assert!(matches!(error, Err(SyntaxError::Arguments(_))), "{line:?}");
        }
        assert!(command(b"USER \xff").is_err());
    }

    #[test]
    fn long_lines_are_for_secrets_only() {
        assert_eq!(line_octets_max(b"RETR 1"), 255);
        assert_eq!(line_octets_max(b"pass x"), 16_384);
        assert_eq!(line_octets_max(b"AUTH PLAIN x"), 16_384);
        assert_eq!(line_octets_max(b"AUTH"), 255);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = command(&line);
            let _ = line_octets_max(&line);
        }
    }
}
