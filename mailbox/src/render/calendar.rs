//! Appointments, tasks and journal entries as iCalendar; calcard writes the grammar.
//!
//! Times are UTC; whole days are dates. A series without a time zone keeps its rhythm in UTC.

use super::Properties;
use super::plain::{clean, text_of};
use super::properties::{Attendance, Attendee, Pattern, Person, Recurrence, RecurrenceEnd, TaskStatus, Weekday};
use crate::Importance;
use calcard::common::PartialDateTime;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarDay, ICalendarEntry, ICalendarFrequency, ICalendarMonth, ICalendarParameter,
    ICalendarParameterName, ICalendarProperty, ICalendarRecurrenceRule, ICalendarValue, ICalendarValueType, ICalendarWeekday,
};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use std::io::{self, Write};

/// Writes a task as VTODO.
pub(super) fn write_task(properties: &Properties, out: &mut impl Write) -> io::Result<()> {
    let task = &properties.task;
    let mut todo = begin(ICalendarComponentType::VTodo, properties);
    day(&mut todo, ICalendarProperty::Dtstart, task.start);
    day(&mut todo, ICalendarProperty::Due, task.due);
    moment(&mut todo, ICalendarProperty::Completed, task.completed);
    if let Some(percent) = task.percent {
        todo.add_property(ICalendarProperty::PercentComplete, i64::from(percent));
    }
    let status = task.status.map(|status| match status {
        TaskStatus::NeedsAction => "NEEDS-ACTION",
        TaskStatus::InProcess => "IN-PROCESS",
        TaskStatus::Completed => "COMPLETED",
    });
    text(&mut todo, ICalendarProperty::Status, status.unwrap_or_default());
    text(&mut todo, ICalendarProperty::Contact, &task.owner);
    // A rule needs a start to count from.
    if let (Some(recurrence), true) = (&task.recurrence, task.start.is_some()) {
        rule(&mut todo, recurrence);
    }
    finish(todo, properties, out)
}

/// Writes a journal entry as VJOURNAL.
pub(super) fn write_journal(properties: &Properties, out: &mut impl Write) -> io::Result<()> {
    let mut journal = begin(ICalendarComponentType::VJournal, properties);
    moment(&mut journal, ICalendarProperty::Dtstart, properties.event.start.or(properties.created));
    moment(&mut journal, ICalendarProperty::Other("X-END".to_owned()), properties.event.end);
    finish(journal, properties, out)
}

/// Writes an appointment as VEVENT.
pub(super) fn write_event(properties: &Properties, out: &mut impl Write) -> io::Result<()> {
    let it = &properties.event;
    let mut event = begin(ICalendarComponentType::VEvent, properties);
    let time = if it.all_day { day } else { moment };
    time(&mut event, ICalendarProperty::Dtstart, it.start);
    time(&mut event, ICalendarProperty::Dtend, it.end);
    time(&mut event, ICalendarProperty::RecurrenceId, it.recurrence_id);
    text(&mut event, ICalendarProperty::Location, &it.location);
    text(&mut event, ICalendarProperty::Status, if it.cancelled { "CANCELLED" } else { "CONFIRMED" });
    text(&mut event, ICalendarProperty::Transp, if it.free { "TRANSPARENT" } else { "OPAQUE" });
    if let Some(organizer) = &it.organizer {
        person(&mut event, ICalendarProperty::Organizer, organizer, Vec::new());
    }
    for attendee in &it.attendees {
        person(&mut event, ICalendarProperty::Attendee, &attendee.person, attendee_parameters(attendee));
    }
    if let Some(recurrence) = &it.recurrence {
        rule(&mut event, recurrence);
        for start in &it.deleted_occurrences {
            time(&mut event, ICalendarProperty::Exdate, Some(*start));
        }
    }
    finish(event, properties, out)
}

/// Starts a component with what all have.
fn begin(kind: ICalendarComponentType, properties: &Properties) -> ICalendarComponent {
    let mut component = ICalendarComponent::new(kind);
    let uid = properties.event.uid.as_deref().unwrap_or(&properties.key);
    component.add_uid(&clean(uid));
    // The stamp is when this state was made, so that the same state gives the same bytes.
    let stamp = properties.modified.or(properties.created).unwrap_or(DateTime::UNIX_EPOCH);
    moment(&mut component, ICalendarProperty::Dtstamp, Some(stamp));
    moment(&mut component, ICalendarProperty::Created, properties.created);
    moment(&mut component, ICalendarProperty::LastModified, properties.modified);
    text(&mut component, ICalendarProperty::Summary, &properties.subject);
    component
}

fn finish(mut component: ICalendarComponent, properties: &Properties, out: &mut impl Write) -> io::Result<()> {
    text(&mut component, ICalendarProperty::Description, &text_of(properties.body.as_ref()));
    text(&mut component, ICalendarProperty::Class, properties.sensitivity.as_deref().unwrap_or_default());
    match properties.importance {
        Some(Importance::High) => component.add_property(ICalendarProperty::Priority, 1_i64),
        Some(Importance::Low) => component.add_property(ICalendarProperty::Priority, 9_i64),
        Some(Importance::Normal) | None => {}
    }
    if !properties.categories.is_empty() {
        let values = properties.categories.iter().map(|category| ICalendarValue::Text(clean(category))).collect();
        component.entries.push(ICalendarEntry::new(ICalendarProperty::Categories).with_values(values));
    }
    let mut calendar = ICalendarComponent::new(ICalendarComponentType::VCalendar);
    text(&mut calendar, ICalendarProperty::Version, "2.0");
    text(&mut calendar, ICalendarProperty::Prodid, "-//c2b//EN");
    calendar.component_ids.push(1);
    let document = ICalendar { components: vec![calendar, component] };
    let mut written = String::new();
    document.write_to(&mut written).map_err(io::Error::other)?;
    out.write_all(written.as_bytes())
}

