//! What a cycle does with what changed, and what it leaves alone.

use super::server::Poison;
use super::stand::{Stand, company};
use c2bd::engine::CycleEnd;
use tokio::test;

#[test(start_paused = true)]
async fn the_storage_equals_the_server_and_a_cycle_without_changes_does_nothing() {
    let stand = Stand::new(10);
    company(&stand);
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    assert_eq!((info.totals.stored, info.totals.scanned, info.totals.failed), (64, 64, 0));
    assert!(info.mailboxes.iter().all(|one| one.phase == "done" && one.known == 32 && one.bytes > 0));
    let first = stand.assert_equal();
    stand.server.with(|state| state.forget_log());
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    assert_eq!((info.totals.scanned, info.totals.stored), (64, 0));
    let again = stand.assert_equal();
    assert_eq!(again.head, first.head, "a cycle without changes wrote something");
    assert_eq!(stand.server.with(|state| (state.count("fetch"), state.count("changes"), state.count("tree"))), (0, 6, 2));
}

#[test(start_paused = true)]
async fn only_what_changed_is_fetched() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.cycle().await;
    let (inbox, sub) = stand.server.with(|state| {
        state.forget_log();
        let folders = state.folders(&alice);
        let (inbox, sub) = (folders[0].clone(), folders[1].clone());
        let mails = state.mails(&alice, &inbox);
        state.add_mail(&alice, &sub, "new");
        state.change_mail(&alice, &inbox, &mails[0], "changed");
        state.delete_mail(&alice, &inbox, &mails[1]);
        state.mark_mail(&alice, &inbox, &mails[2], true);
        state.move_mail(&alice, &inbox, &sub, &mails[3]);
        state.rename_folder(&alice, &sub, "Renamed", None);
        (inbox, sub)
    });
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    let archive = stand.assert_equal();
    let moved = stand.server.with(|state| state.fetched.len());
    assert_eq!(moved, 2, "the new and the changed one");
    assert_eq!((info.totals.stored, info.totals.deleted), (4, 2));
    assert_eq!(archive.mailboxes[&alice][&inbox].2.len(), 23);
    assert_eq!(archive.mailboxes[&alice][&sub].0, "Renamed");
}

#[test(start_paused = true)]
async fn an_invalid_cursor_fetches_only_what_differs_and_drops_what_is_gone() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.cycle().await;
    stand.server.with(|state| {
        state.forget_log();
        for folder in state.folders(&alice) {
            state.invalidate_folder(&alice, &folder);
        }
        state.invalidate_tree(&alice);
        let folders = state.folders(&alice);
        let mails = state.mails(&alice, &folders[0]);
        state.change_mail(&alice, &folders[0], &mails[4], "changed");
        state.delete_mail(&alice, &folders[0], &mails[5]);
        state.delete_folder(&alice, &folders[2]);
    });
    let (end, _) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    stand.assert_equal();
    assert_eq!(stand.server.with(|state| state.fetched.len()), 1);
}

#[test(start_paused = true)]
async fn a_folder_moved_out_of_a_deleted_one_keeps_its_mail_unfetched() {
    let stand = Stand::new(1);
    let alice = company(&stand);
    stand.cycle().await;
    stand.server.with(|state| {
        state.forget_log();
        let folders = state.folders(&alice);
        // The deletion is reported first, as the log is read: the log's order is turned round by a second move.
        state.rename_folder(&alice, &folders[1], "Saved", None);
        state.delete_folder(&alice, &folders[0]);
        state.rename_folder(&alice, &folders[1], "Saved twice", None);
    });
    stand.cycle().await;
    stand.assert_equal();
    assert_eq!(stand.server.with(|state| state.fetched.len()), 0);
}

#[test(start_paused = true)]
async fn an_item_whose_id_survives_moves_is_never_dropped_by_its_old_folder() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.server.with(|state| state.stable_ids = true);
    stand.cycle().await;
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
        stand.server.with(|state| {
            let folders = state.folders(&alice);
            for mail in state.mails(&alice, &folders[from]) {
                state.move_mail(&alice, &folders[from], &folders[to], &mail);
            }
        });
        stand.cycle().await;
        stand.assert_equal();
    }
}

#[test(start_paused = true)]
async fn what_changes_while_a_cycle_runs_is_there_after_the_next() {
    let stand = Stand::new(5);
    let alice = company(&stand);
    let mut turn = 0;
    let busy = alice.clone();
    *stand.server.watcher.lock().unwrap() = Some(Box::new(move |_, state| {
        turn += 1;
        let folders = state.folders(&busy);
        let mails = state.mails(&busy, &folders[0]);
        match (turn % 5, mails.get(turn % 7)) {
            (0, _) | (_, None) => drop(state.add_mail(&busy, &folders[1], "meanwhile")),
            (1, Some(mail)) => drop(state.delete_mail(&busy, &folders[0], mail)),
            (2, Some(mail)) => state.move_mail(&busy, &folders[0], &folders[1], mail),
            (3, Some(mail)) => state.change_mail(&busy, &folders[0], mail, "changed meanwhile"),
            (_, Some(mail)) => state.mark_mail(&busy, &folders[0], mail, true),
        }
    }));
    stand.cycle().await;
    *stand.server.watcher.lock().unwrap() = None;
    let (end, _) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn a_partial_item_is_stored_listed_and_completed_later() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let mail = stand.server.with(|state| state.poison_first(&alice, Poison::Partial));
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored, info.totals.failed), (CycleEnd::Warnings, 64, 0));
    let archive = stand.assert_equal();
    assert_eq!((archive.failures[0].code.as_str(), archive.failures[0].subject.as_str()), ("partial", format!("about {mail}").as_str()));
    stand.server.with(|state| state.poisons.clear());
    stand.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert!(stand.assert_equal().failures.is_empty());
}

