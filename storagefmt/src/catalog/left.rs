//! Items by what the source says of them: those that it has under some ids, and those that left.

use super::{Catalog, damaged, item_rows};
use crate::format::row::{ItemIdRow, ItemPlaceRow, ItemRowValue, Key, KeyTake, Table, live_key};
use crate::index::{decode, successor};
use crate::{CommitSeq, Error, FolderKey, ItemKey, ItemRow, MailboxKey};
use c2b_mailbox::ItemId;
use std::collections::BTreeSet;

/// Rows read at once.
const PAGE_ROWS: usize = 512;

impl Catalog {
    /// Returns the present version of each of these server ids, in their order.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn present(&self, mailbox: MailboxKey, ids: &[ItemId]) -> Result<Vec<Option<ItemRow>>, Error> {
        let index = self.shared().index();
        let _look = index.look();
        let mut rows: Vec<Option<ItemRow>> = Vec::with_capacity(ids.len());
        for id in ids {
            let known: Option<ItemIdRow> = index.row(Table::ItemIds, &index.text_key(mailbox, id.as_str()))?;
            let Some(known) = known.filter(|known| known.live) else {
                rows.push(None);
                continue;
            };
            let place: Option<ItemPlaceRow> = index.row(Table::Places, &Key::number(known.key))?;
            let Some(place) = place.filter(|place| place.live) else {
                rows.push(None);
                continue;
            };
            let live = live_key(mailbox, FolderKey(place.folder), place.from, ItemKey(known.key));
            let value: Option<ItemRowValue> = index.row(Table::ItemsLive, &live)?;
            rows.push(value.map(|value| item_rows(&index, &[(value, place.from, 0)])).transpose()?.and_then(|mut rows| rows.pop()));
        }
        Ok(rows)
    }

    /// Returns items that left their folders after a commit, or went with them, and are nowhere now, as they were last; at
    /// most so many.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn left_since(&self, mailbox: MailboxKey, since: CommitSeq, items_max: usize) -> Result<Vec<ItemRow>, Error> {
        let mut left = Vec::new();
        for folder in self.folders_ever(mailbox)? {
            let prefix = Key::mailbox(mailbox).u64(folder.0);
            let mut start = prefix.clone().u64(since.0.saturating_add(1)).0;
            while left.len() < items_max {
                let index = self.shared().index();
                let _look = index.look();
                let rows = index.scan(Table::ItemsPast, &prefix.0, &start, PAGE_ROWS)?;
                let mut page = Vec::new();
                for (key, value) in &rows {
                    let mut take = KeyTake::new(key.get(12..).unwrap_or_default());
                    let (until, (from, item)) = take.u64().zip(take.u64().zip(take.u64())).ok_or(damaged(Table::ItemsPast))?;
                    let place: Option<ItemPlaceRow> = index.row(Table::Places, &Key::number(item))?;
                    if place.is_some_and(|place| !place.live && place.from == from) {
                        page.push((decode::<ItemRowValue>(Table::ItemsPast, value)?, from, until));
                    }
                }
                left.extend(item_rows(&index, &page)?);
                match rows.last() {
                    Some((key, _)) if rows.len() == PAGE_ROWS => start = successor(key),
                    _ => break,
                }
            }
        }
        left.truncate(items_max);
        Ok(left)
    }

    /// Returns all folders that the mailbox ever had.
    fn folders_ever(&self, mailbox: MailboxKey) -> Result<BTreeSet<FolderKey>, Error> {
        let index = self.shared().index();
        let _look = index.look();
        let folder = |key: &[u8]| KeyTake::new(key.get(4..).unwrap_or_default()).u64().map(FolderKey).ok_or(damaged(Table::Folders));
        index.scan_all(Table::Folders, &Key::mailbox(mailbox).0)?.iter().map(|(key, _)| folder(key)).collect()
    }
}
