//! Freeing: what nobody can see any more goes, everything else stays, whatever happens beside and between.

use crate::faulty::{Fault, FaultyStore, fault_everywhere, used};
use crate::support::{Place, at, inbox, list, mail, noise, put, read, sealing, time, unlock};
use crate::tables::assert_rebuilds_alike;
use c2b_mailbox::ItemId;
use c2b_storagefmt::store::{DirStore, Store};
use c2b_storagefmt::{Error, FolderKey, FreeReport, FreeStep, ItemRow, MailboxKey, Moment, RetentionPolicy, Unlock, Writer, check};
use chrono::TimeDelta;
use std::fs;

/// Marks everything but the newest versions, whatever its age.
pub(crate) fn mark(writer: &mut Writer, minute: i64) -> u64 {
    let policy = RetentionPolicy { deleted_after: Some(TimeDelta::seconds(1)), versions_max: Some(1), ..RetentionPolicy::default() };
    let plan = writer.catalog().retention_plan(&policy, time(minute), false, &mut |_| {}).unwrap();
    writer.retention_mark(&plan, time(minute)).unwrap()
}

pub(crate) fn free(writer: &mut Writer, minute: i64) -> FreeReport {
    let mut run = writer.free_begin().unwrap();
    while writer.free_step(&mut run, time(minute)).unwrap() == FreeStep::More {}
    run.report().clone()
}

fn assert_clean(place: &Place) {
    let mut report = check(&place.dir(), &place.scratch(), &Unlock::Open, true, &mut |_| {}).unwrap();
    // A recipe that no version wants may outlive its blocks, until its pack is made anew.
    report.damages.retain(|damage| !damage.items.is_empty() || !damage.what.starts_with("content "));
    assert_eq!(report.damages, []);
}

/// Ten mails of which each commit replaces one and brings a new one; the last commit deletes some.
fn history(writer: &mut Writer) -> (MailboxKey, FolderKey) {
    let at = inbox(writer);
    for minute in 0..10u64 {
        put(writer, at, mail(&format!("I{minute}"), "new", &noise(50_000, minute)));
        put(writer, at, mail("changing", &format!("state {minute}"), &noise(40_000, 100 + minute)));
        writer.mark_point(at.0).unwrap();
        writer.commit(time(i64::try_from(minute).unwrap() + 1)).unwrap();
    }
    for n in 0..3 {
        writer.delete_item(at.0, &ItemId::new(format!("I{n}"))).unwrap();
    }
    writer.commit(time(20)).unwrap();
    at
}

#[test]
fn what_was_marked_goes_and_the_rest_stays() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = history(&mut writer);
    let before = list(&writer.catalog(), inbox, Moment::Latest);
    let stats = writer.stats().unwrap();
    assert_eq!(mark(&mut writer, 30), 12);
    let plan = writer.free_plan().unwrap();
    assert_eq!((plan.versions, plan.logical_removed), (12, 9 * 40_000 + 3 * 50_000));
    assert!(plan.dead_bytes >= 500_000 && plan.packs > 8, "{plan:?}");
    let report = free(&mut writer, 31);
    assert_eq!((report.versions, report.logical_removed), (12, 9 * 40_000 + 3 * 50_000));
    assert!(report.physical_freed >= 500_000, "{report:?}");
    assert_eq!(report.pending, []);
    let after = writer.stats().unwrap();
    assert!(after.packs < stats.packs);
    assert_eq!((after.versions, after.marked_versions), (8, 0));
    assert_eq!(list(&writer.catalog(), inbox, Moment::Latest), before);
    assert_eq!(list(&writer.catalog(), inbox, at(5)).len(), 2, "what stays of an old moment");
    for item in &before {
        read(&writer.contents(), inbox.0, &item.shown.unwrap());
    }
    assert_eq!(free(&mut writer, 32).physical_freed, 0, "a second run found something to do");
    drop(writer);
    assert_clean(&place);
    assert_rebuilds_alike(&place.dir(), &Unlock::Open);
    assert_clean(&place);
    assert_eq!(list(&place.open().catalog(), inbox, Moment::Latest), before);
}

/// Marks, undoes, marks and frees; goes on wherever it is called.
fn retain(writer: &mut Writer) -> Result<(), Error> {
    let policy = RetentionPolicy { deleted_after: Some(TimeDelta::seconds(1)), versions_max: Some(1), ..RetentionPolicy::default() };
    let plan = writer.catalog().retention_plan(&policy, time(30), false, &mut |_| {})?;
    writer.retention_mark(&plan, time(30))?;
    writer.retention_undo(time(30))?;
    let plan = writer.catalog().retention_plan(&policy, time(30), false, &mut |_| {})?;
    writer.retention_mark(&plan, time(30))?;
    let mut run = writer.free_begin()?;
    while writer.free_step(&mut run, time(30))? == FreeStep::More {}
    Ok(())
}

