//! `ItemType` and its kinds as they come in an answer: bytes, ids and properties.
//!
//! Any kind of item is read by one reader, since servers return properties of one kind within
//! elements of another; what it does not know it passes over.

mod age;
mod contact;
mod recurrence;
mod value;

use crate::error::Failure;
use crate::operation::export_items::read_base64;
use crate::operation::get_item::boolean;
use crate::xml::{Element, XmlError, XmlReader};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use c2b_mailbox::render::{Attendance, Body, Person, Properties};
use c2b_mailbox::{ChangeKey, Content, FlagStatus, Importance, ItemId, ItemMeta};
use chrono::{DateTime, Utc};
use std::path::Path;
use value::{attendees, people, person, strings};

pub(crate) use value::date_time;

/// Longest body that is kept for rendering, in bytes.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// `MSGFLAG_ASSOCIATED` of `PidTagMessageFlags`: the item is associated with its folder.
const ASSOCIATED_FLAG: i32 = 0x40;

/// One item of an answer.
#[derive(Debug, Default)]
pub(crate) struct RawItem {
    pub(crate) id: Option<ItemId>,
    pub(crate) change_key: Option<ChangeKey>,
    /// The server's MIME, or why its bytes are no good.
    pub(crate) mime: Option<Result<Content, Failure>>,
    pub(crate) size: Option<u64>,
    pub(crate) read: Option<bool>,
    pub(crate) draft: Option<bool>,
    pub(crate) flag: Option<FlagStatus>,
    pub(crate) has_attachments: bool,
    pub(crate) search_key: Option<Vec<u8>>,
    /// Whether it is associated with its folder.
    pub(crate) associated: bool,
    /// Whether it is a series, whatever its pattern.
    pub(crate) recurs: bool,
    /// When the last occurrence of a series ends, as the server tells it.
    pub(crate) last_end: Option<DateTime<Utc>>,
    pub(crate) attachments: Vec<RawAttachment>,
    pub(crate) properties: Properties,
}

/// `AttachmentType` and its kinds.
#[derive(Debug, Default)]
pub(crate) struct RawAttachment {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content_id: Option<String>,
    pub(crate) inline: bool,
    /// An item rather than a file.
    pub(crate) item: bool,
    /// The bytes: of a file, or the MIME of an item.
    pub(crate) content: Option<Content>,
}

