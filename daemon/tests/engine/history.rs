//! Random histories: whatever happens on the server, to the connection and to us, a quiet cycle
//! at the end makes the storage equal to the server.

use super::server::{Poison, State, error};
use super::stand::Stand;
use c2b_mailbox::{Address, Retry, Scope, Trouble};
use c2bd::engine::CycleEnd;
use proptest::prelude::*;
use std::time::Duration;

/// One step of a history. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    AddFolder(usize),
    MoveFolder(usize, usize),
    DeleteFolder(usize),
    AddMails(usize, usize),
    Change(usize, usize),
    Mark(usize, usize, bool),
    Flag(usize, usize, bool),
    Copy(usize, usize, usize),
    Delete(usize, usize),
    Move(usize, usize, usize),
    Invalidate(usize),
    InvalidateTree,
    Fault(u64, Scope, Trouble, Retry),
    Poison(usize, usize, Poison),
    Cycle,
    Kill(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0usize..50;
    let passing = prop_oneof![
        Just((Scope::Connection, Trouble::Unreachable, Retry::Backoff)),
        Just((Scope::Connection, Trouble::Busy, Retry::After(Duration::from_secs(20)))),
        Just((Scope::Mailbox, Trouble::Throttled, Retry::After(Duration::from_secs(5)))),
        Just((Scope::Folder, Trouble::Malformed, Retry::Backoff)),
        Just((Scope::Item, Trouble::Busy, Retry::Backoff)),
        Just((Scope::Folder, Trouble::Refused, Retry::No)),
        Just((Scope::Mailbox, Trouble::Forbidden, Retry::No)),
    ];
    let poison = prop_oneof![Just(Poison::Corrupt), (1u32..5).prop_map(Poison::Flaky), Just(Poison::Crash), Just(Poison::Partial)];
    prop_oneof![
        2 => n().prop_map(Step::AddFolder),
        1 => (n(), n()).prop_map(|(a, b)| Step::MoveFolder(a, b)),
        1 => n().prop_map(Step::DeleteFolder),
        5 => (n(), 1usize..12).prop_map(|(a, b)| Step::AddMails(a, b)),
        3 => (n(), n()).prop_map(|(a, b)| Step::Change(a, b)),
        2 => (n(), n(), any::<bool>()).prop_map(|(a, b, c)| Step::Mark(a, b, c)),
        2 => (n(), n(), any::<bool>()).prop_map(|(a, b, c)| Step::Flag(a, b, c)),
        1 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Copy(a, b, c)),
        3 => (n(), n()).prop_map(|(a, b)| Step::Delete(a, b)),
        4 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Move(a, b, c)),
        1 => n().prop_map(Step::Invalidate),
        1 => Just(Step::InvalidateTree),
        2 => (1u64..25, passing).prop_map(|(a, (b, c, d))| Step::Fault(a, b, c, d)),
        1 => (n(), n(), poison).prop_map(|(a, b, c)| Step::Poison(a, b, c)),
        3 => Just(Step::Cycle),
        2 => (1u64..25).prop_map(Step::Kill),
    ]
}

/// Chooses one of the folders.
fn pick(state: &State, mailbox: &Address, n: usize) -> Option<String> {
    let folders = state.folders(mailbox);
    folders.get(n % folders.len().max(1)).cloned()
}

/// Chooses one of the mails.
fn pick_mail(state: &State, mailbox: &Address, folder: usize, n: usize) -> Option<(String, String)> {
    let folder = pick(state, mailbox, folder)?;
    let mails = state.mails(mailbox, &folder);
    mails.get(n % mails.len().max(1)).map(|mail| (folder, mail.clone()))
}

/// Returns whether `folder` lies in `top` or is it.
fn is_within(state: &State, mailbox: &Address, folder: &str, top: &str) -> bool {
    let picture = state.picture(mailbox);
    let mut next = Some(folder.to_owned());
    while let Some(id) = next {
        if id == top {
            return true;
        }
        next = picture.get(&id).and_then(|(_, parent, _)| parent.clone());
    }
    false
}

