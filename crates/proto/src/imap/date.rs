//! Dates and times as IMAP writes them.

use super::parse::Cursor;
use std::io::Write as _;
use terms::{Date, InternalDate};

/// The standard's names of the months. RFC 3501 §9, date-month.
pub(super) const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Reads `17-Jul-1996 02:44:25 -0700`, the quotes not included; `None` if it is
/// not that. RFC 3501 §9, date-time.
pub fn parse_date_time(text: &[u8]) -> Option<InternalDate> {
    let mut cursor = Cursor::new(text);
    let date = cursor.date_time_text().ok()?;
    cursor.at_end().then_some(date)
}

/// Writes `"17-Jul-1996 02:44:25 -0700"`, the quotes included. A year that the
/// grammar cannot carry becomes the nearest one that it can.
pub fn write_date_time(out: &mut Vec<u8>, date: InternalDate) {
    let zone = i64::from(date.zone_minutes);
    let local = date
        .seconds
        .saturating_add(zone * 60)
        .clamp(YEAR_0_SECONDS, YEAR_9999_SECONDS);
    let (year, month, day) = Date::from_seconds(local).ymd();
    let second = local.rem_euclid(86_400);
    let month = usize::try_from(month)
        .ok()
        .and_then(|month| MONTHS.get(month.wrapping_sub(1)))
        .unwrap_or(&"Jan");
    let sign = if zone < 0 { '-' } else { '+' };
    let zone = zone.abs();
    // Writing to memory does not fail.
    let _ = write!(
        out,
        "\"{day:2}-{month}-{year:04} {:02}:{:02}:{:02} {sign}{:02}{:02}\"",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        zone / 60,
        zone % 60
    );
}

/// 0000-01-01T00:00:00Z.
const YEAR_0_SECONDS: i64 = -62_167_219_200;
/// 9999-12-31T23:59:59Z.
const YEAR_9999_SECONDS: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(date: InternalDate) -> String {
        let mut out = Vec::new();
        write_date_time(&mut out, date);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_standards_example_goes_both_ways() {
        let text = "17-Jul-1996 02:44:25 -0700";
        let date = parse_date_time(text.as_bytes()).unwrap();
        assert_eq!((date.seconds, date.zone_minutes), (837_596_665, -420));
        assert_eq!(written(date), format!("\"{text}\""));
        let text = " 1-Jan-0000 00:00:00 +0000";
        assert_eq!(
            written(parse_date_time(text.as_bytes()).unwrap()),
            format!("\"{text}\"")
        );
        let far = InternalDate {
            seconds: i64::MAX,
            zone_minutes: -1,
        };
        assert_eq!(written(far), "\"31-Dec-9999 23:59:59 -0001\"");
    }

    #[test]
    fn a_leap_second_stays_on_its_day() {
        let date = parse_date_time(b"31-Dec-2016 23:59:60 +0000").unwrap();
        assert_eq!(written(date), "\"31-Dec-2016 23:59:59 +0000\"");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "1-Jul-1996 02:44:25 -0700",
            "31-Feb-1996 02:44:25 -0700",
            "17-Jux-1996 02:44:25 -0700",
            "17-Jul-1996 24:44:25 -0700",
            "17-Jul-1996 02:60:25 -0700",
            "17-Jul-1996 02:44:61 -0700",
            "17-Jul-1996 02:44:25 0700",
            "17-Jul-1996 02:44:25 -0760",
            "17-Jul-96 02:44:25 -0700",
            "17-Jul-1996 02:44:25 -0700 ",
            "17-Jul-1996 02:44:25 -2400",
            "17-Jul-1996 02:44:25",
        ] {
            assert_eq!(parse_date_time(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_survives(
            seconds in -62_000_000_000i64..253_000_000_000,
            zone_minutes in -1_439i16..=1_439,
        ) {
            let date = InternalDate { seconds, zone_minutes };
            let text = written(date);
            prop_assert_eq!(parse_date_time(text.trim_matches('"').as_bytes()), Some(date));
        }
    }
}
