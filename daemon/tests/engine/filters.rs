//! What a job leaves out, by age and by folder: it is not fetched, not deleted, and taken once it may be.

use super::server::{Mail, State};
use super::stand::Stand;
use c2b_api::filter::{Age, Filter, SpecialFolder};
use c2b_mailbox::{Address, Facts, Occurs};
use c2bd::engine::CycleEnd;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn older(text: &str) -> Filter {
    Filter { age: Age::OlderThan(text.parse().unwrap()), ..Filter::default() }
}

fn recent(text: &str) -> Filter {
    Filter { age: Age::NotOlderThan(text.parse().unwrap()), ..Filter::default() }
}

/// Adds a mail that was last modified so many days ago.
fn add_old(state: &mut State, now: DateTime<Utc>, mailbox: &Address, folder: &str, days: i64) -> String {
    let id = state.add_mail(mailbox, folder, &format!("of {days} days ago"));
    state.ages.insert(id.clone(), Facts { class: "IPM.Note".into(), occurs: None, modified: Some(now - TimeDelta::days(days)) });
    id
}

/// A server with marks and one folder with mails of these ages in days.
fn office(ages: &[i64]) -> (Stand, Address, String) {
    let stand = Stand::new(4);
    let now = stand.clock.now();
    let (alice, inbox) = stand.server.with(|state| {
        state.marks = true;
        let alice = state.add_mailbox("alice@x");
        let inbox = state.add_folder(&alice, "Inbox", None);
        ages.iter().for_each(|days| drop(add_old(state, now, &alice, &inbox, *days)));
        (alice, inbox)
    });
    (stand, alice, inbox)
}

/// What the archive has, by what it is about.
fn held(stand: &Stand, mailbox: &Address) -> BTreeMap<String, String> {
    let archive = stand.archive();
    let Some(picture) = archive.mailboxes.get(mailbox) else { return BTreeMap::new() };
    picture.values().flat_map(|folder| folder.2.values()).map(|mail| (mail.subject.clone(), mail.body.clone())).collect()
}

fn counts(stand: &Stand) -> [usize; 4] {
    stand.server.with(|state| ["tree", "changes", "look", "fetch"].map(|kind| state.count(kind)))
}

