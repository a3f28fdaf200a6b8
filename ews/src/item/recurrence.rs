//! `RecurrenceType` and `TaskRecurrenceType`.

use super::value::date;
use crate::xml::{XmlError, XmlReader};
use c2b_mailbox::render::{DayPosition, Pattern, Recurrence, RecurrenceEnd, Weekday};

/// The elements of any pattern.
#[derive(Default)]
struct Parts {
    interval: Option<u16>,
    days: Vec<Weekday>,
    position: Option<DayPosition>,
    day_of_month: Option<u8>,
    month: Option<u8>,
}

/// Reads the open element; `None` when its pattern is unknown.
pub(super) fn read(xml: &mut XmlReader) -> Result<Option<Recurrence>, XmlError> {
    let mut pattern = None;
    let mut interval = 1;
    let mut end = RecurrenceEnd::Never;
    while let Some(element) = xml.child()? {
        match element.name() {
            "NoEndRecurrence" => xml.skip()?,
            "EndDateRecurrence" => {
                let text = child_text(xml, "EndDate")?;
                end = date(&text).map_or(end, RecurrenceEnd::Until);
            }
            "NumberedRecurrence" => {
                let text = child_text(xml, "NumberOfOccurrences")?;
                end = text.trim().parse().map_or(end, RecurrenceEnd::Count);
            }
            name => {
                let parts = read_parts(xml)?;
                interval = parts.interval.unwrap_or(1);
                pattern = to_pattern(name, parts);
            }
        }
    }
    Ok(pattern.map(|pattern| Recurrence { pattern, interval, end }))
}

fn read_parts(xml: &mut XmlReader) -> Result<Parts, XmlError> {
    let mut parts = Parts::default();
    while let Some(element) = xml.child()? {
        let text = xml.text()?;
        match element.name() {
            "Interval" => parts.interval = text.trim().parse().ok().filter(|interval| *interval > 0),
            "DaysOfWeek" => parts.days = text.split_whitespace().flat_map(weekdays).copied().collect(),
            "DayOfWeekIndex" => parts.position = position(text.trim()),
            "DayOfMonth" => parts.day_of_month = text.trim().parse().ok().filter(|day| (1..=31).contains(day)),
            "Month" => parts.month = month(text.trim()),
            _ => {}
        }
    }
    Ok(parts)
}

fn to_pattern(name: &str, parts: Parts) -> Option<Pattern> {
    match name {
        "DailyRecurrence" | "DailyRegeneration" => Some(Pattern::Daily),
        "WeeklyRecurrence" | "WeeklyRegeneration" => Some(Pattern::Weekly(parts.days)),
        "AbsoluteMonthlyRecurrence" => Some(Pattern::MonthDay(parts.day_of_month?)),
        "RelativeMonthlyRecurrence" => Some(Pattern::MonthPosition(parts.position?, parts.days)),
        "AbsoluteYearlyRecurrence" => Some(Pattern::YearDay(parts.day_of_month?, parts.month?)),
        "RelativeYearlyRecurrence" => Some(Pattern::YearPosition(parts.position?, parts.days, parts.month?)),
        _ => None,
    }
}

fn child_text(xml: &mut XmlReader, name: &str) -> Result<String, XmlError> {
    let mut found = String::new();
    while let Some(element) = xml.child()? {
        let text = xml.text()?;
        if element.name() == name {
            found = text;
        }
    }
    Ok(found)
}

fn weekdays(word: &str) -> &'static [Weekday] {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    match word {
        "Monday" => &[Monday],
        "Tuesday" => &[Tuesday],
        "Wednesday" => &[Wednesday],
        "Thursday" => &[Thursday],
        "Friday" => &[Friday],
        "Saturday" => &[Saturday],
        "Sunday" => &[Sunday],
        "Day" => &[Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday],
        "Weekday" => &[Monday, Tuesday, Wednesday, Thursday, Friday],
        "WeekendDay" => &[Saturday, Sunday],
        _ => &[],
    }
}

fn position(word: &str) -> Option<DayPosition> {
    let position = ["First", "Second", "Third", "Fourth"].iter().zip(1..).find(|(name, _)| **name == word);
    position.map(|(_, number)| DayPosition(number)).or((word == "Last").then_some(DayPosition(-1)))
}

fn month(word: &str) -> Option<u8> {
    const MONTHS: [&str; 12] = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    MONTHS.iter().zip(1..).find(|(name, _)| **name == word).map(|(_, number)| number)
}