/// A small history with something of everything to free.
fn small_history(writer: &mut Writer) -> (MailboxKey, FolderKey) {
    let at = inbox(writer);
    for minute in 0..3u64 {
        put(writer, at, mail("stays", "stays", &noise(9000, 7)));
        put(writer, at, mail("goes", &format!("g{minute}"), &noise(6000, minute)));
        writer.commit(time(i64::try_from(minute).unwrap() + 1)).unwrap();
    }
    writer.delete_item(at.0, &ItemId::new("goes")).unwrap();
    writer.commit(time(5)).unwrap();
    at
}

/// Lists what is there now, and reads all of it.
fn latest(writer: &Writer, at: (MailboxKey, FolderKey)) -> Vec<ItemRow> {
    let items = list(&writer.catalog(), at, Moment::Latest);
    items.iter().for_each(|item| drop(read(&writer.contents(), at.0, &item.shown.unwrap())));
    items
}

#[test]
fn a_crash_instead_of_any_step_loses_nothing_that_is_wanted() {
    crash_everywhere(Fault::Before);
}

#[test]
fn a_crash_after_any_step_loses_nothing_that_is_wanted() {
    crash_everywhere(Fault::After);
}

fn crash_everywhere(fault_at: fn(usize) -> Fault) {
    let origin = Place::new();
    let mut writer = origin.create();
    let at = small_history(&mut writer);
    let before = latest(&writer, at);
    drop(writer);
    let steps = fault_everywhere(&origin, &Unlock::Open, fault_at, retain, |place, step, fault| {
        let mut writer = place.open();
        assert_eq!(latest(&writer, at), before, "{fault:?}");
        place.is_tidy(&fault);
        if step % 5 == 0 {
            drop(writer);
            assert_clean(&place);
            assert_rebuilds_alike(&place.dir(), &Unlock::Open);
            writer = place.open();
        }
        retain(&mut writer).unwrap();
        assert_eq!(latest(&writer, at), before, "{fault:?}, then the rest");
        assert_eq!(writer.stats().unwrap().versions, 1, "{fault:?}, then the rest");
        drop(writer);
        if step % 5 == 4 {
            assert_clean(&place);
        }
    });
    assert!(steps > 30, "only {steps} steps");
}

#[test]
fn what_a_batch_takes_up_between_two_steps_stays() {
    for between in 0.. {
        let place = Place::new();
        let mut writer = place.create();
        let inbox = history(&mut writer);
        mark(&mut writer, 30);
        let mut run = writer.free_begin().unwrap();
        let mut done = 0;
        loop {
            if done == between {
                // The bytes of a mail that was deleted, and of a version that was replaced: both are there, and nobody wants them.
                put(&mut writer, inbox, mail("again", "again", &noise(50_000, 1)));
                let held = put(&mut writer, inbox, mail("changing", "as before", &noise(40_000, 103)));
                assert!(held.stored_bytes == 0 || between > 0);
                writer.commit(time(40)).unwrap();
            }
            done += 1;
            if writer.free_step(&mut run, time(41)).unwrap() == FreeStep::Done {
                break;
            }
        }
        if between > done {
            assert!(done > 5, "only {done} steps");
            break;
        }
        drop(writer);
        let writer = place.open();
        let items = latest(&writer, inbox);
        assert_eq!(
            read(
                &writer.contents(),
                inbox.0,
                &items.iter().find(|item| item.meta.subject == "again").map_or(items[0].shown.unwrap(), |item| item.shown.unwrap())
            )
            .len(),
            50_000,
            "between {between}"
        );
        drop(writer);
        assert_clean(&place);
        assert_rebuilds_alike(&place.dir(), &Unlock::Open);
    }
}

#[test]
fn steps_need_that_no_batch_is_open_and_that_no_other_run_was_begun() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = history(&mut writer);
    let mut run = writer.free_begin().unwrap();
    put(&mut writer, inbox, mail("open", "open", b"open"));
    assert!(matches!(writer.free_step(&mut run, time(31)), Err(Error::BatchOpen)));
    writer.abandon();
    let mut other = writer.free_begin().unwrap();
    assert!(matches!(writer.free_step(&mut run, time(31)), Err(Error::FreeingReplaced)));
    assert_eq!(writer.free_step(&mut other, time(31)).unwrap(), FreeStep::More);
}

