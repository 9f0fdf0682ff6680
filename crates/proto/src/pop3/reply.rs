//! Replies. Each function appends octets to a buffer, so that the answers to
//! pipelined commands gather in one.

use bytes::BufMut;

/// Why a command was refused, for programs. RFC 2449 §8; RFC 3206 §4; RFC 6856 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// `AUTH`: the name or the password is wrong.
    Auth,
    /// `IN-USE`: another session has the drop.
    InUse,
    /// `LOGIN-DELAY`: the last login was too short a time ago.
    LoginDelay,
    /// `SYS/TEMP`: our trouble; it may go by itself.
    SysTemp,
    /// `SYS/PERM`: our trouble; somebody must do something.
    SysPerm,
    /// `UTF8`: the message cannot be given to a session without UTF8.
    Utf8,
}

impl ResponseCode {
    /// The code's text, without brackets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Utf8 => "UTF8",
        }
    }
}

/// What CAPA tells. RFC 2449 §6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability<'a> {
    /// `AUTH-RESP-CODE`, RFC 3206 §6.
    AuthRespCode,
    /// `EXPIRE`. RFC 2449 §6.7.
    Expire {
        /// For how many days a message stays at least that was not deleted;
        /// `None`: for ever.
        days: Option<u32>,
        /// It may be another once a user is known.
        user: bool,
    },
    /// `IMPLEMENTATION`, with a name.
    Implementation(&'a str),
    /// `LANG`, RFC 6856 §3.
    Lang,
    /// `LOGIN-DELAY`. RFC 2449 §6.5.
    LoginDelay {
        /// Seconds between two logins.
        seconds: u64,
        /// They may be others once a user is known.
        user: bool,
    },
    /// `PIPELINING`
    Pipelining,
    /// `RESP-CODES`
    RespCodes,
    /// `SASL`, with the mechanisms' names.
    Sasl(&'a [&'a str]),
    /// `STLS`, RFC 2595 §4.
    Stls,
    /// `TOP`
    Top,
    /// `UIDL`
    Uidl,
    /// `USER`
    User,
    /// `UTF8 USER`: names and passwords may be UTF-8 too. RFC 6856 §2.2.
    Utf8User,
}

/// `+OK` and a text, which must not hold control characters.
pub fn ok(out: &mut impl BufMut, text: &str) {
    line(out, &[b"+OK ", text.as_bytes()]);
}

/// `-ERR`, perhaps a code, and a text.
pub fn err(out: &mut impl BufMut, code: Option<ResponseCode>, text: &str) {
    match code {
        Some(code) => line(
            out,
            &[b"-ERR [", code.as_str().as_bytes(), b"] ", text.as_bytes()],
        ),
        None => line(out, &[b"-ERR ", text.as_bytes()]),
    }
}

/// The answer to STAT. RFC 1939 §5.
pub fn stat(out: &mut impl BufMut, messages: u32, octets: u64) {
    out.put_slice(b"+OK ");
    list_line(out, messages, octets);
}

/// The answer to LIST of one message.
pub fn list(out: &mut impl BufMut, message: u32, octets: u64) {
    out.put_slice(b"+OK ");
    list_line(out, message, octets);
}

/// A line of the answer to LIST. RFC 1939 §5, "scan listing".
pub fn list_line(out: &mut impl BufMut, message: u32, octets: u64) {
    let (mut first, mut second) = ([0; 20], [0; 20]);
    let message = decimal(u64::from(message), &mut first);
    line(out, &[message, b" ", decimal(octets, &mut second)]);
}

/// The answer to UIDL of one message.
pub fn uidl(out: &mut impl BufMut, message: u32, unique_id: &str) {
    out.put_slice(b"+OK ");
    uidl_line(out, message, unique_id);
}

/// A line of the answer to UIDL. RFC 1939 §7, "unique-id listing".
pub fn uidl_line(out: &mut impl BufMut, message: u32, unique_id: &str) {
    let mut digits = [0; 20];
    let message = decimal(u64::from(message), &mut digits);
    line(out, &[message, b" ", unique_id.as_bytes()]);
}

