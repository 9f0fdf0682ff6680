//! Commands.

use super::address::{Address, ReversePath};
use super::reply::{EnhancedCode, Reply};
use super::xclient::{Xclient, xclient};

/// What the body is declared to be. RFC 6152 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// `7BIT`
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
}

/// The parameters of MAIL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE`, RFC 1870 §6: the octets that the client believes it has.
    pub size: Option<u64>,
    /// `BODY`
    pub body: Option<Body>,
    /// `SMTPUTF8`, RFC 6531 §3.4.
    pub smtputf8: bool,
}

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `BDAT size [LAST]`, RFC 3030 §2.
    Bdat {
        /// How many octets follow.
        octets: u64,
        /// They end the message.
        last: bool,
    },
    /// `DATA`
    Data,
    /// `HELP`
    Help,
    /// `LHLO name`, RFC 2033 §4.1.
    Lhlo(String),
    /// `MAIL FROM:<…>`
    Mail {
        /// Whom to tell of trouble.
        reverse_path: ReversePath,
        /// What was said about the message.
        parameters: MailParameters,
    },
    /// `NOOP`
    Noop,
    /// `QUIT`
    Quit,
    /// `RCPT TO:<…>`
    Rcpt {
        /// The recipient.
        recipient: Address,
        /// `ORCPT`, RFC 3461 §4.2, as it came: for the log alone.
        original: Option<String>,
    },
    /// `RSET`
    Rset,
    /// `VRFY text`
    Vrfy(String),
    /// `XCLIENT attributes`
    Xclient(Xclient),
}

/// Longest command, CRLF included, in octets: RFC 5321 §4.5.3.1.4 says 512, and
/// parameters add to it.
const LINE_OCTETS_MAX: usize = 4_096;

/// How long a line, CRLF included, may be.
pub fn line_octets_max(_line: &[u8]) -> usize {
    LINE_OCTETS_MAX
}

/// Takes a line, without its end, apart.
///
/// # Errors
/// The reply to what is no command or has wrong arguments.
pub fn command(line: &[u8]) -> Result<Command, Reply> {
    // RFC 6531 §3.3: what is not ASCII is UTF-8.
    let line = std::str::from_utf8(line).map_err(|_| syntax("the line is not UTF-8"))?;
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(syntax("the line has control characters"));
    }
    let (keyword, argument) = line.split_once(' ').unwrap_or((line, ""));
    let argument = argument.trim_matches([' ', '\t']);
    let none = |command| {
        if argument.is_empty() {
            Ok(command)
        } else {
            Err(arguments("no argument is allowed here"))
        }
    };
    match &*keyword.to_ascii_uppercase() {
        "BDAT" => bdat(argument),
        "DATA" => none(Command::Data),
        // RFC 2033 §4.1: a server of LMTP must not take these for LHLO.
        "EHLO" | "HELO" => Err(Reply::new(
            500,
            EnhancedCode(5, 5, 1),
            "this is LMTP: say LHLO",
        )),
        "EXPN" => Err(not_implemented("EXPN")),
        "HELP" => Ok(Command::Help),
        "LHLO" => lhlo(argument),
        "MAIL" => mail(argument),
        "NOOP" => Ok(Command::Noop),
        "QUIT" => none(Command::Quit),
        "RCPT" => rcpt(argument),
        "RSET" => none(Command::Rset),
        "VRFY" if argument.is_empty() => Err(arguments("VRFY <address>")),
        "VRFY" => Ok(Command::Vrfy(argument.into())),
        "XCLIENT" => xclient(argument).map(Command::Xclient),
        "SEND" | "SOML" | "SAML" | "TURN" | "ETRN" | "STARTTLS" | "AUTH" | "BURL" => {
            Err(not_implemented("this command"))
        }
        _ => Err(Reply::new(500, EnhancedCode(5, 5, 2), "unknown command")),
    }
}

fn syntax(text: &'static str) -> Reply {
    Reply::new(500, EnhancedCode(5, 5, 2), text)
}

fn arguments(expected: &'static str) -> Reply {
    Reply::new(501, EnhancedCode(5, 5, 4), format!("syntax: {expected}"))
}

fn not_implemented(what: &str) -> Reply {
    Reply::new(
        502,
        EnhancedCode(5, 5, 1),
        format!("{what} is not implemented"),
    )
}

/// The name is for the log and the trace header, so it is not looked at closely.
fn lhlo(argument: &str) -> Result<Command, Reply> {
    let is_name = argument.len() <= Address::DOMAIN_OCTETS_MAX
        && !argument.contains([' ', '\t', '(', ')', '<', '>', ',', ';', '@', '"', '\\']);
    if argument.is_empty() || !is_name {
        return Err(arguments("LHLO <name>"));
    }
    Ok(Command::Lhlo(argument.into()))
}

