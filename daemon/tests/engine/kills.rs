//! Whatever moment a cycle dies at, the next one makes good, and fetches nothing that was committed.

use super::server::Server;
use super::stand::{Stand, company};
use c2bd::engine::{CycleEnd, run_cycle};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Waits until the server has received `number` requests.
async fn request(server: Arc<Server>, number: u64) {
    let mut requests = server.requests.subscribe();
    requests.wait_for(|received| *received >= number).await.unwrap();
}

/// Runs a cycle; fails if it fetches what the storage holds already.
async fn cycle_fetches_only_what_is_missing(stand: &Stand) {
    let before = stand.archive();
    let held: HashSet<(String, String)> = before
        .mailboxes
        .values()
        .flat_map(|picture| picture.values())
        .flat_map(|folder| folder.2.iter().map(|(id, mail)| (id.clone(), mail.change_key.clone())))
        .collect();
    stand.server.with(|state| state.forget_log());
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
    let again: Vec<_> = stand.server.with(|state| state.fetched.iter().filter(|one| held.contains(one)).cloned().collect());
    assert!(again.is_empty(), "fetched again though committed: {again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_request_loses_nothing() {
    let whole = Stand::new(10);
    company(&whole);
    whole.cycle().await;
    let requests = *whole.server.requests.borrow();
    assert!(requests > 30);
    for number in (1..=requests).step_by(3) {
        let stand = Stand::new(10);
        company(&stand);
        stand.killed(request(stand.server.clone(), number)).await;
        cycle_fetches_only_what_is_missing(&stand).await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_kills_in_a_row_lose_nothing() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let mut kills = 0;
    loop {
        let number = *stand.server.requests.borrow() + 25 + kills % 9;
        match stand.killed(request(stand.server.clone(), number)).await {
            Some(end) => break assert_eq!(end, CycleEnd::Finished),
            None => kills += 1,
        }
        // The server lives on meanwhile.
        stand.server.with(|state| {
            let folders = state.folders(&alice);
            if kills % 3 == 0 {
                state.invalidate_folder(&alice, &folders[0]);
            }
            if let Some(mail) = state.mails(&alice, &folders[0]).first().filter(|_| kills < 12) {
                state.move_mail(&alice, &folders[0], &folders[1], mail);
            }
        });
        assert!(kills < 200, "no progress between kills");
    }
    stand.cycle().await;
    stand.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn a_stop_commits_what_was_fetched_and_says_so() {
    let stand = Stand::new(10);
    company(&stand);
    let storage = stand.open();
    let context = stand.context(&storage);
    let cancel = context.cancel.clone();
    let server = stand.server.clone();
    tokio::spawn(async move {
        request(server, 20).await;
        cancel.cancel();
    });
    assert_eq!(run_cycle(&context).await, CycleEnd::Stopped);
    let stored = context.progress.snapshot().totals.stored;
    assert!(stored > 0);
    drop(context);
    // As if killed right after it said so.
    storage.abandon().await;
    let kept: usize = stand.archive().mailboxes.values().flat_map(|picture| picture.values()).map(|folder| folder.2.len()).sum();
    assert_eq!(kept as u64, stored, "a stop lost what was fetched");
    cycle_fetches_only_what_is_missing(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_does_not_delay_a_stop() {
    let stand = Stand::new(10);
    company(&stand);
    let storage = stand.open();
    let context = stand.context(&storage);
    let cancel = context.cancel.clone();
    let server = stand.server.clone();
    let stop = tokio::spawn(async move {
        request(server.clone(), 15).await;
        server.with(|state| state.hangs = true);
        request(server, 17).await;
        cancel.cancel();
    });
    let end = tokio::time::timeout(Duration::from_secs(10), run_cycle(&context)).await;
    assert_eq!(end.expect("the stop took too long"), CycleEnd::Stopped);
    stop.await.unwrap();
    drop(context);
    storage.close().await.unwrap();
    stand.server.with(|state| state.hangs = false);
    cycle_fetches_only_what_is_missing(&stand).await;
}
