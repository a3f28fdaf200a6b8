//! When a job is active (spec.md section 3): at most one pattern of periods, in a time zone.
//!
//! Only what was meant stands here; when that is, is worked out by the daemon.

mod day;
mod time;

pub use day::{DayOfMonth, DayOfMonthError, Nth, NthWeekday, NthWeekdayError, Weekday, WeekdayError};
pub use time::{LocalMinute, LocalMinuteError, TimeOfDay, TimeOfDayError};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The activity periods of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub struct Activity {
    /// When.
    pub pattern: Pattern,
    /// The time zone by its name in the tz database, for instance `Europe/Warsaw`; none for the daemon's own.
    pub time_zone: Option<String>,
    /// A one-time job starts a new cycle in each period.
    pub rearm: bool,
    /// A period that passed while the daemon was down is made good by one cycle.
    pub catch_up: bool,
}

/// Which periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// These.
    Custom(Vec<Range>),
    /// Every so many days.
    Daily(Daily),
    /// On days of the week.
    Weekly(Weekly),
    /// On days of the month.
    Monthly(Monthly),
}

/// One period of a custom pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Range {
    /// Its beginning.
    pub from: LocalMinute,
    /// Its end, which does not belong to it.
    pub to: LocalMinute,
}

/// Every so many days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Daily {
    /// Every how many days, counted from the start date.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u32,
    /// When the activity begins on such a day.
    #[serde(default = "begin_of_day", skip_serializing_if = "is_begin_of_day")]
    pub from: TimeOfDay,
    /// When it ends: on the next day where this is not after `from`.
    #[serde(default = "end_of_day", skip_serializing_if = "is_end_of_day")]
    pub to: TimeOfDay,
    /// The first date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    /// The last date on which an activity may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
}

/// On days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Weekly {
    /// Every how many weeks, counted from the week of the start date; a week begins on Monday.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u32,
    /// On which days.
    pub on: BTreeSet<Weekday>,
    /// As in [`Daily`].
    #[serde(default = "begin_of_day", skip_serializing_if = "is_begin_of_day")]
    pub from: TimeOfDay,
    /// As in [`Daily`].
    #[serde(default = "end_of_day", skip_serializing_if = "is_end_of_day")]
    pub to: TimeOfDay,
    /// As in [`Daily`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    /// As in [`Daily`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
}

/// On days of the month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Monthly {
    /// Every how many months, counted from the month of the start date.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u32,
    /// On which days of the month; one that a month does not have is skipped.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub on: BTreeSet<DayOfMonth>,
    /// On which days of the week, counted in the month.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub on_the: BTreeSet<NthWeekday>,
    /// As in [`Daily`].
    #[serde(default = "begin_of_day", skip_serializing_if = "is_begin_of_day")]
    pub from: TimeOfDay,
    /// As in [`Daily`].
    #[serde(default = "end_of_day", skip_serializing_if = "is_end_of_day")]
    pub to: TimeOfDay,
    /// As in [`Daily`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    /// As in [`Daily`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
}

/// Activity periods that mean nothing, or several things.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivityError {
    /// No pattern, or more than one.
    #[error("give one of custom, daily, weekly and monthly, not {0} of them")]
    Patterns(usize),
    /// A custom pattern without ranges.
    #[error("custom holds no range: give at least one with from and to")]
    NoRange,
    /// A range that ends before it begins.
    #[error("the range from {from} to {to} ends before it begins", from = .0.from, to = .0.to)]
    Backwards(Range),
    /// Every 0 days.
    #[error("every = 0 never comes: give 1 or more")]
    Never,
    /// Every so many days of an unknown beginning.
    #[error("every = {0} is counted from a start date: give start, for instance start = \"2026-11-21\"")]
    NoStart(u32),
    /// No days.
    #[error("no days are given: give {0}")]
    NoDays(&'static str),
    /// The last date is before the first.
    #[error("the range of activity ends on {end}, before it starts on {start}")]
    Dates {
        /// The first date.
        start: NaiveDate,
        /// The last date.
        end: NaiveDate,
    },
    /// From the end of a day.
    #[error("from = \"24:00\" is the next day's 00:00: give that")]
    FromEnd,
}

/// As it stands in a file.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Activity")]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rearm: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    catch_up: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom: Option<Vec<Range>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    daily: Option<Daily>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weekly: Option<Weekly>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monthly: Option<Monthly>,
}

