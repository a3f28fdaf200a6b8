//! What need not be asked for is not asked for: folders in which nothing changed, and contents that are held.

use super::server::State;
use super::stand::{Stand, company};
use c2b_mailbox::Address;
use c2bd::engine::CycleEnd;
use std::time::Duration;
use tokio::test;

/// A company on a server whose folders have marks, backed up.
async fn marked() -> (Stand, Address) {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.server.with(|state| state.marks = true);
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.server.with(State::forget_log);
    (stand, alice)
}

/// Requests for trees, item lists, looks and fetches.
fn counts(stand: &Stand) -> [usize; 4] {
    stand.server.with(|state| ["tree", "changes", "look", "fetch"].map(|kind| state.count(kind)))
}

#[test(start_paused = true)]
async fn a_mailbox_without_changes_costs_its_tree_alone() {
    let (stand, alice) = marked().await;
    let head = stand.archive().head;
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    assert_eq!((counts(&stand), stand.archive().head), ([2, 0, 0, 0], head));
    assert_eq!((info.totals.scanned, info.totals.stored), (64, 0), "what needs no look is looked at all the same");
    // A folder's name and place are not its items.
    stand.server.with(|state| {
        let folders = state.folders(&alice);
        state.rename_folder(&alice, &folders[1], "Renamed", None);
        state.forget_log();
    });
    stand.cycle().await;
    assert_eq!(counts(&stand), [2, 0, 0, 0]);
    stand.assert_equal();
    stand.server.with(|state| {
        let folders = state.folders(&alice);
        state.add_mail(&alice, &folders[1], "new");
        state.forget_log();
    });
    let (_, info) = stand.cycle().await;
    assert_eq!((counts(&stand), info.totals.scanned, info.totals.stored), ([2, 1, 0, 1], 65, 1));
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn a_folder_whose_listing_failed_or_broke_off_is_listed_again() {
    let (stand, alice) = marked().await;
    let folder = stand.server.with(|state| {
        let folder = state.folders(&alice)[0].clone();
        (0..30).for_each(|n| drop(state.add_mail(&alice, &folder, &format!("later {n}"))));
        state.folder_faults.insert(folder.clone());
        folder
    });
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.scanned), (CycleEnd::Warnings, 39), "the folder was not looked at");
    stand.server.with(|state| state.folder_faults.remove(&folder));
    for number in 1..8 {
        let requests = *stand.server.requests.borrow();
        let mut received = stand.server.requests.subscribe();
        stand.killed(received.wait_for(|received| *received >= requests + number)).await;
    }
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
    stand.server.with(|state| {
        state.invalidate_folder(&alice, &folder);
        state.forget_log();
    });
    stand.cycle().await;
    assert_eq!(counts(&stand), [2, 0, 0, 0], "a cursor is of no use while nothing changes");
}

#[test(start_paused = true)]
async fn what_a_mark_hides_is_found_by_a_full_look() {
    let (stand, alice) = marked().await;
    stand.server.with(|state| {
        let folder = state.folders(&alice)[0].clone();
        state.go_blind(&alice, &folder);
        state.add_mail(&alice, &folder, "hidden");
        state.forget_log();
    });
    stand.cycle().await;
    assert_eq!(counts(&stand), [2, 0, 0, 0]);
    stand.clock.advance(Duration::from_secs(8 * 24 * 3600));
    stand.cycle().await;
    assert_eq!(counts(&stand), [4, 6, 0, 1]);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn what_moves_is_not_fetched_whichever_folder_is_listed_first() {
    for marks in [true, false] {
        let stand = Stand::new(10);
        let alice = company(&stand);
        stand.server.with(|state| state.marks = marks);
        stand.cycle().await;
        for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
            stand.server.with(|state| {
                state.forget_log();
                let folders = state.folders(&alice);
                for mail in state.mails(&alice, &folders[from]) {
                    state.move_mail(&alice, &folders[from], &folders[to], &mail);
                }
            });
            assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
            stand.assert_equal();
            assert_eq!(stand.server.with(|state| state.fetched.len()), 0, "moved from {from} to {to}");
        }
        // All of its life is the item's history: it is one item.
        let keys = stand.item_keys(&alice);
        assert!(keys.iter().all(|key| key.0 <= 64), "{keys:?}");
    }
}

#[test(start_paused = true)]
async fn a_move_that_a_crash_cut_in_two_is_still_a_move() {
    for number in 1..8 {
        let (stand, alice) = marked().await;
        stand.server.with(|state| {
            let folders = state.folders(&alice);
            for mail in state.mails(&alice, &folders[0]) {
                state.move_mail(&alice, &folders[0], &folders[1], &mail);
            }
            state.forget_log();
        });
        let requests = *stand.server.requests.borrow();
        let mut received = stand.server.requests.subscribe();
        stand.killed(received.wait_for(|received| *received >= requests + number)).await;
        stand.cycle().await;
        stand.assert_equal();
        assert_eq!(stand.server.with(|state| state.fetched.len()), 0, "killed at request {number}");
    }
}

#[test(start_paused = true)]
async fn a_copy_is_no_move_and_a_changed_one_is_fetched() {
    let (stand, alice) = marked().await;
    stand.server.with(|state| {
        let folders = state.folders(&alice);
        let mails = state.mails(&alice, &folders[0]);
        state.copy_mail(&alice, &folders[0], &folders[1], &mails[0]);
        state.delete_mail(&alice, &folders[0], &mails[1]);
        state.change_mail(&alice, &folders[0], &mails[2], "another length");
        state.move_mail(&alice, &folders[0], &folders[1], &mails[2]);
        state.forget_log();
    });
    stand.cycle().await;
    stand.assert_equal();
    assert_eq!(stand.server.with(|state| state.fetched.len()), 2, "the copy and the changed one");
}

#[test(start_paused = true)]
async fn flags_are_versions_of_metadata_and_drafts_are_fetched() {
    let (stand, alice) = marked().await;
    let folder = stand.server.with(|state| {
        let folder = state.folders(&alice)[0].clone();
        let draft = state.add_mail(&alice, &folder, "draft of something");
        state.poisons.clear();
        for mail in state.mails(&alice, &folder) {
            state.flag_mail(&alice, &folder, &mail, true);
        }
        state.change_mail(&alice, &folder, &draft, "draft of sometming");
        folder
    });
    stand.cycle().await;
    stand.assert_equal();
    stand.server.with(|state| {
        assert_eq!(state.fetched.len(), 1, "the draft, which is new");
        state.forget_log();
        for mail in state.mails(&alice, &folder) {
            state.flag_mail(&alice, &folder, &mail, false);
        }
    });
    let (_, info) = stand.cycle().await;
    stand.assert_equal();
    assert_eq!((stand.server.with(|state| state.fetched.len()), info.totals.stored), (1, 26));
    // What is known by its marks alone is known in a full look, too.
    stand.server.with(|state| {
        state.forget_log();
        state.invalidate_folder(&alice, &folder);
    });
    stand.clock.advance(Duration::from_secs(8 * 24 * 3600));
    stand.cycle().await;
    assert_eq!(stand.server.with(|state| (state.fetched.len(), state.count("look"))), (0, 0));
}
