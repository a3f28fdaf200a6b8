//! Jobs, mailboxes and threads that share something.

use super::server::{Server, address};
use super::stand::{Stand, company};
use c2b_api::job::Selection;
use c2b_mailbox::Retry;
use c2bd::engine::{ConnectionLimits, CycleEnd, Progress, run_cycle};
use std::sync::Arc;
use std::time::Duration;

/// Waits until the progress says this.
async fn says(progress: &Progress, detail: &str) {
    let mut changes = progress.subscribe();
    while progress.detail() != detail {
        changes.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_meet_on_a_mailbox_take_turns_and_others_pass() {
    let stand = Stand::new(10);
    company(&stand);
    let storage = stand.open();
    let mut first = stand.context(&storage);
    first.job = "nightly".into();
    first.selection = Selection::Only(vec!["alice@x".into()]);
    // The second job has a connection of its own that does not hang.
    let quick = Stand::new(10);
    company(&quick);
    let mut second = stand.context(&storage);
    second.source = quick.server.clone();
    second.limits = ConnectionLimits::new(stand.clock.clone());
    second.selection = Selection::Only(vec!["alice@x".into()]);
    let mut third = stand.context(&storage);
    third.source = quick.server.clone();
    third.selection = Selection::Only(vec!["bob@x".into()]);

    stand.server.with(|state| state.hangs = true);
    let (stop, waiting) = (first.cancel.clone(), second.progress.clone());
    let first = tokio::spawn(async move { run_cycle(&first).await });
    stand.server.requests.subscribe().wait_for(|requests| *requests >= 1).await.unwrap();
    let second = tokio::spawn(async move { run_cycle(&second).await });
    says(&waiting, "waits for alice@x held by nightly").await;
    assert_eq!(run_cycle(&third).await, CycleEnd::Finished);
    assert_eq!(waiting.detail(), "waits for alice@x held by nightly");
    stop.cancel();
    assert_eq!(first.await.unwrap(), CycleEnd::Stopped);
    assert_eq!(second.await.unwrap(), CycleEnd::Finished);
    drop(third);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_mailbox_delays_no_other_and_is_left_alone_meanwhile() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let hint = Duration::from_secs(2);
    let started = tokio::time::Instant::now();
    let received = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = received.clone();
    *stand.server.watcher.lock().unwrap() = Some(Box::new(move |request, _| log.lock().unwrap().push((request.mailbox.clone(), started.elapsed()))));
    stand.server.with(|state| state.throttles.insert(alice.clone(), vec![Retry::After(hint)]));
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    assert_eq!(info.throttled_secs, 2);
    stand.assert_equal();
    let received = received.lock().unwrap();
    let of = |name: &str| received.iter().filter(|(mailbox, _)| mailbox.as_ref() == Some(&address(name))).map(|(_, time)| *time).collect::<Vec<_>>();
    let (alice, bob) = (of("alice@x"), of("bob@x"));
    assert!(alice[1] - alice[0] >= hint, "a request was sent inside the back-off");
    assert!(bob.last().unwrap() < &alice[1], "the other mailbox waited too");
}

#[tokio::test(start_paused = true)]
async fn throttling_alone_never_fails_a_job() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    stand.server.with(|state| state.throttles.insert(alice.clone(), [Retry::Backoff, Retry::After(Duration::from_secs(600)), Retry::No].repeat(20)));
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    assert!(info.throttled_secs >= 20 * 600);
    stand.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn little_is_in_flight_in_a_young_run() {
    let stand = Stand::new(100);
    let alice = stand.server.with(|state| {
        let alice = state.add_mailbox("alice@x");
        let inbox = state.add_folder(&alice, "Inbox", None);
        (0..1500).for_each(|n| drop(state.add_mail(&alice, &inbox, &format!("mail {n}"))));
        alice
    });
    let storage = stand.open();
    let context = stand.context(&storage);
    let (progress, catalog) = (context.progress.clone(), storage.catalog());
    *stand.server.watcher.lock().unwrap() = Some(Box::new(move |_, state| {
        let stored = progress.snapshot().totals.stored;
        let fetched = state.fetched.len() as u64;
        assert!(fetched - stored <= 16, "{fetched} fetched and {stored} stored: no back-pressure");
        let row = catalog.mailbox(&alice).unwrap();
        let committed = row.map_or(0, |row| catalog.counts(row.key).unwrap().items);
        assert!(fetched - committed <= 24, "{fetched} fetched and {committed} committed");
    }));
    assert_eq!(run_cycle(&context).await, CycleEnd::Finished);
    drop(context);
    *stand.server.watcher.lock().unwrap() = None;
    let packs = storage.stats().await.unwrap().packs;
    assert!(packs <= 1500 / 5 + 5, "{packs} packs for 1500 items");
    storage.close().await.unwrap();
    stand.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_storage_ends_a_cycle_with_a_reason_and_can_be_opened_again() {
    let stand = Stand::new(10);
    company(&stand);
    let storage = stand.open();
    let context = stand.context(&storage);
    let server: Arc<Server> = stand.server.clone();
    let other = storage.clone();
    let closing = tokio::spawn(async move {
        server.requests.subscribe().wait_for(|requests| *requests >= 15).await.unwrap();
        other.close().await.unwrap();
    });
    match run_cycle(&context).await {
        CycleEnd::Failed(problem) => assert_eq!(problem.code, "storage"),
        end => panic!("{end:?}"),
    }
    closing.await.unwrap();
    drop((context, storage));
    stand.until_free().await;
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
}