#[test]
fn readers_that_were_open_before_read_on() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = text_history(&mut writer, 200);
    let (catalog, contents) = place.reader();
    let items = list(&catalog, inbox, Moment::Latest);
    let open: Vec<_> = items.iter().map(|item| contents.open(inbox.0, &item.shown.unwrap()).unwrap()).collect();
    mark(&mut writer, 30);
    assert!(free(&mut writer, 31).physical_freed > 0);
    assert_eq!(list(&catalog, inbox, Moment::Latest), items);
    for (item, file) in items.iter().zip(&open) {
        let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
        assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len());
        assert_eq!(c2b_storagefmt::ContentId::of(&bytes), item.shown.unwrap());
        assert_eq!(read(&contents, inbox.0, &item.shown.unwrap()), bytes);
    }
    assert_eq!(catalog.refresh().unwrap(), writer.catalog().head().unwrap());
    assert_eq!(list(&catalog, inbox, Moment::Latest), items);
}

/// Text of some kilobytes that compresses to about half, as mail does.
fn text(seed: u64) -> Vec<u8> {
    let words: Vec<String> = noise(3000, seed).chunks(2).map(|pair| format!("{:x}{:02x}", pair[0] % 16, pair[1])).collect();
    [b"Subject: x\r\n\r\n".as_slice(), words.join(" ").as_bytes()].concat()
}

/// Many texts, of which every third is deleted in the end.
fn text_history(writer: &mut Writer, count: u64) -> (MailboxKey, FolderKey) {
    let at = inbox(writer);
    for n in 0..count {
        put(writer, at, mail(&format!("T{n}"), "text", &text(n)));
        if n % 50 == 49 {
            writer.commit(time(i64::try_from(n / 50).unwrap() + 1)).unwrap();
        }
    }
    for n in (0..count).filter(|n| n % 10 < 3) {
        writer.delete_item(at.0, &ItemId::new(format!("T{n}"))).unwrap();
    }
    writer.commit(time(20)).unwrap();
    at
}

#[test]
fn a_third_of_the_texts_gives_back_a_quarter_of_the_bytes() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = text_history(&mut writer, 800);
    let bytes = |place: &Place| DirStore::new(&place.dir()).list("packs/").unwrap().iter().map(|file| file.bytes).sum::<u64>();
    let before = bytes(&place);
    assert_eq!(mark(&mut writer, 30), 240);
    let report = free(&mut writer, 31);
    let after = bytes(&place);
    assert!(after * 100 <= before * 75, "{before} bytes became {after}: {report:?}");
    assert_eq!(latest(&writer, inbox).len(), 560);
    drop(writer);
    assert_clean(&place);
    assert_rebuilds_alike(&place.dir(), &Unlock::Open);
}

#[test]
fn a_full_disk_is_freed_with_the_room_of_the_ballast() {
    for ballast in [600_000, 0] {
        let place = Place::new();
        let mut writer = place.create();
        let inbox = history(&mut writer);
        mark(&mut writer, 30);
        let before = latest(&writer, inbox);
        drop(writer);
        if ballast > 0 {
            fs::write(place.dir().join("reserve"), vec![0; ballast]).unwrap();
        }
        let store = FaultyStore::new(&place.dir(), Fault::FullFolder(used(&place.dir())));
        let mut writer = Writer::open_on(&place.dir(), store, &Unlock::Open).unwrap();
        let mut run = writer.free_begin().unwrap();
        let result = loop {
            match writer.free_step(&mut run, time(31)) {
                Ok(FreeStep::More) => {}
                other => break other,
            }
        };
        if ballast == 0 {
            assert!(result.unwrap_err().is_no_space());
            writer.abandon();
        } else {
            assert_eq!(result.unwrap(), FreeStep::Done);
            assert!(run.report().physical_freed > 400_000, "{:?}", run.report());
            assert!(!place.dir().join("reserve").exists());
        }
        assert_eq!(latest(&writer, inbox), before);
        drop(writer);
        assert_clean(&place);
    }
}

#[test]
fn a_sealed_storage_is_freed_alike() {
    let place = Place::new();
    let mut writer = Writer::create(&place.dir(), time(0), sealing(Some("secret"))).unwrap().0;
    let unlock = unlock(true);
    let inbox = text_history(&mut writer, 200);
    mark(&mut writer, 30);
    assert!(free(&mut writer, 31).physical_freed > 0);
    let items = latest(&writer, inbox);
    assert_eq!(items.len(), 140);
    drop(writer);
    assert_rebuilds_alike(&place.dir(), &unlock);
    assert_eq!(latest(&Writer::open(&place.dir(), &unlock).unwrap(), inbox), items);
}
