//! A full disk: nothing committed is lost, reading goes on, and so does the writer once there is room.

use crate::dump::dump;
use crate::support::{address, folder, inbox, list, mail, noise, read, time};
use c2b_storagefmt::store::DirStore;
use c2b_storagefmt::{Catalog, Error, FolderKey, MailboxKey, Moment, Sealing, Unlock, Writer, check, space};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Where a process that this test starts finds its small file system.
const SMALL: &str = "C2B_TEST_SMALL_DISK";
/// How it says that it could not mount one.
const NOT_PERMITTED: i32 = 77;

/// Runs the test of this name in a mount namespace with a file system of 32 MiB; `None` when that is the process we are in, with its path.
fn small_disk(test: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(SMALL) {
        return Some(path.into());
    }
    let place = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size=32m none \"${SMALL}\" || exit {NOT_PERMITTED}; exec \"$0\" --exact {test} --nocapture");
    let run = |namespaces: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(namespaces).args(["sh", "-c", &script]).arg(std::env::current_exe().unwrap()).env(SMALL, place.path());
        unshare
            .output()
            .ok()
            .filter(|output| output.status.code() != Some(NOT_PERMITTED) && !String::from_utf8_lossy(&output.stderr).contains("unshare failed"))
    };
    let Some(output) = run(&["--mount"]).or_else(|| run(&["--user", "--map-root-user", "--mount"])) else {
        println!("skipped: no file system can be mounted here");
        return None;
    };
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

/// Fills the file system of `dir` to the last byte.
fn fill(dir: &Path) -> PathBuf {
    let path = dir.join("filler");
    let mut file = File::options().create(true).append(true).open(&path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write(&vec![1; size]).is_ok_and(|n| n > 0) {}
    }
    path
}

fn batch(writer: &mut Writer, number: u64) -> Result<(), Error> {
    let mailbox = writer.mailbox(&address("alice"))?;
    let folder = writer.put_folder(mailbox, &folder("F-inbox", "Inbox", None))?;
    writer.put_item(mailbox, folder, mail(&format!("I-{number}"), "mail", &noise(200_000, number)))?;
    writer.commit(time(i64::try_from(number).unwrap()))?;
    Ok(())
}

#[test]
fn a_disk_that_runs_full_stops_the_writer_only_until_there_is_room() {
    let Some(disk) = small_disk("space::a_disk_that_runs_full_stops_the_writer_only_until_there_is_room") else { return };
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let dir = disk.join("storage");
    let mut writer = Writer::create(&dir, time(0), Sealing::None).unwrap().0;
    assert!(writer.keep_reserve(1 << 20).unwrap());
    (1..=5).for_each(|number| batch(&mut writer, number).unwrap());
    let at = inbox(&mut writer);
    let before = dump(&writer.catalog(), &writer.contents());
    let (reader, contents) = Catalog::open_reader(&dir, scratch.path(), &Unlock::Open).unwrap();
    for round in 0..3u64 {
        let filler = fill(&disk);
        assert_eq!(writer.space().unwrap().free_bytes, 0);
        assert!(space(&dir).unwrap().is_low(1));
        for _ in 0..3 {
            let err = batch(&mut writer, 100 + round).unwrap_err();
            assert!(err.is_no_space() && matches!(err, Error::NoSpace { .. } | Error::Seal { .. }), "{err:?}");
            writer.abandon();
        }
        // Without a byte: the writer's own catalogue, a reader that was there, and one that comes.
        if round == 0 {
            assert_eq!(dump(&writer.catalog(), &writer.contents()), before);
            reader.refresh().unwrap();
            assert_eq!(dump(&reader, &contents), before);
            let (late, late_contents) = Catalog::open_reader(&dir, &scratch.path().join("late"), &Unlock::Open).unwrap();
            assert_eq!(dump(&late, &late_contents), before);
        }
        let rows = list(&writer.catalog(), at, Moment::Latest);
        assert_eq!(rows.len() as u64, 5 + round);
        for row in rows {
            assert_eq!(read(&writer.contents(), at.0, &row.shown.unwrap()).len(), 200_000);
        }
        // The same writer goes on.
        fs::remove_file(filler).unwrap();
        batch(&mut writer, 100 + round).unwrap();
        assert_eq!(writer.catalog().head().unwrap().0, 6 + round);
    }
    drop(writer);
    assert_eq!(check(&dir, scratch.path(), &Unlock::Open, true, &mut |_| {}).unwrap().damages, []);
}

