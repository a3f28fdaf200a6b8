//! The values of item properties: times, people, lists, words.

use crate::xml::{XmlError, XmlReader};
use c2b_mailbox::render::{Attendance, Attendee, Person, TaskStatus};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// Reads `xs:dateTime`; one without a zone is UTC, as we ask for it.
pub(crate) fn date_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f") {
        return Some(time.and_utc());
    }
    date(text).map(|day| day.and_time(NaiveTime::MIN).and_utc())
}

/// Reads `xs:date`, whose zone says nothing here.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.trim().get(..10)?, "%Y-%m-%d").ok()
}

/// Reads `SingleRecipientType`: a Mailbox inside.
pub(super) fn person(xml: &mut XmlReader) -> Result<Option<Person>, XmlError> {
    Ok(people(xml)?.into_iter().next())
}

/// Reads `ArrayOfRecipientsType` and lists whose members hold a Mailbox.
pub(super) fn people(xml: &mut XmlReader) -> Result<Vec<Person>, XmlError> {
    let mut people = Vec::new();
    while let Some(element) = xml.child()? {
        match element.name() {
            "Mailbox" => people.push(mailbox(xml)?),
            "Member" => people.extend(person(xml)?),
            _ => xml.skip()?,
        }
    }
    people.retain(|person| !person.is_empty());
    Ok(people)
}

/// Reads `EmailAddressType`. An address that is no internet address (an X.500 name) is left out.
pub(crate) fn mailbox(xml: &mut XmlReader) -> Result<Person, XmlError> {
    let mut person = Person::default();
    let mut routing = String::new();
    while let Some(element) = xml.child()? {
        match element.name() {
            "Name" => person.name = xml.text()?.trim().to_owned(),
            "EmailAddress" => person.address = xml.text()?.trim().to_owned(),
            "RoutingType" => routing = xml.text()?,
            _ => xml.skip()?,
        }
    }
    if routing.trim() == "EX" || person.address.starts_with("/o=") || person.address.starts_with("/O=") {
        person.address.clear();
    }
    Ok(person)
}

/// Reads `ArrayOfAttendeesType`.
pub(super) fn attendees(xml: &mut XmlReader, attendance: Attendance) -> Result<Vec<Attendee>, XmlError> {
    let mut attendees = Vec::new();
    while xml.child()?.is_some() {
        let mut person = Person::default();
        let mut answer = None;
        while let Some(element) = xml.child()? {
            match element.name() {
                "Mailbox" => person = mailbox(xml)?,
                "ResponseType" => answer = part_stat(&xml.text()?),
                _ => xml.skip()?,
            }
        }
        if !person.is_empty() {
            attendees.push(Attendee { person, attendance, answer });
        }
    }
    Ok(attendees)
}

fn part_stat(text: &str) -> Option<&'static str> {
    match text.trim() {
        "Accept" | "Organizer" => Some("ACCEPTED"),
        "Decline" => Some("DECLINED"),
        "Tentative" => Some("TENTATIVE"),
        "NoResponseReceived" => Some("NEEDS-ACTION"),
        _ => None,
    }
}

/// Reads `ArrayOfStringsType`.
pub(super) fn strings(xml: &mut XmlReader) -> Result<Vec<String>, XmlError> {
    let mut strings = Vec::new();
    while xml.child()?.is_some() {
        let text = xml.text()?;
        if !text.is_empty() {
            strings.push(text);
        }
    }
    Ok(strings)
}

/// Reads the starts of `ArrayOfDeletedOccurrencesType`.
pub(super) fn starts(xml: &mut XmlReader) -> Result<Vec<DateTime<Utc>>, XmlError> {
    let mut starts = Vec::new();
    while xml.child()?.is_some() {
        while let Some(element) = xml.child()? {
            match element.name() {
                "Start" => starts.extend(date_time(&xml.text()?)),
                _ => xml.skip()?,
            }
        }
    }
    Ok(starts)
}

/// Reads the end of `OccurrenceInfoType`.
pub(super) fn end(xml: &mut XmlReader) -> Result<Option<DateTime<Utc>>, XmlError> {
    let mut end = None;
    while let Some(element) = xml.child()? {
        match element.name() {
            "End" => end = date_time(&xml.text()?),
            _ => xml.skip()?,
        }
    }
    Ok(end)
}

/// Reads `PercentComplete`, an `xs:double` from 0 to 100.
pub(super) fn percent(text: &str) -> Option<u8> {
    let whole = text.trim().split('.').next()?;
    whole.parse::<u8>().ok().map(|percent| percent.min(100))
}

/// Reads `TaskStatusType`.
pub(super) fn task_status(text: &str) -> Option<TaskStatus> {
    match text.trim() {
        "Completed" => Some(TaskStatus::Completed),
        "InProgress" => Some(TaskStatus::InProcess),
        "NotStarted" | "WaitingOnOthers" | "Deferred" => Some(TaskStatus::NeedsAction),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_servers_write() {
        let expected = DateTime::from_timestamp(1_795_255_200, 0).unwrap();
        for text in ["2026-11-21T10:00:00Z", "2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00", " 2026-11-21T10:00:00.000Z "] {
            assert_eq!(date_time(text), Some(expected), "{text}");
        }
        assert_eq!(date_time("2026-11-21"), DateTime::from_timestamp(1_795_219_200, 0));
        assert_eq!(date_time("soon"), None);
        assert_eq!(date("2026-11-21Z"), NaiveDate::from_ymd_opt(2026, 11, 21));
        assert_eq!(date("ä026-11-21"), None);
    }
}
