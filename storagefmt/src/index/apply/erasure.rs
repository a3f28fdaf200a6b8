//! Erased mailboxes: all their rows go, a tombstone stays.

use super::count;
use crate::format::record::{AllowedRecord, ErasedRecord};
use crate::format::row::{FrameRow, Key, KeyTake, MailboxRowValue, Table};
use crate::index::decode;
use crate::index::staged::Staged;
use crate::{Error, MailboxKey, Place};

/// Rows looked at at once.
const PAGE_ROWS: usize = 4096;

pub(super) fn erased(rows: &mut Staged, place: Place, record: &ErasedRecord) -> Result<(), Error> {
    let mailbox = MailboxKey(record.mailbox);
    forget_items(rows, mailbox)?;
    for table in Table::ALL.iter().filter(|table| table.is_of_mailboxes()) {
        rows.empty(*table, Key::mailbox(mailbox));
    }
    each(rows, Table::Addresses, &Key::default(), |rows, key, value| {
        if decode::<u32>(Table::Addresses, value)? == mailbox.0 {
            rows.delete(Table::Addresses, Key(key.to_vec()));
        }
        Ok(())
    })?;
    each(rows, Table::Changes, &Key::default(), |rows, key, _| {
        if KeyTake::new(key.get(8..).unwrap_or_default()).mailbox() == Some(mailbox) {
            rows.delete(Table::Changes, Key(key.to_vec()));
        }
        Ok(())
    })?;
    // The frames themselves go when their packs are freed; what they say may not stay readable until then.
    each(rows, Table::Frames, &Key::default(), |rows, key, value| {
        if decode::<FrameRow>(Table::Frames, value)?.mailbox == mailbox.0 {
            rows.delete(Table::Records, Key(key.to_vec()));
        }
        Ok(())
    })?;
    rows.put(Table::Mailboxes, Key::mailbox(mailbox), &MailboxRowValue { place: Some(place), erased: true, ..MailboxRowValue::default() });
    rows.put(Table::Erased, Key::hash(&rows.hash20(&record.address)), &place);
    count(rows, |state| {
        state.mailboxes = state.mailboxes.max(mailbox.0);
        state.folders = state.folders.max(record.folders_last);
        state.items = state.items.max(record.items_last);
        state.rewrites += 1;
    })
}

pub(super) fn allowed(rows: &mut Staged, record: &AllowedRecord) -> Result<(), Error> {
    rows.delete(Table::Erased, Key::hash(&rows.hash20(&record.address)));
    Ok(())
}

/// Removes the rows that are found by an item's key; they must go before those that name the items.
fn forget_items(rows: &mut Staged, mailbox: MailboxKey) -> Result<(), Error> {
    for (table, skipped) in [(Table::ItemsLive, 12), (Table::ItemsPast, 20), (Table::ItemsMarked, 20)] {
        each(rows, table, &Key::mailbox(mailbox), |rows, key, _| {
            let mut take = KeyTake::new(key.get(skipped..).unwrap_or_default());
            let (from, item) = take.u64().zip(take.u64()).ok_or(Error::IndexRow { table: table.name() })?;
            rows.delete(Table::History, Key::number(item).u64(from));
            rows.delete(Table::Places, Key::number(item));
            Ok(())
        })?;
    }
    Ok(())
}

/// Does something with each row whose key begins with `prefix`.
fn each(rows: &mut Staged, table: Table, prefix: &Key, mut action: impl FnMut(&mut Staged, &[u8], &[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let mut start = Some(Vec::new());
    while let Some(from) = start {
        let page = rows.page(table, prefix, &from, PAGE_ROWS)?;
        for (key, value) in &page.rows {
            action(rows, key, value)?;
        }
        start = page.next;
    }
    Ok(())
}
