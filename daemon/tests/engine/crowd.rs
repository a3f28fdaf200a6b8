//! Many jobs at once, in virtual time: they meet on mailboxes, in storages and at connections, and one server is dead.
//!
//! Where a job is not served, its test does not end: the writer's threads are not of the virtual time, so it bounds nothing.

use super::server::{Server, address};
use super::stand::Stand;
use c2b_api::job::Selection;
use c2b_mailbox::Address;
use c2bd::engine::{ConnectionLimits, CycleEnd, MailboxQueue, Progress, StorageWriter, run_cycle};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

const JOBS: usize = 200;
const CONNECTIONS: usize = 50;
const STORAGES: usize = 5;
const CYCLES: usize = 2;

/// The connection whose server takes requests and answers none.
const DEAD: usize = 0;

/// What is known of a job from outside.
struct Seen {
    connection: usize,
    storage: usize,
    progress: Arc<Progress>,
}

/// The mailboxes of a server: some of its own, and one that it shares with the next server.
fn mailboxes(connection: usize) -> Vec<String> {
    let own = (0..4).map(|n| format!("c{connection}m{n}@x"));
    own.chain([connection, (connection + 1) % CONNECTIONS].map(|n| format!("shared{n}@x"))).collect()
}

/// Each server is as quick as it likes.
fn servers() -> Vec<Arc<Server>> {
    let server = |connection: usize| {
        let server = Server::new(10);
        server.with(|state| {
            for name in mailboxes(connection) {
                let mailbox = state.add_mailbox(&name);
                let inbox = state.add_folder(&mailbox, "Inbox", None);
                (0..5).for_each(|n| drop(state.add_mail(&mailbox, &inbox, &format!("{name} {n}"))));
            }
            state.delay = Duration::from_millis(20 * (connection as u64 % 7));
            state.hangs = connection == DEAD;
        });
        Arc::new(server)
    };
    (0..CONNECTIONS).map(server).collect()
}