#[tokio::test(start_paused = true)]
async fn what_grows_old_is_taken_though_no_feed_tells_of_it() {
    let (stand, alice, inbox) = office(&[10, 40, 29, 100, 5]);
    stand.edit(older("30d"));
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored, info.totals.excluded, info.totals.scanned), (CycleEnd::Finished, 2, 3, 5));
    assert_eq!(held(&stand, &alice).len(), 2);
    stand.server.with(State::forget_log);
    let head = stand.archive().head;
    let (_, info) = stand.cycle().await;
    assert_eq!((counts(&stand), info.totals.stored, stand.archive().head), ([1, 0, 0, 0], 0, head));
    // One ripens, one is deleted before it does, one is changed, and is young again.
    stand.server.with(|state| {
        let mails = state.mails(&alice, &inbox);
        state.delete_mail(&alice, &inbox, &mails[4]);
    });
    stand.clock.advance(DAY * 2);
    stand.begin_looks();
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.stored, held(&stand, &alice).len()), (1, 3));
    let now = stand.clock.now();
    stand.server.with(|state| {
        let mails = state.mails(&alice, &inbox);
        state.ages.insert(mails[0].clone(), Facts { class: "IPM.Note".into(), occurs: None, modified: Some(now) });
        state.change_mail(&alice, &inbox, &mails[0], "written anew");
    });
    stand.cycle().await;
    stand.clock.advance(DAY * 29);
    stand.begin_looks();
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.stored, held(&stand, &alice).len()), (0, 3));
    stand.clock.advance(DAY);
    stand.begin_looks();
    stand.server.with(State::forget_log);
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored, counts(&stand)), (CycleEnd::Finished, 1, [1, 0, 0, 1]));
    stand.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_not_forgotten_by_a_kill() {
    for number in 1..7 {
        let (stand, alice, _) = office(&[10, 40, 29, 100, 5, 28, 27, 1]);
        stand.edit(older("30d"));
        for days in [0, 3, 30] {
            stand.clock.advance(DAY * days);
            let requests = *stand.server.requests.borrow();
            let mut received = stand.server.requests.subscribe();
            stand.killed(received.wait_for(|received| *received >= requests + number)).await;
        }
        assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
        stand.assert_equal();
        assert_eq!(held(&stand, &alice).len(), 8, "killed at {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn appointments_count_by_their_end_and_contacts_may_always_come() {
    let (stand, alice, _) = office(&[]);
    let now = stand.clock.now();
    stand.edit(Filter { contacts_always: true, ..recent("6mo") });
    let days = |days: i64| Some(now + TimeDelta::days(days));
    stand.server.with(|state| {
        let calendar = state.add_folder(&alice, "Kalender", None);
        let mut add = |class: &str, occurs, modified, is_series| {
            let id = state.add_mail(&alice, &calendar, class);
            state.ages.insert(id.clone(), Facts { class: class.into(), occurs, modified });
            if is_series {
                state.series.insert(id);
            }
        };
        add("IPM.Appointment", days(-100).map(Occurs::Until), days(-900), false);
        add("IPM.Appointment", days(-300).map(Occurs::Until), days(-1), false);
        add("IPM.Appointment", Some(Occurs::Endless), days(-900), true);
        add("IPM.Appointment", days(-300).map(Occurs::Until), days(-1), true);
        add("IPM.Contact.Custom", None, days(-900), false);
        add("IPM.DistList", None, days(-900), false);
        add("IPM.ContactLog", None, days(-900), false);
        add("IPM.Whatever", None, None, false);
    });
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.stored, info.totals.excluded), (5, 3));
    assert_eq!(stand.server.with(|state| (state.count("look"), state.fetched.len())), (1, 5), "one look for both series, and no body of what is left out");
    // A server whose listings tell nothing is asked by looks.
    stand.server.with(|state| {
        state.tells_little = true;
        state.forget_log();
    });
    stand.edit(Filter { contacts_always: false, ..recent("6mo") });
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.stored, info.totals.deleted, stand.server.with(|state| state.count("look"))), (0, 0, 1));
    assert_eq!(held(&stand, &alice).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_not_deleted_and_an_edit_lists_anew() {
    let (stand, alice, inbox) = office(&[10, 40, 29, 100, 5]);
    stand.cycle().await;
    stand.edit(recent("30d"));
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.stored, info.totals.deleted), (0, 0));
    // A mail that grew too old stays, whatever befalls the cursor; another one does not come.
    let now = stand.clock.now();
    stand.clock.advance(DAY * 25);
    stand.server.with(|state| {
        add_old(state, now, &alice, &inbox, 200);
        state.invalidate_folder(&alice, &inbox);
    });
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.excluded, info.totals.deleted, held(&stand, &alice).len()), (1, 0, 5));
    // It moves, and is known though it is too old.
    stand.server.with(|state| {
        let other = state.add_folder(&alice, "Other", None);
        let mails = state.mails(&alice, &inbox);
        state.move_mail(&alice, &inbox, &other, &mails[0]);
        state.forget_log();
    });
    stand.cycle().await;
    assert_eq!((held(&stand, &alice).len(), stand.server.with(|state| state.fetched.len())), (5, 0));
    // What is deleted is.
    stand.server.with(|state| {
        let mails = state.mails(&alice, &inbox);
        state.delete_mail(&alice, &inbox, &mails[0]);
    });
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.deleted, held(&stand, &alice).len()), (1, 4));
    stand.edit(Filter::default());
    let (_, info) = stand.cycle().await;
    assert_eq!(info.totals.stored, 1);
    stand.assert_equal();
    stand.server.with(State::forget_log);
    stand.cycle().await;
    assert_eq!(counts(&stand), [1, 0, 0, 0], "the filter is the same again");
}

