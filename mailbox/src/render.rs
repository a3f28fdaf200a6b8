//! The readable form of an item that came without one: a file made from its properties.
//!
//! * Tasks become iCalendar VTODO, journal entries VJOURNAL, appointments VEVENT, contacts and
//!   distribution lists vCard, sticky notes plain text, everything else an internet message.
//! * The same properties always render to the same bytes: no clock, no randomness, no host name.
//! * Bodies and attachments stream; memory stays bounded by the body text.
//! * It knows no protocol. What a server already gave as MIME, iCalendar or vCard is not rendered.

mod calendar;
mod card;
mod letter;
mod note;
mod plain;
pub mod properties;

pub use properties::{
    Attachment, Attendance, Attendee, Body, Contact, DayPosition, Event, Labelled, Pattern, Person, PostalAddress, Properties, Recurrence, RecurrenceEnd, Task,
    TaskStatus, Weekday,
};

use crate::{ContentWriter, Format, Readable};
use std::io;
use std::path::Path;

/// Why no readable form could be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The rendered bytes could not be kept, or an attachment could not be read back.
    #[error("failed to write the readable form of an item of class {class}")]
    Write {
        /// The item's class.
        class: String,
        /// What failed below.
        #[source]
        err: io::Error,
    },
}

/// Returns the file format in which an item of this class is rendered.
pub fn format_of(class: &str) -> Format {
    match Kind::of(class) {
        Kind::Task | Kind::Journal | Kind::Event => Format::Ics,
        Kind::Contact | Kind::List => Format::Vcf,
        Kind::Note => Format::Txt,
        Kind::Letter => Format::Eml,
    }
}

/// Renders the readable form; what exceeds the memory bound spills to `spool_dir`.
///
/// # Errors
/// [`RenderError`] when a temporary file cannot be read or written.
pub fn render(properties: &mut Properties, spool_dir: &Path) -> Result<Readable, RenderError> {
    let mut writer = ContentWriter::new_in(spool_dir);
    let written = match Kind::of(&properties.class) {
        Kind::Task => calendar::write_task(properties, &mut writer),
        Kind::Journal => calendar::write_journal(properties, &mut writer),
        Kind::Event => calendar::write_event(properties, &mut writer),
        Kind::Contact => card::write_contact(properties, &mut writer),
        Kind::List => card::write_list(properties, &mut writer),
        Kind::Note => note::write(properties, &mut writer),
        Kind::Letter => letter::write(properties, &mut writer),
    };
    let content = written.and_then(|()| writer.finish()).map_err(|err| RenderError::Write { class: properties.class.clone(), err })?;
    Ok(Readable { format: format_of(&properties.class), rendered: true, content })
}

/// What an item of a class is rendered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Task,
    Journal,
    Event,
    Contact,
    List,
    Note,
    Letter,
}

