//! The real controller at work: the EWS client fetches over sockets from the lab, which has a capacity.
//!
//! `c2b-lab` is a program of the workspace; where it is not built there is nothing to measure.

use c2b_ews::{EwsConfig, EwsSource, Secret};
use c2b_mailbox::{Address, Change, FolderChange, ItemRef, Retry, Source, SourceError, Trouble, Wishes};
use c2bd::clock::Clock;
use c2bd::engine::ConnectionLimits;
use c2bd::slots::{Kind, MAILBOX_SLOTS_MAX, Outcome, Weight};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

/// Mailboxes of the organisation, and messages in each: as many as one request fetches.
const MAILBOXES: usize = 16;
const MESSAGES: usize = 10;

/// Time to stay away from a mailbox when the server says none.
const OWN_PAUSE: Duration = Duration::from_millis(500);

/// Between two looks at the number of slots.
const LOOK: Duration = Duration::from_millis(20);

/// A lab server with a small organisation.
pub(crate) struct Lab {
    child: Child,
    dir: TempDir,
    work: Vec<(Address, Vec<ItemRef>)>,
    url: url::Url,
}

/// What came of some seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabRun {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Part of the requests that were refused or lost.
    pub(crate) refused: f64,
    /// The mean number of slots.
    pub(crate) slots: f64,
    /// Half of the answers took less than this, in milliseconds.
    pub(crate) latency_ms: u64,
}

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Lab {
    /// Starts a lab with that capacity (see `fixtures/README.md`); none where the program is not built.
    pub(crate) async fn start(capacity: &str) -> Option<Self> {
        let here = std::env::current_exe().ok()?;
        let program = here.ancestors().skip(1).map(|dir| dir.join("c2b-lab")).find(|path| path.is_file())?;
        let dir = tempfile::tempdir().expect("a folder for the organisation");
        for n in 0..MAILBOXES {
            let inbox = dir.path().join(format!("org/m{n}@example.org/Inbox"));
            std::fs::create_dir_all(&inbox).expect("a folder for mail");
            for k in 0..MESSAGES {
                let text = format!("From: a@example.org\r\nSubject: {n} {k}\r\nMessage-ID: <{n}.{k}@example.org>\r\n\r\n{}\r\n", "text ".repeat(200 * (k + 1)));
                std::fs::write(inbox.join(format!("{k}.eml")), text).expect("a message");
            }
        }
        std::fs::create_dir(dir.path().join("spool")).expect("a folder for bodies");
        std::fs::write(dir.path().join("capacity"), "").expect("the file of capacities");
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--org"])
            .arg(dir.path().join("org"))
            .arg("--capacity")
            .arg(dir.path().join("capacity"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the lab starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it speaks")).read_line(&mut line).expect("it says where it listens");
        let url = url::Url::parse(line.trim().trim_start_matches("listening on ")).expect("it says where it listens");
        let mut lab = Self { child, dir, work: Vec::new(), url };
        lab.work = lab.list().await;
        lab.set(capacity);
        Some(lab)
    }

    /// Changes the capacity, at once.
    pub(crate) fn set(&self, capacity: &str) {
        std::fs::write(self.dir.path().join("capacity"), capacity).expect("the file of capacities");
    }

    /// Fetches over and over, and measures `secs` seconds from `warm` seconds on.
    pub(crate) async fn run(&self, limits: &Arc<ConnectionLimits>, warm: f64, secs: f64) -> LabRun {
        let source = Arc::new(self.source());
        let counts = Arc::new(Counts::default());
        let start = Instant::now();
        let tasks: Vec<_> = self
            .work
            .iter()
            .flat_map(|work| std::iter::repeat_n(work, MAILBOX_SLOTS_MAX as usize))
            .map(|(mailbox, items)| tokio::spawn(fetch(source.clone(), limits.clone(), mailbox.clone(), items.clone(), counts.clone())))
            .collect();
        sleep_until(start + Duration::from_secs_f64(warm)).await;
        let at = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let before = (at(&counts.answered), at(&counts.refused));
        let until = start + Duration::from_secs_f64(warm + secs);
        let mut slots = Vec::new();
        while Instant::now() < until {
            slots.push(f64::from(limits.slots()));
            sleep(LOOK).await;
        }
        let (answered, refused) = (at(&counts.answered) - before.0, at(&counts.refused) - before.1);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        LabRun {
            rate: answered / secs,
            refused: refused / (answered + refused).max(1.0),
            slots: slots.iter().sum::<f64>() / slots.len().max(1) as f64,
            latency_ms: limits.info().latency_ms.unwrap_or(0),
        }
    }

    fn source(&self) -> EwsSource {
        let config = EwsConfig::new(self.url.clone(), "admin", Secret::new("secret"), self.dir.path().join("spool"));
        EwsSource::new(config).expect("a client of the lab")
    }

    /// Lists what there is to fetch.
    async fn list(&self) -> Vec<(Address, Vec<ItemRef>)> {
        let source = self.source();
        let mut work = Vec::new();
        for n in 0..MAILBOXES {
            let mailbox = Address::parse(&format!("m{n}@example.org")).expect("an address");
            let folders = source.folder_changes(&mailbox, None).await.expect("the folders");
            let mut items = Vec::new();
            for change in folders.changes {
                let FolderChange::Upsert(folder) = change else { continue };
                let page = source.changes(&mailbox, &folder.id, None, Wishes::default()).await.expect("the items");
                items.extend(page.changes.into_iter().filter_map(|change| match change {
                    Change::Upsert { id, change_key, .. } => Some(ItemRef { id, change_key, settle: false }),
                    _ => None,
                }));
            }
            assert_eq!(items.len(), MESSAGES, "{mailbox}");
            work.push((mailbox, items));
        }
        work
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fetches the items of a mailbox again and again, as the engine does: in turn, with pauses kept.
async fn fetch(source: Arc<EwsSource>, limits: Arc<ConnectionLimits>, mailbox: Address, items: Vec<ItemRef>, counts: Arc<Counts>) {
    loop {
        let pass = limits.enter("lab", Some(&mailbox)).await;
        let fetched = source.fetch(&mailbox, &items).await;
        let error = match &fetched {
            Ok(all) => all.iter().find_map(|one| one.result.as_ref().err()),
            Err(error) => Some(error),
        };
        match error {
            None => {
                counts.answered.fetch_add(1, Ordering::Relaxed);
                pass.end(Outcome::Answered(Weight { kind: Kind::Items, items: items.len() as u64, bytes: 0 }));
            }
            Some(SourceError { trouble: Trouble::Throttled, retry, .. }) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                let pause = if let Retry::After(pause) = retry { Some(*pause) } else { None };
                pass.end(Outcome::Refused(pause));
                limits.hold_off(&mailbox, pause.unwrap_or(OWN_PAUSE));
            }
            Some(_) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                pass.end(Outcome::Lost);
                limits.hold_off(&mailbox, OWN_PAUSE);
            }
        }
    }
}

/// Returns the limits of a connection of which nothing is known, or that has a fixed number of slots.
pub(crate) fn limits(slots: Option<u32>) -> Arc<ConnectionLimits> {
    slots.map_or_else(|| ConnectionLimits::new(Clock::system()), |slots| ConnectionLimits::fixed(slots, Clock::system()))
}