#[tokio::test(start_paused = true)]
async fn special_folders_are_left_out_in_any_language_and_come_back() {
    let (stand, alice, _) = office(&[1]);
    let (bin, below, own) = stand.server.with(|state| {
        let bin = state.add_folder(&alice, "Gelöschte Elemente", None);
        state.set_role(&alice, &bin, "deleteditems");
        let below = state.add_folder(&alice, "Projekt", Some(&bin));
        let own = state.add_folder(&alice, "Deleted Items", None);
        for folder in [&bin, &below, &own] {
            (0..3).for_each(|n| drop(state.add_mail(&alice, folder, &format!("{folder} {n}"))));
        }
        (bin, below, own)
    });
    stand.edit(Filter { leave_out: [SpecialFolder::DeletedItems].into(), ..Filter::default() });
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored, info.totals.scanned), (CycleEnd::Finished, 4, 4));
    let archive = stand.archive();
    let picture = &archive.mailboxes[&alice];
    assert_eq!([&bin, &below, &own].map(|folder| picture[folder].2.len()), [0, 0, 3]);
    assert_eq!(stand.server.with(|state| state.count("changes")), 2, "a folder that is left out was listed");
    // A folder that goes there goes out of sight, and is not deleted.
    stand.server.with(|state| state.rename_folder(&alice, &own, "Deleted Items", Some(&bin)));
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.deleted, info.totals.scanned, held(&stand, &alice).len()), (0, 1, 4));
    stand.server.with(|state| drop(state.add_mail(&alice, &own, "unseen")));
    stand.edit(Filter::default());
    let (_, info) = stand.cycle().await;
    assert_eq!(info.totals.stored, 7);
    stand.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_a_folder_that_is_left_out_is_tried_when_it_comes_back() {
    let (stand, alice, inbox) = office(&[1, 2]);
    let mail = stand.server.with(|state| {
        state.set_role(&alice, &inbox, "drafts");
        let mail = state.mails(&alice, &inbox)[0].clone();
        state.poisons.insert(mail.clone(), super::server::Poison::Corrupt);
        mail
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Warnings);
    stand.edit(Filter { leave_out: [SpecialFolder::Drafts].into(), ..Filter::default() });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished, "what is left out cannot fail");
    stand.server.with(|state| state.poisons.remove(&mail));
    stand.edit(Filter::default());
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert!(stand.assert_equal().failures.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_left_out_is_neither_listed_nor_missed() {
    use c2b_api::coverage::{CoverageState, CoveredPart};
    use c2b_mailbox::{Part, Presence};
    let (stand, alice, _) = office(&[1]);
    stand.server.with(|state| {
        for part in [Part::Archive, Part::RecoverableItems] {
            let root = state.add_folder(&alice, part.role_word(), None);
            state.add_mail(&alice, &root, "of a part");
            state.parts.insert(part, Presence::Listed);
        }
    });
    let leave_out = [SpecialFolder::ArchiveMailbox, SpecialFolder::RecoverableItems].into();
    stand.edit(Filter { leave_out, ..Filter::default() });
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored), (CycleEnd::Finished, 1));
    stand.server.with(|state| drop(state.parts.insert(Part::Archive, Presence::Closed("ErrorAccessDenied".into()))));
    let storage = stand.open();
    let context = stand.context(&storage);
    assert_eq!(c2bd::engine::run_cycle(&context).await, CycleEnd::Finished, "what is left out is missed");
    let coverage = context.progress.coverage();
    let states: Vec<_> = coverage[0].parts.iter().filter(|one| matches!(one.part, CoveredPart::Archive | CoveredPart::RecoverableItems)).collect();
    assert!(states.iter().all(|one| one.state == CoverageState::ExcludedByConfiguration) && states.len() == 2, "{states:?}");
    drop(context);
    storage.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_moved_out_of_a_folder_that_was_deleted_is_not_lost_though_it_is_left_out() {
    for killed in [false, true] {
        let (stand, alice, inbox) = office(&[]);
        let now = stand.clock.now();
        let other = stand.server.with(|state| {
            let other = state.add_folder(&alice, "Other", None);
            (0..3).for_each(|n| drop(add_old(state, now, &alice, &other, 10 + n)));
            other
        });
        stand.cycle().await;
        stand.edit(older("30d"));
        stand.cycle().await;
        stand.server.with(|state| {
            let mail = state.mails(&alice, &other)[1].clone();
            state.move_mail(&alice, &other, &inbox, &mail);
            state.delete_folder(&alice, &other);
            state.forget_log();
        });
        if killed {
            let requests = *stand.server.requests.borrow();
            let mut received = stand.server.requests.subscribe();
            stand.killed(received.wait_for(|received| *received >= requests + 2)).await;
        }
        stand.cycle().await;
        stand.assert_equal();
        assert!(stand.server.with(|state| state.fetched.is_empty()));
    }
}

/// When in doubt, rather one too many is stored.
#[tokio::test(start_paused = true)]
async fn what_moved_and_cannot_be_looked_at_is_not_taken_for_deleted() {
    let (stand, alice, inbox) = office(&[]);
    let now = stand.clock.now();
    let (other, mail) = stand.server.with(|state| {
        let other = state.add_folder(&alice, "Other", None);
        (other.clone(), add_old(state, now, &alice, &other, 10))
    });
    stand.cycle().await;
    stand.edit(older("30d"));
    stand.cycle().await;
    let moved = stand.server.with(|state| {
        state.move_mail(&alice, &other, &inbox, &mail);
        let moved = state.mails(&alice, &inbox)[0].clone();
        state.poisons.insert(moved.clone(), super::server::Poison::Corrupt);
        moved
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Warnings, "it is neither held nor failed");
    stand.server.with(|state| state.poisons.remove(&moved));
    stand.clock.advance(DAY);
    stand.cycle().await;
    stand.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn a_read_mark_does_not_hide_a_change_that_was_left_out() {
    for pages in [1, 4] {
        let (stand, alice, inbox) = office(&[]);
        let now = stand.clock.now();
        stand.server.with(|state| state.page_items = pages);
        let mail = stand.server.with(|state| add_old(state, now, &alice, &inbox, 40));
        stand.edit(older("30d"));
        stand.cycle().await;
        stand.server.with(|state| {
            state.ages.insert(mail.clone(), Facts { class: "IPM.Note".into(), occurs: None, modified: Some(now) });
            state.change_mail(&alice, &inbox, &mail, "written anew");
            state.mark_mail(&alice, &inbox, &mail, true);
        });
        stand.cycle().await;
        assert_eq!(held(&stand, &alice)[&mail], "of 40 days ago");
        stand.edit(Filter::default());
        stand.cycle().await;
        stand.assert_equal();
    }
}

/// All folders are listed anew then, and the one where it arrived comes first.
#[tokio::test(start_paused = true)]
async fn what_moved_since_the_filter_was_edited_is_not_lost_though_it_is_left_out() {
    let (stand, alice, inbox) = office(&[]);
    let now = stand.clock.now();
    let (mail, series) = stand.server.with(|state| {
        let other = state.add_folder(&alice, "Other", None);
        let mail = add_old(state, now, &alice, &other, 10);
        let series = state.add_mail(&alice, &other, "each Monday");
        state.ages.insert(series.clone(), Facts { class: "IPM.Appointment".into(), occurs: Some(Occurs::Endless), modified: Some(now) });
        state.series.insert(series.clone());
        (0..9).for_each(|days| drop(add_old(state, now, &alice, &other, days)));
        (mail, series)
    });
    stand.cycle().await;
    stand.edit(older("30d"));
    stand.server.with(|state| {
        let other = state.folders(&alice).into_iter().find(|folder| *folder != inbox).unwrap();
        [&mail, &series].into_iter().for_each(|id| state.move_mail(&alice, &other, &inbox, id));
        state.forget_log();
    });
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored, info.totals.excluded), (CycleEnd::Finished, 2, 0));
    stand.assert_equal();
    assert!(stand.server.with(|state| state.fetched.is_empty()));
}

/// One step of a history. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Add { folder: usize, days: i64, kind: usize },
    Change(usize, usize),
    Read(usize, usize),
    Delete(usize, usize),
    Move(usize, usize, usize),
    Invalidate(usize),
    Pass(u32),
    Edit(usize),
    Kill(u64),
    Cycle,
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0usize..20;
    prop_oneof![
        6 => (n(), 0i64..90, 0usize..5).prop_map(|(folder, days, kind)| Step::Add { folder, days, kind }),
        2 => (n(), n()).prop_map(|(a, b)| Step::Change(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Step::Read(a, b)),
        2 => (n(), n()).prop_map(|(a, b)| Step::Delete(a, b)),
        2 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Move(a, b, c)),
        1 => n().prop_map(Step::Invalidate),
        3 => (1u32..40).prop_map(Step::Pass),
        2 => n().prop_map(Step::Edit),
        2 => (1u64..9).prop_map(Step::Kill),
        4 => Just(Step::Cycle),
    ]
}

