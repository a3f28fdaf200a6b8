//! Activity periods against a model that knows no calendar arithmetic: it looks at the clock on the wall, minute by minute.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that calls them")]

use c2b_api::activity::{Daily, DayOfMonth, Monthly, Nth, NthWeekday, Pattern, TimeOfDay, Weekday, Weekly};
use c2bd::schedule::{Period, Schedule};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Both hemispheres, half and quarter hours, a half-hour change, no change at all.
const ZONES: [&str; 7] = ["Europe/Warsaw", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "America/Sao_Paulo", "Pacific/Apia"];

/// What the clock on the wall shows.
fn wall(zone: &TimeZone, time: DateTime<Utc>) -> NaiveDateTime {
    let shown = zone.to_datetime(Timestamp::from_second(time.timestamp()).unwrap());
    let date = NaiveDate::from_ymd_opt(shown.year().into(), shown.month().unsigned_abs().into(), shown.day().unsigned_abs().into()).unwrap();
    date.and_hms_opt(shown.hour().unsigned_abs().into(), shown.minute().unsigned_abs().into(), shown.second().unsigned_abs().into()).unwrap()
}

/// The first minute at which the wall shows a time, or a later one.
fn first_showing(zone: &TimeZone, shown: NaiveDateTime) -> DateTime<Utc> {
    let mut time = (shown - TimeDelta::hours(26)).and_utc();
    // A day that a zone skips (Apia, 2011) makes it 24 hours more.
    while wall(zone, time) < shown {
        time += TimeDelta::minutes(1);
    }
    time
}

fn is_day(pattern: &Pattern, date: NaiveDate) -> bool {
    let within = |start: Option<NaiveDate>, end: Option<NaiveDate>| start.is_none_or(|start| date >= start) && end.is_none_or(|end| date <= end);
    match pattern {
        Pattern::Custom(_) => false,
        Pattern::Daily(Daily { every, start, end, .. }) => {
            within(*start, *end) && start.is_none_or(|start| start.iter_days().take_while(|day| *day <= date).step_by(*every as usize).any(|day| day == date))
        }
        Pattern::Weekly(Weekly { every, on, start, end, .. }) => {
            let mondays = |first: NaiveDate| first.iter_days().take_while(|day| *day <= date).filter(|day| day.weekday() == chrono::Weekday::Mon).count();
            // Mondays that passed since the start date, the one on or before it not counted.
            let weeks = start.map_or(0, |start| mondays(start) - usize::from(start.weekday() == chrono::Weekday::Mon && start <= date));
            within(*start, *end)
                && on.iter().any(|day| u32::from(day.days_since_monday()) == date.weekday().num_days_from_monday())
                && weeks % *every as usize == 0
        }
        Pattern::Monthly(Monthly { every, on, on_the, start, end, .. }) => {
            let firsts = |first: NaiveDate| first.iter_days().skip(1).take_while(|day| *day <= date).filter(|day| day.day() == 1).count();
            let is_last = (date + Days::new(1)).month() != date.month();
            let same_days = |days: &mut dyn Iterator<Item = NaiveDate>| days.filter(|day| day.weekday() == date.weekday()).count();
            let number = same_days(&mut date.with_day(1).unwrap().iter_days().take_while(|day| *day <= date));
            let is_last_such = (date + Days::new(7)).month() != date.month();
            let numbered = on.iter().any(|day| match day {
                DayOfMonth::Number(number) => u32::from(*number) == date.day(),
                DayOfMonth::Last => is_last,
            });
            let counted = on_the.iter().any(|NthWeekday { nth, day }| {
                u32::from(day.days_since_monday()) == date.weekday().num_days_from_monday()
                    && match nth {
                        Nth::Number(nth) => usize::from(*nth) == number,
                        Nth::Last => is_last_such,
                    }
            });
            within(*start, *end) && (numbered || counted) && start.map_or(0, firsts) % *every as usize == 0
        }
    }
}

fn hours(pattern: &Pattern) -> (TimeOfDay, TimeOfDay) {
    match pattern {
        Pattern::Daily(daily) => (daily.from, daily.to),
        Pattern::Weekly(weekly) => (weekly.from, weekly.to),
        Pattern::Monthly(monthly) => (monthly.from, monthly.to),
        Pattern::Custom(_) => (TimeOfDay::START, TimeOfDay::END),
    }
}

/// All periods that begin on the days of a stretch.
fn model(pattern: &Pattern, zone: &TimeZone, first: NaiveDate, days: usize) -> Vec<Period> {
    let (from, to) = hours(pattern);
    let at = |date: NaiveDate, time: TimeOfDay| date.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(time.minutes().into());
    first
        .iter_days()
        .take(days)
        .filter(|date| is_day(pattern, *date))
        .map(|date| {
            let (begins, ends) = (at(date, from), at(if to > from { date } else { date + Days::new(1) }, to));
            let (start, end) = (first_showing(zone, begins), first_showing(zone, ends));
            Period { start, end: if end > start { end } else { start + (ends - begins) } }
        })
        .collect()
}