impl RawItem {
    /// Returns whether the answer held no item at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.properties.class.is_empty()
    }

    /// Reads the open element.
    pub(crate) fn read(&mut self, element: &Element, xml: &mut XmlReader, spool_dir: &Path) -> Result<(), Failure> {
        self.properties.class = class_of_element(element.name()).to_owned();
        while let Some(property) = xml.child()? {
            match property.name() {
                "MimeContent" => self.mime = Some(kept_apart(read_base64(xml, spool_dir))?),
                "Attachments" => self.attachments = read_attachments(xml, spool_dir)?,
                _ => self.read_property(&property, xml)?,
            }
        }
        self.properties.key = self.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
        Ok(())
    }

    fn read_property(&mut self, property: &Element, xml: &mut XmlReader) -> Result<(), XmlError> {
        match property.name() {
            "ItemId" => {
                self.id = property.attribute("Id").map(ItemId::new);
                self.change_key = property.attribute("ChangeKey").filter(|key| !key.is_empty()).map(ChangeKey::new);
                xml.skip()?;
            }
            "Size" => self.size = xml.text()?.trim().parse().ok(),
            "IsRead" => self.read = boolean(&xml.text()?),
            "IsAssociated" => self.associated |= boolean(&xml.text()?).unwrap_or(false),
            "IsDraft" => self.draft = boolean(&xml.text()?),
            "HasAttachments" => self.has_attachments = boolean(&xml.text()?).unwrap_or(false),
            "Flag" => self.flag = read_flag(xml)?,
            "LastOccurrence" => self.last_end = value::end(xml)?,
            "Recurrence" => {
                let recurrence = recurrence::read(xml)?;
                self.recurs = true;
                self.properties.event.recurrence.clone_from(&recurrence);
                self.properties.task.recurrence = recurrence;
            }
            "ExtendedProperty" => self.read_extended(xml)?,
            _ => self.read_common(property, xml)?,
        }
        Ok(())
    }

    fn read_common(&mut self, property: &Element, xml: &mut XmlReader) -> Result<(), XmlError> {
        let it = &mut self.properties;
        match property.name() {
            "ItemClass" => it.class = Some(xml.text()?).filter(|class| !class.trim().is_empty()).unwrap_or_else(|| "IPM".to_owned()),
            "Subject" => it.subject = xml.text()?,
            "Body" => it.body = Some(Body { html: property.attribute("BodyType") == Some("HTML"), text: xml.text_up_to(BODY_BYTES_MAX)? }),
            "From" => it.from = person(xml)?,
            "Sender" => it.sender = person(xml)?,
            "ToRecipients" => it.to = people(xml)?,
            "CcRecipients" => it.cc = people(xml)?,
            "BccRecipients" => it.bcc = people(xml)?,
            "ReplyTo" => it.reply_to = people(xml)?,
            "InternetMessageId" => it.message_id = filled(xml.text()?),
            "InReplyTo" => it.in_reply_to = filled(xml.text()?),
            "References" => it.references = filled(xml.text()?),
            "DateTimeReceived" => it.received = date_time(&xml.text()?),
            "DateTimeSent" => it.sent = date_time(&xml.text()?),
            "DateTimeCreated" => it.created = date_time(&xml.text()?),
            "LastModifiedTime" => it.modified = date_time(&xml.text()?),
            "Importance" => it.importance = importance(&xml.text()?),
            "Sensitivity" => it.sensitivity = sensitivity(&xml.text()?),
            "Categories" => it.categories = strings(xml)?,
            "ReminderMinutesBeforeStart" => it.reminder_minutes = xml.text()?.trim().parse().ok().or(it.reminder_minutes),
            "ReminderIsSet" => {
                if boolean(&xml.text()?) == Some(false) {
                    it.reminder_minutes = None;
                }
            }
            "Members" => it.members = people(xml)?,
            _ => self.read_event(property, xml)?,
        }
        Ok(())
    }

    fn read_event(&mut self, property: &Element, xml: &mut XmlReader) -> Result<(), XmlError> {
        let event = &mut self.properties.event;
        match property.name() {
            "UID" => event.uid = filled(xml.text()?),
            "Start" => event.start = date_time(&xml.text()?),
            "End" => event.end = date_time(&xml.text()?),
            "IsAllDayEvent" => event.all_day = boolean(&xml.text()?).unwrap_or(false),
            "Location" => event.location = xml.text()?,
            "Organizer" => event.organizer = person(xml)?,
            "RequiredAttendees" => event.attendees.extend(attendees(xml, Attendance::Required)?),
            "OptionalAttendees" => event.attendees.extend(attendees(xml, Attendance::Optional)?),
            "Resources" => event.attendees.extend(attendees(xml, Attendance::Resource)?),
            "RecurrenceId" => event.recurrence_id = date_time(&xml.text()?),
            "IsCancelled" => event.cancelled = boolean(&xml.text()?).unwrap_or(false),
            "LegacyFreeBusyStatus" => event.free = xml.text()?.trim() == "Free",
            "DeletedOccurrences" => event.deleted_occurrences = value::starts(xml)?,
            _ => self.read_task(property, xml)?,
        }
        Ok(())
    }

    fn read_task(&mut self, property: &Element, xml: &mut XmlReader) -> Result<(), XmlError> {
        let task = &mut self.properties.task;
        match property.name() {
            "StartDate" => task.start = date_time(&xml.text()?),
            "DueDate" => task.due = date_time(&xml.text()?),
            "CompleteDate" => task.completed = date_time(&xml.text()?),
            "PercentComplete" => task.percent = value::percent(&xml.text()?),
            "Status" => task.status = value::task_status(&xml.text()?),
            "Owner" => task.owner = xml.text()?,
            _ => contact::read(&mut self.properties.contact, property, xml)?,
        }
        Ok(())
    }

    fn read_extended(&mut self, xml: &mut XmlReader) -> Result<(), XmlError> {
        let mut tag = String::new();
        let mut value = String::new();
        while let Some(element) = xml.child()? {
            match element.name() {
                "ExtendedFieldURI" => {
                    tag = element.attribute("PropertyTag").or(element.attribute("PropertyId")).unwrap_or_default().to_ascii_lowercase();
                    xml.skip()?;
                }
                "Value" => value = xml.text()?,
                _ => xml.skip()?,
            }
        }
        match tag.as_str() {
            "0x300b" | "12299" => self.search_key = STANDARD.decode(value.trim()).ok().filter(|key| !key.is_empty()),
            "0xe07" | "0x0e07" | "3591" => self.associated = value.trim().parse::<i32>().is_ok_and(|flags| flags & ASSOCIATED_FLAG != 0),
            "34566" => self.properties.event.start = date_time(&value),
            "34568" => self.properties.event.end = date_time(&value),
            _ => {}
        }
        Ok(())
    }

    /// Returns the metadata of this state of the item that was asked for as `id`.
    pub(crate) fn meta(&self, id: ItemId) -> ItemMeta {
        let it = &self.properties;
        let mut meta = ItemMeta::new(id, it.class.clone());
        let author = it.from.as_ref().or(it.event.organizer.as_ref()).or(it.sender.as_ref());
        let invited = it.event.attendees.iter().map(|attendee| &attendee.person);
        meta.change_key.clone_from(&self.change_key);
        meta.subject.clone_from(&it.subject);
        if meta.subject.is_empty() {
            let contact = &it.contact;
            meta.subject.clone_from(if contact.display_name.is_empty() { &contact.file_as } else { &contact.display_name });
        }
        meta.from = author.map(Person::display).unwrap_or_default();
        meta.recipients = it.to.iter().chain(&it.cc).chain(&it.bcc).chain(invited).map(Person::display).collect();
        meta.message_id = it.message_id.clone().or_else(|| it.event.uid.clone());
        meta.received = it.received;
        meta.sent = it.sent;
        meta.created = it.created;
        meta.modified = it.modified;
        meta.start = it.event.start.or(it.task.start);
        meta.end = it.event.end.or(it.task.due);
        meta.size = self.size;
        meta.read = self.read;
        meta.flag = self.flag;
        meta.importance = it.importance;
        meta.categories.clone_from(&it.categories);
        meta.has_attachments = self.has_attachments || !self.attachments.is_empty();
        meta.search_key.clone_from(&self.search_key);
        meta.associated = self.associated;
        meta
    }
}