fn filters() -> [Filter; 6] {
    let out = || [SpecialFolder::Junk].into();
    [
        Filter::default(),
        older("30d"),
        recent("30d"),
        Filter { contacts_always: true, ..older("2mo") },
        Filter { leave_out: out(), ..older("3w") },
        Filter { leave_out: out(), ..Filter::default() },
    ]
}

/// Says whether the filter takes an item, apart from its folder; written anew, so that no mistake is made twice.
fn takes(filter: &Filter, facts: &Facts, now: DateTime<Utc>) -> bool {
    if filter.contacts_always && facts.class.starts_with("IPM.Contact") {
        return true;
    }
    let endless = facts.occurs == Some(Occurs::Endless);
    let date = match facts.occurs {
        Some(Occurs::Until(end)) => Some(end),
        Some(Occurs::Endless) => Some(now),
        None => facts.modified,
    };
    match (date, filter.age) {
        (None, _) | (_, Age::Any) => true,
        (Some(date), Age::OlderThan(span)) => !endless && date <= span.before(now),
        (Some(date), Age::NotOlderThan(span)) => date >= span.before(now),
    }
}

fn pick(state: &State, mailbox: &Address, folder: usize, n: usize) -> Option<(String, String)> {
    let folders = state.folders(mailbox);
    let folder = folders.get(folder % folders.len().max(1))?.clone();
    let mails = state.mails(mailbox, &folder);
    mails.get(n % mails.len().max(1)).map(|mail| (folder, mail.clone()))
}

