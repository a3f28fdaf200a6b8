//! Items of the open batch: what differs.

use super::Writer;
use crate::cut::Kind;
use crate::format::record::{FailureGoneRecord, ItemGoneRecord, ItemMarkRecord, ItemRecord, MetaRecord, Record, fidelity_code, format_code, format_of};
use crate::format::row::{ItemIdRow, ItemPlaceRow, ItemRowValue, Key, Table, live_key};
use crate::format::time_of;
use crate::index::apply::last_item;
use crate::{Error, FolderKey, ItemKey, MailboxKey, Put, PutOutcome, name};
use c2b_mailbox::{ChangeKey, Format, Item, ItemId, ItemMeta};
use chrono::{DateTime, Utc};

impl Writer {
    /// Stores an item under its server id: new, a new version, or nothing when nothing differs.
    ///
    /// An item that was in another folder moves. A change key that alone differs is remembered
    /// without a version. The item's failure is cleared, and it waits no more.
    ///
    /// # Errors
    /// When its bytes cannot be read, the folder is unknown, or the pack cannot be written. In the
    /// first two cases the batch goes on without this item.
    pub fn put_item(&mut self, mailbox: MailboxKey, folder: FolderKey, item: Item) -> Result<Put, Error> {
        self.ready()?;
        if !self.has_folder(mailbox, folder)? {
            return Err(Error::UnknownKey { what: "folder", key: folder.to_string() });
        }
        let Item { meta, readable, export, fidelity } = item;
        let known: Option<ItemIdRow> = self.rows.row(Table::ItemIds, &self.rows.text_key(mailbox, meta.id.as_str()))?;
        let key = match &known {
            Some(row) => row.key,
            None => self.rows.state()?.items + 1,
        };
        let mut stored_bytes = 0;
        let (format, rendered) = (readable.as_ref().map(|readable| readable.format), readable.as_ref().is_some_and(|readable| readable.rendered));
        let kind = if format == Some(Format::Eml) { Kind::Mime } else { Kind::Plain };
        let readable = readable.map(|readable| self.content(mailbox, &meta.id, readable.content, kind, &mut stored_bytes)).transpose()?;
        let export = export.map(|export| self.content(mailbox, &meta.id, export, Kind::Export, &mut stored_bytes)).transpose()?;
        let logical_bytes = [readable, export].into_iter().flatten().map(|content| content.len).sum();
        let time = file_time(&meta, self.shared.info().created);
        let record = ItemRecord {
            mailbox: mailbox.0,
            folder: folder.0,
            key,
            version: 0,
            file_name: name::item(time, &meta.subject, ItemKey(key), extension(format, export.is_some())),
            time: crate::format::micros(time),
            fidelity: fidelity_code(fidelity),
            shown: readable.or(export),
            format: format.map(format_code),
            rendered,
            export,
            meta: MetaRecord::from(&meta),
        };
        let outcome = self.put_version(mailbox, record)?;
        self.items += 1;
        self.settle(mailbox, &meta.id)?;
        Ok(Put { key: ItemKey(key), outcome, logical_bytes, stored_bytes })
    }

