//! Retention: what is decided and why, what is refused, what can be undone.

use crate::support::{Place, at, inbox, list, mail, noise, put, time};
use c2b_mailbox::ItemId;
use c2b_storagefmt::{Decision, Error, FolderKey, MailboxKey, Moment, RetentionPolicy, RetentionRule, Writer};
use chrono::TimeDelta;

fn policy(superseded: Option<i64>, deleted: Option<i64>, versions_max: Option<u32>) -> RetentionPolicy {
    RetentionPolicy { superseded_after: superseded.map(TimeDelta::minutes), deleted_after: deleted.map(TimeDelta::minutes), versions_max }
}

/// A: four versions, living. B: two versions, then deleted in minute 5. C: one version, living.
fn history(writer: &mut Writer) -> (MailboxKey, FolderKey) {
    let at = inbox(writer);
    for minute in 1..=4 {
        put(writer, at, mail("A", &format!("a{minute}"), &noise(10_000, minute)));
        if minute < 3 {
            put(writer, at, mail("B", &format!("b{minute}"), &noise(1000, minute)));
        }
        put(writer, at, mail("C", "c", b"c"));
        writer.commit(time(i64::try_from(minute).unwrap())).unwrap();
    }
    writer.delete_item(at.0, &ItemId::new("B")).unwrap();
    writer.commit(time(5)).unwrap();
    at
}

fn decide(writer: &Writer, policy: &RetentionPolicy, minute: i64) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let plan = writer.catalog().retention_plan(policy, time(minute), false, &mut |decision| decisions.push(decision.clone())).unwrap();
    assert_eq!(plan.versions(), decisions.len() as u64);
    assert_eq!(plan.logical_bytes(), decisions.iter().map(|decision| decision.logical_bytes).sum::<u64>());
    decisions
}

fn short(decisions: &[Decision]) -> Vec<(&str, u32, RetentionRule)> {
    decisions.iter().map(|decision| (decision.subject.as_str(), decision.version, decision.rule)).collect()
}

#[test]
fn every_decision_says_its_rule() {
    use RetentionRule::{Deleted, Superseded, TooMany};
    let place = Place::new();
    let mut writer = place.create();
    history(&mut writer);
    // Replaced more than 10 minutes ago: in minute 2.
    assert_eq!(short(&decide(&writer, &policy(Some(10), None, None), 13)), [("a1", 1, Superseded), ("b1", 1, Superseded)]);
    assert_eq!(short(&decide(&writer, &policy(Some(10), None, None), 12)), []);
    assert_eq!(short(&decide(&writer, &policy(None, Some(10), None), 15)), []);
    assert_eq!(short(&decide(&writer, &policy(None, Some(10), None), 16)), [("b2", 2, Deleted), ("b1", 1, Deleted)]);
    assert_eq!(short(&decide(&writer, &policy(None, None, Some(2)), 6)), [("a2", 2, TooMany), ("a1", 1, TooMany)]);
    assert_eq!(short(&decide(&writer, &policy(None, None, Some(1)), 6)).len(), 4);
    let all = decide(&writer, &policy(Some(10), Some(10), Some(3)), 16);
    assert_eq!(short(&all), [("a3", 3, Superseded), ("a2", 2, Superseded), ("a1", 1, Superseded), ("b2", 2, Deleted), ("b1", 1, Deleted)]);
    let a1 = &all[2];
    assert_eq!((a1.mailbox.as_str(), a1.folder.as_str(), a1.date, a1.since, a1.logical_bytes), ("alice@example.org", "Inbox", time(-60), time(2), 10_000));
}

