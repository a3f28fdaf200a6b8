//! The flags that say when a job is active, for `job create` and `job edit`.

use crate::error::Error;
use c2b_api::activity::{Activity, Daily, DayOfMonth, LocalMinute, Monthly, NthWeekday, Pattern, Range, TimeOfDay, Weekday, Weekly};
use chrono::NaiveDate;
use clap::Args;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

const MONTHLY: &str = "\
On days of the month: 1 to 31 (skipped in months that have no such day), last, or days of the week
counted in the month: 'first sunday', 'second tuesday', 'last friday'";

const BETWEEN: &str = "\
From when to when on such a day, for instance 22:00-06:00; over midnight it belongs to the day
on which it starts [default: all day]";

#[derive(Args, Debug)]
#[group(skip)]
pub(super) struct ActivityArgs {
    /// Active every day, or every so many days with --every
    #[arg(long, group = "pattern")]
    daily: bool,
    /// Active on days of the week: monday to sunday
    #[arg(long, value_name = "DAY", num_args = 1.., group = "pattern", value_delimiter = ',')]
    weekly: Option<Vec<Weekday>>,
    /// Active on days of the month: 1 to 31, last, 'second tuesday'
    #[arg(long, value_name = "DAY", num_args = 1.., group = "pattern", value_delimiter = ',', long_help = MONTHLY)]
    monthly: Option<Vec<MonthDay>>,
    /// Active in these periods: 2026-12-24T18:00/2026-12-27T06:00
    #[arg(long, value_name = "FROM/TO", num_args = 1.., group = "pattern")]
    custom: Option<Vec<Between>>,
    /// Every how many days, weeks or months, counted from --first-day
    #[arg(long, value_name = "N", requires = "pattern", conflicts_with = "custom")]
    every: Option<u32>,
    /// From when to when on such a day, for instance 22:00-06:00 [default: all day]
    #[arg(long, value_name = "HH:MM-HH:MM", requires = "pattern", conflicts_with = "custom", long_help = BETWEEN)]
    between: Option<Hours>,
    /// The first date: 2026-12-01
    #[arg(long, value_name = "DATE", requires = "pattern", conflicts_with = "custom")]
    first_day: Option<NaiveDate>,
    /// The last date on which a period may begin
    #[arg(long, value_name = "DATE", requires = "pattern", conflicts_with = "custom")]
    last_day: Option<NaiveDate>,
    /// The time zone of all this, for instance Europe/Warsaw [default: that of c2bd]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Whether a one-time job has a new cycle in each period
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rearm: Option<bool>,
    /// Whether a period that passed while c2bd was down is made good by one cycle
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    catch_up: Option<bool>,
}

/// A day of a monthly pattern.
#[derive(Clone, Copy, Debug)]
pub(super) enum MonthDay {
    Date(DayOfMonth),
    Weekday(NthWeekday),
}

impl FromStr for MonthDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Date).or_else(|_| text.parse().map(Self::Weekday)).map_err(|_| "expected 1 to 31, last, or such as 'second tuesday'".to_owned())
    }
}

/// A period from one minute to another.
#[derive(Clone, Copy, Debug)]
struct Between(Range);

impl FromStr for Between {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('/').ok_or("expected two times with / between, for instance 2026-12-24T18:00/2026-12-27T06:00")?;
        let read = |text: &str| text.parse::<LocalMinute>().map_err(|error| error.to_string());
        Ok(Self(Range { from: read(from)?, to: read(to)? }))
    }
}

/// The hours of a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hours(pub(super) TimeOfDay, pub(super) TimeOfDay);

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('-').ok_or("expected two times with - between, for instance 22:00-06:00")?;
        let read = |text: &str| text.parse::<TimeOfDay>().map_err(|error| error.to_string());
        Ok(Self(read(from)?, read(to)?))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl MonthDay {
    /// Returns the dates among days, and the days of the week.
    pub(super) fn apart(days: &[Self]) -> (BTreeSet<DayOfMonth>, BTreeSet<NthWeekday>) {
        let dates = days.iter().filter_map(|day| if let Self::Date(day) = day { Some(*day) } else { None });
        let weekdays = days.iter().filter_map(|day| if let Self::Weekday(day) = day { Some(*day) } else { None });
        (dates.collect(), weekdays.collect())
    }
}

impl ActivityArgs {
    /// Returns whether any of the flags is given.
    pub(super) fn is_given(&self) -> bool {
        self.pattern().is_some() || self.time_zone.is_some() || self.rearm.is_some() || self.catch_up.is_some()
    }

    /// Returns what the flags make of the activity that was.
    pub(super) fn activity(&self, before: Option<Activity>) -> Result<Option<Activity>, Error> {
        if !self.is_given() {
            return Ok(before);
        }
        let (pattern, before) = match (self.pattern(), before) {
            (Some(pattern), before) => (pattern, before),
            (None, Some(before)) => (before.pattern.clone(), Some(before)),
            (None, None) => {
                return Err(Error::usage(
                    "--time-zone, --rearm and --catch-up are about activity periods",
                    "give --daily, --weekly, --monthly or --custom, too",
                ));
            }
        };
        pattern.check().map_err(|error| Error::usage(error.to_string(), "see --help for the flags of activity periods"))?;
        let (time_zone, rearm, catch_up) = before.map_or((None, false, false), |before| (before.time_zone, before.rearm, before.catch_up));
        Ok(Some(Activity {
            pattern,
            time_zone: self.time_zone.clone().or(time_zone),
            rearm: self.rearm.unwrap_or(rearm),
            catch_up: self.catch_up.unwrap_or(catch_up),
        }))
    }

    fn pattern(&self) -> Option<Pattern> {
        let every = self.every.unwrap_or(1);
        let Hours(from, to) = self.between.unwrap_or(Hours(TimeOfDay::START, TimeOfDay::END));
        let (start, end) = (self.first_day, self.last_day);
        if self.daily {
            return Some(Pattern::Daily(Daily { every, from, to, start, end }));
        }
        if let Some(days) = &self.weekly {
            return Some(Pattern::Weekly(Weekly { every, on: days.iter().copied().collect(), from, to, start, end }));
        }
        if let Some(days) = &self.monthly {
            let (on, on_the) = MonthDay::apart(days);
            return Some(Pattern::Monthly(Monthly { every, on, on_the, from, to, start, end }));
        }
        self.custom.as_ref().map(|ranges| Pattern::Custom(ranges.iter().map(|range| range.0).collect()))
    }
}
