//! Replies. Each function appends octets to a buffer, so that the answers to
//! pipelined commands gather in one.

use std::io::Write as _;

/// Why a command was refused, for programs. RFC 2449 §6.4, §8; RFC 3206 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// `AUTH`: the name or the password is wrong.
    Auth,
    /// `IN-USE`: another session has the drop.
    InUse,
    /// `SYS/TEMP`: our trouble; it may go by itself.
    SysTemp,
    /// `SYS/PERM`: our trouble; somebody must do something.
    SysPerm,
}

impl ResponseCode {
    /// The code's text, without brackets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
        }
    }
}

/// What CAPA tells. RFC 2449 §6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability<'a> {
    /// `AUTH-RESP-CODE`, RFC 3206 §6.
    AuthRespCode,
    /// `IMPLEMENTATION`, with a name.
    Implementation(&'a str),
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
}

/// `+OK` and a text, which must not hold control characters.
pub fn ok(out: &mut Vec<u8>, text: &str) {
    line(out, format_args!("+OK {text}"));
}

/// `-ERR`, perhaps a code, and a text.
pub fn err(out: &mut Vec<u8>, code: Option<ResponseCode>, text: &str) {
    match code {
        Some(code) => line(out, format_args!("-ERR [{}] {text}", code.as_str())),
        None => line(out, format_args!("-ERR {text}")),
    }
}

/// The answer to STAT. RFC 1939 §5.
pub fn stat(out: &mut Vec<u8>, messages: u64, octets: u64) {
    line(out, format_args!("+OK {messages} {octets}"));
}

/// The answer to LIST of one message.
pub fn list(out: &mut Vec<u8>, message: u32, octets: u64) {
    line(out, format_args!("+OK {message} {octets}"));
}

/// A line of the answer to LIST. RFC 1939 §5, "scan listing".
pub fn list_line(out: &mut Vec<u8>, message: u32, octets: u64) {
    line(out, format_args!("{message} {octets}"));
}

/// The answer to UIDL of one message.
pub fn uidl(out: &mut Vec<u8>, message: u32, unique_id: &str) {
    line(out, format_args!("+OK {message} {unique_id}"));
}

/// A line of the answer to UIDL. RFC 1939 §7, "unique-id listing".
pub fn uidl_line(out: &mut Vec<u8>, message: u32, unique_id: &str) {
    line(out, format_args!("{message} {unique_id}"));
}

/// The answer to CAPA, whole.
pub fn capa(out: &mut Vec<u8>, capabilities: &[Capability<'_>]) {
    ok(out, "capability list follows");
    for capability in capabilities {
        match capability {
            Capability::AuthRespCode => line(out, format_args!("AUTH-RESP-CODE")),
            Capability::Implementation(name) => line(out, format_args!("IMPLEMENTATION {name}")),
            Capability::Pipelining => line(out, format_args!("PIPELINING")),
            Capability::RespCodes => line(out, format_args!("RESP-CODES")),
            Capability::Sasl(names) => line(out, format_args!("SASL {}", names.join(" "))),
            Capability::Stls => line(out, format_args!("STLS")),
            Capability::Top => line(out, format_args!("TOP")),
            Capability::Uidl => line(out, format_args!("UIDL")),
            Capability::User => line(out, format_args!("USER")),
        }
    }
    end(out);
}

/// `+ ` and a challenge in base64. RFC 5034 §4.
pub fn challenge(out: &mut Vec<u8>, challenge: &str) {
    line(out, format_args!("+ {challenge}"));
}

/// Ends a multi-line answer whose lines begin with no dot.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b".\r\n");
}

fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = write!(out, "{text}\r\n");
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
        list_line(&mut out, 1, 120);
        uidl(&mut out, 2, "abc");
        challenge(&mut out, "");
        capa(
            &mut out,
            &[
                Capability::Top,
                Capability::Sasl(&["PLAIN"]),
                Capability::User,
            ],
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "+OK ready\r\n-ERR [SYS/TEMP] try again\r\n-ERR unknown command\r\n+OK 2 320\r\n\
             1 120\r\n+OK 2 abc\r\n+ \r\n+OK capability list follows\r\nTOP\r\nSASL PLAIN\r\n\
             USER\r\n.\r\n"
        );
    }
}