fn serve(state: &mut State, now: DateTime<Utc>, mailbox: &Address, step: &Step) {
    let folders = state.folders(mailbox);
    let touched = |state: &mut State, folder: &str, mail: &str| {
        let subject = state.picture(mailbox)[folder].2[mail].subject.clone();
        if let Some(facts) = state.ages.get_mut(&subject) {
            facts.modified = Some(now);
        }
    };
    match step {
        Step::Add { folder, days, kind } => {
            let folder = folders[folder % folders.len()].clone();
            let (then, end) = (Some(now - TimeDelta::days(*days)), now + TimeDelta::days(20 - days));
            let id = state.add_mail(mailbox, &folder, &format!("{kind} of {days} days ago"));
            let (class, occurs, modified) = match kind {
                0 => ("IPM.Appointment", Some(Occurs::Until(end)), then),
                1 => ("IPM.Appointment", Some(Occurs::Endless), then),
                2 => ("IPM.Contact", None, then),
                _ => ("IPM.Note", None, then.filter(|_| *days > 5)),
            };
            state.ages.insert(id.clone(), Facts { class: class.into(), occurs, modified });
            if *kind < 2 && days % 2 == 0 {
                state.series.insert(id);
            }
        }
        Step::Change(folder, mail) => {
            if let Some((folder, mail)) = pick(state, mailbox, *folder, *mail) {
                touched(state, &folder, &mail);
                let body = format!("{} again", state.picture(mailbox)[&folder].2[&mail].body);
                state.change_mail(mailbox, &folder, &mail, &body);
            }
        }
        Step::Read(folder, mail) => {
            if let Some((folder, mail)) = pick(state, mailbox, *folder, *mail) {
                state.mark_mail(mailbox, &folder, &mail, true);
            }
        }
        Step::Delete(folder, mail) => {
            if let Some((folder, mail)) = pick(state, mailbox, *folder, *mail) {
                state.delete_mail(mailbox, &folder, &mail);
            }
        }
        Step::Move(folder, mail, to) => {
            if let Some((folder, mail)) = pick(state, mailbox, *folder, *mail) {
                state.move_mail(mailbox, &folder, &folders[to % folders.len()], &mail);
            }
        }
        Step::Invalidate(folder) => state.invalidate_folder(mailbox, &folders[folder % folders.len()]),
        Step::Pass(_) | Step::Edit(_) | Step::Kill(_) | Step::Cycle => {}
    }
}

