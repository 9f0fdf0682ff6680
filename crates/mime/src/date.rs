//! The Date field, read generously. RFC 5322 §3.3, §4.3.

use crate::header::unfold;
use terms::{Date, InternalDate};

/// The moment of a Date field's value, and its zone. Takes dates as they are
/// found: without day names, with years of two digits, named zones, asctime's
/// order, none at all (then UTC). `None` where no day can be made out.
pub fn parse_date(value: &[u8]) -> Option<InternalDate> {
    let value = unfold(cut_long(value));
    let mut parts = Parts::default();
    let mut depth = 0u32;
    let text: Vec<u8> = value
        .iter()
        .map(|&octet| {
            match octet {
                b'(' => depth += 1,
                b')' if depth > 0 => {
                    depth -= 1;
                    return b' ';
                }
                _ => {}
            }
            if depth > 0 || octet == b',' {
                b' '
            } else {
                octet
            }
        })
        .collect();
    let tokens = text.split(u8::is_ascii_whitespace);
    for token in tokens.filter(|token| !token.is_empty()) {
        parts.take(token);
    }
    parts.date()
}

/// No date is longer.
const OCTETS_MAX: usize = 200;

fn cut_long(value: &[u8]) -> &[u8] {
    value.get(..OCTETS_MAX).unwrap_or(value)
}

#[derive(Default)]
struct Parts {
    day: Option<u32>,
    month: Option<u32>,
    year: Option<i32>,
    seconds: Option<i64>,
    zone: Option<i16>,
}

impl Parts {
    fn take(&mut self, token: &[u8]) {
        let first = token.first().copied().unwrap_or_default();
        if token.contains(&b':') {
            if self.seconds.is_none() {
                self.seconds = time(token);
            }
        } else if matches!(first, b'+' | b'-') {
            self.zone = self.zone.or_else(|| offset(token));
        } else if first.is_ascii_digit() && token.contains(&b'-') {
            // 12-Nov-2002
            token
                .split(|&octet| octet == b'-')
                .for_each(|part| self.take(part));
        } else if first.is_ascii_digit() {
            self.number(token);
        } else if let Some(month) = month(token).filter(|_| self.month.is_none()) {
            self.month = Some(month);
        } else if self.seconds.is_some() && self.zone.is_none() {
            self.zone = named_zone(token);
        }
    }

    fn number(&mut self, token: &[u8]) {
        let digits = token
            .iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count();
        let number = token
            .get(..digits)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) else {
            return;
        };
        if self.day.is_none() && digits <= 2 {
            self.day = Some(number);
        } else if self.year.is_none() && (2..=4).contains(&digits) {
            let number = i32::try_from(number).unwrap_or_default();
            // RFC 5322 §4.3, obs-year.
            self.year = Some(match (digits, number) {
                (2, 0..50) => number + 2000,
                (2 | 3, _) => number + 1900,
                _ => number,
            });
        }
    }

    fn date(&self) -> Option<InternalDate> {
        let day = Date::from_ymd(self.year?, self.month?, self.day?)?;
        let zone_minutes = self.zone.unwrap_or_default();
        let local = i64::from(day.days()) * 86_400 + self.seconds.unwrap_or_default();
        Some(InternalDate {
            seconds: local - i64::from(zone_minutes) * 60,
            zone_minutes,
        })
    }
}

/// `hh:mm` or `hh:mm:ss`; seconds since midnight, a leap second as the one before.
fn time(token: &[u8]) -> Option<i64> {
    let mut fields = token.splitn(3, |&octet| octet == b':').map(|field| {
        let digits = field
            .iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count();
        let digits = std::str::from_utf8(field.get(..digits.min(3))?).ok()?;
        digits.parse::<i64>().ok()
    });
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().flatten().unwrap_or_default().min(59);
    ((0..24).contains(&hour) && (0..60).contains(&minute))
        .then_some(hour * 3_600 + minute * 60 + second)
}

/// `+hhmm` as minutes.
fn offset(token: &[u8]) -> Option<i16> {
    let (sign, digits) = token.split_first()?;
    let digits = digits.get(..4)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: i16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let minutes = number / 100 * 60 + number % 100;
    (minutes < 1_440).then_some(if *sign == b'-' { -minutes } else { minutes })
}

fn month(token: &[u8]) -> Option<u32> {
    let start = token.get(..3)?.to_ascii_lowercase();
    let months = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let index = months.chunks(3).position(|month| month == start)?;
    u32::try_from(index + 1).ok()
}

/// RFC 5322 §4.3, obs-zone. `GMT+0100` is read as its number.
fn named_zone(token: &[u8]) -> Option<i16> {
    if let Some(sign) = token.iter().position(|octet| matches!(octet, b'+' | b'-')) {
        return offset(token.get(sign..)?);
    }
    let hours = match token.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        b"CET" | b"MET" | b"BST" => 1,
        b"CEST" | b"MEST" | b"EET" => 2,
        b"UT" | b"UTC" | b"GMT" | b"Z" => 0,
        _ => return None,
    };
    Some(hours * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        for (value, expected) in [
            (
                "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
                Some((837_595_405, -420)),
            ),
            ("17 Jul 1996 09:23:25 GMT", Some((837_595_405, 0))),
            ("Wed Jul 17 09:23:25 1996", Some((837_595_405, 0))),
            ("17-Jul-96 9:23:25 +0000", Some((837_595_405, 0))),
            ("Wed, 17 Jul 96 02:23 PDT", Some((837_595_380, -420))),
            ("(a (b)) 1 Jan 1970 00:00:00 +0130", Some((-5_400, 90))),
            ("1 January 70", Some((0, 0))),
            ("Thu, 1 Jan 1970 00:00:60 GMT+0100", Some((-3_541, 60))),
            ("30 Feb 2002 10:00:00 +0000", None),
            ("yesterday", None),
            ("", None),
            ("99999999999 Jan 99999999999", None),
            ("1 Jan 1970 25:00:00 +9999", Some((0, 0))),
        ] {
            let date = parse_date(value.as_bytes());
            let shown = date.map(|date| (date.seconds, date.zone_minutes));
            assert_eq!(shown, expected, "{value}");
        }
    }
}