/// Returns which job works on a mailbox, for each pair of jobs that must not: those of one storage, and of one connection.
fn meetings(seen: &[Seen], mailbox: &Address) -> Vec<(usize, usize)> {
    let is_at_work = |job: &Seen| {
        let lines = job.progress.snapshot().mailboxes;
        lines.iter().any(|line| line.address == mailbox.as_str() && matches!(line.phase.as_str(), "folders" | "items"))
    };
    let at_work: Vec<(usize, &Seen)> = seen.iter().enumerate().filter(|(_, job)| is_at_work(job)).collect();
    let pairs = at_work.iter().enumerate().flat_map(|(n, one)| at_work[n + 1..].iter().map(move |other| (one, other)));
    pairs.filter(|((_, one), (_, other))| one.storage == other.storage || one.connection == other.connection).map(|(one, other)| (one.0, other.0)).collect()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_jobs_take_turns_and_all_but_those_of_a_dead_server_are_served() {
    let stands: Vec<Stand> = (0..STORAGES).map(|_| Stand::new(10)).collect();
    let storages: Vec<StorageWriter> = stands.iter().map(Stand::open).collect();
    let (servers, queue) = (servers(), MailboxQueue::new());
    let limits: Vec<_> = servers.iter().map(|_| ConnectionLimits::new(stands[0].clock.clone())).collect();
    let mut seen = Vec::new();
    let mut contexts = Vec::new();
    for job in 0..JOBS {
        let (connection, storage) = (job % CONNECTIONS, job / 3 % STORAGES);
        let mut context = stands[storage].context(&storages[storage]);
        context.job = format!("job {job}");
        context.connection = format!("connection {connection}");
        context.source = servers[connection].clone();
        context.limits = limits[connection].clone();
        context.queue = queue.clone();
        // Not all want the same, nor in the same order.
        let mut names = mailboxes(connection);
        names.rotate_left(job / CONNECTIONS);
        names.truncate(5);
        context.selection = Selection::Only(names);
        seen.push(Seen { connection, storage, progress: context.progress.clone() });
        contexts.push(context);
    }
    let seen = Arc::new(seen);
    let broken = Arc::new(Mutex::new(BTreeSet::new()));
    for server in &servers {
        let (seen, broken) = (seen.clone(), broken.clone());
        *server.watcher.lock().unwrap() = Some(Box::new(move |request, _| {
            if let Some(mailbox) = &request.mailbox {
                broken.lock().unwrap().extend(meetings(&seen, mailbox).into_iter().map(|pair| (pair, mailbox.clone())));
            }
        }));
    }

    let (mut alive, mut dead) = (JoinSet::new(), JoinSet::new());
    let stop = contexts[DEAD].cancel.clone();
    for (context, seen) in contexts.into_iter().zip(seen.iter()) {
        let is_dead = seen.connection == DEAD;
        let stop = stop.clone();
        let work = async move {
            let mut ends = Vec::new();
            for cycle in 1..=CYCLES {
                context.progress.begin_cycle(cycle as u64);
                let end = tokio::select! {
                    end = run_cycle(&context) => end,
                    () = stop.cancelled(), if is_dead => CycleEnd::Stopped,
                };
                ends.push(end);
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            ends
        };
        if is_dead {
            dead.spawn(work)
        } else {
            alive.spawn(work)
        };
    }
    let served = alive.join_all().await;
    assert_eq!(served.len(), JOBS - JOBS / CONNECTIONS);
    assert!(served.iter().flatten().all(|end| *end == CycleEnd::Finished), "{served:?}");
    assert_eq!(served.iter().map(Vec::len).sum::<usize>(), served.len() * CYCLES);
    assert_eq!(*broken.lock().unwrap(), BTreeSet::new(), "two jobs on one mailbox");
    // The dead server was asked in vain, and by no one whom it could answer.
    assert!(dead.try_join_next().is_none(), "a job of the dead server ended");
    for job in seen.iter().filter(|job| job.connection == DEAD) {
        assert_eq!((job.progress.cycle(), job.progress.snapshot().totals.stored), (1, 0));
    }
    stop.cancel();
    dead.join_all().await;

    for (n, (stand, storage)) in stands.iter().zip(storages).enumerate() {
        for server in &servers {
            *server.watcher.lock().unwrap() = None;
        }
        storage.close().await.unwrap();
        let wanted: BTreeSet<Address> =
            seen.iter().filter(|job| job.storage == n && job.connection != DEAD).flat_map(|job| job.progress.covered().unwrap_or_default()).collect();
        let catalog = stand.catalog();
        for mailbox in wanted {
            let row = catalog.mailbox(&mailbox).unwrap();
            assert_eq!(row.map(|row| catalog.counts(row.key).unwrap().items), Some(5), "{mailbox} in storage {n}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_leaves_its_mailbox_to_who_waits_and_goes_on_behind_him() {
    let stand = Stand::new(10);
    super::stand::company(&stand);
    let storage = stand.open();
    let quick = Stand::new(10);
    super::stand::company(&quick);
    let mut first = stand.context(&storage);
    first.job = "nightly".into();
    first.selection = Selection::Only(vec!["alice@x".into()]);
    let mut second = stand.context(&storage);
    second.connection = "other".into();
    second.source = quick.server.clone();
    second.limits = ConnectionLimits::new(stand.clock.clone());
    second.selection = Selection::Only(vec!["alice@x".into()]);

    // It falls silent in the middle of the mailbox, and comes back when the other job has it.
    *stand.server.watcher.lock().unwrap() = Some(Box::new(|request, state| state.hangs |= request.number == 6));
    let silent = stand.server.clone();
    *quick.server.watcher.lock().unwrap() = Some(Box::new(move |_, _| {
        *silent.watcher.lock().unwrap() = None;
        silent.with(|state| state.hangs = false);
    }));
    let progress = first.progress.clone();
    let first = tokio::spawn(async move { run_cycle(&first).await });
    stand.server.requests.subscribe().wait_for(|requests| *requests >= 6).await.unwrap();
    let stored = progress.snapshot().totals.stored;
    assert_eq!(run_cycle(&second).await, CycleEnd::Finished);
    assert_eq!(first.await.unwrap(), CycleEnd::Finished);
    let totals = progress.snapshot().totals;
    assert_eq!((totals.scanned, totals.failed), (32, 0), "{totals:?}");
    assert!(totals.stored >= stored && totals.stored < 32, "{totals:?}");
    drop(second);
    storage.close().await.unwrap();
    let catalog = stand.catalog();
    let row = catalog.mailbox(&address("alice@x")).unwrap().unwrap();
    assert_eq!(catalog.counts(row.key).unwrap().items, 32);
}