/// Does a step on the server.
fn serve(state: &mut State, mailbox: &Address, requests: u64, step: &Step) {
    match step {
        Step::AddFolder(parent) => {
            let parent = pick(state, mailbox, *parent).filter(|_| parent % 3 > 0);
            let name = format!("Folder {}", state.folders(mailbox).len());
            state.add_folder(mailbox, &name, parent.as_deref());
        }
        Step::MoveFolder(folder, to) => {
            if let (Some(folder), Some(to)) = (pick(state, mailbox, *folder), pick(state, mailbox, *to)) {
                let parent = Some(to).filter(|to| !is_within(state, mailbox, to, &folder));
                state.rename_folder(mailbox, &folder, "Moved", parent.as_deref());
            }
        }
        Step::DeleteFolder(folder) => {
            if let Some(folder) = pick(state, mailbox, *folder) {
                state.delete_folder(mailbox, &folder);
            }
        }
        Step::AddMails(folder, count) => {
            if let Some(folder) = pick(state, mailbox, *folder) {
                (0..*count).for_each(|n| drop(state.add_mail(mailbox, &folder, &format!("mail {n} of {count}"))));
            }
        }
        Step::Change(folder, mail) => {
            if let Some((folder, mail)) = pick_mail(state, mailbox, *folder, *mail) {
                state.change_mail(mailbox, &folder, &mail, "changed");
            }
        }
        Step::Mark(folder, mail, read) => {
            if let Some((folder, mail)) = pick_mail(state, mailbox, *folder, *mail) {
                state.mark_mail(mailbox, &folder, &mail, *read);
            }
        }
        Step::Flag(folder, mail, flagged) => {
            if let Some((folder, mail)) = pick_mail(state, mailbox, *folder, *mail) {
                state.flag_mail(mailbox, &folder, &mail, *flagged);
            }
        }
        Step::Copy(folder, mail, to) => {
            if let (Some((folder, mail)), Some(to)) = (pick_mail(state, mailbox, *folder, *mail), pick(state, mailbox, *to)) {
                state.copy_mail(mailbox, &folder, &to, &mail);
            }
        }
        Step::Delete(folder, mail) => {
            if let Some((folder, mail)) = pick_mail(state, mailbox, *folder, *mail) {
                state.delete_mail(mailbox, &folder, &mail);
            }
        }
        Step::Move(folder, mail, to) => {
            if let (Some((folder, mail)), Some(to)) = (pick_mail(state, mailbox, *folder, *mail), pick(state, mailbox, *to)) {
                state.move_mail(mailbox, &folder, &to, &mail);
            }
        }
        Step::Invalidate(folder) => {
            if let Some(folder) = pick(state, mailbox, *folder) {
                state.invalidate_folder(mailbox, &folder);
            }
        }
        Step::InvalidateTree => state.invalidate_tree(mailbox),
        Step::Fault(after, scope, trouble, retry) => drop(state.faults.insert(requests + after, error(*scope, *trouble, *retry))),
        Step::Poison(folder, mail, poison) => {
            if let Some((_, mail)) = pick_mail(state, mailbox, *folder, *mail) {
                state.poisons.insert(mail, *poison);
            }
        }
        Step::Cycle | Step::Kill(_) => {}
    }
}

async fn live(page_items: usize, stable_ids: bool, marks: bool, steps: Vec<Step>) {
    let stand = Stand::new(page_items);
    // No full look: what a mark hides would be missing.
    stand.begin_looks();
    let mailbox = stand.server.with(|state| {
        (state.stable_ids, state.marks) = (stable_ids, marks);
        let mailbox = state.add_mailbox("alice@x");
        let inbox = state.add_folder(&mailbox, "Inbox", None);
        (0..9).for_each(|n| drop(state.add_mail(&mailbox, &inbox, &format!("first {n}"))));
        mailbox
    });
    for step in steps {
        let requests = *stand.server.requests.borrow();
        match step {
            Step::Cycle => drop(stand.cycle().await),
            Step::Kill(after) => {
                let mut received = stand.server.requests.subscribe();
                stand.killed(received.wait_for(|received| *received >= requests + after)).await;
            }
            step => stand.server.with(|state| serve(state, &mailbox, requests, &step)),
        }
    }
    stand.server.with(|state| {
        state.faults.clear();
        state.poisons.clear();
    });
    stand.clock.advance(Duration::from_secs(30 * 24 * 3600));
    stand.begin_looks();
    let (end, _) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    let archive = stand.assert_equal();
    assert!(archive.failures.is_empty(), "{:?}", archive.failures);
    stand.server.with(|state| state.forget_log());
    stand.cycle().await;
    assert_eq!(stand.server.with(|state| (state.fetched.len(), state.count("look"))), (0, 0));
    if marks {
        assert_eq!(stand.server.with(|state| state.count("changes")), 0, "a folder in which nothing changed was listed");
    }
    assert_eq!(stand.archive().head, archive.head, "a cycle without changes wrote something");
}

/// Found by random histories: the mark of the first page must not be lost when the second page is refused.
#[tokio::test(start_paused = true)]
async fn a_listing_that_breaks_off_after_a_mark_meets_it_again() {
    let refused = Step::Fault(4, Scope::Folder, Trouble::Refused, Retry::No);
    for marks in [false, true] {
        let steps = vec![Step::Cycle, Step::Mark(0, 0, false), Step::AddMails(0, 3), refused.clone(), Step::Cycle];
        live(3, false, marks, steps).await;
    }
}

proptest! {
    // A tenth of what is usual (25, or of PROPTEST_CASES), since each case opens a storage many times.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_quiet_cycle_makes_the_storage_equal_to_the_server(page_items in 1usize..12, stable_ids: bool, marks: bool, steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(live(page_items, stable_ids, marks, steps));
    }
}
