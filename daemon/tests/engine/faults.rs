//! What breaks costs itself and nothing else.

use super::server::{Poison, error};
use super::stand::{Stand, company};
use c2b_mailbox::{Retry, Scope, Trouble};
use c2bd::engine::CycleEnd;
use std::time::Duration;
use tokio::test;

fn code(end: &CycleEnd) -> &str {
    match end {
        CycleEnd::Failed(problem) => &problem.code,
        other => panic!("did not fail but {other:?}"),
    }
}

#[test(start_paused = true)]
async fn broken_items_go_into_the_ledger_are_tried_when_due_and_leave_it() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let (corrupt, crash) = stand.server.with(|state| {
        let folder = state.folders(&alice)[0].clone();
        let mails = state.mails(&alice, &folder);
        state.poisons.insert(mails[3].clone(), Poison::Corrupt);
        state.poisons.insert(mails[8].clone(), Poison::Crash);
        (mails[3].clone(), mails[8].clone())
    });
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Warnings);
    assert_eq!((info.totals.stored, info.totals.failed), (62, 2));
    let archive = stand.archive();
    let mut failed: Vec<&str> = archive.failures.iter().map(|failure| failure.id.as_str()).collect();
    failed.sort_unstable();
    let mut expected = [corrupt.as_str(), crash.as_str()];
    expected.sort_unstable();
    assert_eq!(failed, expected);
    // Not due: the next cycle asks for nothing, and still says that something is missing.
    stand.server.with(|state| state.forget_log());
    assert_eq!(stand.cycle().await.0, CycleEnd::Warnings);
    assert_eq!(stand.server.with(|state| state.count("fetch")), 0);
    // Due, and still broken: one more attempt each.
    stand.clock.advance(Duration::from_secs(61));
    assert_eq!(stand.cycle().await.0, CycleEnd::Warnings);
    assert!(stand.archive().failures.iter().all(|failure| failure.attempts == 2));
    // Changed: tried at once, though not due. The other one when it is due.
    stand.server.with(|state| {
        state.poisons.clear();
        let folder = state.folders(&alice)[0].clone();
        state.change_mail(&alice, &folder, &corrupt, "healed");
    });
    stand.cycle().await;
    assert_eq!(stand.archive().failures.len(), 1);
    stand.clock.advance(Duration::from_secs(3600));
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert!(stand.assert_equal().failures.is_empty());
}

