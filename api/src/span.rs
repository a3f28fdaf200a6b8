//! A length of time as people write it: `12h`, `90d`, `12w`, `6mo`, `2y`.
//!
//! Months and years are those of the calendar: six months before 31 August is the last day of February.

use chrono::{DateTime, Days, Months, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The units, each after those whose names it ends in.
const UNITS: [(&str, Unit); 5] = [("mo", Unit::Months), ("h", Unit::Hours), ("d", Unit::Days), ("w", Unit::Weeks), ("y", Unit::Years)];

/// Greatest number of units: 9,999 years are as good as for ever, and every calendar can count them.
const COUNT_MAX: u32 = 9999;

/// A length of time; never nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["12h", "90d", "6mo"]))]
pub struct Span {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Hours,
    Days,
    Weeks,
    Months,
    Years,
}

/// The text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time: expected a number from 1 to {COUNT_MAX} and h, d, w, mo or y, for instance 90d or 6mo")]
pub struct SpanError(String);

impl Span {
    /// Returns a number of hours.
    pub const fn hours(count: u32) -> Self {
        Self { count, unit: Unit::Hours }
    }

    /// Returns a number of days.
    pub const fn days(count: u32) -> Self {
        Self { count, unit: Unit::Days }
    }

    /// Returns whether it is counted in hours.
    pub fn is_of_hours(self) -> bool {
        self.unit == Unit::Hours
    }

    /// Returns how many hours it is about, a month counted as 30 days and a year as 365.
    pub fn hours_about(self) -> u64 {
        let hours = match self.unit {
            Unit::Hours => 1,
            Unit::Days => 24,
            Unit::Weeks => 7 * 24,
            Unit::Months => 30 * 24,
            Unit::Years => 365 * 24,
        };
        hours * u64::from(self.count)
    }

    /// Returns the moment that lies this long before another; the beginning of time when there is none.
    pub fn before(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let count = u64::from(self.count);
        match self.unit {
            Unit::Hours => time.checked_sub_signed(TimeDelta::hours(i64::from(self.count))),
            Unit::Days => time.checked_sub_days(Days::new(count)),
            Unit::Weeks => time.checked_sub_days(Days::new(7 * count)),
            Unit::Months => time.checked_sub_months(Months::new(self.count)),
            Unit::Years => time.checked_sub_months(Months::new(12 * self.count)),
        }
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// Returns the moment that lies this long after another; the end of time when there is none.
    pub fn after(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let count = u64::from(self.count);
        match self.unit {
            Unit::Hours => time.checked_add_signed(TimeDelta::hours(i64::from(self.count))),
            Unit::Days => time.checked_add_days(Days::new(count)),
            Unit::Weeks => time.checked_add_days(Days::new(7 * count)),
            Unit::Months => time.checked_add_months(Months::new(self.count)),
            Unit::Years => time.checked_add_months(Months::new(12 * self.count)),
        }
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.to_owned());
        let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).ok_or_else(error)?;
        if number.is_empty() || number.len() > 4 || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let count = number.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count)).ok_or_else(error)?;
        Ok(Self { count, unit })
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = UNITS.iter().find(|(_, unit)| *unit == self.unit).map_or("", |(name, _)| name);
        write!(f, "{}{name}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_span_are_each_other() {
        for text in ["1h", "90d", "12w", "6mo", "2y", "9999y"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "d", "0d", "-1d", "+1d", "1", "1 d", "1m", "1D", "10000d", "1.5y", "ein d", "1dd"] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn months_and_years_are_those_of_the_calendar() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        for (span, from, before) in [
            ("6mo", "2026-08-31T10:00:00Z", "2026-02-28T10:00:00Z"),
            ("1y", "2028-02-29T10:00:00Z", "2027-02-28T10:00:00Z"),
            ("2w", "2026-01-05T10:00:00Z", "2025-12-22T10:00:00Z"),
            ("36h", "2026-01-02T10:00:00Z", "2025-12-31T22:00:00Z"),
        ] {
            assert_eq!(span.parse::<Span>().unwrap().before(time(from)), time(before), "{span}");
        }
        assert_eq!("1mo".parse::<Span>().unwrap().after(time("2026-01-31T00:00:00Z")), time("2026-02-28T00:00:00Z"));
    }

    #[test]
    fn no_span_leaves_the_calendar() {
        let span: Span = "9999y".parse().unwrap();
        assert!(span.before(DateTime::<Utc>::MIN_UTC) <= span.after(DateTime::<Utc>::MAX_UTC));
    }
}
