//! What a source knows of an item besides its bytes, in no protocol's words.
//!
//! Everything is optional: a field is `None` or empty when the item has no such property or the
//! server left it out. Times are UTC.

use crate::{Content, Importance};
use chrono::{DateTime, Utc};

/// The properties of one item.
#[derive(Debug, Default)]
pub struct Properties {
    /// A text that names this item for ever (the server's id): UIDs and MIME boundaries derive from it.
    pub key: String,
    /// Message class, for instance `IPM.Task`.
    pub class: String,
    /// Subject.
    pub subject: String,
    /// Body.
    pub body: Option<Body>,
    /// Author.
    pub from: Option<Person>,
    /// Who sent it, when that is somebody else than the author.
    pub sender: Option<Person>,
    /// Recipients.
    pub to: Vec<Person>,
    /// Recipients of a copy.
    pub cc: Vec<Person>,
    /// Recipients of a copy, unknown to the others.
    pub bcc: Vec<Person>,
    /// Where answers go.
    pub reply_to: Vec<Person>,
    /// Internet `Message-ID`, with or without brackets.
    pub message_id: Option<String>,
    /// `Message-ID` of what this answers.
    pub in_reply_to: Option<String>,
    /// `References` header, white space between ids.
    pub references: Option<String>,
    /// When the server received it.
    pub received: Option<DateTime<Utc>>,
    /// When it was sent.
    pub sent: Option<DateTime<Utc>>,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
    /// When it was last modified.
    pub modified: Option<DateTime<Utc>>,
    /// Importance.
    pub importance: Option<Importance>,
    /// Sensitivity other than normal, in the words of iCalendar CLASS: `PRIVATE`, `CONFIDENTIAL`.
    pub sensitivity: Option<String>,
    /// Category names.
    pub categories: Vec<String>,
    /// Minutes before the start at which a reminder fires.
    pub reminder_minutes: Option<i64>,
    /// Attachments, those whose bytes could be had.
    pub attachments: Vec<Attachment>,
    /// What only appointments (and journal entries: start and end) have.
    pub event: Event,
    /// What only tasks have.
    pub task: Task,
    /// What only contacts have.
    pub contact: Contact,
    /// Members of a distribution list.
    pub members: Vec<Person>,
}

/// A body's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Whether the text is HTML; plain text otherwise.
    pub html: bool,
    /// The text.
    pub text: String,
}

/// A person or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Display name.
    pub name: String,
    /// Internet address; empty when there is none (a name that was never resolved).
    pub address: String,
}

impl Person {
    /// Returns `Name <address>`, `address`, or the bare name.
    pub fn display(&self) -> String {
        match (self.name.trim(), self.address.trim()) {
            (name, "") => name.to_owned(),
            ("", address) => address.to_owned(),
            (name, address) if name.eq_ignore_ascii_case(address) => address.to_owned(),
            (name, address) => format!("{name} <{address}>"),
        }
    }

    /// Returns whether neither name nor address is known.
    pub fn is_empty(&self) -> bool {
        self.name.trim().is_empty() && self.address.trim().is_empty()
    }
}

/// An attachment whose bytes are here.
#[derive(Debug)]
pub struct Attachment {
    /// File name; may be empty.
    pub name: String,
    /// Media type; empty when unknown.
    pub content_type: String,
    /// Content id, without brackets, for parts that the HTML body shows.
    pub content_id: Option<String>,
    /// Whether it is shown inside the body.
    pub inline: bool,
    /// The bytes.
    pub content: Content,
}

/// What only appointments have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// iCalendar UID.
    pub uid: Option<String>,
    /// Start.
    pub start: Option<DateTime<Utc>>,
    /// End.
    pub end: Option<DateTime<Utc>>,
    /// Whether it takes whole days; `start` and `end` are then midnights of the zone in which it was made.
    pub all_day: bool,
    /// Place.
    pub location: String,
    /// Organizer.
    pub organizer: Option<Person>,
    /// Attendees.
    pub attendees: Vec<Attendee>,
    /// The time that this occurrence of a series replaces.
    pub recurrence_id: Option<DateTime<Utc>>,
    /// How it recurs.
    pub recurrence: Option<Recurrence>,
    /// Starts of the occurrences that were deleted.
    pub deleted_occurrences: Vec<DateTime<Utc>>,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Whether the time is shown as free.
    pub free: bool,
}