/// Runs a cycle and compares what is held with what is to be.
async fn cycle_and_compare(stand: &Stand, mailbox: &Address, junk: &str) {
    let before = stand.archive();
    let empty = super::server::Picture::new();
    let before = before.mailboxes.get(mailbox).unwrap_or(&empty);
    let filter = stand.filter.lock().unwrap().clone();
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    let archive = stand.archive();
    let after = &archive.mailboxes[mailbox];
    let there = stand.server.with(|state| state.picture(mailbox));
    let now = stand.clock.now();
    for (folder, (_, _, mails)) in &there {
        let is_out = folder == junk && !filter.leave_out.is_empty();
        let here = &after[folder].2;
        if is_out {
            assert_eq!(Some(here), before.get(folder).map(|folder| &folder.2).or(Some(&BTreeMap::new())), "a folder that is left out changed");
            continue;
        }
        for (id, mail) in mails {
            let facts = stand.server.with(|state| state.age_of(mail));
            let was = before.iter().filter(|(place, _)| *place != junk || filter.leave_out.is_empty()).flat_map(|(_, folder)| &folder.2);
            let was = was.filter(|(_, was)| was.subject == mail.subject).collect::<Vec<_>>();
            match (takes(&filter, &facts, now), here.get(id)) {
                (true, found) => {
                    // The change key that came with a read mark is not kept where a change may have been left out.
                    let found = found.map(|found| Mail {
                        change_key: if filter.age.is_any() { found.change_key.clone() } else { mail.change_key.clone() },
                        ..found.clone()
                    });
                    assert_eq!(found.as_ref(), Some(mail), "{id} of {folder} by {filter:?}");
                }
                (false, Some(found)) => assert!(!was.is_empty() && found.body == was[0].1.body, "{id} of {folder} was taken by {filter:?}"),
                // One that changed while it was left out, and then moved, cannot be recognised.
                (false, None) => assert!(was.iter().all(|(was, held)| *was != id && held.body != mail.body), "{id} of {folder} was dropped by {filter:?}"),
            }
        }
        let gone: Vec<_> = here.keys().filter(|id| !mails.contains_key(*id)).collect();
        assert!(gone.is_empty(), "{gone:?} of {folder} are not there any more");
    }
}

