//! Items that wait: they are known until they are dealt with, through crashes, rebuilds, freeing and copies.

use crate::support::{Place, folder, inbox, mail, time};
use crate::tables::assert_rebuilds_alike;
use c2b_mailbox::{ChangeKey, FolderId, ItemId};
use c2b_storagefmt::{Error, FolderKey, MailboxKey, Unlock, Waiting, Writer};
use chrono::{DateTime, Utc};
use std::fs;

fn one(n: u64, folder: FolderKey, since: i64) -> Waiting {
    Waiting { id: ItemId::new(format!("W-{n}")), folder, change_key: Some(ChangeKey::new("1")), size: Some(n), since: time(since) }
}

fn ids(writer: &Writer, at: (MailboxKey, FolderKey), until: i64) -> Vec<String> {
    writer.waiting(at.0, at.1, time(until), 100).unwrap().into_iter().map(|one| one.id.to_string()).collect()
}

#[test]
fn what_waits_is_told_by_age_until_it_is_dealt_with() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    let other = writer.put_folder(inbox.0, &folder("old", "Old", None)).unwrap();
    for (n, since) in [(1, 50), (2, 10), (3, 30), (4, -10), (5, 31)] {
        writer.put_waiting(inbox.0, &one(n, inbox.1, since)).unwrap();
    }
    writer.put_waiting(inbox.0, &one(6, other, 0)).unwrap();
    assert_eq!(ids(&writer, inbox, 31), ["W-4", "W-2", "W-3", "W-5"], "the open batch counts");
    writer.commit(time(1)).unwrap().unwrap();
    assert_eq!(ids(&writer, inbox, 29), ["W-4", "W-2"]);
    assert_eq!(writer.waiting(inbox.0, inbox.1, DateTime::<Utc>::MAX_UTC, 2).unwrap().len(), 2);
    writer.put_waiting(inbox.0, &one(2, inbox.1, 10)).unwrap();
    assert_eq!(writer.commit(time(2)).unwrap(), None, "what is known was written again");
    // Another time, another folder, stored, gone, and no more.
    writer.put_waiting(inbox.0, &one(2, inbox.1, 40)).unwrap();
    writer.put_waiting(inbox.0, &one(3, other, 30)).unwrap();
    writer.put_item(inbox.0, inbox.1, mail("W-4", "four", b"four")).unwrap();
    writer.delete_item(inbox.0, &ItemId::new("W-5")).unwrap();
    writer.end_waiting(inbox.0, &ItemId::new("W-2"), Some(other)).unwrap();
    writer.end_waiting(inbox.0, &ItemId::new("W-1"), Some(inbox.1)).unwrap();
    assert_eq!(ids(&writer, inbox, 99), ["W-2"]);
    writer.commit(time(3)).unwrap().unwrap();
    drop(writer);
    assert_rebuilds_alike(&place.dir(), &Unlock::Open);
    let mut writer = place.open();
    assert_eq!((ids(&writer, inbox, 99), ids(&writer, (inbox.0, other), 99)), (vec!["W-2".to_owned()], vec!["W-6".to_owned(), "W-3".to_owned()]));
    writer.delete_folder(inbox.0, &FolderId::new("old")).unwrap();
    writer.commit(time(4)).unwrap().unwrap();
    assert!(ids(&writer, (inbox.0, other), 99).is_empty());
    assert_eq!(ids(&writer, inbox, 99), ["W-2"]);
    drop(writer);
    assert_rebuilds_alike(&place.dir(), &Unlock::Open);
    place.is_clean(&Unlock::Open, &"after all");
}

#[test]
fn programs_that_do_not_know_what_waits_are_kept_away_before_anything_does() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    writer.commit(time(1)).unwrap();
    let description = || fs::read_to_string(place.dir().join("storage.toml")).unwrap();
    assert!(description().contains("incompatible = []"), "{}", description());
    writer.put_waiting(inbox.0, &one(1, inbox.1, 0)).unwrap();
    assert!(description().contains("incompatible = [\"waiting\"]"), "{}", description());
    drop(writer);
    let mut writer = place.open();
    assert!(ids(&writer, inbox, 99).is_empty(), "it was not committed");
    writer.put_waiting(inbox.0, &one(1, inbox.1, 0)).unwrap();
    writer.commit(time(2)).unwrap().unwrap();
    drop(writer);
    fs::write(place.dir().join("storage.toml"), description().replace("waiting", "unheard-of")).unwrap();
    assert!(matches!(Writer::open(&place.dir(), &Unlock::Open), Err(Error::NewerFormat { .. })));
    fs::remove_file(place.dir().join("storage.toml")).unwrap();
    c2b_storagefmt::rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    assert!(description().contains("incompatible = [\"waiting\"]"), "{}", description());
    assert_eq!(ids(&place.open(), inbox, 99), ["W-1"]);
}