#[test]
fn an_index_that_could_not_be_written_is_opened_again() {
    let Some(disk) = small_disk("space::an_index_that_could_not_be_written_is_opened_again") else { return };
    // Only index and lock are on the small disk: packs are durable, and the index does not get them.
    let (place, dir) = (tempfile::tempdir().unwrap(), disk.join("storage"));
    let mut writer = Writer::create_on(&dir, Arc::new(DirStore::new(place.path())), time(0), Sealing::None).unwrap().0;
    let wide = |writer: &mut Writer, number: u64| {
        let at = inbox(writer);
        for n in 0..200u64 {
            writer.put_item(at.0, at.1, mail(&format!("I-{number}-{n}"), "mail", &noise(100, number * 1000 + n)))?;
        }
        writer.commit(time(i64::try_from(number).unwrap()))
    };
    wide(&mut writer, 1).unwrap();
    let filler = fill(&disk);
    let mut number = 1;
    let failed = loop {
        number += 1;
        match wide(&mut writer, number) {
            Ok(_) => assert!(number < 1000, "the index never ran full"),
            Err(err) => break err,
        }
    };
    assert!(failed.is_no_space(), "{failed:?}");
    // It refuses all writes now, and answers all the same.
    assert_eq!(writer.catalog().head().unwrap().0, number - 1);
    assert!(writer.mailbox(&address("alice")).unwrap_err().is_no_space());
    let before = list(&writer.catalog(), (MailboxKey(1), FolderKey(1)), Moment::Latest);
    assert_eq!(before.len() as u64, 200 * (number - 1));
    fs::remove_file(&filler).unwrap();
    writer.abandon();
    let at = inbox(&mut writer);
    // The pack that the index missed is taken in.
    assert_eq!(writer.catalog().head().unwrap().0, number);
    assert_eq!(list(&writer.catalog(), at, Moment::Latest).len() as u64, 200 * number);
    batch(&mut writer, number + 1).unwrap();
    assert_eq!(list(&writer.catalog(), at, Moment::Latest).len() as u64, 200 * number + 1);
}

#[test]
fn a_storage_on_a_full_disk_can_be_opened_by_giving_up_its_ballast() {
    let Some(disk) = small_disk("space::a_storage_on_a_full_disk_can_be_opened_by_giving_up_its_ballast") else { return };
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let dir = disk.join("storage");
    let mut writer = Writer::create(&dir, time(0), Sealing::None).unwrap().0;
    assert!(writer.keep_reserve(4 << 20).unwrap());
    assert!(writer.keep_reserve(4 << 20).unwrap());
    (1..=3).for_each(|number| batch(&mut writer, number).unwrap());
    let before = dump(&writer.catalog(), &writer.contents());
    drop(writer);
    let filler = fill(&disk);
    let (reader, contents) = Catalog::open_reader(&dir, scratch.path(), &Unlock::Open).unwrap();
    assert_eq!(dump(&reader, &contents), before);
    let mut writer = Writer::open(&dir, &Unlock::Open).unwrap();
    assert!(!dir.join("reserve").exists());
    assert_eq!(dump(&writer.catalog(), &writer.contents()), before);
    // There is no room for ballast now, and that is no error.
    assert!(!writer.keep_reserve(4 << 20).unwrap());
    batch(&mut writer, 4).unwrap();
    drop(writer);
    // Without ballast there is a clear error, or it works.
    fill(&disk);
    match Writer::open(&dir, &Unlock::Open) {
        Ok(writer) => assert_eq!(writer.catalog().head().unwrap().0, 4),
        Err(err) => assert!(err.is_no_space() && err.to_string().contains("no space left"), "{err}"),
    }
    fs::remove_file(filler).unwrap();
    let writer = Writer::open(&dir, &Unlock::Open).unwrap();
    assert_eq!(writer.catalog().head().unwrap().0, 4);
    assert!(writer.keep_reserve(4 << 20).unwrap());
    assert_eq!(fs::metadata(dir.join("reserve")).unwrap().len(), 4 << 20);
    assert!(writer.keep_reserve(0).unwrap() && !dir.join("reserve").exists());
}

#[test]
fn a_step_that_makes_room_gets_the_ballast() {
    let Some(disk) = small_disk("space::a_step_that_makes_room_gets_the_ballast") else { return };
    let dir = disk.join("storage");
    let mut writer = Writer::create(&dir, time(0), Sealing::None).unwrap().0;
    assert!(writer.keep_reserve(4 << 20).unwrap());
    batch(&mut writer, 1).unwrap();
    fill(&disk);
    let mut tries = 0;
    writer
        .with_room(|writer| {
            tries += 1;
            batch(writer, 2)
        })
        .unwrap();
    assert_eq!((tries, writer.catalog().head().unwrap().0), (2, 2));
    fill(&disk);
    assert!(writer.with_room(|writer| batch(writer, 3)).unwrap_err().is_no_space());
}