/// RFC 3030 §2: `"BDAT" SP chunk-size [ SP end-marker ]`.
fn bdat(argument: &str) -> Result<Command, Reply> {
    let mut words = argument.split_ascii_whitespace();
    let octets = words.next().and_then(digits);
    let last = match words.next() {
        None => Some(false),
        Some(word) => word.eq_ignore_ascii_case("LAST").then_some(true),
    };
    match (octets, last, words.next()) {
        (Some(octets), Some(last), None) => Ok(Command::Bdat { octets, last }),
        _ => Err(arguments("BDAT <octets> [LAST]")),
    }
}

fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The path after `keyword` (`FROM:` or `TO:`), without its angle brackets, and
/// the parameters. A blank after the colon is forgiven.
fn path<'a>(argument: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let start = argument.get(..keyword.len())?;
    if !start.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = argument.get(keyword.len()..)?.trim_start_matches(' ');
    let rest = rest.strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    let end = rest.find(|c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            '>' if !quoted => return true,
            _ => {}
        }
        false
    })?;
    let (path, parameters) = rest.split_at_checked(end)?;
    let parameters = parameters.get(1..)?;
    (parameters.is_empty() || parameters.starts_with([' ', '\t'])).then_some((path, parameters))
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`, RFC 5321 §4.1.2.
fn parameters(text: &str) -> impl Iterator<Item = (String, Option<&str>)> {
    text.split_ascii_whitespace()
        .map(|word| match word.split_once('=') {
            Some((keyword, value)) => (keyword.to_ascii_uppercase(), Some(value)),
            None => (word.to_ascii_uppercase(), None),
        })
}

/// RFC 5321 §4.1.1.11: 555 where parameters are not known.
fn unknown_parameter(keyword: &str) -> Reply {
    Reply::new(
        555,
        EnhancedCode(5, 5, 4),
        format!("the parameter {keyword} is not known"),
    )
}

fn mail(argument: &str) -> Result<Command, Reply> {
    let (path, rest) =
        path(argument, "FROM:").ok_or_else(|| arguments("MAIL FROM:<address> [parameters]"))?;
    let mut known = MailParameters::default();
    for (keyword, value) in parameters(rest) {
        match (&*keyword, value) {
            ("SIZE", Some(value)) => {
                known.size = Some(digits(value).ok_or_else(|| arguments("SIZE=<octets>"))?);
            }
            ("BODY", Some(value)) => known.body = Some(body(value)?),
            ("SMTPUTF8", None) => known.smtputf8 = true,
            // Said by clients that think of DSN or of authentication, which are
            // not announced: they change nothing for us.
            ("RET" | "ENVID" | "AUTH", Some(_)) => {}
            _ => return Err(unknown_parameter(&keyword)),
        }
    }
    let reverse_path = if path.is_empty() {
        ReversePath::Null
    } else {
        let bad = || {
            Reply::new(
                553,
                EnhancedCode(5, 1, 7),
                "the sender's address is malformed",
            )
        };
        ReversePath::Address(Address::parse(path).ok_or_else(bad)?)
    };
    if let ReversePath::Address(address) = &reverse_path
        && !address.is_ascii()
        && !known.smtputf8
    {
        return Err(needs_smtputf8());
    }
    Ok(Command::Mail {
        reverse_path,
        parameters: known,
    })
}

/// RFC 6531 §3.5.
fn needs_smtputf8() -> Reply {
    Reply::new(
        553,
        EnhancedCode(5, 6, 7),
        "such an address needs the parameter SMTPUTF8",
    )
}

fn body(value: &str) -> Result<Body, Reply> {
    if value.eq_ignore_ascii_case("7BIT") {
        Ok(Body::SevenBit)
    } else if value.eq_ignore_ascii_case("8BITMIME") {
        Ok(Body::EightBitMime)
    } else {
        // BINARYMIME is not announced: IMAP and POP3 could not carry it on.
        Err(arguments("BODY=7BIT or BODY=8BITMIME"))
    }
}

fn rcpt(argument: &str) -> Result<Command, Reply> {
    let (path, rest) =
        path(argument, "TO:").ok_or_else(|| arguments("RCPT TO:<address> [parameters]"))?;
    let mut original = None;
    for (keyword, value) in parameters(rest) {
        match (&*keyword, value) {
            ("ORCPT", Some(value)) => original = Some(value.to_owned()),
            ("NOTIFY", Some(_)) => {}
            _ => return Err(unknown_parameter(&keyword)),
        }
    }
    let recipient = Address::parse(path)
        .ok_or_else(|| Reply::new(553, EnhancedCode(5, 1, 3), "the address is malformed"))?;
    Ok(Command::Rcpt {
        recipient,
        original,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn commands() {
        let check = |line: &str, expected: Command| {
            assert_eq!(command(line.as_bytes()), Ok(expected), "{line:?}");
        };
        let mail = |path: &str, size, body, smtputf8| Command::Mail {
            reverse_path: if path.is_empty() {
                ReversePath::Null
            } else {
                ReversePath::Address(address(path))
            },
            parameters: MailParameters {
                size,
                body,
                smtputf8,
            },
        };
        let rcpt = |to: &str, original: Option<&str>| Command::Rcpt {
            recipient: address(to),
            original: original.map(Into::into),
        };
        check(
            "LHLO mx.example.org",
            Command::Lhlo("mx.example.org".into()),
        );
        check("lhlo [127.0.0.1]", Command::Lhlo("[127.0.0.1]".into()));
        check("MAIL FROM:<>", mail("", None, None, false));
        check(
            "mail from: <a@b> size=100",
            mail("a@b", Some(100), None, false),
        );
        check(
            "MAIL FROM:<ü@b> BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=x AUTH=<>",
            mail("ü@b", None, Some(Body::EightBitMime), true),
        );
        check(
            r#"MAIL FROM:<"a>\"b"@c> SIZE=1"#,
            mail(r#""a>\"b"@c"#, Some(1), None, false),
        );
        check("RCPT TO:<a@b>", rcpt("a@b", None));
        check("RCPT TO:<@x,@y:a@b>", rcpt("a@b", None));
        check(
            "RCPT TO:<postmaster> ORCPT=rfc822;p@x NOTIFY=NEVER",
            rcpt("postmaster", Some("rfc822;p@x")),
        );
        check("RCPT TO:<ü@b>", rcpt("ü@b", None));
        check(
            "BDAT 10",
            Command::Bdat {
                octets: 10,
                last: false,
            },
        );
        check(
            "bdat 0 last",
            Command::Bdat {
                octets: 0,
                last: true,
            },
        );
        check("DATA ", Command::Data);
        check("NOOP whatever", Command::Noop);
        check("VRFY a", Command::Vrfy("a".into()));
        check("HELP MAIL", Command::Help);
        check("quit", Command::Quit);
        check("RSET", Command::Rset);
    }

    #[test]
    fn refusals() {
        let check = |line: &str, code: u16| {
            let reply = command(line.as_bytes()).unwrap_err();
            assert_eq!(reply.code, code, "{line:?}");
        };
        for line in [
            "",
            " ",
            "EHLO x",
            "HELO x",
            "FOO",
            "MAILFROM:<>",
            "NO\0OP",
            "NOOP \u{1}",
        ] {
            check(line, 500);
        }
        for line in [
            "LHLO",
            "LHLO a b",
            "LHLO <a>",
            "MAIL",
            "MAIL FROM:a@b",
            "MAIL TO:<a@b>",
            "MAIL FROM:<a@b",
            "MAIL FROM:<a@b>SIZE=1",
            "MAIL FROM:<a@b> SIZE=x",
            "MAIL FROM:<a> BODY=BINARYMIME",
            "RCPT TO:a",
            "RCPT FROM:<a>",
            "BDAT",
            "BDAT x",
            "BDAT 1 FIRST",
            "BDAT 1 LAST x",
            "BDAT 99999999999999999999999",
            "BDAT -1",
            "DATA x",
            "QUIT now",
            "RSET x",
            "VRFY",
        ] {
            check(line, 501);
        }
        for line in ["EXPN list", "STARTTLS", "AUTH PLAIN", "ETRN x"] {
            check(line, 502);
        }
        for line in [
            "MAIL FROM:<a b>",
            "MAIL FROM:<ü@b>",
            "RCPT TO:<>",
            "RCPT TO:<a@>",
        ] {
            check(line, 553);
        }
        for line in [
            "MAIL FROM:<> FOO=1",
            "MAIL FROM:<> SMTPUTF8=1",
            "MAIL FROM:<> SIZE",
            "RCPT TO:<a> X",
        ] {
            check(line, 555);
        }
        assert_eq!(command(b"VRFY \xff").unwrap_err().code, 500);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..100),
                          text in "(MAIL FROM:|RCPT TO:)[<>@\"\\\\a ü=:,\\[\\]]{0,20}") {
            let _ = command(&line);
            let _ = command(text.as_bytes());
        }
    }
}
