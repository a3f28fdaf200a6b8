//! An item that moved goes on under its key, whatever its server calls it now; properties change without contents.

use crate::free::{free, mark};
use crate::support::{Place, folder, inbox, list, mail, noise, put, read, time};
use crate::tables::assert_rebuilds_alike;
use c2b_mailbox::{Item, ItemId, ItemMeta};
use c2b_storagefmt::{CommitSeq, FolderKey, ItemKey, MailboxKey, Moment, PutOutcome, Unlock, Writer};

/// What the mail is like under another id.
fn meta(id: &str) -> ItemMeta {
    mail(id, "moves", &body()).meta
}

fn body() -> Vec<u8> {
    noise(40_000, 7)
}

/// Puts a mail and commits; returns its key and a second folder.
fn begin(writer: &mut Writer) -> ((MailboxKey, FolderKey), FolderKey, ItemKey) {
    let at = inbox(writer);
    let other = writer.put_folder(at.0, &folder("F-other", "Other", None)).unwrap();
    let item: Item = mail("A", "moves", &body());
    let key = put(writer, at, item).key;
    writer.commit(time(1)).unwrap();
    (at, other, key)
}

#[test]
fn a_moved_item_keeps_its_key_and_its_bytes() {
    for in_one_commit in [true, false] {
        let place = Place::new();
        let mut writer = place.create();
        let (at, other, key) = begin(&mut writer);
        assert_eq!(writer.move_item(at.0, key, other, &meta("B")).unwrap(), None, "it has not left");
        assert!(writer.delete_item(at.0, &ItemId::new("A")).unwrap());
        if !in_one_commit {
            writer.commit(time(2)).unwrap();
            let left = writer.catalog().left_since(at.0, CommitSeq(1), 10).unwrap();
            assert_eq!(left.iter().map(|row| row.key).collect::<Vec<_>>(), [key]);
        }
        let moved = writer.move_item(at.0, key, other, &meta("B")).unwrap().unwrap();
        assert_eq!((moved.key, moved.outcome, moved.stored_bytes), (key, PutOutcome::MetadataOnly, 0));
        assert_eq!(writer.move_item(at.0, key, at.1, &meta("C")).unwrap(), None, "it is back");
        writer.commit(time(3)).unwrap();
        let (catalog, contents) = (writer.catalog(), writer.contents());
        let there = list(&catalog, (at.0, other), Moment::Latest);
        assert_eq!(there.iter().map(|row| (row.key, row.version, row.meta.id.as_str())).collect::<Vec<_>>(), [(key, 2, "B")]);
        assert_eq!(read(&contents, at.0, &there[0].shown.unwrap()), body());
        assert_eq!(list(&catalog, at, Moment::Latest), []);
        assert_eq!(list(&catalog, at, Moment::At(CommitSeq(1))).len(), 1);
        let ids = [ItemId::new("A"), ItemId::new("B")];
        assert_eq!(catalog.known(at.0, &ids).unwrap().iter().map(|known| known.map(|known| known.key)).collect::<Vec<_>>(), [None, Some(key)]);
        assert_eq!(catalog.present(at.0, &ids).unwrap()[1].as_ref().map(|row| row.folder), Some(other));
        assert_eq!(catalog.left_since(at.0, CommitSeq(0), 10).unwrap(), []);
        assert_eq!(catalog.counts(at.0).unwrap().items, 1);
        drop((catalog, contents));
        // What a rebuild makes of it is the same, with its past and without.
        drop(writer);
        assert_rebuilds_alike(&place.dir(), &Unlock::Open);
        let mut writer = place.open();
        mark(&mut writer, 9_000);
        writer.commit(time(9_000)).unwrap();
        free(&mut writer, 9_001);
        drop(writer);
        place.is_clean(&Unlock::Open, &"moved");
        assert_rebuilds_alike(&place.dir(), &Unlock::Open);
    }
}

#[test]
fn other_properties_are_a_version_without_contents() {
    let place = Place::new();
    let mut writer = place.create();
    let (at, other, key) = begin(&mut writer);
    let marked = ItemMeta { categories: vec!["Projects".into()], ..meta("A") };
    let put = writer.put_meta(at.0, at.1, &marked).unwrap().unwrap();
    assert_eq!((put.key, put.outcome, put.stored_bytes), (key, PutOutcome::MetadataOnly, 0));
    assert_eq!(writer.put_meta(at.0, at.1, &marked).unwrap().unwrap().outcome, PutOutcome::Unchanged);
    assert_eq!(writer.put_meta(at.0, at.1, &meta("nobody")).unwrap(), None);
    writer.commit(time(2)).unwrap();
    assert_eq!(writer.put_meta(at.0, other, &marked).unwrap().unwrap().outcome, PutOutcome::MetadataOnly);
    writer.commit(time(3)).unwrap();
    let rows = list(&writer.catalog(), (at.0, other), Moment::Latest);
    assert_eq!((rows[0].version, rows[0].meta.categories.as_slice()), (3, ["Projects".to_owned()].as_slice()));
    drop(writer);
    place.is_clean(&Unlock::Open, &"marked");
    assert_rebuilds_alike(&place.dir(), &Unlock::Open);
}
