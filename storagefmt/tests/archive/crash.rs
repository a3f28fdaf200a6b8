//! A crash at every step of a fixed history loses the open batch and nothing else.

mod every;

use crate::dump::dump;
use crate::faulty::{Fault, FaultyStore};
use crate::support::{Place, folder, inbox, mail, noise, put, time};
use c2b_mailbox::{Cursor, FolderId, ItemId};
use c2b_storagefmt::{CursorScope, Error, Unlock, Writer};
use std::sync::Arc;

/// Fills and commits batch `n` of the history; the batches depend only on what is committed.
fn batch(writer: &mut Writer, number: u64) -> Result<(), Error> {
    let inbox = inbox(writer);
    match number {
        1 => {
            for n in 0..5u64 {
                writer.put_item(inbox.0, inbox.1, mail(&format!("I-{n}"), "one", &noise(20_000 * usize::try_from(n).unwrap(), n)))?;
            }
        }
        2 => {
            let archive = writer.put_folder(inbox.0, &folder("F-archive", "Archive", Some("F-inbox")))?;
            writer.put_item(inbox.0, archive, mail("I-1", "moved", &noise(20_000, 1)))?;
            writer.delete_item(inbox.0, &ItemId::new("I-2"))?;
            writer.set_read(inbox.0, &ItemId::new("I-3"), None, true)?;
        }
        _ => {
            writer.delete_folder(inbox.0, &FolderId::new("F-archive"))?;
            writer.put_item(inbox.0, inbox.1, mail("I-9", "last", &noise(300_000, 9)))?;
        }
    }
    writer.set_cursor(inbox.0, CursorScope::Hierarchy, Some(&Cursor::new(format!("state {number}"))))?;
    writer.mark_point(inbox.0)?;
    writer.commit(time(i64::try_from(number).unwrap()))?;
    Ok(())
}

const BATCHES: u64 = 3;

/// Returns the steps of the whole history, and the dump after each batch.
fn reference() -> (usize, Vec<String>) {
    let place = Place::new();
    drop(place.create());
    let store = FaultyStore::new(&place.dir(), Fault::Never);
    let mut writer = Writer::open_on(&place.dir(), Arc::clone(&store) as _, &Unlock::Open).unwrap();
    let mut dumps = vec![dump(&writer.catalog(), &writer.contents())];
    for number in 1..=BATCHES {
        batch(&mut writer, number).unwrap();
        dumps.push(dump(&writer.catalog(), &writer.contents()));
    }
    (store.steps().len(), dumps)
}

#[test]
fn a_crash_at_any_step_loses_only_the_open_batch() {
    let (steps, dumps) = reference();
    assert!(steps > 20, "the history has only {steps} steps");
    for fault in (0..steps).flat_map(|step| [Fault::Before(step), Fault::After(step)]) {
        let place = Place::new();
        drop(place.create());
        let store = FaultyStore::new(&place.dir(), fault);
        let mut writer = Writer::open_on(&place.dir(), store, &Unlock::Open).unwrap();
        let done = (1..=BATCHES).take_while(|number| batch(&mut writer, *number).is_ok()).count();
        assert!(done < 3, "{fault:?} did nothing");
        drop(writer);

        let mut writer = place.open();
        let head = writer.catalog().head().unwrap().0;
        assert!(head == done as u64 || head == done as u64 + 1, "{fault:?}: {done} batches done, head {head}");
        assert_eq!(dump(&writer.catalog(), &writer.contents()), dumps[usize::try_from(head).unwrap()], "{fault:?}");
        place.is_tidy(&fault);
        for number in head + 1..=BATCHES {
            batch(&mut writer, number).unwrap();
        }
        assert_eq!(dump(&writer.catalog(), &writer.contents()), dumps[3], "{fault:?}, then the rest");
        place.is_clean(&Unlock::Open, &fault);
    }
}

#[test]
fn a_writer_goes_on_after_a_full_disk() {
    let (steps, dumps) = reference();
    for step in 0..steps {
        let place = Place::new();
        drop(place.create());
        let store = FaultyStore::new(&place.dir(), Fault::Full(step));
        let mut writer = Writer::open_on(&place.dir(), Arc::clone(&store) as _, &Unlock::Open).unwrap();
        let (mut number, mut failed) = (1, 0);
        while number <= BATCHES {
            match batch(&mut writer, number) {
                Ok(()) => number += 1,
                Err(err) => {
                    assert!(err.is_no_space(), "{err:?}");
                    failed += 1;
                    store.heal();
                    writer.abandon();
                    // The batch that failed may be there after all, if only the last promise of the disk failed.
                    let _ = inbox(&mut writer);
                    number = writer.catalog().head().unwrap().0 + 1;
                }
            }
        }
        assert_eq!(failed, 1);
        assert_eq!(dump(&writer.catalog(), &writer.contents()), dumps[3], "full at step {step}");
    }
}

#[test]
fn a_broken_batch_cannot_be_committed() {
    let place = Place::new();
    drop(place.create());
    let store = FaultyStore::new(&place.dir(), Fault::Full(0));
    let mut writer = Writer::open_on(&place.dir(), Arc::clone(&store) as _, &Unlock::Open).unwrap();
    let at = inbox(&mut writer);
    // Frames are written meanwhile: the error comes with a later call.
    let failed = (0..1000).find_map(|n| writer.put_item(at.0, at.1, mail(&format!("I-{n}"), "big", &noise(100_000, n))).err());
    assert!(failed.unwrap().is_no_space());
    store.heal();
    assert!(matches!(writer.commit(time(1)), Err(Error::BatchBroken)));
    writer.abandon();
    let at = inbox(&mut writer);
    put(&mut writer, at, mail("I", "big", &noise(100_000, 1)));
    assert_eq!(writer.commit(time(1)).unwrap().unwrap().0, 1);
}

#[test]
fn a_commit_without_changes_touches_nothing() {
    let place = Place::new();
    drop(place.create());
    let store = FaultyStore::new(&place.dir(), Fault::Never);
    let mut writer = Writer::open_on(&place.dir(), Arc::clone(&store) as _, &Unlock::Open).unwrap();
    batch(&mut writer, 1).unwrap();
    let steps = store.steps();
    assert_eq!(steps.iter().filter(|step| *step == "publish").count(), 1);
    let at = inbox(&mut writer);
    for n in 0..5u64 {
        let item = mail(&format!("I-{n}"), "one", &noise(20_000 * usize::try_from(n).unwrap(), n));
        assert_eq!(put(&mut writer, at, item).stored_bytes, 0);
    }
    writer.set_cursor(at.0, CursorScope::Hierarchy, Some(&Cursor::new("state 1"))).unwrap();
    writer.mark_point(at.0).unwrap();
    assert_eq!(writer.commit(time(2)).unwrap(), None);
    assert_eq!(store.steps(), steps);
}
