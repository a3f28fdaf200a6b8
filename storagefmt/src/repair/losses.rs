//! What is lost, written down.

use super::packs::Lost;
use super::{LostItem, RepairReport};
use crate::check::{ContentState, Names, cause, each_recipe, each_version, identify, missing, state};
use crate::cut::BUFFER_BYTES;
use crate::format::record::{ContentRef, ItemRecord, Record};
use crate::format::row::{FolderRowValue, KeyTake, Table};
use crate::format::time_of;
use crate::index::{Index, decode};
use crate::rebuild::NOWHERE;
use crate::{ContentId, CursorScope, Error, Failure, FolderKey, ItemKey, MailboxKey, Moment, Writer};
use c2b_mailbox::{ChangeKey, ItemId};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap};

/// The code of failures of items whose content is lost.
const LOST_CODE: &str = "LostToDamage";
/// The job of such failures: none has tried yet.
const JOB: &str = "repair";
/// Records in a commit, about.
const COMMIT_RECORDS: u64 = 10_000;

/// Contents that cannot be read, and why.
type Bad = HashMap<(MailboxKey, ContentId), String>;

/// Finds every version whose content is lost and commits what is to be known of it.
pub(super) fn note(writer: &mut Writer, lost: &Lost, now: DateTime<Utc>, report: &mut RepairReport) -> Result<(), Error> {
    let index = writer.catalog().shared().index();
    for mailbox in writer.catalog().mailboxes()? {
        writer.name_lost_mailbox(mailbox.key, &mailbox.address);
    }
    let bad = bad(writer, &index)?;
    let names = Names::read(&index)?;
    let mut gone = BTreeMap::<(MailboxKey, [u8; 32]), String>::new();
    let mut again = BTreeMap::<ItemKey, ItemRecord>::new();
    // Live versions come first.
    each_version(&index, |table, item, row| {
        let Some(record) = index.record(row.place)? else { return Ok(()) };
        let Record::Item(record) = record.as_ref() else { return Ok(()) };
        let mailbox = MailboxKey(record.mailbox);
        for id in [record.shown, record.export].iter().flatten().map(ContentRef::content) {
            let reason = match bad.get(&(mailbox, id)) {
                Some(reason) => reason.clone(),
                None if state(&index, mailbox, &id)? == ContentState::Unknown => "its recipe is lost".to_owned(),
                None => continue,
            };
            if table == Table::ItemsLive {
                again.insert(item, record.as_ref().clone());
            } else if !again.values().any(|live| live.mailbox == record.mailbox && [live.shown, live.export].iter().flatten().any(|content| content.id == id.0))
            {
                let lost = LostItem { item: names.item(record), version: record.version, reason: reason.clone() };
                if report.lost.last() != Some(&lost) {
                    report.lost.push(lost);
                }
            }
            gone.insert((mailbox, id.0), reason);
        }
        Ok(())
    })?;
    for ((mailbox, id), reason) in gone {
        writer.lose_content(mailbox, &ContentId(id), &reason, now)?;
        pace(writer, now)?;
    }
    for (item, record) in again {
        report.fetched_again.push(names.item(&record));
        let mailbox = MailboxKey(record.mailbox);
        writer.put_failure(mailbox, failure(&record, now))?;
        writer.forget_state(mailbox, item)?;
        pace(writer, now)?;
    }
    folders(writer, &index)?;
    cursors(writer, lost, report)?;
    writer.commit(now)?;
    Ok(())
}

/// Returns the contents that cannot be read.
fn bad(writer: &Writer, index: &Index) -> Result<Bad, Error> {
    let (contents, mut buffer, mut bad) = (writer.contents(), vec![0; BUFFER_BYTES * 4], Bad::new());
    each_recipe(index, |mailbox, _, recipe| {
        let id = ContentId(recipe.id);
        let reason = match missing(index, mailbox, recipe)? {
            Some(reason) => Some(reason),
            None => match contents.open_recipe(mailbox, recipe).and_then(|file| identify(&file, &mut buffer)) {
                Ok(found) if found == id => None,
                Ok(_) => Some("its bytes are others".to_owned()),
                Err(err) => Some(format!("{err}{}", cause(&err))),
            },
        };
        if let Some(reason) = reason {
            bad.insert((mailbox, id), reason);
        }
        Ok(())
    })?;
    Ok(bad)
}

/// Returns the failure that makes the next cycle fetch an item again.
fn failure(record: &ItemRecord, now: DateTime<Utc>) -> Failure {
    Failure {
        id: ItemId::new(&record.meta.id),
        folder: FolderKey(record.folder),
        job: JOB.to_owned(),
        change_key: record.meta.change_key.as_ref().map(ChangeKey::new),
        subject: record.meta.subject.clone(),
        date: Some(time_of(record.time)),
        size: record.meta.size,
        code: LOST_CODE.to_owned(),
        message: "its content was lost to damage in the storage and is fetched again".to_owned(),
        attempts: 0,
        first_seen: now,
        last_seen: now,
        next_try: Some(now),
    }
}

/// Gives folders a record whose own are lost.
fn folders(writer: &mut Writer, index: &Index) -> Result<(), Error> {
    for (key, value) in index.scan_all(Table::Folders, b"")? {
        let row: FolderRowValue = decode(Table::Folders, &value)?;
        if row.place == NOWHERE && row.until == 0 {
            let mut take = KeyTake::new(&key);
            let (mailbox, folder) = take.mailbox().zip(take.u64()).ok_or(Error::IndexRow { table: Table::Folders.name() })?;
            writer.keep_lost_folder(mailbox, FolderKey(folder))?;
        }
    }
    Ok(())
}

/// Makes the next cycle compare whole mailboxes whose records are lost.
fn cursors(writer: &mut Writer, lost: &Lost, report: &mut RepairReport) -> Result<(), Error> {
    let catalog = writer.catalog();
    for mailbox in catalog.mailboxes()? {
        if !(lost.anybody || lost.mailboxes.contains(&mailbox.key)) {
            continue;
        }
        report.unknown.push(format!("records of {}: the next cycle compares the whole mailbox with its source", mailbox.address));
        writer.set_cursor(mailbox.key, CursorScope::Hierarchy, None)?;
        for folder in catalog.folders(mailbox.key, Moment::Latest)? {
            writer.set_cursor(mailbox.key, CursorScope::Folder(folder.key), None)?;
        }
    }
    if lost.mailboxes.contains(&MailboxKey(0)) {
        report.unknown.push("records of the storage itself: erasures of mailboxes may be among them".to_owned());
    }
    Ok(())
}

fn pace(writer: &mut Writer, now: DateTime<Utc>) -> Result<(), Error> {
    if writer.pending().changes >= COMMIT_RECORDS {
        writer.commit(now)?;
    }
    Ok(())
}