#[test(start_paused = true)]
async fn a_failure_whose_item_or_folder_is_gone_leaves_the_ledger() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let (folders, mail) = stand.server.with(|state| {
        let folders = state.folders(&alice);
        let mail = state.mails(&alice, &folders[0])[0].clone();
        state.poisons.insert(mail.clone(), Poison::Corrupt);
        let other = state.mails(&alice, &folders[1])[0].clone();
        state.poisons.insert(other, Poison::Corrupt);
        (folders, mail)
    });
    stand.cycle().await;
    assert_eq!(stand.archive().failures.len(), 2);
    stand.server.with(|state| {
        state.delete_mail(&alice, &folders[0], &mail);
        state.delete_folder(&alice, &folders[1]);
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert!(stand.assert_equal().failures.is_empty());
}

#[test(start_paused = true)]
async fn passing_trouble_is_waited_out() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.server.with(|state| {
        state.poison_first(&alice, Poison::Flaky(2));
        state.faults.insert(3, error(Scope::Connection, Trouble::Unreachable, Retry::Backoff));
        state.faults.insert(5, error(Scope::Connection, Trouble::Busy, Retry::After(Duration::from_secs(30))));
        state.faults.insert(9, error(Scope::Item, Trouble::Malformed, Retry::Backoff));
        state.faults.insert(11, error(Scope::Mailbox, Trouble::Busy, Retry::Backoff));
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn a_one_time_job_tries_its_failures_once_more_at_the_end() {
    let mut stand = Stand::new(10);
    stand.one_time = true;
    let alice = company(&stand);
    stand.server.with(|state| {
        state.poison_first(&alice, Poison::Flaky(3));
    });
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored, info.totals.failed, info.totals.scanned), (CycleEnd::Finished, 64, 0, 64));
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn a_broken_folder_and_a_broken_mailbox_stop_nobody() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let broken = stand.server.with(|state| {
        let broken = state.folders(&alice)[1].clone();
        state.folder_faults.insert(broken.clone());
        let carol = state.add_mailbox("carol@x");
        state.mailbox_faults.insert(carol, error(Scope::Mailbox, Trouble::Forbidden, Retry::No));
        broken
    });
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Warnings);
    let mut problems: Vec<_> = info.problems.iter().map(|one| (one.mailbox.as_str(), one.folder.as_str(), one.code.as_str())).collect();
    problems.sort_unstable();
    assert_eq!(problems, [("alice@x", "Sub", "refused"), ("carol@x", "", "forbidden")]);
    assert_eq!(info.totals.stored, 57);
    assert!(stand.archive().mailboxes[&alice][&broken].2.is_empty());
    stand.server.with(|state| {
        state.folder_faults.clear();
        state.mailbox_faults.clear();
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn errors_delete_nothing() {
    let stand = Stand::new(4);
    let alice = company(&stand);
    stand.cycle().await;
    let before = stand.assert_equal();
    for fault in
        [(Scope::Folder, Trouble::Refused), (Scope::Folder, Trouble::Forbidden), (Scope::Mailbox, Trouble::Forbidden), (Scope::Connection, Trouble::SignIn)]
    {
        for number in 1..12 {
            stand.server.with(|state| {
                state.invalidate_tree(&alice);
                for folder in state.folders(&alice) {
                    state.invalidate_folder(&alice, &folder);
                }
                let start = *stand.server.requests.borrow();
                state.faults.insert(start + number, error(fault.0, fault.1, Retry::No));
            });
            stand.cycle().await;
            stand.server.with(|state| state.faults.clear());
            let after = stand.archive();
            assert_eq!(after.mailboxes, before.mailboxes, "{fault:?} at request {number} changed something");
        }
    }
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn a_connection_that_does_not_work_fails_the_cycle_with_its_reason_at_once() {
    for (trouble, retry, word) in [
        (Trouble::Unreachable, Retry::Backoff, "unreachable"),
        (Trouble::Certificate, Retry::No, "certificate"),
        (Trouble::WrongUrl, Retry::No, "wrong-url"),
        (Trouble::SignIn, Retry::No, "sign-in"),
    ] {
        let stand = Stand::new(10);
        company(&stand);
        stand.server.with(|state| state.faults.insert(1, error(Scope::Connection, trouble, retry)));
        let (end, info) = stand.cycle().await;
        assert_eq!(code(&end), word);
        assert_eq!((info.totals.stored, stand.server.with(|state| state.log.len())), (0, 1));
        let CycleEnd::Failed(problem) = end else { unreachable!() };
        assert!(!problem.hint.is_empty());
    }
}

#[test(start_paused = true)]
async fn a_connection_that_breaks_for_good_fails_the_cycle_and_keeps_what_was_fetched() {
    let stand = Stand::new(10);
    company(&stand);
    let mut requests = 0;
    *stand.server.watcher.lock().unwrap() = Some(Box::new(move |request, state| {
        requests += 1;
        if requests > 16 {
            state.faults.insert(request.number, error(Scope::Connection, Trouble::Unreachable, Retry::Backoff));
        }
    }));
    let (end, info) = stand.cycle().await;
    assert_eq!(code(&end), "unreachable");
    assert!(info.totals.stored > 0);
    let kept: usize = stand.archive().mailboxes.values().flat_map(|picture| picture.values()).map(|folder| folder.2.len()).sum();
    assert_eq!(kept as u64, info.totals.stored);
    *stand.server.watcher.lock().unwrap() = None;
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn a_job_never_finishes_having_backed_up_nothing() {
    let stand = Stand::new(10);
    stand.server.with(|state| {
        for name in ["alice@x", "bob@x"] {
            let address = state.add_mailbox(name);
            state.mailbox_faults.insert(address, error(Scope::Mailbox, Trouble::Forbidden, Retry::No));
        }
    });
    let (end, _) = stand.cycle().await;
    assert_eq!(code(&end), "forbidden");
    stand.server.with(|state| state.mailboxes().iter().for_each(|address| state.remove_mailbox(address)));
    assert_eq!(code(&stand.cycle().await.0), "selection-empty");
}

#[test(start_paused = true)]
async fn a_listing_that_lacks_many_mailboxes_fails_and_one_that_lacks_few_says_so() {
    let mut stand = Stand::new(10);
    stand.server.with(|state| (0..10).for_each(|n| drop(state.add_mailbox(&format!("m{n}@x")))));
    stand.previous = Some(stand.server.with(|state| state.mailboxes()));
    stand.server.with(|state| state.remove_mailbox(&super::server::address("m3@x")));
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.problems[0].code.as_str(), info.problems[0].mailbox.as_str()), (CycleEnd::Warnings, "gone", "m3@x"));
    stand.server.with(|state| ["m4@x", "m5@x"].iter().for_each(|name| state.remove_mailbox(&super::server::address(name))));
    assert_eq!(code(&stand.cycle().await.0), "selection-shrank");
}

#[test(start_paused = true)]
async fn an_outage_that_looks_like_items_faults_sends_nothing_into_the_ledger() {
    for (trouble, retry) in [(Trouble::Busy, Retry::Backoff), (Trouble::Malformed, Retry::Backoff)] {
        let stand = Stand::new(10);
        company(&stand);
        let mut requests = 0;
        // As a load balancer without a server behind it: each request fails in its own name.
        *stand.server.watcher.lock().unwrap() = Some(Box::new(move |request, state| {
            requests += 1;
            let scope = match request.kind {
                "fetch" => Scope::Item,
                "changes" => Scope::Folder,
                _ => Scope::Mailbox,
            };
            if (12..80).contains(&requests) {
                state.faults.insert(request.number, error(scope, trouble, retry));
            }
        }));
        let (end, info) = stand.cycle().await;
        assert_eq!((end, info.totals.stored, info.totals.failed), (CycleEnd::Finished, 64, 0));
        stand.assert_equal();
    }
}

#[test(start_paused = true)]
async fn rights_that_are_taken_away_meanwhile_fail_the_mailbox_and_not_its_items() {
    let stand = Stand::new(10);
    company(&stand);
    let mut requests = 0;
    *stand.server.watcher.lock().unwrap() = Some(Box::new(move |request, state| {
        requests += 1;
        let scope = if request.kind == "fetch" { Scope::Item } else { Scope::Mailbox };
        if requests > 12 {
            state.faults.insert(request.number, error(scope, Trouble::Forbidden, Retry::No));
        }
    }));
    let (end, info) = stand.cycle().await;
    assert_eq!(code(&end), "forbidden");
    assert!(info.mailboxes.iter().all(|one| one.phase == "failed" && one.failed == 0));
    assert!(stand.archive().failures.is_empty());
}

#[test(start_paused = true)]
async fn a_server_that_is_busy_from_the_start_is_given_up_soon() {
    let stand = Stand::new(10);
    company(&stand);
    *stand.server.watcher.lock().unwrap() = Some(Box::new(|request, state| {
        state.faults.insert(request.number, error(Scope::Mailbox, Trouble::Busy, Retry::Backoff));
    }));
    let started = tokio::time::Instant::now();
    assert_eq!(code(&stand.cycle().await.0), "busy");
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// Ids are stable here, and the folder where it arrives is listed first.
#[tokio::test(start_paused = true)]
async fn a_failure_follows_a_move() {
    for is_held in [true, false] {
        let stand = Stand::new(4);
        let (alice, mail) = stand.server.with(|state| {
            state.stable_ids = true;
            let alice = state.add_mailbox("alice@x");
            let inbox = state.add_folder(&alice, "Inbox", None);
            let other = state.add_folder(&alice, "Other", None);
            state.add_mail(&alice, &inbox, "stays");
            (alice.clone(), state.add_mail(&alice, &other, "moves"))
        });
        let [inbox, other] = stand.server.with(|state| [state.folders(&alice)[0].clone(), state.folders(&alice)[1].clone()]);
        if is_held {
            stand.cycle().await;
            stand.server.with(|state| state.change_mail(&alice, &other, &mail, "moves, and is another"));
        }
        stand.server.with(|state| state.poisons.insert(mail.clone(), Poison::Corrupt));
        assert_eq!(stand.cycle().await.0, CycleEnd::Warnings);
        stand.server.with(|state| state.move_mail(&alice, &other, &inbox, &mail));
        assert_eq!(stand.cycle().await.0, CycleEnd::Warnings);
        stand.server.with(|state| state.poisons.remove(&mail));
        stand.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
        assert!(stand.assert_equal().failures.is_empty());
    }
}
