//! Readers beside the writer: neither waits for the other, and every listing is that of one moment.

use crate::support::{Place, address, at, folder, inbox, list, mail, put, time};
use c2b_mailbox::{ChangeKey, Cursor, FolderId, ItemId};
use c2b_storagefmt::{Catalog, CommitSeq, CursorScope, Error, Failure, Moment, ProbeKind, PutOutcome, Sealing, Unlock, Writer, probe};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_listing_stays_as_it_was_while_the_writer_goes_on() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    for n in 0..3000 {
        put(&mut writer, inbox, mail(&format!("I-{n}"), "x", b""));
    }
    writer.commit(time(1)).unwrap();
    let (reader, _contents) = place.reader();
    for catalog in [writer.catalog(), reader] {
        let before: Vec<_> = list(&catalog, inbox, Moment::Latest).into_iter().map(|row| (row.key, row.version)).collect();
        let seq = catalog.head().unwrap();
        let rows = catalog.items(inbox.0, inbox.1, Moment::Latest).unwrap();
        let mut listed = Vec::new();
        let mut round = 0;
        for row in rows {
            let row = row.unwrap();
            listed.push((row.key, row.version));
            // Again and again, something before, at and after the place of the listing changes or goes.
            if listed.len().is_multiple_of(700) {
                round += 1;
                for n in (0..3000).step_by(97) {
                    let id = ItemId::new(format!("I-{}", n + round));
                    writer.set_read(inbox.0, &id, None, round % 2 == 0).unwrap();
                    writer.delete_item(inbox.0, &ItemId::new(format!("I-{}", n + 50 + round))).unwrap();
                }
                put(&mut writer, inbox, mail(&format!("N-{round}-{seq}"), "new", b""));
                writer.commit(time(2 + round)).unwrap();
                catalog.refresh().unwrap();
            }
        }
        listed.sort();
        let mut before = before;
        before.sort();
        assert!(round >= 3 && listed == before, "{} listed, {} expected", listed.len(), before.len());
        assert!(catalog.head().unwrap() > seq);
    }
}