fn time() -> impl Strategy<Value = TimeOfDay> {
    // Times about the changes of clocks come often.
    prop_oneof![0u16..1440, 0u16..240].prop_map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60).parse().unwrap())
}

fn end_time() -> impl Strategy<Value = TimeOfDay> {
    prop_oneof![4 => time(), 1 => Just(TimeOfDay::END)]
}

fn date() -> impl Strategy<Value = NaiveDate> {
    (0u64..900).prop_map(|days| NaiveDate::from_ymd_opt(2023, 10, 1).unwrap() + Days::new(days))
}

/// The first date of a range of activity, and perhaps its last.
fn dates() -> impl Strategy<Value = (Option<NaiveDate>, Option<NaiveDate>)> {
    (date(), prop::option::of(0u64..200)).prop_map(|(start, days)| (Some(start), days.map(|days| start + Days::new(days))))
}

fn weekday() -> impl Strategy<Value = Weekday> {
    prop::sample::select(Weekday::ALL.to_vec())
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let nth = prop_oneof![(1u8..=5).prop_map(Nth::Number), Just(Nth::Last)];
    let day = prop_oneof![4 => (1u8..=31).prop_map(DayOfMonth::Number), 1 => Just(DayOfMonth::Last)];
    let on_the = prop::collection::btree_set((nth, weekday()).prop_map(|(nth, day)| NthWeekday { nth, day }), 0..3);
    prop_oneof![
        (1u32..6, time(), end_time(), dates()).prop_map(|(every, from, to, (start, end))| Pattern::Daily(Daily { every, from, to, start, end })),
        (1u32..4, prop::collection::btree_set(weekday(), 1..4), time(), end_time(), dates())
            .prop_map(|(every, on, from, to, (start, end))| Pattern::Weekly(Weekly { every, on, from, to, start, end })),
        (1u32..4, prop::collection::btree_set(day, 0..4), on_the, time(), end_time(), dates()).prop_filter_map(
            "no day",
            |(every, on, on_the, from, to, (start, end))| {
                let any = !on.is_empty() || !on_the.is_empty();
                any.then_some(Pattern::Monthly(Monthly { every, on, on_the, from, to, start, end }))
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn periods_are_what_the_clock_on_the_wall_says(pattern in pattern(), zone in prop::sample::select(ZONES.to_vec()), first in date()) {
        let zone = TimeZone::get(zone).unwrap();
        let schedule = Schedule::new(pattern.clone(), zone.clone());
        let expected = model(&pattern, &zone, first, 40);
        let begins = first_showing(&zone, first.and_hms_opt(0, 0, 0).unwrap());
        let ends = first_showing(&zone, (first + Days::new(40)).and_hms_opt(0, 0, 0).unwrap());
        let found: Vec<Period> = schedule.ending_after(begins).filter(|period| period.start >= begins).take_while(|period| period.start < ends).collect();
        prop_assert_eq!(&found, &expected);
        for pair in expected.windows(2) {
            prop_assert_eq!(schedule.at(pair[0].start), Some(pair[0]));
            prop_assert_eq!(schedule.at(pair[0].end - TimeDelta::seconds(1)), Some(pair[0]));
            prop_assert_eq!(schedule.next(pair[0].start), Some(pair[1]));
            if pair[0].end < pair[1].start {
                prop_assert_eq!(schedule.at(pair[0].end), None);
            }
        }
    }
}

fn schedule(toml: &str) -> Schedule {
    Schedule::of(&toml::from_str(toml).unwrap()).unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_leap_day_comes_after_eight_years_too() {
    let schedule = schedule("time-zone = \"UTC\"\nmonthly = { on = [29], every = 12, start = \"2096-02-01\" }");
    assert_eq!(schedule.next(utc("2096-03-01T00:00:00Z")).map(|period| period.start), Some(utc("2104-02-29T00:00:00Z")));
}

#[test]
fn what_never_comes_ends_the_search() {
    let schedule = schedule("time-zone = \"UTC\"\nmonthly = { on = [31], every = 12, start = \"2026-02-01\" }");
    assert_eq!(schedule.next(utc("2026-01-01T00:00:00Z")), None);
}

#[test]
fn ranges_that_overlap_are_one_period() {
    let schedule = schedule(
        "time-zone = \"Europe/Warsaw\"\ncustom = [{ from = \"2026-07-01T10:00\", to = \"2026-07-01T12:00\" }, { from = \"2026-07-01T11:00\", to = \"2026-07-01T13:00\" }]",
    );
    let periods: BTreeSet<Period> = schedule.ending_after(utc("2026-01-01T00:00:00Z")).collect();
    assert_eq!(periods, BTreeSet::from([Period { start: utc("2026-07-01T08:00:00Z"), end: utc("2026-07-01T11:00:00Z") }]));
}
