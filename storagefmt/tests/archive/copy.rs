//! Copies: self-contained, incremental, resumable, and never worse than before.

mod faults;

use crate::dump::dump;
use crate::faulty::{Fault, FaultyStore};
use crate::support::{Place, address, folder, go_on, inbox, mail, noise, password, put, sealing, time, unlock};
use c2b_storagefmt::copy::copy_on;
use c2b_storagefmt::store::{DirStore, Store};
use c2b_storagefmt::{Catalog, CopyReport, Error, ProbeKind, Sealing, Unlock, Writer, check, copy, probe};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

fn batch(writer: &mut Writer, number: u64) {
    let at = inbox(writer);
    put(writer, at, mail(&format!("I-{number}"), "mail", &noise(30_000, number)));
    put(writer, at, mail("I", "changes", format!("text {number}").as_bytes()));
    writer.mark_point(at.0).unwrap();
    writer.commit(time(i64::try_from(number).unwrap())).unwrap();
}

fn dest(place: &Place) -> PathBuf {
    place.root.path().join("copy")
}

fn run(place: &Place, key: &Unlock) -> Result<CopyReport, Error> {
    copy(&place.dir(), &dest(place), key, &mut go_on)
}

fn dump_of(dir: &Path, place: &Place, key: &Unlock) -> String {
    let (catalog, contents) = Catalog::open_reader(dir, &place.scratch(), key).unwrap();
    dump(&catalog, &contents)
}

/// Proves that the copy is whole and says what the storage says.
fn same(place: &Place, key: &Unlock) {
    assert_eq!(dump_of(&dest(place), place, key), dump_of(&place.dir(), place, key));
    assert_eq!(check(&dest(place), &place.scratch(), key, true, &mut |_| {}).unwrap().damages, []);
}

fn packs(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = DirStore::new(dir).list("packs/").unwrap().into_iter().map(|file| file.name).collect();
    names.sort();
    names
}

#[test]
fn a_copy_is_a_storage_of_its_own() {
    let place = Place::new();
    let mut writer = place.create();
    (1..=3).for_each(|number| batch(&mut writer, number));
    // Beside the writer.
    let report = run(&place, &Unlock::Open).unwrap();
    assert!(report.complete && report.damages.is_empty(), "{report:?}");
    assert_eq!((report.packs, report.packs_present, report.head.0, report.time), (3, 0, 3, Some(time(3))));
    same(&place, &Unlock::Open);
    assert!(matches!(probe(&dest(&place)).unwrap().kind, ProbeKind::Storage(info) if info == *writer.catalog().info()));
    // The source is gone: import is opening it.
    drop(writer);
    fs::remove_dir_all(place.dir()).unwrap();
    let mut writer = Writer::open(&dest(&place), &Unlock::Open).unwrap();
    batch(&mut writer, 4);
    assert_eq!(writer.catalog().head().unwrap().0, 4);
}

#[test]
fn a_sealed_copy_opens_with_the_same_passwords() {
    let place = Place::new();
    let (mut writer, recovery) = Writer::create(&place.dir(), time(0), sealing(Some("secret"))).unwrap();
    let (key, other) = (password("secret"), password("other"));
    batch(&mut writer, 1);
    run(&place, &key).unwrap();
    for key in [key.clone(), unlock(true), Unlock::Recovery(Zeroizing::new(recovery.unwrap().to_string()))] {
        same(&place, &key);
    }
    assert!(Writer::open(&dest(&place), &other).is_err());
    assert!(run(&place, &Unlock::Open).is_err() && run(&place, &other).is_err());
    // A mailbox that came since has a key that the copy does not have yet.
    let bob = writer.mailbox(&address("bob")).unwrap();
    let at = (bob, writer.put_folder(bob, &folder("F", "Inbox", None)).unwrap());
    put(&mut writer, at, mail("I", "x", &noise(20_000, 7)));
    writer.commit(time(9)).unwrap();
    run(&place, &key).unwrap();
    same(&place, &key);
    for name in ["keys/a", "keys/b"] {
        assert_eq!(fs::read(dest(&place).join(name)).unwrap(), fs::read(place.dir().join(name)).unwrap());
    }
}

