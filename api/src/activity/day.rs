//! Days of the week and of the month: `friday`, `15`, `last`, `second tuesday`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["monday"]))]
pub enum Weekday {
    /// The first day of a week (ISO 8601).
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The seventh.
    Sunday,
}

/// The text is no day of the week.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day of the week: expected monday to sunday, or mon to sun")]
pub struct WeekdayError(String);

impl Weekday {
    /// All, from Monday.
    pub const ALL: [Self; 7] = [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// Returns the number of days since Monday.
    pub fn days_since_monday(self) -> u8 {
        self as u8
    }

    fn word(self) -> &'static str {
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"][usize::from(self.days_since_monday())]
    }
}

impl FromStr for Weekday {
    type Err = WeekdayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|day| lower == day.word() || lower == day.word()[..3]);
        found.ok_or_else(|| WeekdayError(text.to_owned()))
    }
}

impl TryFrom<String> for Weekday {
    type Error = WeekdayError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Weekday> for String {
    fn from(day: Weekday) -> Self {
        day.word().to_owned()
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A day of the month: a number, or the last whatever its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayOfMonth {
    /// The day of that number, from 1 to 31.
    Number(u8),
    /// The last.
    Last,
}

/// The text is no day of the month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day of the month: expected 1 to 31, or last")]
pub struct DayOfMonthError(String);

impl FromStr for DayOfMonth {
    type Err = DayOfMonthError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("last") {
            return Ok(Self::Last);
        }
        let number = text.parse().ok().filter(|number| (1..=31).contains(number));
        number.map(Self::Number).ok_or_else(|| DayOfMonthError(text.to_owned()))
    }
}

impl fmt::Display for DayOfMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Last => f.write_str("last"),
        }
    }
}

impl Serialize for DayOfMonth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u8(*number),
            Self::Last => serializer.serialize_str("last"),
        }
    }
}

impl<'de> Deserialize<'de> for DayOfMonth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Word(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Word(word) => word,
        };
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for DayOfMonth {
    fn schema_name() -> Cow<'static, str> {
        "DayOfMonth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A day of the month: its number, or the last.", "oneOf": [{ "type": "integer", "minimum": 1, "maximum": 31 }, { "const": "last" }] })
    }
}

/// Which of the same days of the week in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nth {
    /// The first to the fifth; a month without a fifth is skipped.
    Number(u8),
    /// The last.
    Last,
}

/// A day of the week, counted in the month: `second tuesday`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("examples" = ["second tuesday", "last friday"]))]
pub struct NthWeekday {
    /// Which one.
    pub nth: Nth,
    /// Of which day.
    pub day: Weekday,
}

/// The text is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not such a day: expected first, second, third, fourth, fifth or last and a day of the week, for instance \"second tuesday\"")]
pub struct NthWeekdayError(String);

/// The words for first to fifth.
const NUMBERS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

impl FromStr for NthWeekday {
    type Err = NthWeekdayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || NthWeekdayError(text.to_owned());
        let mut words = text.split_whitespace();
        let (Some(which), Some(day), None) = (words.next(), words.next(), words.next()) else { return Err(error()) };
        let numbered = (1u8..).zip(NUMBERS).find(|(_, word)| which.eq_ignore_ascii_case(word)).map(|(number, _)| Nth::Number(number));
        let nth = numbered.or_else(|| which.eq_ignore_ascii_case("last").then_some(Nth::Last)).ok_or_else(error)?;
        Ok(Self { nth, day: day.parse().map_err(|_| error())? })
    }
}

impl TryFrom<String> for NthWeekday {
    type Error = NthWeekdayError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NthWeekday> for String {
    fn from(day: NthWeekday) -> Self {
        day.to_string()
    }
}

impl fmt::Display for NthWeekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = match self.nth {
            Nth::Number(number) => NUMBERS.get(usize::from(number).wrapping_sub(1)).copied().unwrap_or("fifth"),
            Nth::Last => "last",
        };
        write!(f, "{which} {}", self.day)
    }
}