/// The answer to CAPA, whole, behind a text.
pub fn capa(out: &mut impl BufMut, text: &str, capabilities: &[Capability<'_>]) {
    ok(out, text);
    for capability in capabilities {
        match capability {
            Capability::AuthRespCode => line(out, &[b"AUTH-RESP-CODE"]),
            Capability::Expire { days, user } => {
                let mut digits = [0; 20];
                let days = match days {
                    Some(days) => decimal(u64::from(*days), &mut digits),
                    None => b"NEVER",
                };
                line(out, &[b"EXPIRE ", days, per_user(*user)]);
            }
            Capability::Implementation(name) => line(out, &[b"IMPLEMENTATION ", name.as_bytes()]),
            Capability::Lang => line(out, &[b"LANG"]),
            Capability::LoginDelay { seconds, user } => {
                let mut digits = [0; 20];
                let seconds = decimal(*seconds, &mut digits);
                line(out, &[b"LOGIN-DELAY ", seconds, per_user(*user)]);
            }
            Capability::Pipelining => line(out, &[b"PIPELINING"]),
            Capability::RespCodes => line(out, &[b"RESP-CODES"]),
            Capability::Sasl(names) => line(out, &[b"SASL ", names.join(" ").as_bytes()]),
            Capability::Stls => line(out, &[b"STLS"]),
            Capability::Top => line(out, &[b"TOP"]),
            Capability::Uidl => line(out, &[b"UIDL"]),
            Capability::User => line(out, &[b"USER"]),
            Capability::Utf8User => line(out, &[b"UTF8 USER"]),
        }
    }
    end(out);
}

/// What a value is followed by that may depend on the user.
fn per_user(user: bool) -> &'static [u8] {
    if user { b" USER" } else { b"" }
}

/// A line of the answer to LANG: a tag and the language's own name. RFC 6856 §3.2.
pub fn language(out: &mut impl BufMut, tag: &str, name: &str) {
    line(out, &[tag.as_bytes(), b" ", name.as_bytes()]);
}

/// `+ ` and a challenge in base64. RFC 5034 §4.
pub fn challenge(out: &mut impl BufMut, challenge: &str) {
    line(out, &[b"+ ", challenge.as_bytes()]);
}

/// Ends a multi-line answer whose lines begin with no dot.
pub fn end(out: &mut impl BufMut) {
    out.put_slice(b".\r\n");
}

fn line(out: &mut impl BufMut, pieces: &[&[u8]]) {
    for piece in pieces {
        out.put_slice(piece);
    }
    out.put_slice(b"\r\n");
}

/// The digits of `number`. Listings of large drops are mostly numbers: this is
/// several times faster than `format!`.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        start = at;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_as_the_standards_write_them() {
        let mut out = Vec::new();
        ok(&mut out, "ready");
        err(&mut out, Some(ResponseCode::SysTemp), "try again");
        err(&mut out, None, "unknown command");
        stat(&mut out, 2, 320);
        list(&mut out, 10, u64::MAX);
        list(&mut out, 0, 0);
        list_line(&mut out, 1, 120);
        uidl(&mut out, 2, "abc");
        challenge(&mut out, "");
        capa(
            &mut out,
            "here they are",
            &[
                Capability::Top,
                Capability::Sasl(&["PLAIN"]),
                Capability::User,
                Capability::Expire {
                    days: None,
                    user: true,
                },
                Capability::Expire {
                    days: Some(14),
                    user: false,
                },
                Capability::LoginDelay {
                    seconds: 300,
                    user: true,
                },
                Capability::Utf8User,
                Capability::Lang,
            ],
        );
        language(&mut out, "de", "Deutsch");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "+OK ready\r\n-ERR [SYS/TEMP] try again\r\n-ERR unknown command\r\n+OK 2 320\r\n\
             +OK 10 18446744073709551615\r\n+OK 0 0\r\n\
             1 120\r\n+OK 2 abc\r\n+ \r\n+OK here they are\r\nTOP\r\nSASL PLAIN\r\n\
             USER\r\nEXPIRE NEVER USER\r\nEXPIRE 14\r\nLOGIN-DELAY 300 USER\r\nUTF8 USER\r\n\
             LANG\r\n.\r\nde Deutsch\r\n"
        );
    }
}
