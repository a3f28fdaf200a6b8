//! Items of the open batch that wait until they are of an age that is backed up.
//!
//! Who waits is known by its server id, in one folder. It waits no more once it is put, fails, is deleted, or its folder is.

use super::Writer;
use crate::format::micros;
use crate::format::record::{Record, WaitingRecord};
use crate::format::row::{Key, Table, WaitingRow};
use crate::index::decode;
use crate::{Error, FolderKey, MailboxKey, Place, Waiting, layout};
use c2b_mailbox::ItemId;
use chrono::{DateTime, Utc};

impl Writer {
    /// Records that an item waits; nothing when that is recorded as it is.
    ///
    /// # Errors
    /// When the mailbox is unknown, the index cannot be read, or the storage's description cannot be written, which
    /// must name the feature first.
    pub fn put_waiting(&mut self, mailbox: MailboxKey, waiting: &Waiting) -> Result<(), Error> {
        self.ready()?;
        let record = Record::Waiting(WaitingRecord::new(mailbox.0, waiting));
        let held: Option<WaitingRow> = self.rows.row(Table::Waiting, &self.rows.text_key(mailbox, waiting.id.as_str()))?;
        if held.map_or(Ok(None), |row| self.rows.record(row.place))?.as_deref() == Some(&record) {
            return Ok(());
        }
        if !self.waiting_required {
            layout::require_waiting(self.store.as_ref(), self.shared.info())?;
            self.waiting_required = true;
        }
        self.introduce(mailbox)?;
        self.record(mailbox, &record)
    }

    /// Records that an item waits no more; nothing when it does not, or in another than the given folder.
    ///
    /// # Errors
    /// When the mailbox is unknown or the index cannot be read.
    pub fn end_waiting(&mut self, mailbox: MailboxKey, id: &ItemId, folder: Option<FolderKey>) -> Result<(), Error> {
        self.ready()?;
        let held: Option<WaitingRow> = self.rows.row(Table::Waiting, &self.rows.text_key(mailbox, id.as_str()))?;
        if held.is_none_or(|row| folder.is_some_and(|folder| row.folder != folder.0)) {
            return Ok(());
        }
        self.introduce(mailbox)?;
        self.record(mailbox, &Record::Waiting(WaitingRecord::over(mailbox.0, id)))
    }

    /// Returns items of a folder whose age counts from `until` at the latest, the oldest first and at most so many, those of the
    /// open batch included.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn waiting(&self, mailbox: MailboxKey, folder: FolderKey, until: DateTime<Utc>, items_max: usize) -> Result<Vec<Waiting>, Error> {
        let prefix = Key::mailbox(mailbox).u64(folder.0);
        let end = prefix.clone().and_time(micros(until).saturating_add(1)).0;
        let mut found = Vec::new();
        let mut next = Some(prefix.0.clone());
        while let Some(start) = next.filter(|start| found.len() < items_max && *start < end) {
            let page = self.rows.page(Table::Ripening, &prefix, &start, items_max.max(1))?;
            for (_, value) in page.rows.iter().take_while(|(key, _)| *key < end) {
                found.extend(self.waiting_at(decode(Table::Ripening, value)?)?);
            }
            next = page.next;
        }
        found.truncate(items_max);
        Ok(found)
    }

    /// Ends the waiting of all items of a folder.
    pub(super) fn end_waiting_in(&mut self, mailbox: MailboxKey, folder: u64) -> Result<(), Error> {
        for (_, value) in self.rows.scan(Table::Ripening, &Key::mailbox(mailbox).u64(folder))? {
            if let Some(waiting) = self.waiting_at(decode(Table::Ripening, &value)?)? {
                self.record(mailbox, &Record::Waiting(WaitingRecord::over(mailbox.0, &waiting.id)))?;
            }
        }
        Ok(())
    }

    /// Returns the item that a record says to wait; `None` when the record is lost to damage.
    fn waiting_at(&self, place: Place) -> Result<Option<Waiting>, Error> {
        Ok(match self.rows.record(place)?.as_deref() {
            Some(Record::Waiting(record)) => record.waiting(),
            _ => None,
        })
    }
}
