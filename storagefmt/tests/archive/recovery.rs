//! An index that is behind the packs: RocksDB is not synced with each commit, so power loss takes its last batches.

use crate::dump::dump;
use crate::support::{Place, copy_folder, inbox, mail, noise, put, time};
use c2b_storagefmt::Unlock;
use std::fs;

#[test]
fn an_index_that_lost_its_last_batches_catches_up() {
    let place = Place::new();
    drop(place.create());
    let kept = |number: u64| place.root.path().join(format!("index-{number}"));
    copy_folder(&place.dir().join("index"), &kept(0));
    for number in 1..=4u64 {
        let mut writer = place.open();
        let at = inbox(&mut writer);
        put(&mut writer, at, mail(&format!("I-{number}"), "x", &noise(30_000, number)));
        put(&mut writer, at, mail("I", "changes", format!("text {number}").as_bytes()));
        writer.commit(time(i64::try_from(number).unwrap())).unwrap();
        drop(writer);
        copy_folder(&place.dir().join("index"), &kept(number));
    }
    let (catalog, contents) = place.reader();
    let whole = dump(&catalog, &contents);
    drop((catalog, contents));
    for lost in 0..=4 {
        fs::remove_dir_all(place.dir().join("index")).unwrap();
        copy_folder(&kept(lost), &place.dir().join("index"));
        let writer = place.open();
        assert_eq!(dump(&writer.catalog(), &writer.contents()), whole, "from commit {lost}");
    }
}

#[test]
fn a_lost_description_is_made_anew() {
    let place = Place::new();
    let mut writer = place.create();
    let at = inbox(&mut writer);
    put(&mut writer, at, mail("I", "x", b"text"));
    writer.commit(time(0)).unwrap();
    let before = dump(&writer.catalog(), &writer.contents());
    drop(writer);
    fs::remove_file(place.dir().join("storage.toml")).unwrap();
    let report = c2b_storagefmt::rebuild(&place.dir(), &Unlock::Open, &mut |_| {}).unwrap();
    assert_eq!(report.damages.len(), 1, "{:?}", report.damages);
    let writer = place.open();
    assert_eq!(dump(&writer.catalog(), &writer.contents()), before);
}