async fn live(page_items: usize, marks: bool, tells_little: bool, steps: Vec<Step>) {
    let stand = Stand::new(page_items);
    let (mailbox, junk) = stand.server.with(|state| {
        (state.marks, state.tells_little) = (marks, tells_little);
        let mailbox = state.add_mailbox("alice@x");
        state.add_folder(&mailbox, "Inbox", None);
        let junk = state.add_folder(&mailbox, "Müll", None);
        state.set_role(&mailbox, &junk, "junkemail");
        state.add_folder(&mailbox, "More", None);
        (mailbox, junk)
    });
    for step in steps {
        match step {
            Step::Cycle => cycle_and_compare(&stand, &mailbox, &junk).await,
            Step::Kill(after) => {
                let requests = *stand.server.requests.borrow();
                let mut received = stand.server.requests.subscribe();
                stand.killed(received.wait_for(|received| *received >= requests + after)).await;
            }
            Step::Pass(days) => {
                stand.clock.advance(DAY * days);
                // No full look: what ripens must be found without one.
                stand.begin_looks();
            }
            Step::Edit(n) => stand.edit(filters()[n % filters().len()].clone()),
            step => stand.server.with(|state| serve(state, stand.clock.now(), &mailbox, &step)),
        }
    }
    cycle_and_compare(&stand, &mailbox, &junk).await;
    let head = stand.archive().head;
    stand.begin_looks();
    stand.server.with(State::forget_log);
    stand.cycle().await;
    assert_eq!((stand.archive().head, stand.server.with(|state| state.fetched.len())), (head, 0), "a cycle without changes wrote something");
}

proptest! {
    // A tenth of what is usual (25, or of PROPTEST_CASES), since each case opens a storage many times.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_archive_holds_what_the_filter_takes_and_what_it_took_before(
        page_items in 1usize..9,
        marks: bool,
        tells_little: bool,
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(live(page_items, marks, tells_little, steps));
    }
}

/// Runs a cycle of a job by this filter, and returns what it asked for.
async fn cycle_by(stand: &Stand, filter: &Filter) -> [usize; 4] {
    *stand.filter.lock().unwrap() = filter.clone();
    stand.begin_looks();
    stand.server.with(State::forget_log);
    assert!(matches!(stand.cycle().await.0, CycleEnd::Finished | CycleEnd::Warnings));
    counts(stand)
}

#[tokio::test(start_paused = true)]
async fn jobs_by_other_filters_on_one_mailbox_go_on_where_each_was() {
    let (stand, alice, inbox) = office(&[10, 40, 100]);
    let jobs = [older("30d"), Filter::default(), Filter { associated: true, ..Filter::default() }];
    for job in &jobs {
        cycle_by(&stand, job).await;
    }
    for job in jobs.iter().chain(&jobs) {
        assert_eq!(cycle_by(&stand, job).await, [1, 0, 0, 0], "{job:?}");
    }
    stand.server.with(|state| state.add_mail(&alice, &inbox, "new"));
    assert_eq!(cycle_by(&stand, &jobs[1]).await, [1, 1, 0, 1]);
    assert_eq!(cycle_by(&stand, &jobs[0]).await, [1, 1, 0, 0]);
    assert_eq!(cycle_by(&stand, &jobs[2]).await, [1, 1, 0, 0]);
    stand.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn what_failed_and_is_left_out_by_one_job_is_met_again_by_another() {
    let (stand, alice, inbox) = office(&[10, 40, 100]);
    let broken = stand.server.with(|state| {
        let mail = state.mails(&alice, &inbox)[0].clone();
        state.poisons.insert(mail.clone(), super::server::Poison::Corrupt);
        mail
    });
    cycle_by(&stand, &Filter::default()).await;
    assert_eq!(stand.archive().failures.len(), 1);
    cycle_by(&stand, &older("30d")).await;
    assert!(stand.archive().failures.is_empty(), "what is not wanted is no failure");
    stand.server.with(|state| state.poisons.remove(&broken));
    cycle_by(&stand, &Filter::default()).await;
    assert_eq!(held(&stand, &alice).len(), 3);
    stand.assert_equal();
}