#[test(start_paused = true)]
async fn what_is_tried_again_in_one_cycle_counts_once() {
    for (poison, stored, failed) in [(Poison::Partial, 64, 0), (Poison::Corrupt, 63, 1)] {
        let mut stand = Stand::new(10);
        stand.one_time = true;
        let alice = company(&stand);
        stand.server.with(|state| {
            state.poison_first(&alice, poison);
        });
        let (_, info) = stand.cycle().await;
        assert_eq!((info.totals.scanned, info.totals.stored, info.totals.failed), (64, stored, failed), "{poison:?}");
        assert!(stand.server.with(|state| state.count("fetch")) > 7, "nothing was tried again");
        stand.server.with(|state| state.poisons.clear());
        let (end, info) = stand.cycle().await;
        assert_eq!((end, info.totals.scanned, info.totals.failed), (CycleEnd::Finished, 64, 0), "{poison:?}");
        assert!(stand.assert_equal().failures.is_empty());
    }
}

#[test(start_paused = true)]
async fn a_read_mark_counts_though_the_change_key_stays() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.cycle().await;
    stand.server.with(|state| {
        let folder = state.folders(&alice)[0].clone();
        let mails = state.mails(&alice, &folder);
        state.keeps_keys = true;
        mails.iter().take(12).for_each(|mail| state.mark_mail(&alice, &folder, mail, true));
        state.forget_log();
    });
    stand.cycle().await;
    let archive = stand.assert_equal();
    assert_eq!(stand.server.with(|state| state.fetched.len()), 0);
    stand.cycle().await;
    assert_eq!(stand.archive().head, archive.head, "a cycle without changes wrote something");
}

#[test(start_paused = true)]
async fn a_read_mark_hides_no_change_of_contents_that_a_later_page_reports() {
    let stand = Stand::new(1);
    let alice = company(&stand);
    stand.cycle().await;
    let folder = stand.server.with(|state| {
        let folder = state.folders(&alice)[0].clone();
        let mails = state.mails(&alice, &folder);
        // Both are reported under the same change key, the last one, each on a page of its own.
        state.mark_mail(&alice, &folder, &mails[0], true);
        state.change_mail(&alice, &folder, &mails[0], "changed");
        state.mark_mail(&alice, &folder, &mails[1], true);
        state.forget_log();
        folder
    });
    for number in 3..9 {
        let requests = *stand.server.requests.borrow();
        let mut received = stand.server.requests.subscribe();
        stand.killed(received.wait_for(|received| *received >= requests + number)).await;
    }
    stand.cycle().await;
    stand.assert_equal();
    // What was only marked was not fetched, and is known by its new change key.
    stand.server.with(|state| {
        assert!(state.fetched.iter().all(|(id, _)| *id == state.mails(&alice, &folder)[0]), "{:?}", state.fetched);
        state.forget_log();
        state.invalidate_folder(&alice, &folder);
    });
    stand.cycle().await;
    assert_eq!(stand.server.with(|state| state.fetched.len()), 0);
}

#[test(start_paused = true)]
async fn a_resync_finds_read_marks_whose_change_keys_stayed() {
    for marks in [false, true] {
        let stand = Stand::new(10);
        let alice = company(&stand);
        stand.server.with(|state| state.marks = marks);
        stand.cycle().await;
        let folder = stand.server.with(|state| {
            let folder = state.folders(&alice)[0].clone();
            state.keeps_keys = true;
            for mail in state.mails(&alice, &folder).iter().take(12) {
                state.mark_mail(&alice, &folder, mail, true);
            }
            state.invalidate_folder(&alice, &folder);
            state.forget_log();
            folder
        });
        let (end, info) = stand.cycle().await;
        assert_eq!((end, info.totals.stored), (CycleEnd::Finished, 12));
        let archive = stand.assert_equal();
        // Pages of ten: the log of the folder has 37 entries.
        let listings = if marks { 1 + 4 } else { 1 + 4 + 5 };
        assert_eq!(stand.server.with(|state| ["changes", "look", "fetch"].map(|kind| state.count(kind))), [listings, 0, 0]);
        stand.server.with(|state| state.invalidate_folder(&alice, &folder));
        stand.clock.advance(std::time::Duration::from_secs(8 * 24 * 3600));
        let (_, info) = stand.cycle().await;
        assert_eq!(info.totals.stored, 0, "what is known was marked again");
        let again = stand.assert_equal();
        assert!(archive.failures.is_empty() && again.failures.is_empty());
    }
}

#[test(start_paused = true)]
async fn a_full_look_finds_read_marks_that_a_folders_mark_hides() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.server.with(|state| (state.marks, state.keeps_keys) = (true, true));
    stand.cycle().await;
    stand.server.with(|state| {
        let folder = state.folders(&alice)[0].clone();
        state.go_blind(&alice, &folder);
        let mails = state.mails(&alice, &folder);
        state.mark_mail(&alice, &folder, &mails[3], true);
        state.forget_log();
    });
    stand.cycle().await;
    assert_eq!(stand.server.with(|state| state.count("changes")), 0);
    stand.clock.advance(std::time::Duration::from_secs(8 * 24 * 3600));
    let (_, info) = stand.cycle().await;
    stand.assert_equal();
    assert_eq!((info.totals.stored, stand.server.with(|state| (state.fetched.len(), state.count("look")))), (1, (0, 0)));
}
