//! How times are written in the date tree: `2026/11/21/10-30-00Z`, in UTC, without colons.
//!
//! The first point in time of a second has the plain name; later ones of the same second carry
//! milliseconds (`10-30-00.250Z`), so that no name ever changes what it stands for.

use crate::node::{Date, Second};
use c2b_storagefmt::Point;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A name in a day's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The second.
    pub second: Second,
    /// Milliseconds, for points that share their second with an earlier one.
    pub millis: Option<u16>,
}

/// Reads a year's name.
pub fn parse_year(name: &str) -> Option<Date> {
    digits(name, 4).map(|year| Date { year, month: 0, day: 0 }).filter(|date| span(*date).is_some())
}

/// Reads the name of a month or day in its parent's directory; `None` in a day's directory too.
pub fn parse_below(parent: Date, name: &str) -> Option<Date> {
    let number = u8::try_from(digits(name, 2)?).ok().filter(|number| *number > 0)?;
    let date = match parent {
        Date { month: 0, .. } => Date { month: number, ..parent },
        Date { day: 0, .. } => Date { day: number, ..parent },
        _ => return None,
    };
    span(date).map(|_| date)
}

/// Returns the name of a date in its parent's directory.
pub fn date_name(date: Date) -> String {
    match date {
        Date { year, month: 0, .. } => format!("{year:04}"),
        Date { month, day: 0, .. } => format!("{month:02}"),
        Date { day, .. } => format!("{day:02}"),
    }
}

/// Returns the first and the last moment of a date; `None` when the calendar has no such date.
pub fn span(date: Date) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let first = NaiveDate::from_ymd_opt(date.year.into(), date.month.max(1).into(), date.day.max(1).into())?;
    let next = match date {
        Date { month: 0, .. } => first.checked_add_months(Months::new(12))?,
        Date { day: 0, .. } => first.checked_add_months(Months::new(1))?,
        _ => first.checked_add_days(Days::new(1))?,
    };
    let midnight = |day: NaiveDate| Utc.from_utc_datetime(&day.and_time(NaiveTime::MIN));
    Some((midnight(first), midnight(next) - TimeDelta::nanoseconds(1)))
}

/// Returns the months of a year, the days of a month, nothing of a day.
pub fn below(date: Date) -> Vec<Date> {
    let (count, make): (u8, fn(Date, u8) -> Date) = match date {
        Date { month: 0, .. } => (12, |date, month| Date { month, ..date }),
        Date { day: 0, .. } => (31, |date, day| Date { day, ..date }),
        _ => return Vec::new(),
    };
    (1..=count).map(|number| make(date, number)).filter(|date| span(*date).is_some()).collect()
}

/// Returns the year of a time.
pub fn year_of(time: DateTime<Utc>) -> Option<Date> {
    u16::try_from(time.year()).ok().map(|year| Date { year, month: 0, day: 0 })
}

/// Reads a name in a day's directory.
pub fn parse_stamp(day: Date, name: &str) -> Option<Stamp> {
    let text = name.strip_suffix('Z')?;
    let (clock, millis) = match text.split_once('.') {
        Some((clock, millis)) => (clock, Some(digits(millis, 3)?)),
        None => (text, None),
    };
    let mut fields = clock.split('-').map(|field| digits(field, 2).map(u32::from));
    let (hour, minute, second) = (fields.next()??, fields.next()??, fields.next()??);
    let time = NaiveTime::from_hms_opt(hour, minute, second).filter(|_| fields.next().is_none())?;
    let seconds = span(day)?.0.timestamp() + i64::from(time.num_seconds_from_midnight());
    Some(Stamp { second: Second(u32::try_from(seconds).ok()?), millis })
}

/// Returns the first and the last moment of a second.
pub fn bounds(second: Second) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = DateTime::from_timestamp(second.0.into(), 0).unwrap_or_default();
    (start, start + TimeDelta::nanoseconds(999_999_999))
}

/// Names the points of one day, in the order of time; of points that would share a name, the first has it.
pub fn name_points(points: &[Point]) -> Vec<(String, Point)> {
    let mut firsts: BTreeMap<i64, Point> = BTreeMap::new();
    for point in points {
        let first = firsts.entry(point.time.timestamp()).or_insert(*point);
        if point.seq < first.seq {
            *first = *point;
        }
    }
    let mut taken = BTreeSet::new();
    let named = points.iter().map(|point| {
        let plain = firsts.get(&point.time.timestamp()).is_some_and(|first| first.seq == point.seq);
        (if plain { point.time.format("%H-%M-%SZ") } else { point.time.format("%H-%M-%S%.3fZ") }.to_string(), *point)
    });
    named.filter(|(name, _)| taken.insert(name.clone())).collect()
}

/// Reads exactly `count` decimal digits.
fn digits(text: &str, count: usize) -> Option<u16> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_storagefmt::CommitSeq;

    const DAY: Date = Date { year: 2026, month: 11, day: 21 };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_typed_time_is_read() {
        let stamp = parse_stamp(DAY, "10-30-05Z").unwrap();
        assert_eq!(bounds(stamp.second).0, at("2026-11-21T10:30:05Z"));
        assert_eq!(parse_stamp(DAY, "10-30-05.250Z").unwrap().millis, Some(250));
        for name in ["10-30-05", "10:30:05Z", "24-00-00Z", "10-60-00Z", "1-2-3Z", "10-30-05.5Z", "10-30-05-01Z", "+1-30-05Z", "", "Z"] {
            assert_eq!(parse_stamp(DAY, name), None, "{name:?} was read");
        }
    }

    #[test]
    fn only_dates_of_the_calendar_exist() {
        let year = parse_year("2026").unwrap();
        let month = parse_below(year, "02").unwrap();
        assert!(parse_below(month, "28").is_some());
        for (parent, name) in [(year, "13"), (year, "00"), (year, "1"), (month, "29"), (DAY, "01")] {
            assert_eq!(parse_below(parent, name), None, "{name:?} was read");
        }
        assert_eq!((below(year).len(), below(month).len(), below(DAY).len()), (12, 28, 0));
        assert_eq!(span(month).unwrap(), (at("2026-02-01T00:00:00Z"), at("2026-02-28T23:59:59.999999999Z")));
        assert_eq!(date_name(parse_below(month, "07").unwrap()), "07");
    }

    #[test]
    fn points_of_one_second_keep_their_names() {
        let point = |seq, time| Point { seq: CommitSeq(seq), time: at(time) };
        let mut points = vec![point(1, "2026-11-21T10:30:00.100Z")];
        let first = name_points(&points);
        points.push(point(2, "2026-11-21T10:30:00.700Z"));
        points.push(point(3, "2026-11-21T10:30:01Z"));
        let names = name_points(&points);
        assert_eq!(names[0], first[0]);
        let texts: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(texts, ["10-30-00Z", "10-30-00.700Z", "10-30-01Z"]);
    }
}
