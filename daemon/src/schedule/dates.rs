//! The dates of a pattern: every so many days, weeks or months.

use c2b_api::activity::{Daily, DayOfMonth, Monthly, Nth, NthWeekday, Weekday, Weekly};
use chrono::{Datelike, Days, NaiveDate};
use std::collections::BTreeSet;

/// How far ahead the next date is looked for, in days: longer than between two 29 February that are a job's turn.
const HORIZON_DAYS: i64 = 400 * 366;

/// Returns the dates of a daily pattern from `first` on, in order.
pub(super) fn of_days(daily: &Daily, first: NaiveDate) -> impl Iterator<Item = NaiveDate> + use<> {
    let every = i64::from(daily.every);
    let anchor = daily.start.unwrap_or(first);
    let begun = (first - anchor).num_days().max(0);
    let steps = (begun + every - 1) / every..;
    within(first, daily.start, daily.end, steps.map_while(move |step| after(anchor, step.checked_mul(every)?)))
}

/// Returns the dates of a weekly pattern from `first` on, in order.
pub(super) fn of_weeks<'a>(weekly: &'a Weekly, first: NaiveDate) -> impl Iterator<Item = NaiveDate> + use<'a> {
    let every = i64::from(weekly.every) * 7;
    let anchor = monday(weekly.start.unwrap_or(first));
    let steps = (first - anchor).num_days().max(0) / every..;
    let mondays = steps.map_while(move |step| after(anchor, step.checked_mul(every)?));
    let dates = mondays.flat_map(move |monday| weekly.on.iter().filter_map(move |day| after(monday, day.days_since_monday().into())));
    within(first, weekly.start, weekly.end, dates)
}

/// Returns the dates of a monthly pattern from `first` on, in order.
pub(super) fn of_months<'a>(monthly: &'a Monthly, first: NaiveDate) -> impl Iterator<Item = NaiveDate> + use<'a> {
    let every = i64::from(monthly.every);
    let anchor = month_number(monthly.start.unwrap_or(first));
    let steps = (month_number(first) - anchor).max(0) / every..;
    let months = steps.map_while(move |step| first_of_month(anchor + step.checked_mul(every)?));
    let dates = months.flat_map(move |month| days_of(monthly, month));
    within(first, monthly.start, monthly.end, dates)
}

/// The dates that are not before `first` nor outside of the range of activity; none beyond the horizon.
fn within(first: NaiveDate, start: Option<NaiveDate>, end: Option<NaiveDate>, dates: impl Iterator<Item = NaiveDate>) -> impl Iterator<Item = NaiveDate> {
    let from = start.map_or(first, |start| start.max(first));
    let to = after(from, HORIZON_DAYS).unwrap_or(NaiveDate::MAX).min(end.unwrap_or(NaiveDate::MAX));
    dates.skip_while(move |date| *date < from).take_while(move |date| *date <= to)
}

fn days_of(monthly: &Monthly, month: NaiveDate) -> BTreeSet<NaiveDate> {
    let by_number = monthly.on.iter().filter_map(|day| match day {
        DayOfMonth::Number(number) => month.with_day((*number).into()),
        DayOfMonth::Last => last_of_month(month),
    });
    let by_weekday = monthly.on_the.iter().filter_map(|day| nth_weekday(month, *day));
    by_number.chain(by_weekday).collect()
}

fn nth_weekday(month: NaiveDate, NthWeekday { nth, day }: NthWeekday) -> Option<NaiveDate> {
    let found = match nth {
        Nth::Number(number) => after(next_weekday(month, day)?, 7 * (i64::from(number) - 1))?,
        Nth::Last => next_weekday(after(last_of_month(month)?, -6)?, day)?,
    };
    (found.month() == month.month()).then_some(found)
}

/// The first such day of the week from a date on.
fn next_weekday(date: NaiveDate, day: Weekday) -> Option<NaiveDate> {
    let ahead = i64::from(day.days_since_monday()) - i64::from(date.weekday().num_days_from_monday());
    after(date, ahead.rem_euclid(7))
}

fn monday(date: NaiveDate) -> NaiveDate {
    after(date, -i64::from(date.weekday().num_days_from_monday())).unwrap_or(date)
}

fn month_number(date: NaiveDate) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

fn first_of_month(number: i64) -> Option<NaiveDate> {
    let month = u32::try_from(number.rem_euclid(12)).ok()? + 1;
    NaiveDate::from_ymd_opt(i32::try_from(number.div_euclid(12)).ok()?, month, 1)
}

fn last_of_month(month: NaiveDate) -> Option<NaiveDate> {
    after(first_of_month(month_number(month) + 1)?, -1)
}

fn after(date: NaiveDate, days: i64) -> Option<NaiveDate> {
    let count = Days::new(days.unsigned_abs());
    if days < 0 { date.checked_sub_days(count) } else { date.checked_add_days(count) }
}
