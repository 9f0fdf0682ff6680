//! The messages that a new demo finds in its mailbox.

use terms::{Flag, FlagSet, InternalDate, SystemFlag};

/// A sample message.
pub struct Sample {
    /// All of it, lines ended by CRLF.
    pub octets: Vec<u8>,
    /// When it came.
    pub date: InternalDate,
    /// Its flags.
    pub flags: FlagSet,
}

/// A template: its text, how many minutes ago it came, and its flags.
type Template = (&'static str, i64, &'static [SystemFlag]);

const DAY: i64 = 24 * 60;

/// The oldest first.
const TEMPLATES: [Template; 7] = [
    (
        include_str!("samples/postcard.eml"),
        9 * DAY + 247,
        &[SystemFlag::Seen, SystemFlag::Flagged],
    ),
    (
        include_str!("samples/timetable.eml"),
        5 * DAY + 613,
        &[SystemFlag::Seen],
    ),
    (
        include_str!("samples/lunch-1.eml"),
        3 * DAY + 95,
        &[SystemFlag::Seen, SystemFlag::Answered],
    ),
    (
        include_str!("samples/lunch-2.eml"),
        3 * DAY + 31,
        &[SystemFlag::Seen],
    ),
    (include_str!("samples/lunch-3.eml"), 2 * DAY + 880, &[]),
    (include_str!("samples/postbox.eml"), DAY + 402, &[]),
    (include_str!("samples/welcome.eml"), 0, &[]),
];

/// The sample messages for the address `to`, as if the last had come now.
pub fn samples(to: &str, now: InternalDate) -> impl Iterator<Item = Sample> {
    TEMPLATES
        .into_iter()
        .map(move |(text, minutes_ago, flags)| {
            let date = InternalDate {
                seconds: now.seconds - minutes_ago * 60,
                ..now
            };
            let text = text
                .replacen("{date}", &rfc5322(date), 1)
                .replacen("{to}", to, 1);
            Sample {
                octets: text.replace('\n', "\r\n").into_bytes(),
                date,
                flags: flags.iter().map(|flag| Flag::System(*flag)).collect(),
            }
        })
}

/// RFC 5322 §3.3, date-time, in UTC.
fn rfc5322(date: InternalDate) -> String {
    let moment = jiff::Timestamp::from_second(date.seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_whole_messages() {
        let now = InternalDate {
            seconds: 1_700_000_000,
            zone_minutes: 0,
        };
        let mut last = i64::MIN;
        for sample in samples("demo@localhost", now) {
            let text = String::from_utf8(sample.octets).unwrap();
            assert!(text.starts_with("Date: "), "{text}");
            assert!(text.contains("\r\nFrom: ") && text.contains("\r\nSubject: "));
            assert!(text.contains("demo@localhost") && !text.contains("{to}"));
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
            let (header, _) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                header.is_ascii() && header.lines().all(|line| line.len() <= 78),
                "{header}"
            );
            assert!(text.lines().all(|line| line.len() <= 998));
            assert!(sample.date.seconds > last);
            last = sample.date.seconds;
        }
        assert_eq!(last, now.seconds);
        assert_eq!(rfc5322(now), "Tue, 14 Nov 2023 22:13:20 +0000");
    }
}
