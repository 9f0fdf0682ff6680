//! Moments and dates. No clock: time comes in as an argument.

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Later than any other.
    pub const MAX: Self = Self(i64::MAX);

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// From whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// This long later.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// The internal date of a message: a second, and the zone it was given in, which
/// is kept for showing it again. RFC 9051 §2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InternalDate {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of UTC, -1439 to 1439.
    pub zone_minutes: i16,
}

impl InternalDate {
    /// The moment in UTC.
    pub fn utc(moment: Timestamp) -> Self {
        Self {
            seconds: moment.seconds(),
            zone_minutes: 0,
        }
    }

    /// The calendar date in the date's own zone. RFC 9051 §6.4.4 compares dates
    /// "disregarding time and timezone".
    pub fn date(self) -> Date {
        Date::from_seconds(
            self.seconds
                .saturating_add(i64::from(self.zone_minutes) * 60),
        )
    }
}

/// A calendar date, as SEARCH compares them: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    days: i32,
}

impl Date {
    /// Days since 1970-01-01.
    pub fn from_days(days: i32) -> Self {
        Self { days }
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        self.days
    }

    /// The date on which the second falls.
    pub fn from_seconds(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        Self {
            days: i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }),
        }
    }

    /// From year, month (1 to 12) and day (1 to 31) of the Gregorian calendar;
    /// `None` where there is no such day or the year is not 0 to 9999.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        // The civil-from-days algorithm: years begin in March, so that a leap
        // day is a year's last.
        let month = i32::try_from(month).ok()?;
        let day = i32::try_from(day).ok()?;
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let month_of_year = (month + 9) % 12;
        let day_of_year = (153 * month_of_year + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let date = Self {
            days: era * 146_097 + day_of_era - 719_468,
        };
        let (_, same_month, same_day) = date.ymd();
        (same_month == u32::try_from(month).ok()? && same_day == u32::try_from(day).ok()?)
            .then_some(date)
    }

    /// Year, month (1 to 12) and day (1 to 31).
    pub fn ymd(self) -> (i64, u32, u32) {
        let days = i64::from(self.days) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_of_year = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
        let month = if month_of_year < 10 {
            month_of_year + 3
        } else {
            month_of_year - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (
            year,
            u32::try_from(month).unwrap_or(1),
            u32::try_from(day).unwrap_or(1),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        assert_eq!(Date::from_ymd(1970, 1, 1).unwrap().days(), 0);
        assert_eq!(Date::from_ymd(2000, 3, 1).unwrap().days(), 11_017);
        assert_eq!(Date::from_ymd(1994, 2, 29), None);
        assert_eq!(Date::from_ymd(1996, 2, 30), None);
        assert_eq!(Date::from_ymd(2024, 13, 1), None);
        for days in -719_468..60_000 {
            let date = Date::from_days(days);
            let (year, month, day) = date.ymd();
            assert_eq!(
                Date::from_ymd(i32::try_from(year).unwrap(), month, day),
                Some(date)
            );
        }
    }

    #[test]
    fn an_internal_date_keeps_its_own_day() {
        // 23:30 on the first in a zone five hours west is the second in UTC.
        let date = InternalDate {
            seconds: 86_400 + 4 * 3_600 + 1_800,
            zone_minutes: -300,
        };
        assert_eq!(date.date().ymd(), (1970, 1, 1));
    }
}
