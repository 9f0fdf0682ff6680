//! The trace header: what is put on top of a message, and the Return-Path that
//! is taken out of it. RFC 5321 §4.4.

use crate::stream::Peer;
use mime::Fields;
use proto::smtp::ReversePath;
use terms::{BlobId, Date, Timestamp};

/// What the trace header tells.
pub(super) struct Trace<'a> {
    pub(super) reverse_path: &'a ReversePath,
    /// What the client calls itself.
    pub(super) client: &'a str,
    /// What a proxy calls the client's host.
    pub(super) client_host: Option<&'a str>,
    pub(super) peer: &'a Peer,
    /// What we call ourselves.
    pub(super) hostname: &'a str,
    pub(super) secure: bool,
    pub(super) smtputf8: bool,
    pub(super) blob: BlobId,
    pub(super) now: Timestamp,
}

impl Trace<'_> {
    /// The lines that stand on top for every recipient: Return-Path and Received.
    /// (Delivered-To, which differs, stands in the row.)
    pub(super) fn lines(&self) -> String {
        let client = if self.client.is_ascii() {
            self.client
        } else {
            "unknown"
        };
        let plain = |name: &&str| {
            name.bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b".-_".contains(&octet))
        };
        let host = self.client_host.filter(plain);
        let host = host.map(|name| format!("{name} ")).unwrap_or_default();
        let from = match self.peer {
            Peer::Tcp(address) => match address.ip().to_canonical() {
                std::net::IpAddr::V4(ip) => format!("{client} ({host}[{ip}])"),
                // RFC 5321 §4.1.3: the tag that IPv6 literals have.
                std::net::IpAddr::V6(ip) => format!("{client} ({host}[IPv6:{ip}])"),
            },
            Peer::Unix | Peer::Memory => format!("{client} (local)"),
        };
        // RFC 3848 §2 and RFC 6531 §4.3 name the protocols.
        let with = match (self.smtputf8, self.secure) {
            (false, false) => "LMTP",
            (false, true) => "LMTPS",
            (true, false) => "UTF8LMTP",
            (true, true) => "UTF8LMTPS",
        };
        format!(
            "Return-Path: {}\r\nReceived: from {from}\r\n\tby {} with {with}\r\n\tid {};\r\n\t{}\r\n",
            self.reverse_path,
            self.hostname,
            self.blob,
            date_time(self.now)
        )
    }
}

/// `date-time`, RFC 5322 §3.3, in UTC.
fn date_time(moment: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = moment.seconds();
    let date = Date::from_seconds(seconds);
    let (year, month, day) = date.ymd();
    // 1970-01-01 was a Thursday.
    let weekday = usize::try_from(date.days().rem_euclid(7)).unwrap_or_default();
    let weekday = DAYS.get(weekday).copied().unwrap_or_default();
    let month = MONTHS
        .get(month.saturating_sub(1) as usize)
        .copied()
        .unwrap_or_default();
    let second_of_day = seconds.rem_euclid(86_400);
    format!(
        "{weekday}, {day} {month} {year:04} {:02}:{:02}:{:02} +0000",
        second_of_day / 3_600,
        second_of_day / 60 % 60,
        second_of_day % 60
    )
}

/// Takes the Return-Path fields out of the header that begins at `start`. RFC 5321
/// §4.4: a message that is being delivered must have ours alone.
pub(super) fn remove_return_path(message: &mut Vec<u8>, start: usize) {
    let header = message.get(start..).unwrap_or_default();
    let mut at = start;
    let mut ranges = Vec::new();
    for field in Fields::new(header) {
        if field.is("Return-Path") {
            ranges.push(at..at + field.raw.len());
        }
        at += field.raw.len();
    }
    if ranges.is_empty() {
        return;
    }
    // One pass from the front, however many there are.
    let mut kept = start;
    let mut from = start;
    for range in ranges {
        message.copy_within(from..range.start, kept);
        kept += range.start - from;
        from = range.end;
    }
    let end = message.len();
    message.copy_within(from..end, kept);
    message.truncate(kept + end - from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_mail_writes_them() {
        let check = |seconds, expected: &str| {
            assert_eq!(date_time(Timestamp::from_seconds(seconds)), expected);
        };
        check(0, "Thu, 1 Jan 1970 00:00:00 +0000");
        check(951_827_696, "Tue, 29 Feb 2000 12:34:56 +0000");
        check(-1, "Wed, 31 Dec 1969 23:59:59 +0000");
    }

    #[test]
    fn only_return_path_goes() {
        let check = |message: &str, expected: &str| {
            let mut octets = [b"Received: x\r\n", message.as_bytes()].concat();
            remove_return_path(&mut octets, 13);
            assert_eq!(String::from_utf8_lossy(&octets[13..]), expected);
            assert!(octets.starts_with(b"Received: x\r\n"));
        };
        check("Return-Path: <a>\r\nA: b\r\n\r\nx", "A: b\r\n\r\nx");
        check(
            "A: b\r\nRETURN-PATH :\r\n <a>\r\nC: d\r\nreturn-path:x\r\n\r\nReturn-Path: kept\r\n",
            "A: b\r\nC: d\r\n\r\nReturn-Path: kept\r\n",
        );
        check("Return-Path: <a>", "");
        check("\r\nReturn-Path: <a>\r\n", "\r\nReturn-Path: <a>\r\n");
        check("Return-Path-X: <a>\r\n", "Return-Path-X: <a>\r\n");
    }
}