fn text(component: &mut ICalendarComponent, property: ICalendarProperty, value: &str) {
    let value = clean(value);
    if !value.is_empty() {
        component.add_property(property, value);
    }
}

fn moment(component: &mut ICalendarComponent, property: ICalendarProperty, time: Option<DateTime<Utc>>) {
    if let Some(time) = time {
        component.add_property(property, PartialDateTime::from_utc_timestamp(time.timestamp()));
    }
}

/// Writes a date: the day whose midnight, in a zone within half a day of UTC, the time is.
fn day(component: &mut ICalendarComponent, property: ICalendarProperty, time: Option<DateTime<Utc>>) {
    if let Some(day) = time.and_then(|time| time.checked_add_signed(TimeDelta::hours(12))) {
        let parameters = [ICalendarParameter::value(ICalendarValueType::Date)];
        component.add_property_with_params(property, parameters, date(day.date_naive()));
    }
}

fn date(day: NaiveDate) -> PartialDateTime {
    let part = |number: u32| u8::try_from(number).ok();
    PartialDateTime { year: u16::try_from(day.year()).ok(), month: part(day.month()), day: part(day.day()), ..PartialDateTime::default() }
}

fn person(component: &mut ICalendarComponent, property: ICalendarProperty, person: &Person, mut parameters: Vec<ICalendarParameter>) {
    if !person.name.is_empty() {
        parameters.push(ICalendarParameter::cn(clean(&person.name)));
    }
    let address = if person.address.is_empty() { "invalid:nomail".to_owned() } else { format!("mailto:{}", clean(&person.address)) };
    component.add_property_with_params(property, parameters, address);
}

fn attendee_parameters(attendee: &Attendee) -> Vec<ICalendarParameter> {
    let parameter = |name, value: &str| ICalendarParameter::new(name, value.to_owned());
    let mut parameters = vec![match attendee.attendance {
        Attendance::Required => parameter(ICalendarParameterName::Role, "REQ-PARTICIPANT"),
        Attendance::Optional => parameter(ICalendarParameterName::Role, "OPT-PARTICIPANT"),
        Attendance::Resource => parameter(ICalendarParameterName::Cutype, "RESOURCE"),
    }];
    parameters.extend(attendee.answer.map(|answer| parameter(ICalendarParameterName::Partstat, answer)));
    parameters
}

fn rule(component: &mut ICalendarComponent, recurrence: &Recurrence) {
    let mut rule = ICalendarRecurrenceRule { interval: Some(recurrence.interval).filter(|interval| *interval > 1), ..ICalendarRecurrenceRule::default() };
    match &recurrence.pattern {
        Pattern::Daily => rule.freq = ICalendarFrequency::Daily,
        Pattern::Weekly(days) => {
            rule.freq = ICalendarFrequency::Weekly;
            rule.byday = by_day(days);
        }
        Pattern::MonthDay(day) => {
            rule.freq = ICalendarFrequency::Monthly;
            rule.bymonthday = i8::try_from(*day).into_iter().collect();
        }
        Pattern::MonthPosition(position, days) => {
            rule.freq = ICalendarFrequency::Monthly;
            rule.byday = by_day(days);
            rule.bysetpos = vec![i32::from(position.0)];
        }
        Pattern::YearDay(day, month) => {
            rule.freq = ICalendarFrequency::Yearly;
            rule.bymonthday = i8::try_from(*day).into_iter().collect();
            rule.bymonth = vec![ICalendarMonth::new(*month, false)];
        }
        Pattern::YearPosition(position, days, month) => {
            rule.freq = ICalendarFrequency::Yearly;
            rule.byday = by_day(days);
            rule.bysetpos = vec![i32::from(position.0)];
            rule.bymonth = vec![ICalendarMonth::new(*month, false)];
        }
    }
    match recurrence.end {
        RecurrenceEnd::Never => {}
        RecurrenceEnd::Count(count) => rule.count = Some(count),
        RecurrenceEnd::Until(last) => {
            let end = last.and_hms_opt(23, 59, 59).map(|end| PartialDateTime::from_utc_timestamp(end.and_utc().timestamp()));
            rule.until = end;
        }
    }
    component.add_property(ICalendarProperty::Rrule, rule);
}

fn by_day(days: &[Weekday]) -> Vec<ICalendarDay> {
    let weekday = |day: &Weekday| match day {
        Weekday::Monday => ICalendarWeekday::Monday,
        Weekday::Tuesday => ICalendarWeekday::Tuesday,
        Weekday::Wednesday => ICalendarWeekday::Wednesday,
        Weekday::Thursday => ICalendarWeekday::Thursday,
        Weekday::Friday => ICalendarWeekday::Friday,
        Weekday::Saturday => ICalendarWeekday::Saturday,
        Weekday::Sunday => ICalendarWeekday::Sunday,
    };
    days.iter().map(|day| ICalendarDay { ordwk: None, weekday: weekday(day) }).collect()
}