#[test]
fn only_what_is_new_is_moved() {
    let place = Place::new();
    let mut writer = place.create();
    (1..=4).for_each(|number| batch(&mut writer, number));
    let run = || {
        let (source, copied) = (FaultyStore::new(&place.dir(), Fault::Never), FaultyStore::new(&dest(&place), Fault::Never));
        let report = copy_on((&place.dir(), &*source), (&dest(&place), &*copied), &Unlock::Open, &mut go_on).unwrap();
        let read: usize = source.take_reads().iter().filter(|read| read.0.starts_with("packs/")).map(|read| read.2).sum();
        (report, read, copied)
    };
    let (first, read, copied) = run();
    assert!(first.packs == 4 && copied.written() > 120_000 && read > 120_000, "{first:?}");
    let (report, read, copied) = run();
    assert_eq!((report.packs, report.packs_present, report.bytes, read), (0, 4, 0, 0));
    assert_eq!(copied.steps(), Vec::<String>::new(), "a copy that is up to date was written to");
    batch(&mut writer, 5);
    let (report, read, copied) = run();
    assert_eq!((report.packs, report.packs_present, report.head.0), (1, 4, 5));
    assert!(copied.written() < 40_000 && read < 80_000, "{} bytes written, {read} read", copied.written());
    same(&place, &Unlock::Open);
}

#[test]
fn what_was_moved_before_a_stop_is_not_moved_again() {
    let place = Place::new();
    let mut writer = place.create();
    (1..=5).for_each(|number| batch(&mut writer, number));
    let mut stops = 0;
    let mut moved = 0;
    loop {
        let before = moved;
        let report = copy(&place.dir(), &dest(&place), &Unlock::Open, &mut |now| {
            // After two packs.
            if now.packs >= 2 * (stops + 1) && now.packs < now.packs_total { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        moved += report.packs;
        if report.complete {
            break;
        }
        assert_eq!(moved, before + 2);
        assert!(matches!(probe(&dest(&place)).unwrap().kind, ProbeKind::Foreign(_)), "an unfinished copy was taken for a storage");
        assert!(matches!(Writer::create(&dest(&place), time(0), Sealing::None), Err(Error::NotEmpty { .. })));
        stops += 1;
    }
    assert_eq!((stops, moved), (2, 5));
    same(&place, &Unlock::Open);
}

#[test]
fn a_copy_takes_what_is_committed_meanwhile_or_leaves_it_whole() {
    let place = Place::new();
    let mut writer = place.create();
    (1..=3).for_each(|number| batch(&mut writer, number));
    let mut number = 3;
    let report = copy(&place.dir(), &dest(&place), &Unlock::Open, &mut |_| {
        number += 1;
        batch(&mut writer, number);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(number > 4 && report.head.0 >= 3, "{report:?}");
    assert_eq!(check(&dest(&place), &place.scratch(), &Unlock::Open, true, &mut |_| {}).unwrap().damages, []);
    run(&place, &Unlock::Open).unwrap();
    same(&place, &Unlock::Open);
}

#[test]
fn what_is_no_copy_of_this_storage_is_left_alone() {
    let place = Place::new();
    let mut writer = place.create();
    batch(&mut writer, 1);
    let refused = |dest: &Path| copy(&place.dir(), dest, &Unlock::Open, &mut go_on).unwrap_err();
    // Other things.
    let other = place.root.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter.doc"), "Dear").unwrap();
    assert!(matches!(refused(&other), Error::NotEmpty { .. }));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
    // Another storage.
    fs::remove_file(other.join("letter.doc")).unwrap();
    drop(Writer::create(&other, time(0), Sealing::None).unwrap());
    assert!(matches!(refused(&other), Error::CopyOfAnother { .. }));
    // The storage itself.
    for path in [place.dir(), place.dir().join("copy"), place.root.path().to_owned()] {
        assert!(matches!(refused(&path), Error::CopyInside { .. }), "{}", path.display());
    }
    // A copy that is open for writing.
    run(&place, &Unlock::Open).unwrap();
    let mut copied = Writer::open(&dest(&place), &Unlock::Open).unwrap();
    assert!(matches!(refused(&dest(&place)), Error::InUse { .. }));
    // A copy that went its own way: first ahead, then aside.
    batch(&mut copied, 7);
    drop(copied);
    let before = dump_of(&dest(&place), &place, &Unlock::Open);
    assert!(matches!(refused(&dest(&place)), Error::CopyDiverged { .. }));
    (2..=3).for_each(|number| batch(&mut writer, number));
    let err = refused(&dest(&place));
    assert!(matches!(&err, Error::CopyDiverged { reason } if reason.contains("commits 2 to 2")), "{err}");
    assert_eq!(dump_of(&dest(&place), &place, &Unlock::Open), before);
    // One that was begun for another.
    let unfinished = place.root.path().join("unfinished");
    let mut first = true;
    copy(&other, &unfinished, &Unlock::Open, &mut go_on).unwrap();
    fs::remove_dir_all(&unfinished).unwrap();
    let stop = &mut |_| if std::mem::take(&mut first) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    assert!(!copy(&place.dir(), &unfinished, &Unlock::Open, stop).unwrap().complete);
    let err = copy(&other, &unfinished, &Unlock::Open, &mut go_on).unwrap_err();
    assert!(matches!(err, Error::CopyOfAnother { .. }), "{err}");
}
