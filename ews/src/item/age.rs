//! How old an item is: when it happens for the last time, else when it was last modified.
//!
//! Exchange tells when the last occurrence of an appointment ends. Of tasks, and where that is not told, the end is worked
//! out, rather too late than too early.

use super::RawItem;
use c2b_mailbox::render::{Pattern, Recurrence, RecurrenceEnd};
use c2b_mailbox::{Facts, Occurs};
use chrono::{DateTime, Days, Months, NaiveTime, Utc};

/// What happens in a class of items.
enum Kind {
    Appointment,
    Task,
    Other,
}

impl RawItem {
    /// Returns what decides how old it is.
    pub(crate) fn facts(&self) -> Facts {
        let it = &self.properties;
        let (occurs, recurrence) = match kind(&it.class) {
            Kind::Appointment => (it.event.end, &it.event.recurrence),
            Kind::Task => (it.task.due, &it.task.recurrence),
            Kind::Other => return Facts { class: it.class.clone(), occurs: None, modified: it.modified },
        };
        if !self.recurs {
            return Facts { class: it.class.clone(), occurs: occurs.map(Occurs::Until), modified: it.modified };
        }
        let first = occurs.or(it.event.start).or(it.task.start);
        let occurs = match (self.last_end, recurrence) {
            (_, Some(Recurrence { end: RecurrenceEnd::Never, .. })) => Some(Occurs::Endless),
            (Some(end), _) => Some(Occurs::Until(end)),
            (None, Some(recurrence)) => first.and_then(|first| last_end(first, recurrence)).map(Occurs::Until),
            (None, None) => None,
        };
        // Of a series of which the end cannot be told, nothing decides.
        Facts { class: it.class.clone(), occurs, modified: it.modified.filter(|_| occurs.is_some()) }
    }
}

/// Returns until when a series that begins with an occurrence ending `first` goes on at most.
fn last_end(first: DateTime<Utc>, recurrence: &Recurrence) -> Option<DateTime<Utc>> {
    let count = match recurrence.end {
        RecurrenceEnd::Never => return None,
        // Whatever the time zone, that day is over then.
        RecurrenceEnd::Until(day) => return Some(day.checked_add_days(Days::new(2))?.and_time(NaiveTime::MIN).and_utc()),
        RecurrenceEnd::Count(count) => count,
    };
    let steps = |each: u32| count.div_ceil(each.max(1)).checked_mul(u32::from(recurrence.interval));
    match &recurrence.pattern {
        Pattern::Daily => first.checked_add_days(Days::new(u64::from(steps(1)?))),
        Pattern::Weekly(days) => first.checked_add_days(Days::new(7 * u64::from(steps(u32::try_from(days.len()).ok()?)?))),
        Pattern::MonthDay(_) | Pattern::MonthPosition(..) => first.checked_add_months(Months::new(steps(1)?)),
        Pattern::YearDay(..) | Pattern::YearPosition(..) => first.checked_add_months(Months::new(steps(1)?.checked_mul(12)?)),
    }
}

fn kind(class: &str) -> Kind {
    let is = |family: &str| {
        let (head, tail) = class.split_at_checked(family.len()).unwrap_or((class, ""));
        head.eq_ignore_ascii_case(family) && (tail.is_empty() || tail.starts_with('.'))
    };
    match () {
        () if is("IPM.Appointment") => Kind::Appointment,
        () if is("IPM.Task") => Kind::Task,
        () => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_mailbox::render::Weekday;

    fn time(text: &str) -> DateTime<Utc> {
        format!("{text}Z").parse().unwrap()
    }

    fn series(class: &str, pattern: Pattern, interval: u16, end: RecurrenceEnd) -> RawItem {
        let mut raw = RawItem { recurs: true, ..RawItem::default() };
        raw.properties.class = class.to_owned();
        raw.properties.modified = Some(time("2020-01-01T00:00:00"));
        (raw.properties.event.end, raw.properties.task.due) = (Some(time("2026-01-05T10:00:00")), Some(time("2026-01-05T10:00:00")));
        let recurrence = Some(Recurrence { pattern, interval, end });
        (raw.properties.event.recurrence, raw.properties.task.recurrence) = (recurrence.clone(), recurrence);
        raw
    }

    #[test]
    fn a_series_is_as_old_as_its_last_occurrence_and_never_older() {
        let weekly = || Pattern::Weekly(vec![Weekday::Monday, Weekday::Thursday]);
        for (raw, expected) in [
            (series("IPM.Task", Pattern::Daily, 2, RecurrenceEnd::Count(10)), Some("2026-01-25T10:00:00")),
            (series("IPM.Task.Own", weekly(), 1, RecurrenceEnd::Count(5)), Some("2026-01-26T10:00:00")),
            (series("IPM.Appointment", Pattern::MonthDay(5), 3, RecurrenceEnd::Count(4)), Some("2027-01-05T10:00:00")),
            (series("IPM.Appointment", Pattern::YearDay(5, 1), 1, RecurrenceEnd::Count(3)), Some("2029-01-05T10:00:00")),
            (series("IPM.Task", Pattern::Daily, 1, RecurrenceEnd::Until("2026-02-01".parse().unwrap())), Some("2026-02-03T00:00:00")),
            (series("IPM.Task", Pattern::Daily, u16::MAX, RecurrenceEnd::Count(u32::MAX)), None),
        ] {
            let facts = raw.facts();
            assert_eq!(facts.occurs, expected.map(|text| Occurs::Until(time(text))), "{raw:?}");
            assert_eq!(facts.modified.is_some(), expected.is_some(), "in doubt nothing decides");
        }
        assert_eq!(series("IPM.Appointment", weekly(), 1, RecurrenceEnd::Never).facts().occurs, Some(Occurs::Endless));
        let told = RawItem { last_end: Some(time("2026-03-02T10:00:00")), ..series("IPM.Appointment", weekly(), 1, RecurrenceEnd::Count(99)) };
        assert_eq!(told.facts().occurs, Some(Occurs::Until(time("2026-03-02T10:00:00"))));
        let request = series("IPM.Schedule.Meeting.Request", weekly(), 1, RecurrenceEnd::Never).facts();
        assert_eq!((request.occurs, request.modified), (None, Some(time("2020-01-01T00:00:00"))));
    }
}