/// Reads `ArrayOfAttachmentsType`; bytes that came with it are taken.
pub(crate) fn read_attachments(xml: &mut XmlReader, spool_dir: &Path) -> Result<Vec<RawAttachment>, Failure> {
    let mut attachments = Vec::new();
    while let Some(element) = xml.child()? {
        let mut attachment = RawAttachment { item: element.name() == "ItemAttachment", ..RawAttachment::default() };
        while let Some(property) = xml.child()? {
            match property.name() {
                "AttachmentId" => {
                    attachment.id = property.attribute("Id").unwrap_or_default().to_owned();
                    xml.skip()?;
                }
                "Name" => attachment.name = xml.text()?,
                "ContentType" => attachment.content_type = xml.text()?,
                "ContentId" => attachment.content_id = filled(xml.text()?),
                "IsInline" => attachment.inline = boolean(&xml.text()?).unwrap_or(false),
                "Content" => attachment.content = Some(read_base64(xml, spool_dir)?),
                "ContentLocation" | "Size" | "LastModifiedTime" | "IsContactPhoto" => xml.skip()?,
                _ if attachment.item => read_attached_item(&mut attachment, xml, spool_dir)?,
                _ => xml.skip()?,
            }
        }
        attachments.push(attachment);
    }
    Ok(attachments)
}