#[test]
fn a_reader_needs_no_writer_and_no_right_to_write() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    put(&mut writer, inbox, mail("I-1", "x", b"body"));
    writer.commit(time(1)).unwrap();
    drop(writer);
    let readonly = |mode| {
        for path in [place.dir(), place.dir().join("index"), place.dir().join("packs")] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    let names = || {
        let mut names: Vec<_> = fs::read_dir(place.dir().join("index")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    readonly(0o500);
    let before = names();
    let (catalog, contents) = place.reader();
    assert_eq!(crate::support::read(&contents, inbox.0, &list(&catalog, inbox, Moment::Latest)[0].shown.unwrap()), b"body");
    assert_eq!(names(), before, "a reader wrote into the storage");
    readonly(0o700);
}

#[test]
fn a_reader_survives_a_rebuild() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    put(&mut writer, inbox, mail("I-1", "x", b"body"));
    writer.commit(time(1)).unwrap();
    drop(writer);
    let (catalog, contents) = place.reader();
    let before = list(&catalog, inbox, Moment::Latest);
    c2b_storagefmt::rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    assert_eq!(catalog.refresh().unwrap().0, 1);
    assert_eq!(list(&catalog, inbox, Moment::Latest), before);
    let mut writer = place.open();
    put(&mut writer, inbox, mail("I-2", "y", b"more"));
    writer.commit(time(2)).unwrap();
    assert_eq!(catalog.refresh().unwrap().0, 2, "the reader looks at the old index");
    assert_eq!(list(&catalog, inbox, Moment::Latest).len(), 2);
    assert_eq!(crate::support::read(&contents, inbox.0, &before[0].shown.unwrap()), b"body");
}

#[test]
fn one_writer_at_a_time() {
    let place = Place::new();
    let writer = place.create();
    match Writer::open(&place.dir(), &Unlock::Open) {
        Err(Error::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("a second writer: {:?}", other.err()),
    }
    assert!(matches!(c2b_storagefmt::rebuild(&place.dir(), &Unlock::Open, &mut |_| {}), Err(Error::InUse { .. })));
    drop(writer);
    place.open();
}

#[test]
fn other_peoples_folders_are_left_alone() {
    let place = Place::new();
    let dir = place.dir();
    assert_eq!(probe(&dir).unwrap().kind, ProbeKind::Missing);
    fs::create_dir(&dir).unwrap();
    assert_eq!(probe(&dir).unwrap().kind, ProbeKind::Empty);
    fs::write(dir.join("letter.txt"), "dear").unwrap();
    assert!(matches!(probe(&dir).unwrap().kind, ProbeKind::Foreign(found) if found.ends_with("letter.txt")));
    assert!(matches!(Writer::create(&dir, time(0), Sealing::None), Err(Error::NotEmpty { found, .. }) if found == "letter.txt"));
    assert!(matches!(Writer::open(&dir, &Unlock::Open), Err(Error::NotAStorage { .. })));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "something was touched");
    fs::remove_file(dir.join("letter.txt")).unwrap();
    // A creation that was interrupted before its last step can be done again.
    drop(Writer::create(&dir, time(0), Sealing::None).unwrap());
    fs::remove_file(dir.join("storage.toml")).unwrap();
    drop(Writer::create(&dir, time(0), Sealing::None).unwrap());
    assert!(matches!(Writer::create(&dir, time(0), Sealing::None), Err(Error::AlreadyAStorage { .. })));
    assert!(matches!(probe(&dir).unwrap().kind, ProbeKind::Storage(info) if info.created == time(0)));
    assert!(probe(&dir).unwrap().free_bytes > 0);
}

#[test]
fn a_hundred_thousand_items_are_listed_as_they_are_asked_for() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    for n in 0..100_000 {
        put(&mut writer, inbox, mail(&format!("I-{n}"), "the same", b"the same"));
        if writer.pending().items == 5000 {
            writer.commit(time(n / 5000)).unwrap();
        }
    }
    let catalog = writer.catalog();
    assert_eq!(catalog.counts(inbox.0).unwrap().items, 100_000);
    let mut rows = catalog.items(inbox.0, inbox.1, Moment::Latest).unwrap();
    assert!(rows.next().unwrap().is_ok());
    assert_eq!(rows.count(), 99_999);
    let ids: Vec<ItemId> = (0..1000).map(|n| ItemId::new(format!("I-{}", n * 101))).collect();
    assert_eq!(catalog.known(inbox.0, &ids).unwrap().into_iter().filter(Option::is_some).count(), 991);
    assert_eq!(list(&catalog, inbox, at(3)).len(), 15_000);
}

#[test]
fn an_item_keeps_its_key_through_moves_deletion_and_return() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    let other = (inbox.0, writer.put_folder(inbox.0, &folder("F-2", "Other", None)).unwrap());
    let first = put(&mut writer, inbox, mail("I", "x", b"1"));
    writer.commit(time(1)).unwrap();
    assert_eq!(put(&mut writer, other, mail("I", "x", b"1")).outcome, PutOutcome::MetadataOnly);
    writer.commit(time(2)).unwrap();
    assert!(writer.delete_item(inbox.0, &ItemId::new("I")).unwrap());
    assert!(!writer.delete_item(inbox.0, &ItemId::new("I")).unwrap());
    writer.commit(time(3)).unwrap();
    assert_eq!(writer.catalog().known(inbox.0, &[ItemId::new("I")]).unwrap(), [None]);
    let last = put(&mut writer, inbox, mail("I", "x", b"2"));
    assert_eq!((last.key, last.outcome), (first.key, PutOutcome::New));
    writer.commit(time(4)).unwrap();
    let catalog = writer.catalog();
    let seen: Vec<_> = (0..=4).map(|seq| catalog.item(first.key, at(seq)).unwrap().map(|row| (row.folder, row.version))).collect();
    assert_eq!(seen, [None, Some((inbox.1, 1)), Some((other.1, 2)), None, Some((inbox.1, 3))]);
    let touched: Vec<_> = catalog.changes_since(CommitSeq(1)).unwrap().into_iter().map(|touched| (touched.seq.0, touched.folder)).collect();
    assert_eq!(touched, [(2, inbox.1), (2, other.1), (3, other.1), (4, inbox.1)]);
}

