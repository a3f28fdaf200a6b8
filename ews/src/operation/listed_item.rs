//! An item as listings name it: `SyncFolderItems` and `FindItem` with a shape of ids and a few properties.

use super::get_item::{boolean, item_id};
use super::write_fields;
use crate::item::date_time;
use crate::xml::{Element, XmlError, XmlReader, XmlWriter};
use c2b_mailbox::{Change, ChangeKey, Facts, ItemId, Occurs, Told, Wishes};
use chrono::{DateTime, Utc};

/// What a listing is asked to tell beside ids and change keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListingShape {
    /// Sizes: one more look at the folder, but then it is known how many items fit one answer.
    pub(crate) sizes: bool,
    /// What was wished for.
    pub(crate) wishes: Wishes,
}

/// The properties that say how old an item is. Recurrences are not in listings: who recurs must be looked at.
const FACT_FIELDS: [&str; 6] = ["item:ItemClass", "item:LastModifiedTime", "calendar:End", "calendar:CalendarItemType", "task:DueDate", "task:IsRecurring"];

/// The properties of an item that a listing told.
#[derive(Debug, Default)]
pub(crate) struct ListedItem {
    pub(crate) id: Option<(ItemId, Option<ChangeKey>)>,
    pub(crate) told: Told,
}

/// What a listing told of an item's age.
#[derive(Debug, Default)]
struct Dates {
    class: Option<String>,
    modified: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    due: Option<DateTime<Utc>>,
    /// Whether it is a series, or part of one.
    recurs: Option<bool>,
}

impl ListingShape {
    /// Writes `ItemShape`.
    pub(super) fn write(self, xml: &mut XmlWriter) {
        let mut fields = Vec::new();
        fields.extend(self.sizes.then_some("item:Size"));
        fields.extend(self.wishes.associated.then_some("item:IsAssociated"));
        fields.extend(self.wishes.read.then_some("message:IsRead"));
        fields.extend(FACT_FIELDS.iter().filter(|_| self.wishes.facts));
        xml.element("m:ItemShape", &[], |xml| {
            xml.text("t:BaseShape", "IdOnly");
            if !fields.is_empty() {
                xml.element("t:AdditionalProperties", &[], |xml| write_fields(xml, &fields));
            }
        });
    }
}

impl ListedItem {
    /// Reads the open element, of whatever kind of item.
    pub(super) fn read(element: &Element, xml: &mut XmlReader) -> Result<Self, XmlError> {
        let kind = element.name().to_owned();
        let mut item = Self::default();
        let mut dates = Dates::default();
        while let Some(property) = xml.child()? {
            match property.name() {
                "ItemId" => {
                    item.id = item_id(&property).or(item.id);
                    xml.skip()?;
                }
                "Size" => item.told.size = xml.text()?.trim().parse().ok(),
                "IsRead" => item.told.read = boolean(&xml.text()?),
                "IsAssociated" => item.told.associated = boolean(&xml.text()?),
                "ItemClass" => dates.class = Some(xml.text()?).filter(|class| !class.trim().is_empty()),
                "LastModifiedTime" => dates.modified = date_time(&xml.text()?),
                "End" => dates.end = date_time(&xml.text()?),
                "DueDate" => dates.due = date_time(&xml.text()?),
                "CalendarItemType" => dates.recurs = Some(xml.text()?.trim() != "Single"),
                "IsRecurring" if kind == "Task" => dates.recurs = boolean(&xml.text()?),
                _ => xml.skip()?,
            }
        }
        item.told.facts = dates.facts(&kind);
        Ok(item)
    }

    /// Returns the change that it is; `None` when it has no id.
    pub(crate) fn into_change(self) -> Option<Change> {
        let told = self.told;
        self.id.map(|(id, change_key)| Change::Upsert { id, change_key, told })
    }
}

impl Dates {
    /// Returns what follows for an item of this kind of element; `None` when more must be known.
    fn facts(self, kind: &str) -> Option<Facts> {
        let Self { class, modified, end, due, recurs } = self;
        let occurs = match kind {
            "CalendarItem" => Some(Occurs::Until(end.filter(|_| recurs == Some(false))?)),
            "Task" => due.filter(|_| recurs == Some(false)).map(Occurs::Until),
            _ => None,
        };
        // Of a task that recurs, or of which that is not told, nothing is known.
        let is_told = kind != "Task" || recurs == Some(false);
        Some(Facts { class: class.filter(|_| is_told)?, occurs, modified })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(element: &str) -> Option<Facts> {
        let mut xml = XmlReader::new(Box::new(std::io::Cursor::new(format!("<t xmlns='x'>{element}</t>").into_bytes())));
        xml.child().unwrap();
        let element = xml.child().unwrap().unwrap();
        ListedItem::read(&element, &mut xml).unwrap().told.facts
    }

    #[test]
    fn a_listing_tells_the_age_of_all_but_series() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().ok();
        let dates = "<ItemClass>C</ItemClass><LastModifiedTime>2026-01-02T00:00:00Z</LastModifiedTime>";
        let known = |occurs| Some(Facts { class: "C".to_owned(), occurs, modified: time("2026-01-02T00:00:00Z") });
        let end = "<End>2026-03-04T05:00:00Z</End>";
        let until = time("2026-03-04T05:00:00Z").map(Occurs::Until);
        let due = "<DueDate>2026-03-04T05:00:00Z</DueDate>";
        for (element, expected) in [
            (format!("<Message>{dates}</Message>"), known(None)),
            // What a meeting request says of its meeting is not the request's own time.
            (format!("<MeetingRequest>{dates}{end}<CalendarItemType>RecurringMaster</CalendarItemType></MeetingRequest>"), known(None)),
            (format!("<CalendarItem>{dates}{end}<CalendarItemType>Single</CalendarItemType></CalendarItem>"), known(until)),
            (format!("<CalendarItem>{dates}{end}<CalendarItemType>RecurringMaster</CalendarItemType></CalendarItem>"), None),
            (format!("<CalendarItem>{dates}{end}</CalendarItem>"), None),
            (format!("<CalendarItem>{dates}<CalendarItemType>Single</CalendarItemType></CalendarItem>"), None),
            (format!("<Task>{dates}{due}<IsRecurring>false</IsRecurring></Task>"), known(until)),
            (format!("<Task>{dates}<IsRecurring>false</IsRecurring></Task>"), known(None)),
            (format!("<Task>{dates}{due}<IsRecurring>true</IsRecurring></Task>"), None),
            (format!("<Task>{dates}{due}</Task>"), None),
            ("<Message><ItemId Id='x'/></Message>".to_owned(), None),
        ] {
            assert_eq!(facts(&element), expected, "{element}");
        }
    }
}