impl Kind {
    /// Tells by the class: itself or a class derived from it (`IPM.Task.Mine`), in any case.
    fn of(class: &str) -> Self {
        const KINDS: [(&str, Kind); 6] = [
            ("ipm.task", Kind::Task),
            ("ipm.activity", Kind::Journal),
            ("ipm.appointment", Kind::Event),
            ("ipm.contact", Kind::Contact),
            ("ipm.distlist", Kind::List),
            ("ipm.stickynote", Kind::Note),
        ];
        let class = class.to_ascii_lowercase();
        let derived = |base: &str| class.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        KINDS.iter().find(|(base, _)| derived(base)).map_or(Self::Letter, |(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;
    use chrono::{DateTime, NaiveDate, Utc};
    use mail_parser::{MessageParser, MimeHeaders};

    fn time(text: &str) -> Option<DateTime<Utc>> {
        Some(DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc))
    }

    fn person(name: &str, address: &str) -> Person {
        Person { name: name.to_owned(), address: address.to_owned() }
    }

    fn item(class: &str) -> Properties {
        Properties { key: "AAMk=".to_owned(), class: class.to_owned(), modified: time("2026-11-21T10:00:00Z"), ..Properties::default() }
    }

    fn rendered(properties: &mut Properties) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let mut readable = render(properties, dir.path()).unwrap();
        assert!(readable.rendered);
        readable.content.to_vec().unwrap()
    }

    fn rendered_text(properties: &mut Properties) -> String {
        String::from_utf8(rendered(properties)).unwrap()
    }

    #[test]
    fn the_class_decides_the_format() {
        let cases = [
            ("IPM.Task", Format::Ics),
            ("ipm.task.Mine", Format::Ics),
            ("IPM.TaskRequest", Format::Eml),
            ("IPM.Activity", Format::Ics),
            ("IPM.Appointment.Occurrence", Format::Ics),
            ("IPM.Contact", Format::Vcf),
            ("IPM.DistList", Format::Vcf),
            ("IPM.StickyNote", Format::Txt),
            ("IPM.Note", Format::Eml),
            ("IPM.Post", Format::Eml),
            ("", Format::Eml),
        ];
        for (class, format) in cases {
            assert_eq!(format_of(class), format, "{class}");
        }
    }

    #[test]
    fn an_appointment_is_a_vevent() {
        let mut it = item("IPM.Appointment");
        it.subject = "Budget, 2027; draft".to_owned();
        it.body = Some(Body { html: true, text: "<p>See <b>file</b></p>".to_owned() });
        it.event = Event {
            uid: Some("040000".to_owned()),
            start: time("2026-11-23T09:00:00Z"),
            end: time("2026-11-23T10:00:00Z"),
            location: "Room 1".to_owned(),
            organizer: Some(person("Ann", "ann@example.org")),
            attendees: vec![Attendee { person: person("Bob", "bob@example.org"), attendance: Attendance::Optional, answer: Some("ACCEPTED") }],
            recurrence: Some(Recurrence {
                pattern: Pattern::Weekly(vec![Weekday::Monday, Weekday::Friday]),
                interval: 2,
                end: RecurrenceEnd::Until(NaiveDate::from_ymd_opt(2026, 12, 31).unwrap()),
            }),
            deleted_occurrences: time("2026-12-07T09:00:00Z").into_iter().collect(),
            ..Event::default()
        };
        let expected = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//c2b//EN\r\nBEGIN:VEVENT\r\nUID:040000\r\nDTSTAMP:20261121T100000Z\r\nLAST-MODIFIED:20261121T100000Z\r\n\
            SUMMARY:Budget\\, 2027\\; draft\r\nDTSTART:20261123T090000Z\r\nDTEND:20261123T100000Z\r\nLOCATION:Room 1\r\nSTATUS:CONFIRMED\r\nTRANSP:OPAQUE\r\n\
            ORGANIZER;CN=Ann:mailto:ann@example.org\r\nATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=ACCEPTED;CN=Bob:mailto:bob@example.o\r\n rg\r\n\
            RRULE:FREQ=WEEKLY;UNTIL=20261231T235959Z;INTERVAL=2;BYDAY=MO,FR\r\nEXDATE:20261207T090000Z\r\nDESCRIPTION:See file\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!(rendered_text(&mut it), expected);
    }

    #[test]
    fn whole_days_are_dates_wherever_their_midnight_was() {
        for (start, end) in [
            ("2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z"),
            ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
            ("2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z"),
        ] {
            let mut it = item("IPM.Appointment");
            it.event = Event { start: time(start), end: time(end), all_day: true, ..Event::default() };
            let text = rendered_text(&mut it);
            assert!(text.contains("DTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:20261124\r\n"), "{text}");
            assert!(text.contains("UID:AAMk=\r\n"));
        }
    }

    #[test]
    fn rhythms_become_rules() {
        let cases = [
            (Pattern::Daily, "FREQ=DAILY;COUNT=3"),
            (Pattern::MonthDay(15), "FREQ=MONTHLY;COUNT=3;BYMONTHDAY=15"),
            (Pattern::MonthPosition(DayPosition(-1), vec![Weekday::Friday]), "FREQ=MONTHLY;COUNT=3;BYDAY=FR;BYSETPOS=-1"),
            (Pattern::YearDay(24, 12), "FREQ=YEARLY;COUNT=3;BYMONTHDAY=24;BYMONTH=12"),
            (Pattern::YearPosition(DayPosition(2), vec![Weekday::Sunday], 5), "FREQ=YEARLY;COUNT=3;BYDAY=SU;BYMONTH=5;BYSETPOS=2"),
        ];
        for (pattern, rule) in cases {
            let mut it = item("IPM.Task");
            it.task.start = time("2026-01-01T00:00:00Z");
            it.task.recurrence = Some(Recurrence { pattern, interval: 1, end: RecurrenceEnd::Count(3) });
            let text = rendered_text(&mut it);
            assert!(text.contains(&format!("RRULE:{rule}\r\n")), "{rule} is not in\n{text}");
        }
    }

    #[test]
    fn a_task_is_a_vtodo_and_a_journal_entry_a_vjournal() {
        let mut task = item("IPM.Task");
        task.subject = "Call".to_owned();
        task.importance = Some(crate::Importance::High);
        task.categories = vec!["Red, dark".to_owned(), "Blue".to_owned()];
        task.task = Task { due: time("2026-12-01T00:00:00Z"), percent: Some(50), status: Some(TaskStatus::InProcess), ..Task::default() };
        let text = rendered_text(&mut task);
        for line in ["BEGIN:VTODO", "DUE;VALUE=DATE:20261201", "PERCENT-COMPLETE:50", "STATUS:IN-PROCESS", "PRIORITY:1", "CATEGORIES:Red\\, dark,Blue"] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} is not in\n{text}");
        }
        let mut journal = item("IPM.Activity");
        journal.event.start = time("2026-11-21T10:00:00Z");
        journal.body = Some(Body { html: false, text: "line one\r\nline two\u{0}".to_owned() });
        let text = rendered_text(&mut journal);
        assert!(text.contains("BEGIN:VJOURNAL\r\n") && text.contains("DESCRIPTION:line one\\nline two\r\n"), "{text}");
    }

    #[test]
    fn a_contact_is_a_vcard_and_a_list_a_group() {
        let mut it = item("IPM.Contact");
        it.contact = Contact {
            display_name: "Dr. Ann B\u{e4}r".to_owned(),
            given_name: "Ann".to_owned(),
            surname: "B\u{e4}r".to_owned(),
            prefix: "Dr.".to_owned(),
            company: "Example".to_owned(),
            emails: vec![Labelled { label: "EmailAddress1".to_owned(), value: "ann@example.org".to_owned() }],
            phones: vec![Labelled { label: "BusinessFax".to_owned(), value: "+1 2".to_owned() }],
            addresses: vec![PostalAddress { label: "Home".to_owned(), street: "Way 1".to_owned(), city: "Town".to_owned(), ..PostalAddress::default() }],
            birthday: time("1980-02-28T23:00:00Z"),
            ..Contact::default()
        };
        let text = rendered_text(&mut it);
        for line in [
            "FN:Dr. Ann B\u{e4}r",
            "N:B\u{e4}r;Ann;;Dr.;",
            "ORG:Example;",
            "EMAIL:ann@example.org",
            "TEL;TYPE=WORK,FAX:+1 2",
            "ADR;TYPE=HOME:;;Way 1;Town;;;",
            "BDAY:19800229",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} is not in\n{text}");
        }
        let mut list = item("IPM.DistList");
        list.subject = "Team".to_owned();
        list.members = vec![person("Bob", "bob@example.org"), person("Nobody", "")];
        let text = rendered_text(&mut list);
        assert!(
            text.starts_with("BEGIN:VCARD\r\nVERSION:4.0\r\n") && text.contains("KIND:GROUP\r\nMEMBER:mailto:bob@example.org\r\nX-MEMBER:Nobody\r\n"),
            "{text}"
        );
    }

    #[test]
    fn a_note_is_its_text() {
        let mut note = item("IPM.StickyNote");
        note.subject = "milk".to_owned();
        assert_eq!(rendered_text(&mut note), "milk\n");
        note.body = Some(Body { html: false, text: "milk\r\n\tbread\r\n".to_owned() });
        assert_eq!(rendered_text(&mut note), "milk\n\tbread\n");
    }

    fn letter() -> Properties {
        let attachment = |name: &str, kind: &str, bytes: &[u8], id: Option<&str>| Attachment {
            name: name.to_owned(),
            content_type: kind.to_owned(),
            content_id: id.map(str::to_owned),
            inline: id.is_some(),
            content: Content::from_bytes(bytes).unwrap(),
        };
        let mut it = item("IPM.Note");
        it.subject = "Gr\u{fc}\u{df}e\r\nBcc: evil@example.org".to_owned();
        it.from = Some(person("Ann \"A\" B\u{e4}r", "ann@example.org"));
        it.to = vec![person("Bob", "bob@example.org"), person("Only a name", "")];
        it.message_id = Some("<1@example.org>".to_owned());
        it.references = Some("<a@b> <c@d>".to_owned());
        it.sent = time("2026-11-21T10:00:00Z");
        it.body = Some(Body { html: true, text: "<p>Hallo \u{1f600} = 1</p>\r\n".to_owned() });
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        it.attachments = vec![
            attachment("bild\u{fc}.png", "image/png", &bytes, Some("cid1")),
            attachment("", "not a type\r\nX: y", b"", None),
            attachment("inner.eml", "message/rfc822", b"Subject: inner\r\n\r\ntext\r\n", None),
        ];
        it
    }

    #[test]
    fn everything_else_is_a_message_with_its_attachments() {
        let bytes = rendered(&mut letter());
        assert_eq!(bytes, rendered(&mut letter()), "the same item renders to other bytes");
        let message = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(message.subject(), Some("Gr\u{fc}\u{df}e Bcc: evil@example.org"));
        assert!(message.bcc().is_none());
        assert_eq!(message.from().unwrap().first().unwrap().name(), Some("Ann \"A\" B\u{e4}r"));
        assert_eq!((message.message_id(), message.date().unwrap().to_timestamp()), (Some("1@example.org"), 1_795_255_200));
        assert_eq!(message.body_html(0).unwrap().trim_end(), "<p>Hallo \u{1f600} = 1</p>");
        let attachments: Vec<_> = message.attachments().collect();
        assert_eq!(attachments.len(), 3);
        assert_eq!((attachments[0].attachment_name(), attachments[0].content_id()), (Some("bild\u{fc}.png"), Some("cid1")));
        assert_eq!(attachments[0].contents(), (0..=255).cycle().take(100_000).collect::<Vec<u8>>());
        assert!(attachments[1].is_content_type("application", "octet-stream"));
        assert_eq!(attachments[2].message().unwrap().subject(), Some("inner"));
    }

    #[test]
    fn nothing_is_added_that_the_item_does_not_have() {
        let text = rendered_text(&mut item("IPM.Strange"));
        assert!(!text.contains("Date:") && !text.contains("Message-ID:") && !text.contains("From:"), "{text}");
    }
}