#[test]
fn what_nobody_can_mean_is_refused() {
    let place = Place::new();
    let mut writer = place.create();
    history(&mut writer);
    let refused = |policy: &RetentionPolicy| match writer.catalog().retention_plan(policy, time(6), false, &mut |_| panic!("decided")) {
        Err(Error::Policy { reason }) => reason,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(refused(&policy(None, None, None)), "it has no rule, so it would keep everything");
    assert_eq!(refused(&policy(Some(0), None, None)), "superseded_after is not longer than nothing");
    assert_eq!(refused(&policy(None, Some(-1), None)), "deleted_after is not longer than nothing");
    assert_eq!(refused(&policy(None, Some(60 * 24 * 36_600), None)), "deleted_after is more than a hundred years");
    assert_eq!(refused(&policy(None, None, Some(0))), "versions_max is 0, and the newest version of a living item always stays");
    assert_eq!(refused(&policy(Some(1), None, Some(1))), "versions_max is 1, so that superseded_after would never decide anything");
}

#[test]
fn a_suspect_clock_is_refused_unless_it_is_trusted() {
    let place = Place::new();
    let mut writer = place.create();
    history(&mut writer);
    let policy = policy(Some(1), None, None);
    let plan = |minute, trust| writer.catalog().retention_plan(&policy, time(minute), trust, &mut |_| {}).map(|plan| plan.versions());
    assert!(matches!(plan(4, false), Err(Error::SuspectClock { .. })));
    assert!(matches!(plan(60 * 24 * 401, false), Err(Error::SuspectClock { .. })));
    assert_eq!(plan(60 * 24 * 401, true).unwrap(), 4);
    assert_eq!(plan(4, true).unwrap(), 2);
    assert_eq!(plan(60 * 24 * 399, false).unwrap(), 4);
}

#[test]
fn a_clock_that_went_back_makes_nothing_old() {
    let place = Place::new();
    let mut writer = place.create();
    let at = inbox(&mut writer);
    for (number, minute) in [(1, 1000), (2, 1), (3, 1001)] {
        put(&mut writer, at, mail("A", &format!("a{number}"), &noise(100, number)));
        writer.commit(time(minute)).unwrap();
    }
    assert_eq!(short(&decide(&writer, &policy(Some(500), None, None), 1010)), []);
    assert_eq!(decide(&writer, &policy(Some(5), None, None), 1010).len(), 2);
}

#[test]
fn a_mark_hides_a_version_until_it_is_undone() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = history(&mut writer);
    let before: Vec<_> = (1..=5).map(|seq| list(&writer.catalog(), inbox, at(seq))).collect();
    let plan = writer.catalog().retention_plan(&policy(None, Some(1), Some(2)), time(10), false, &mut |_| {}).unwrap();
    assert_eq!((plan.versions(), plan.deleted.versions, plan.too_many.versions), (4, 2, 2));
    assert_eq!(list(&writer.catalog(), inbox, at(1)), before[0], "a plan changed something");
    assert_eq!(writer.retention_mark(&plan, time(10)).unwrap(), 4);
    let shown = |seq| list(&writer.catalog(), inbox, at(seq)).into_iter().map(|row| row.meta.subject).collect::<Vec<_>>();
    assert_eq!(shown(1), ["c"]);
    assert_eq!(shown(3), ["c", "a3"]);
    assert_eq!(list(&writer.catalog(), inbox, Moment::Latest), before[4]);
    let stats = writer.stats().unwrap();
    assert_eq!((stats.marked_versions, stats.marked_bytes), (4, 22_000));
    // Once more finds nothing; the same plan again marks nothing.
    assert_eq!(decide(&writer, &policy(None, Some(1), Some(2)), 10), []);
    assert_eq!(writer.retention_mark(&plan, time(11)).unwrap(), 0);
    assert_eq!(writer.retention_undo(time(12)).unwrap(), 4);
    assert_eq!((1..=5).map(|seq| list(&writer.catalog(), inbox, at(seq))).collect::<Vec<_>>(), before);
    assert_eq!(writer.stats().unwrap().marked_versions, 0);
    assert_eq!(writer.retention_undo(time(13)).unwrap(), 0);
}

#[test]
fn what_changed_since_the_plan_is_left_out() {
    let place = Place::new();
    let mut writer = place.create();
    let inbox = history(&mut writer);
    let plan = writer.catalog().retention_plan(&policy(None, Some(1), None), time(10), false, &mut |_| {}).unwrap();
    assert_eq!(plan.versions(), 2);
    put(&mut writer, inbox, mail("B", "b3", b"back again"));
    assert!(matches!(writer.retention_mark(&plan, time(10)), Err(Error::BatchOpen)));
    writer.commit(time(10)).unwrap();
    assert_eq!(writer.retention_mark(&plan, time(11)).unwrap(), 0, "an item that came back lost its past");
}