fn read_attached_item(attachment: &mut RawAttachment, xml: &mut XmlReader, spool_dir: &Path) -> Result<(), Failure> {
    while let Some(property) = xml.child()? {
        match property.name() {
            "MimeContent" => attachment.content = Some(read_base64(xml, spool_dir)?),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// Keeps a failure that is about the item's bytes apart from one that ends the answer.
fn kept_apart(bytes: Result<Content, Failure>) -> Result<Result<Content, Failure>, Failure> {
    match bytes {
        Err(failure) if !failure.is_of_item() => Err(failure),
        other => Ok(other),
    }
}

fn read_flag(xml: &mut XmlReader) -> Result<Option<FlagStatus>, XmlError> {
    let mut flag = None;
    while let Some(element) = xml.child()? {
        if element.name() == "FlagStatus" {
            flag = match xml.text()?.trim() {
                "Flagged" => Some(FlagStatus::Flagged),
                "Complete" => Some(FlagStatus::Complete),
                _ => None,
            };
        } else {
            xml.skip()?;
        }
    }
    Ok(flag)
}

fn importance(text: &str) -> Option<Importance> {
    match text.trim() {
        "Low" => Some(Importance::Low),
        "Normal" => Some(Importance::Normal),
        "High" => Some(Importance::High),
        _ => None,
    }
}

fn sensitivity(text: &str) -> Option<String> {
    match text.trim() {
        "Private" | "Personal" => Some("PRIVATE".to_owned()),
        "Confidential" => Some("CONFIDENTIAL".to_owned()),
        _ => None,
    }
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Returns the class of an item that does not tell its own, by its element.
fn class_of_element(name: &str) -> &'static str {
    match name {
        "Message" => "IPM.Note",
        "CalendarItem" => "IPM.Appointment",
        "Contact" => "IPM.Contact",
        "DistributionList" => "IPM.DistList",
        "Task" => "IPM.Task",
        "PostItem" => "IPM.Post",
        "MeetingRequest" => "IPM.Schedule.Meeting.Request",
        "MeetingResponse" => "IPM.Schedule.Meeting.Resp",
        "MeetingCancellation" => "IPM.Schedule.Meeting.Canceled",
        _ => "IPM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_mailbox::render::{DayPosition, Labelled, Pattern, PostalAddress, Recurrence, RecurrenceEnd, TaskStatus, Weekday};

    /// Reads an item as it is and without the white space between its tags: both must say the same.
    fn read(pretty: &str) -> RawItem {
        let dir = tempfile::tempdir().unwrap();
        let read_one = |text: String| {
            let mut xml = XmlReader::new(Box::new(std::io::Cursor::new(text.into_bytes())));
            let element = xml.child().unwrap().unwrap();
            let mut item = RawItem::default();
            item.read(&element, &mut xml, dir.path()).unwrap();
            assert!(xml.child().unwrap().is_none(), "the reader stopped inside the item");
            item
        };
        let (one, other) = (read_one(pretty.to_owned()), read_one(pretty.lines().map(str::trim).collect()));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        one
    }

    #[test]
    fn a_calendar_item_is_read() {
        let item = read(
            r#"<t:CalendarItem xmlns:t="t">
              <t:ItemId Id="AAMk=" ChangeKey="DwAA"/>
              <t:Subject>Jour fixe</t:Subject>
              <t:Sensitivity>Private</t:Sensitivity>
              <t:ReminderIsSet>false</t:ReminderIsSet>
              <t:UID>040000</t:UID>
              <t:Start>2026-11-23T09:00:00Z</t:Start>
              <t:End>2026-11-23T10:00:00Z</t:End>
              <t:IsAllDayEvent>false</t:IsAllDayEvent>
              <t:LegacyFreeBusyStatus>Free</t:LegacyFreeBusyStatus>
              <t:Location>Room 1</t:Location>
              <t:Organizer>
                <t:Mailbox>
                  <t:Name>Ann</t:Name>
                  <t:EmailAddress>ann@example.org</t:EmailAddress>
                  <t:RoutingType>SMTP</t:RoutingType>
                </t:Mailbox>
              </t:Organizer>
              <t:RequiredAttendees>
                <t:Attendee>
                  <t:Mailbox>
                    <t:Name>Bob</t:Name>
                  </t:Mailbox>
                  <t:ResponseType>Tentative</t:ResponseType>
                </t:Attendee>
              </t:RequiredAttendees>
              <t:Recurrence>
                <t:RelativeMonthlyRecurrence>
                  <t:Interval>2</t:Interval>
                  <t:DaysOfWeek>Monday</t:DaysOfWeek>
                  <t:DayOfWeekIndex>Last</t:DayOfWeekIndex>
                </t:RelativeMonthlyRecurrence>
                <t:EndDateRecurrence>
                  <t:StartDate>2026-11-23Z</t:StartDate>
                  <t:EndDate>2027-11-23Z</t:EndDate>
                </t:EndDateRecurrence>
              </t:Recurrence>
              <t:FirstOccurrence>
                <t:Start>1999-01-01T00:00:00Z</t:Start>
              </t:FirstOccurrence>
              <t:DeletedOccurrences>
                <t:DeletedOccurrence>
                  <t:Start>2027-01-25T09:00:00Z</t:Start>
                </t:DeletedOccurrence>
              </t:DeletedOccurrences>
            </t:CalendarItem>"#,
        );
        let event = &item.properties.event;
        let end = chrono::NaiveDate::from_ymd_opt(2027, 11, 23).unwrap();
        let expected = Recurrence { pattern: Pattern::MonthPosition(DayPosition(-1), vec![Weekday::Monday]), interval: 2, end: RecurrenceEnd::Until(end) };
        assert_eq!(event.recurrence, Some(expected));
        assert_eq!((event.uid.as_deref(), event.location.as_str(), event.free), (Some("040000"), "Room 1", true));
        assert_eq!((event.attendees[0].answer, event.deleted_occurrences.len()), (Some("TENTATIVE"), 1));
        let meta = item.meta(ItemId::new("AAMk="));
        assert_eq!((meta.class.as_str(), meta.from.as_str(), meta.message_id.as_deref()), ("IPM.Appointment", "Ann <ann@example.org>", Some("040000")));
        assert_eq!((meta.recipients, meta.start.unwrap().timestamp(), meta.end.unwrap().timestamp()), (vec!["Bob".to_owned()], 1_795_424_400, 1_795_428_000));
        assert_eq!(item.properties.sensitivity.as_deref(), Some("PRIVATE"));
    }

    #[test]
    fn a_contact_is_read() {
        let item = read(
            r#"<t:Contact xmlns:t="t">
              <t:ItemId Id="AAMk="/>
              <t:FileAs>Baer, Ann</t:FileAs>
              <t:CompleteName>
                <t:Title>Dr.</t:Title>
                <t:FirstName>Ann</t:FirstName>
              </t:CompleteName>
              <t:EmailAddresses>
                <t:Entry Key="EmailAddress1">ann@example.org</t:Entry>
                <t:Entry Key="EmailAddress2">/o=Org/cn=ann</t:Entry>
              </t:EmailAddresses>
              <t:PhysicalAddresses>
                <t:Entry Key="Home">
                  <t:City>Town</t:City>
                </t:Entry>
                <t:Entry Key="Other"/>
              </t:PhysicalAddresses>
              <t:PhoneNumbers>
                <t:Entry Key="MobilePhone">+1 2</t:Entry>
              </t:PhoneNumbers>
            </t:Contact>"#,
        );
        let contact = &item.properties.contact;
        assert_eq!((contact.prefix.as_str(), contact.emails.len()), ("Dr.", 1));
        assert_eq!(contact.phones, [Labelled { label: "MobilePhone".to_owned(), value: "+1 2".to_owned() }]);
        assert_eq!(contact.addresses, [PostalAddress { label: "Home".to_owned(), city: "Town".to_owned(), ..PostalAddress::default() }]);
        assert_eq!(item.meta(ItemId::new("AAMk=")).subject, "Baer, Ann");
    }

    #[test]
    fn a_task_and_its_attachments_are_read() {
        let item = read(
            r#"<t:Task xmlns:t="t">
              <t:ItemId Id="AAMk="/>
              <t:Attachments>
                <t:FileAttachment>
                  <t:AttachmentId Id="F"/>
                  <t:Name>a.txt</t:Name>
                  <t:ContentId>c1</t:ContentId>
                  <t:IsInline>true</t:IsInline>
                  <t:Content>aGk=</t:Content>
                </t:FileAttachment>
                <t:ItemAttachment>
                  <t:AttachmentId Id="I"/>
                  <t:Message>
                    <t:Subject>inner</t:Subject>
                    <t:MimeContent>aGk=</t:MimeContent>
                  </t:Message>
                </t:ItemAttachment>
              </t:Attachments>
              <t:DueDate>2026-12-01T00:00:00Z</t:DueDate>
              <t:PercentComplete>25.5</t:PercentComplete>
              <t:Recurrence>
                <t:AbsoluteYearlyRecurrence>
                  <t:DayOfMonth>24</t:DayOfMonth>
                  <t:Month>December</t:Month>
                </t:AbsoluteYearlyRecurrence>
                <t:NoEndRecurrence>
                  <t:StartDate>2026-12-24</t:StartDate>
                </t:NoEndRecurrence>
              </t:Recurrence>
              <t:Status>InProgress</t:Status>
            </t:Task>"#,
        );
        let task = &item.properties.task;
        assert_eq!((task.percent, task.status), (Some(25), Some(TaskStatus::InProcess)));
        assert_eq!(task.recurrence, Some(Recurrence { pattern: Pattern::YearDay(24, 12), interval: 1, end: RecurrenceEnd::Never }));
        let told: Vec<_> = item.attachments.iter().map(|it| (it.id.as_str(), it.item, it.inline, it.content.as_ref().map(Content::len))).collect();
        assert_eq!(told, [("F", false, true, Some(2)), ("I", true, false, Some(2))]);
        assert_eq!(item.properties.subject, "", "the attached item's subject was taken");
    }
}
