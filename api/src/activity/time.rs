//! Times of the clock on the wall: `22:00`, and `2026-11-21T22:00`, to the minute.

use chrono::{NaiveDateTime, Timelike};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A time of the day; `24:00` is the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["22:30"]))]
pub struct TimeOfDay(u16);

/// The text is no time of the day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time of the day: expected hh:mm from 00:00 to 24:00, for instance 22:30")]
pub struct TimeOfDayError(String);

impl TimeOfDay {
    /// Midnight, when the day begins.
    pub const START: Self = Self(0);
    /// Midnight, when the day ends.
    pub const END: Self = Self(24 * 60);

    /// Returns the minutes since the day began.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str, max: u16| match text.len() {
            2 if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<u16>().ok().filter(|number| *number <= max),
            _ => None,
        };
        text.split_once(':')
            .and_then(|(hours, minutes)| Some(number(hours, 24)? * 60 + number(minutes, 59)?))
            .filter(|minutes| *minutes <= Self::END.0)
            .map(Self)
            .ok_or_else(|| TimeOfDayError(text.to_owned()))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = TimeOfDayError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A date and a time, to the minute, of a clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["2026-11-21T22:30"]))]
pub struct LocalMinute(NaiveDateTime);

/// The text is no date and time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a date and time: expected yyyy-mm-ddThh:mm, for instance 2026-11-21T22:30")]
pub struct LocalMinuteError(String);

impl LocalMinute {
    /// Returns the date and the time.
    pub fn date_time(self) -> NaiveDateTime {
        self.0
    }
}

impl FromStr for LocalMinute {
    type Err = LocalMinuteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = |format| NaiveDateTime::parse_from_str(text, format).ok().filter(|time| time.second() == 0);
        read("%Y-%m-%dT%H:%M").or_else(|| read("%Y-%m-%d %H:%M")).map(Self).ok_or_else(|| LocalMinuteError(text.to_owned()))
    }
}

impl TryFrom<String> for LocalMinute {
    type Error = LocalMinuteError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LocalMinute> for String {
    fn from(time: LocalMinute) -> Self {
        time.to_string()
    }
}

impl fmt::Display for LocalMinute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M"))
    }
}
