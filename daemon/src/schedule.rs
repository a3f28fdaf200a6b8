//! When a job's activity periods are: a pure function of its definition and a time zone (spec.md section 3).
//!
//! A period belongs to the day on which it begins. A time that is left out, since clocks are put forward, means the moment after
//! the gap; a period that lies in the gap as a whole begins there and keeps its length. A time that comes twice, since clocks are
//! put back, means its first coming, so that nothing runs twice.
//! Whether a job runs in a period, and what was missed, is decided by [`standing`].

mod dates;
pub mod standing;

use c2b_api::activity::{Activity, Pattern, Range, TimeOfDay};
use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, civil};

/// How many days before a moment a period that is open then may have begun: the day before, and one for each side of the world.
const DAYS_BEFORE: u64 = 3;

/// The activity periods of one job.
#[derive(Clone, Debug)]
pub struct Schedule {
    pattern: Pattern,
    zone: TimeZone,
}

/// One activity period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// Its first moment.
    pub start: DateTime<Utc>,
    /// The first moment that is not in it.
    pub end: DateTime<Utc>,
}

/// The time zone cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// There is no such zone.
    #[error("the system knows no time zone {name:?}: give a name as below /usr/share/zoneinfo, for instance Europe/Warsaw")]
    Unknown {
        /// The name.
        name: String,
        /// What the tz database says.
        #[source]
        source: jiff::Error,
    },
    /// The daemon's own zone.
    #[error("the system's time zone cannot be read from /etc/localtime: mend it, or give the job a time zone")]
    System(#[source] jiff::Error),
}

impl Period {
    /// Returns whether a moment is in it.
    pub fn holds(&self, time: DateTime<Utc>) -> bool {
        self.start <= time && time < self.end
    }
}

/// Returns the name of the zone in which periods are meant that name none.
pub fn local_zone_name() -> String {
    TimeZone::try_system().ok().and_then(|zone| zone.iana_name().map(str::to_owned)).unwrap_or_else(|| "local time".to_owned())
}

impl Schedule {
    /// Reads a definition, with the time zone that it names or else the system's.
    ///
    /// # Errors
    /// When there is no such time zone.
    pub fn of(activity: &Activity) -> Result<Self, ZoneError> {
        let zone = match &activity.time_zone {
            Some(name) => TimeZone::get(name).map_err(|source| ZoneError::Unknown { name: name.clone(), source })?,
            None => TimeZone::try_system().map_err(ZoneError::System)?,
        };
        Ok(Self::new(activity.pattern.clone(), zone))
    }

    /// Takes a pattern and a time zone.
    pub fn new(mut pattern: Pattern, zone: TimeZone) -> Self {
        if let Pattern::Custom(ranges) = &mut pattern {
            *ranges = merged(std::mem::take(ranges));
        }
        Self { pattern, zone }
    }

    /// Returns the name of the zone in which it is meant; `local time` where the system's has none.
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("local time").to_owned()
    }

    /// Returns a moment as the clocks of the zone show it.
    pub fn local(&self, time: DateTime<Utc>) -> DateTime<FixedOffset> {
        let seconds = Timestamp::from_second(time.timestamp()).map_or(0, |time| self.zone.to_offset(time).seconds());
        FixedOffset::east_opt(seconds).map_or_else(|| time.fixed_offset(), |offset| time.with_timezone(&offset))
    }

    /// Returns a moment in words: `2026-11-22 22:00 +01:00`.
    pub fn shown(&self, time: DateTime<Utc>) -> String {
        self.local(time).format("%Y-%m-%d %H:%M %:z").to_string()
    }

    /// Returns the period that is open at a moment.
    pub fn at(&self, time: DateTime<Utc>) -> Option<Period> {
        self.ending_after(time).next().filter(|period| period.holds(time))
    }

    /// Returns the first period that begins after a moment.
    pub fn next(&self, time: DateTime<Utc>) -> Option<Period> {
        self.ending_after(time).find(|period| period.start > time)
    }

    /// Returns the last period that ended after one moment, and not after another.
    pub fn last_ended(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<Period> {
        self.ending_after(after).take_while(|period| period.end <= until).last()
    }

    /// Returns the periods that end after a moment, in the order of time.
    pub fn ending_after(&self, time: DateTime<Utc>) -> Box<dyn Iterator<Item = Period> + '_> {
        let first = (time.date_naive() - Days::new(DAYS_BEFORE)).max(NaiveDate::MIN);
        let periods: Box<dyn Iterator<Item = Period> + '_> = match &self.pattern {
            Pattern::Custom(ranges) => Box::new(ranges.iter().filter_map(|range| self.period(range.from.date_time(), range.to.date_time()))),
            Pattern::Daily(daily) => Box::new(dates::of_days(daily, first).filter_map(|date| self.period_of_day(date, daily.from, daily.to))),
            Pattern::Weekly(weekly) => Box::new(dates::of_weeks(weekly, first).filter_map(|date| self.period_of_day(date, weekly.from, weekly.to))),
            Pattern::Monthly(monthly) => Box::new(dates::of_months(monthly, first).filter_map(|date| self.period_of_day(date, monthly.from, monthly.to))),
        };
        Box::new(periods.filter(move |period| period.end > time))
    }

    fn period_of_day(&self, date: NaiveDate, from: TimeOfDay, to: TimeOfDay) -> Option<Period> {
        let last = if to > from { date } else { date.succ_opt()? };
        self.period(moment_of_day(date, from)?, moment_of_day(last, to)?)
    }

    fn period(&self, from: NaiveDateTime, to: NaiveDateTime) -> Option<Period> {
        let (start, end) = (self.moment(from)?, self.moment(to)?);
        let end = if end > start { end } else { start + (to - from) };
        Some(Period { start, end })
    }

    /// Returns the moment that a clock on the wall means.
    fn moment(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        let wall = civil::date(i16::try_from(wall.year()).ok()?, i8::try_from(wall.month()).ok()?, i8::try_from(wall.day()).ok()?).at(
            i8::try_from(wall.hour()).ok()?,
            i8::try_from(wall.minute()).ok()?,
            0,
            0,
        );
        let timestamp = match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset.to_timestamp(wall).ok()?,
            AmbiguousOffset::Gap { after, .. } => self.zone.following(after.to_timestamp(wall).ok()?).next()?.timestamp(),
        };
        DateTime::from_timestamp(timestamp.as_second(), 0)
    }
}

fn moment_of_day(date: NaiveDate, time: TimeOfDay) -> Option<NaiveDateTime> {
    date.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::minutes(time.minutes().into()))
}

/// Sorts ranges, and makes one of those that overlap.
fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.from < last.to => last.to = last.to.max(range.to),
            _ => merged.push(range),
        }
    }
    merged
}