impl Pattern {
    /// Checks that it means something.
    ///
    /// # Errors
    /// When it never comes, or cannot be worked out.
    pub fn check(&self) -> Result<(), ActivityError> {
        match self {
            Self::Custom(ranges) if ranges.is_empty() => Err(ActivityError::NoRange),
            Self::Custom(ranges) => ranges.iter().find(|range| range.to <= range.from).map_or(Ok(()), |range| Err(ActivityError::Backwards(*range))),
            Self::Daily(daily) => check(daily.every, daily.from, daily.start, daily.end),
            Self::Weekly(weekly) if weekly.on.is_empty() => Err(ActivityError::NoDays("on, for instance on = [\"monday\", \"friday\"]")),
            Self::Weekly(weekly) => check(weekly.every, weekly.from, weekly.start, weekly.end),
            Self::Monthly(monthly) if monthly.on.is_empty() && monthly.on_the.is_empty() => {
                Err(ActivityError::NoDays("on, for instance on = [1, \"last\"], or on-the, for instance on-the = [\"second tuesday\"]"))
            }
            Self::Monthly(monthly) => check(monthly.every, monthly.from, monthly.start, monthly.end),
        }
    }
}

fn check(every: u32, from: TimeOfDay, start: Option<NaiveDate>, end: Option<NaiveDate>) -> Result<(), ActivityError> {
    match (every, start, end) {
        (0, ..) => Err(ActivityError::Never),
        (2.., None, _) => Err(ActivityError::NoStart(every)),
        (_, Some(start), Some(end)) if end < start => Err(ActivityError::Dates { start, end }),
        _ if from == TimeOfDay::END => Err(ActivityError::FromEnd),
        _ => Ok(()),
    }
}

impl TryFrom<Written> for Activity {
    type Error = ActivityError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { time_zone, rearm, catch_up, custom, daily, weekly, monthly } = written;
        let patterns = [custom.map(Pattern::Custom), daily.map(Pattern::Daily), weekly.map(Pattern::Weekly), monthly.map(Pattern::Monthly)];
        let mut given: Vec<Pattern> = patterns.into_iter().flatten().collect();
        match (given.pop(), given.len()) {
            (Some(pattern), 0) => {
                pattern.check()?;
                Ok(Self { pattern, time_zone, rearm, catch_up })
            }
            (Some(_), others) => Err(ActivityError::Patterns(others + 1)),
            (None, _) => Err(ActivityError::Patterns(0)),
        }
    }
}

impl From<Activity> for Written {
    fn from(activity: Activity) -> Self {
        let Activity { pattern, time_zone, rearm, catch_up } = activity;
        let rest = Self { time_zone, rearm, catch_up, ..Self::default() };
        match pattern {
            Pattern::Custom(ranges) => Self { custom: Some(ranges), ..rest },
            Pattern::Daily(daily) => Self { daily: Some(daily), ..rest },
            Pattern::Weekly(weekly) => Self { weekly: Some(weekly), ..rest },
            Pattern::Monthly(monthly) => Self { monthly: Some(monthly), ..rest },
        }
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pattern)?;
        if let Some(zone) = &self.time_zone {
            write!(f, ", in {zone}")?;
        }
        if self.rearm {
            f.write_str("; a new cycle in each period")?;
        }
        if self.catch_up {
            f.write_str("; makes good for missed periods")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(ranges) => f.write_str(&join(ranges.iter().map(|Range { from, to }| format!("{from} to {to}")))),
            Self::Daily(Daily { every, from, to, start, end }) => {
                every_so_many(f, *every, "day")?;
                rest(f, *from, *to, *start, *end)
            }
            Self::Weekly(Weekly { every, on, from, to, start, end }) => {
                every_so_many(f, *every, "week")?;
                write!(f, " on {}", join(on.iter()))?;
                rest(f, *from, *to, *start, *end)
            }
            Self::Monthly(Monthly { every, on, on_the, from, to, start, end }) => {
                every_so_many(f, *every, "month")?;
                let days = on.iter().map(ToString::to_string).chain(on_the.iter().map(ToString::to_string));
                write!(f, " on {}", join(days.map(|day| format!("the {day}"))))?;
                rest(f, *from, *to, *start, *end)
            }
        }
    }
}

fn every_so_many(f: &mut fmt::Formatter<'_>, every: u32, what: &str) -> fmt::Result {
    if every == 1 { write!(f, "every {what}") } else { write!(f, "every {every} {what}s") }
}

fn rest(f: &mut fmt::Formatter<'_>, from: TimeOfDay, to: TimeOfDay, start: Option<NaiveDate>, end: Option<NaiveDate>) -> fmt::Result {
    if (from, to) != (begin_of_day(), end_of_day()) {
        write!(f, ", {from} to {to}")?;
    }
    if let Some(start) = start {
        write!(f, ", since {start}")?;
    }
    if let Some(end) = end {
        write!(f, ", until {end}")?;
    }
    Ok(())
}

fn join(words: impl Iterator<Item = impl fmt::Display>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

fn one() -> u32 {
    1
}

fn is_one(every: &u32) -> bool {
    *every == one()
}

fn begin_of_day() -> TimeOfDay {
    TimeOfDay::START
}

fn is_begin_of_day(time: &TimeOfDay) -> bool {
    *time == begin_of_day()
}

fn end_of_day() -> TimeOfDay {
    TimeOfDay::END
}

fn is_end_of_day(time: &TimeOfDay) -> bool {
    *time == end_of_day()
}