#[test]
fn a_change_key_alone_makes_no_version_but_is_remembered() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    let key = put(&mut writer, inbox, mail("I", "x", b"1")).key;
    writer.mark_point(inbox.0).unwrap();
    writer.commit(time(1)).unwrap();
    let mut item = mail("I", "x", b"1");
    item.meta.change_key = Some(ChangeKey::new("next"));
    assert_eq!(put(&mut writer, inbox, item).outcome, PutOutcome::Unchanged);
    writer.mark_point(inbox.0).unwrap();
    writer.commit(time(2)).unwrap();
    let catalog = writer.catalog();
    assert_eq!(catalog.known(inbox.0, &[ItemId::new("I")]).unwrap()[0].unwrap().change, Some(catalog.change_mark(&ChangeKey::new("next"))));
    assert_eq!(catalog.item(key, Moment::Latest).unwrap().unwrap().meta.change_key, Some(ChangeKey::new("next")));
    assert_eq!(catalog.item(key, Moment::Latest).unwrap().unwrap().version, 1);
    assert_eq!(catalog.points(inbox.0).unwrap().len(), 1, "a point in time without a visible change");
}

#[test]
fn failures_are_kept_replaced_and_cleared() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = inbox(&mut writer);
    let failure = |id: &str, attempts| Failure {
        id: ItemId::new(id),
        folder: inbox.1,
        job: "job".to_owned(),
        change_key: None,
        subject: "x".to_owned(),
        date: None,
        size: Some(5),
        code: "ErrorItemCorrupt".to_owned(),
        message: "the server cannot read it".to_owned(),
        attempts,
        first_seen: time(0),
        last_seen: time(1),
        next_try: Some(time(2)),
    };
    for (id, attempts) in [("I-1", 1), ("I-2", 1), ("I-3", 1), ("I-1", 2)] {
        writer.put_failure(inbox.0, failure(id, attempts)).unwrap();
    }
    writer.commit(time(1)).unwrap();
    assert_eq!(writer.catalog().failures(None).unwrap(), [(inbox.0, failure("I-1", 2)), (inbox.0, failure("I-2", 1)), (inbox.0, failure("I-3", 1))]);
    put(&mut writer, inbox, mail("I-1", "x", b""));
    writer.clear_failure(inbox.0, &ItemId::new("I-2")).unwrap();
    writer.set_cursor(inbox.0, CursorScope::Folder(inbox.1), Some(&Cursor::new("c"))).unwrap();
    writer.commit(time(2)).unwrap();
    assert_eq!(writer.catalog().failures(Some(inbox.0)).unwrap(), [(inbox.0, failure("I-3", 1))]);
    writer.delete_folder(inbox.0, &FolderId::new("F-inbox")).unwrap();
    writer.commit(time(3)).unwrap();
    let catalog = writer.catalog();
    assert_eq!(catalog.failures(None).unwrap(), []);
    assert_eq!(catalog.cursor(inbox.0, CursorScope::Folder(inbox.1)).unwrap(), None, "a folder that comes back must be enumerated anew");
    assert_eq!(catalog.folders(inbox.0, Moment::Latest).unwrap(), []);
    assert_eq!(list(&catalog, inbox, Moment::Latest), []);
    assert_eq!(list(&catalog, inbox, at(2)).len(), 1);
}

#[test]
fn times_lead_to_commits() {
    let place = Place::new();
    let mut writer = place.create();
    for minute in [10, 20, 30] {
        let mailbox = writer.mailbox(&address("bob")).unwrap();
        writer.put_folder(mailbox, &folder("F", &format!("name {minute}"), None)).unwrap();
        writer.mark_point(mailbox).unwrap();
        writer.commit(time(minute)).unwrap();
    }
    let catalog: Catalog = writer.catalog();
    let seqs: Vec<_> = [9, 10, 11, 29, 30, 99].map(|minute| catalog.moment_at(time(minute)).unwrap().map(|seq| seq.0)).into();
    assert_eq!(seqs, [None, Some(1), Some(1), Some(2), Some(3), Some(3)]);
    let mailbox = catalog.mailbox(&address("bob")).unwrap().unwrap();
    assert_eq!(mailbox.first.0, 1);
    let points = catalog.points_between(mailbox.key, time(15), time(30)).unwrap();
    assert_eq!(points.iter().map(|point| point.time).collect::<Vec<_>>(), [time(20), time(30)]);
    let folder = &catalog.folders(mailbox.key, at(2)).unwrap()[0];
    assert_eq!((folder.name.as_str(), folder.created), ("name 20", time(10)));
}
