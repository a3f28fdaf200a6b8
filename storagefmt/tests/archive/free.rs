//! Freeing: what nobody can see any more goes, everything else stays, whatever happens beside and between.

use crate::support::{Place, at, inbox, list, mail, noise, put, read, time};
use crate::tables::assert_rebuilds_alike;
use c2b_mailbox::ItemId;
use c2b_storagefmt::{FolderKey, FreeReport, FreeStep, MailboxKey, Moment, RetentionPolicy, Unlock, Writer, check};
use chrono::TimeDelta;

/// Marks everything but the newest versions, whatever its age.
fn mark(writer: &mut Writer, minute: i64) -> u64 {
    let policy = RetentionPolicy { deleted_after: Some(TimeDelta::seconds(1)), versions_max: Some(1), ..RetentionPolicy::default() };
    let plan = writer.retention_plan(&policy, time(minute), false, &mut |_| {}).unwrap();
    writer.retention_mark(&plan, time(minute)).unwrap()
}

fn free(writer: &mut Writer, minute: i64) -> FreeReport {
    let mut run = writer.free_begin().unwrap();
    while writer.free_step(&mut run, time(minute)).unwrap() == FreeStep::More {}
    run.report().clone()
}

fn assert_clean(place: &Place) {
    let report = check(&place.dir(), &place.scratch(), &Unlock::Open, true, &mut |_| {}).unwrap();
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
