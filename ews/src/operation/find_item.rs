//! `FindItem`: a page of a folder's items, for servers that cannot tell changes.

use super::FolderName;
use super::get_item::boolean;
use super::listed_item::{ListedItem, ListingShape};
use crate::error::Failure;
use crate::soap::Operation;
use crate::xml::{Element, XmlReader, XmlWriter};
use c2b_mailbox::{FolderId, Retry, Trouble};
use std::path::Path;

/// Entries that a page holds at most: more have no effect on Exchange.
pub(super) const PAGE_ENTRIES: &str = "1000";

/// `FindItemType`, oldest first so that new items come at the end.
pub(crate) struct FindItem {
    pub(crate) folder: FolderId,
    pub(crate) offset: u32,
    pub(crate) shape: ListingShape,
    /// Of the items that are associated with the folder, rather than of those in it.
    pub(crate) associated: bool,
}

/// `FindItemResponseMessageType`.
#[derive(Debug, Default)]
pub(crate) struct FoundItems {
    paging: Option<Paging>,
    pub(crate) items: Vec<ListedItem>,
}

/// The paging attributes of `FindResponsePagingAttributes`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paging {
    next: Option<u32>,
    total: Option<u32>,
    last: Option<bool>,
}

/// Where a listing stands behind a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListPlace {
    pub(crate) offset: u32,
    pub(crate) total: u32,
    pub(crate) last: bool,
}

impl Operation for FindItem {
    const NAME: &'static str = "FindItem";
    type Message = FoundItems;

    fn write(&self, xml: &mut XmlWriter) {
        xml.element("m:FindItem", &[("Traversal", if self.associated { "Associated" } else { "Shallow" })], |xml| {
            self.shape.write(xml);
            let offset = self.offset.to_string();
            xml.empty("m:IndexedPageItemView", &[("MaxEntriesReturned", PAGE_ENTRIES), ("Offset", &offset), ("BasePoint", "Beginning")]);
            xml.element("m:SortOrder", &[], |xml| {
                xml.element("t:FieldOrder", &[("Order", "Ascending")], |xml| xml.empty("t:FieldURI", &[("FieldURI", "item:DateTimeCreated")]));
            });
            xml.element("m:ParentFolderIds", &[], |xml| FolderName::Id(self.folder.clone()).write(xml));
        });
    }

    fn read(found: &mut FoundItems, element: &Element, xml: &mut XmlReader, _: &Path) -> Result<(), Failure> {
        if element.name() != "RootFolder" {
            return Ok(xml.skip()?);
        }
        found.paging = Some(Paging::of(element));
        while let Some(list) = xml.child()? {
            if list.name() != "Items" {
                xml.skip()?;
                continue;
            }
            while let Some(element) = xml.child()? {
                let item = ListedItem::read(&element, xml)?;
                found.items.extend(item.id.is_some().then_some(item));
            }
        }
        Ok(())
    }
}

impl FoundItems {
    /// Returns where the listing stands behind this page.
    pub(crate) fn place_after(&self, offset: u32, entries: usize, total: Option<u32>) -> Result<ListPlace, Failure> {
        match self.paging {
            Some(paging) => paging.place_after(offset, entries, total),
            None => Err(no_root()),
        }
    }
}

/// Makes the failure of an answer that lists nothing: what is not in it must not count as gone.
pub(super) fn no_root() -> Failure {
    Failure::new(Trouble::Malformed, "answer", "the answer holds no listing").retrying(Retry::Backoff)
}

impl Paging {
    pub(super) fn of(root: &Element) -> Self {
        let number = |name| root.attribute(name).and_then(|text| text.parse().ok());
        Self { next: number("IndexedPagingOffset"), total: number("TotalItemsInView"), last: root.attribute("IncludesLastItemInRange").and_then(boolean) }
    }

    /// Works out the place behind a page of `entries` entries that began at `offset`; the listing had `total` entries at its beginning.
    pub(super) fn place_after(&self, offset: u32, entries: usize, total: Option<u32>) -> Result<ListPlace, Failure> {
        let now = self.total.unwrap_or(0);
        if total.is_some_and(|before| before != now) {
            return Err(Failure::new(Trouble::CursorInvalid, "listing", "the folder changed while it was listed"));
        }
        let passed = offset.saturating_add(u32::try_from(entries).unwrap_or(u32::MAX));
        // A page without entries that does not claim to be the last would be asked for for ever.
        let last = entries == 0 || self.last.unwrap_or(passed >= now);
        Ok(ListPlace { offset: self.next.filter(|next| *next > offset).unwrap_or(passed), total: now, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_goes_on_to_its_end_and_notices_changes() {
        let page = Paging { next: Some(2), total: Some(3), last: Some(false) };
        assert_eq!(page.place_after(0, 2, None).unwrap(), ListPlace { offset: 2, total: 3, last: false });
        let silent = Paging { next: None, total: Some(3), last: None };
        assert_eq!(silent.place_after(2, 1, Some(3)).unwrap(), ListPlace { offset: 3, total: 3, last: true });
        assert!(silent.place_after(0, 0, None).unwrap().last);
        assert_eq!(silent.place_after(2, 1, Some(4)).unwrap_err().trouble, Trouble::CursorInvalid);
    }
}
