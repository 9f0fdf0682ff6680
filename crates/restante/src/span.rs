//! Spans of time, holds and moments as they are written and shown.

use account::Hold;
use std::fmt;
use std::str::FromStr;

/// A hold as it is written: `remove`, `forever`, `14d`, `6h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldTerm(pub Hold);

impl FromStr for HoldTerm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "remove" => Ok(Self(Hold::Remove)),
            "forever" => Ok(Self(Hold::Forever)),
            text => match seconds(text) {
                Ok(seconds) => Ok(Self(Hold::Span(seconds))),
                Err(_) => Err(format!(
                    "`{text}` is no hold: write remove, forever, or a length of time such as \
                     \"14d\" or \"6h\""
                )),
            },
        }
    }
}

impl fmt::Display for HoldTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Hold::Remove => f.write_str("remove"),
            Hold::Forever => f.write_str("forever"),
            Hold::Span(seconds) => f.write_str(&span_text(seconds)),
        }
    }
}

impl<'de> serde::Deserialize<'de> for HoldTerm {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The seconds of a length of time such as `14d`.
///
/// # Errors
/// Says what would be right.
pub fn seconds(text: &str) -> Result<u32, String> {
    let span: crate::config::Span = text.parse()?;
    u32::try_from(span.0.as_secs()).map_err(|_| format!("`{text}` is too long: at most 49000d"))
}

/// A length of time in the largest unit that it is a whole number of.
pub fn span_text(seconds: u32) -> String {
    for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
        if seconds > 0 && seconds.is_multiple_of(unit) {
            return format!("{}{letter}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// A day for people: `12 December 2026`, in UTC.
pub fn day_text(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC);
    moment.strftime("%-d %B %Y").to_string()
}

/// A moment for people: `2026-12-12 08:30 UTC`.
pub fn moment_text(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC);
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A moment that has been: a day, a time of a day, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Seconds since 1970.
    At(i64),
    /// Seconds before now.
    Ago(i64),
}

impl Moment {
    /// Seconds since 1970, where it is `now`.
    pub fn seconds(self, now: i64) -> i64 {
        match self {
            Self::At(seconds) => seconds,
            Self::Ago(seconds) => now.saturating_sub(seconds),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(moment.as_second()));
        }
        let civil: Option<jiff::civil::DateTime> = text.parse().ok();
        if let Some(moment) = civil.and_then(|c| c.to_zoned(jiff::tz::TimeZone::UTC).ok()) {
            return Ok(Self::At(moment.timestamp().as_second()));
        }
        let ago = seconds(text).map(|seconds| Self::Ago(seconds.into()));
        ago.map_err(|_| {
            format!(
                "`{text}` is no moment: write a day, \"2026-12-12\", a time of it in UTC, \
                 \"2026-12-12T08:30\", or how long ago, \"2d\""
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_written_as_they_are_read() {
        for text in ["remove", "forever", "14d", "6h", "90m", "45s", "1h"] {
            assert_eq!(text.parse::<HoldTerm>().unwrap().to_string(), text);
        }
        for wrong in ["", "14", "d", "never", "99999999d"] {
            assert!(wrong.parse::<HoldTerm>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_days_times_or_ago() {
        for (text, expected) in [
            ("2023-11-14", 1_699_920_000),
            ("2023-11-14T22:13:20", 1_700_000_000),
            ("2023-11-14T22:13:20Z", 1_700_000_000),
            ("2d", 1_700_000_000 - 172_800),
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.seconds(1_700_000_000), expected, "{text}");
        }
        assert!("soon".parse::<Moment>().is_err());
        assert_eq!(day_text(1_700_000_000), "14 November 2023");
        assert_eq!(moment_text(1_700_000_000), "2023-11-14 22:13 UTC");
    }
}