/// Somebody invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    /// Who.
    pub person: Person,
    /// How needed.
    pub attendance: Attendance,
    /// The answer, as an iCalendar PARTSTAT word: `ACCEPTED`, `DECLINED`, `TENTATIVE`, `NEEDS-ACTION`.
    pub answer: Option<&'static str>,
}

/// How needed an attendee is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attendance {
    /// Must come.
    Required,
    /// May come.
    Optional,
    /// A room or a thing.
    Resource,
}

/// How something recurs.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// The rhythm.
    pub pattern: Pattern,
    /// Every how many days, weeks, months or years.
    pub interval: u16,
    /// Until when.
    pub end: RecurrenceEnd,
}

/// The rhythm of a recurrence.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// Each day.
    Daily,
    /// On these days of the week.
    Weekly(Vec<Weekday>),
    /// On this day of the month, 1 to 31.
    MonthDay(u8),
    /// On these days at this position within the month.
    MonthPosition(DayPosition, Vec<Weekday>),
    /// On this day (1 to 31) of this month (1 to 12).
    YearDay(u8, u8),
    /// On these days at this position within this month (1 to 12).
    YearPosition(DayPosition, Vec<Weekday>, u8),
}

/// A position within a month: 1 to 4 from its beginning, -1 for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayPosition(pub i8);

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the days of the week say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Until when something recurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecurrenceEnd {
    /// For ever.
    Never,
    /// Until this day, inclusive.
    Until(chrono::NaiveDate),
    /// So many times.
    Count(u32),
}

/// What only tasks have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// Start.
    pub start: Option<DateTime<Utc>>,
    /// Due.
    pub due: Option<DateTime<Utc>>,
    /// Completed.
    pub completed: Option<DateTime<Utc>>,
    /// How much is done, 0 to 100.
    pub percent: Option<u8>,
    /// State.
    pub status: Option<TaskStatus>,
    /// Who does it.
    pub owner: String,
    /// How it recurs.
    pub recurrence: Option<Recurrence>,
}

/// State of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Not begun, waiting, or put off.
    NeedsAction,
    /// Begun.
    InProcess,
    /// Done.
    Completed,
}

/// What only contacts have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Full name as shown.
    pub display_name: String,
    /// Name under which it is filed.
    pub file_as: String,
    /// Given name.
    pub given_name: String,
    /// Middle names.
    pub middle_name: String,
    /// Family name.
    pub surname: String,
    /// Honorific before the name.
    pub prefix: String,
    /// Suffix (`Jr.`).
    pub suffix: String,
    /// Nickname.
    pub nickname: String,
    /// Company.
    pub company: String,
    /// Department.
    pub department: String,
    /// Job title.
    pub job_title: String,
    /// Profession.
    pub profession: String,
    /// Internet addresses.
    pub emails: Vec<Labelled>,
    /// Telephone numbers, labelled with the source's words (`BusinessPhone`, `MobilePhone`, `HomeFax`).
    pub phones: Vec<Labelled>,
    /// Addresses of instant messengers.
    pub instant_messengers: Vec<Labelled>,
    /// Postal addresses.
    pub addresses: Vec<PostalAddress>,
    /// Web page.
    pub web_page: String,
    /// Birthday.
    pub birthday: Option<DateTime<Utc>>,
    /// Wedding anniversary.
    pub anniversary: Option<DateTime<Utc>>,
    /// Manager.
    pub manager: String,
    /// Assistant.
    pub assistant: String,
    /// Spouse.
    pub spouse: String,
}

/// A value with the source's label for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labelled {
    /// The label.
    pub label: String,
    /// The value.
    pub value: String,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostalAddress {
    /// `Business`, `Home`, `Other`.
    pub label: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// State or province.
    pub state: String,
    /// Postal code.
    pub postal_code: String,
    /// Country.
    pub country: String,
}