    /// Records an item's read state as a version of its metadata; `None` when the item is unknown.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn set_read(&mut self, mailbox: MailboxKey, id: &ItemId, change_key: Option<&ChangeKey>, read: bool) -> Result<Option<PutOutcome>, Error> {
        self.ready()?;
        let Some(mut record) = self.live_item(mailbox, id)? else { return Ok(None) };
        record.meta.read = Some(read);
        if let Some(change_key) = change_key {
            record.meta.change_key = Some(change_key.as_str().to_owned());
        }
        self.put_version(mailbox, record).map(Some)
    }

    /// Records the properties and the place of an item whose contents are those that are held; `None` when it is
    /// unknown, or its contents are lost: then it must be put.
    ///
    /// # Errors
    /// When the folder is unknown or the index cannot be read.
    pub fn put_meta(&mut self, mailbox: MailboxKey, folder: FolderKey, meta: &ItemMeta) -> Result<Option<Put>, Error> {
        self.ready()?;
        match self.live_item(mailbox, &meta.id)? {
            Some(record) => self.put_again(mailbox, folder, record, meta),
            None => Ok(None),
        }
    }

    /// Records that an item which left its folder is in `folder` now, under the id that `meta` has: it was moved. `None`
    /// when it did not leave, its last version is not at hand, or its contents are lost: then it must be put.
    ///
    /// # Errors
    /// When the folder is unknown or the index cannot be read.
    pub fn move_item(&mut self, mailbox: MailboxKey, key: ItemKey, folder: FolderKey, meta: &ItemMeta) -> Result<Option<Put>, Error> {
        self.ready()?;
        let place: Option<ItemPlaceRow> = self.rows.row(Table::Places, &Key::number(key.0))?;
        let has_left = place.is_some_and(|place| !place.live && place.mailbox == mailbox.0);
        if !has_left || self.live_item(mailbox, &meta.id)?.is_some() {
            return Ok(None);
        }
        match last_item(&self.rows, key)? {
            Some(record) => self.put_again(mailbox, folder, record, meta),
            None => Ok(None),
        }
    }

    /// Puts contents that are held under other properties.
    fn put_again(&mut self, mailbox: MailboxKey, folder: FolderKey, mut record: ItemRecord, meta: &ItemMeta) -> Result<Option<Put>, Error> {
        if !self.has_folder(mailbox, folder)? {
            return Err(Error::UnknownKey { what: "folder", key: folder.to_string() });
        }
        for content in [record.shown, record.export].into_iter().flatten() {
            if !self.holds(mailbox, &content.content())? {
                return Ok(None);
            }
        }
        let time = file_time(meta, self.shared.info().created);
        let extension = extension(record.format.map(format_of), record.export.is_some());
        record.file_name = name::item(time, &meta.subject, ItemKey(record.key), extension);
        record.time = crate::format::micros(time);
        record.folder = folder.0;
        record.meta = MetaRecord::from(meta);
        let key = ItemKey(record.key);
        let outcome = match self.put_version(mailbox, record)? {
            PutOutcome::New => PutOutcome::MetadataOnly,
            outcome => outcome,
        };
        self.settle(mailbox, &meta.id)?;
        Ok(Some(Put { key, outcome, logical_bytes: 0, stored_bytes: 0 }))
    }

    /// Ends an item, its failure and its waiting; `false` when it is unknown.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn delete_item(&mut self, mailbox: MailboxKey, id: &ItemId) -> Result<bool, Error> {
        self.ready()?;
        self.settle(mailbox, id)?;
        let row: Option<ItemIdRow> = self.rows.row(Table::ItemIds, &self.rows.text_key(mailbox, id.as_str()))?;
        let Some(row) = row.filter(|row| row.live) else { return Ok(false) };
        self.introduce(mailbox)?;
        self.record(mailbox, &Record::ItemGone(ItemGoneRecord { key: row.key }))?;
        Ok(true)
    }

    /// Records a version unless nothing differs from the present one.
    fn put_version(&mut self, mailbox: MailboxKey, mut record: ItemRecord) -> Result<PutOutcome, Error> {
        let place: Option<ItemPlaceRow> = self.rows.row(Table::Places, &Key::number(record.key))?;
        let present = match &place {
            Some(place) if place.live => self.live_record(mailbox, place, record.key)?,
            _ => None,
        };
        let seq = self.seq.0;
        record.version = match &place {
            // What was never visible leaves no gap in the numbers.
            Some(place) if place.live && place.from == seq => place.version,
            Some(place) => place.version + 1,
            None => 1,
        };
        let Some(present) = present else {
            self.introduce(mailbox)?;
            self.record(mailbox, &Record::Item(Box::new(record)))?;
            return Ok(PutOutcome::New);
        };
        let outcome = difference(&present, &record);
        if outcome != PutOutcome::Unchanged {
            self.introduce(mailbox)?;
            self.record(mailbox, &Record::Item(Box::new(record)))?;
        } else if present.meta.change_key != record.meta.change_key {
            self.introduce(mailbox)?;
            self.record(mailbox, &Record::ItemMark(ItemMarkRecord { key: record.key, change_key: record.meta.change_key }))?;
        }
        Ok(outcome)
    }

    /// Returns the present state of an item, if it is there.
    fn live_item(&self, mailbox: MailboxKey, id: &ItemId) -> Result<Option<ItemRecord>, Error> {
        let row: Option<ItemIdRow> = self.rows.row(Table::ItemIds, &self.rows.text_key(mailbox, id.as_str()))?;
        let Some(row) = row.filter(|row| row.live) else { return Ok(None) };
        let place: Option<ItemPlaceRow> = self.rows.row(Table::Places, &Key::number(row.key))?;
        place.map_or(Ok(None), |place| self.live_record(mailbox, &place, row.key))
    }

    /// Returns the present state of an item, with the last change key; `None` when its record is lost to damage.
    fn live_record(&self, mailbox: MailboxKey, place: &ItemPlaceRow, key: u64) -> Result<Option<ItemRecord>, Error> {
        let row: Option<ItemRowValue> = self.rows.row(Table::ItemsLive, &live_key(mailbox, FolderKey(place.folder), place.from, ItemKey(key)))?;
        row.map_or(Ok(None), |row| self.rows.item(&row))
    }

    /// Ends the failure and the waiting of an item that is dealt with.
    fn settle(&mut self, mailbox: MailboxKey, id: &ItemId) -> Result<(), Error> {
        self.end_waiting(mailbox, id, None)?;
        if self.rows.get(Table::Failures, &self.rows.text_key(mailbox, id.as_str()).0)?.is_some() {
            self.introduce(mailbox)?;
            self.record(mailbox, &Record::FailureGone(FailureGoneRecord { mailbox: mailbox.0, id: id.as_str().to_owned() }))?;
        }
        Ok(())
    }
}

/// Says how two states of an item differ. A change key that alone differs is not a difference.
fn difference(present: &ItemRecord, new: &ItemRecord) -> PutOutcome {
    if (present.shown, present.export, present.format) != (new.shown, new.export, new.format) {
        return PutOutcome::NewVersion;
    }
    let mut alike = new.clone();
    alike.version = present.version;
    alike.meta.change_key.clone_from(&present.meta.change_key);
    if alike == *present { PutOutcome::Unchanged } else { PutOutcome::MetadataOnly }
}

/// Returns the time that the item's file has. Absent and zero times are passed over; without any, it is the storage's own.
fn file_time(meta: &ItemMeta, otherwise: DateTime<Utc>) -> DateTime<Utc> {
    let ItemMeta { received, sent, created, modified, start, .. } = *meta;
    let class = meta.class.to_ascii_lowercase();
    let times = if class.starts_with("ipm.appointment") {
        [start, received, created, modified, sent]
    } else if class.starts_with("ipm.contact") || class.starts_with("ipm.distlist") {
        [modified, created, received, sent, start]
    } else {
        [received, sent, created, modified, start]
    };
    let time = times.into_iter().flatten().find(|time| time.timestamp() > 0).unwrap_or(otherwise);
    time_of(crate::format::micros(time))
}

fn extension(format: Option<Format>, exported: bool) -> &'static str {
    match format {
        Some(Format::Eml) => "eml",
        Some(Format::Ics) => "ics",
        Some(Format::Vcf) => "vcf",
        Some(Format::Txt) => "txt",
        None if exported => "fts",
        None => "txt",
    }
}
