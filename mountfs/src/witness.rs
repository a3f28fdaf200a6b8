//! Tells the daemon, for its audit log, that a storage was mounted, and who read what in the mount.
//!
//! By the control socket, as whoever mounts; a reader never waits for it. While the daemon cannot be told (it is away, or
//! is not there at all) it is logged, and told as soon as that is possible, unless it becomes too much. So nothing is
//! dropped without a word; but a mount that is killed takes along what was read in its last two seconds.

use crate::archive::Archive;
use crate::looks::{Gathered, Look, Noted, Reading};
use crate::tree::Tree;
use nix::unistd::{Uid, User};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::mem;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Where the daemon listens when `C2B_SOCKET` does not say otherwise.
const SOCKET: &str = "/run/c2b/c2bd.sock";

/// How long looks are gathered before they are told: as much as a killed mount may take along.
const GATHER: Duration = Duration::from_secs(1);

/// How long the daemon may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long it is left alone after it did not answer.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// Reports that wait for a daemon that is away, at most 4 MB; of more, the oldest stay in the log alone.
const WAITING_MAX: usize = 1000;

/// What is told, and by whom.
pub(crate) struct Witness<A> {
    tree: Arc<Tree<A>>,
    noted: Noted,
    /// Whether the mount is at its end, whoever still holds files in it.
    is_ending: Arc<AtomicBool>,
    socket: PathBuf,
    storage: PathBuf,
    target: PathBuf,
    gathered: Gathered,
    /// Processes of threads that read a short while ago.
    processes: HashMap<u32, u32>,
    /// What waits, and whether it was logged.
    waiting: VecDeque<(Report, bool)>,
    /// Since when the daemon does not answer.
    away: Option<Instant>,
}

/// What waits to be told.
enum Report {
    Mounted,
    Read(Reading),
}

/// Why the daemon was not told.
enum Untold {
    /// It may be another time.
    Away(io::Error),
    /// It does not want it.
    Refused(String),
}

impl<A: Archive> Witness<A> {
    /// Prepares for a mount that has just been made.
    pub(crate) fn new(tree: Arc<Tree<A>>, noted: Noted, is_ending: Arc<AtomicBool>, storage: &Path, target: &Path) -> Self {
        let socket = env::var_os("C2B_SOCKET").map_or_else(|| PathBuf::from(SOCKET), PathBuf::from);
        let waiting = VecDeque::from([(Report::Mounted, false)]);
        let (storage, target, gathered) = (storage.to_owned(), target.to_owned(), Gathered::default());
        Self { tree, noted, is_ending, socket, storage, target, gathered, processes: HashMap::new(), waiting, away: None }
    }

    /// Tells until nobody can look any more.
    pub(crate) fn run(mut self) {
        let mut ended = false;
        loop {
            if ended {
                self.away = None;
            }
            self.tell();
            self.log_waiting();
            if ended {
                return;
            }
            ended = self.gather() || self.is_ending.load(Ordering::Relaxed);
            self.processes.clear();
            self.waiting.extend(self.gathered.take().into_iter().map(|reading| (Report::Read(reading), false)));
        }
    }

    /// Takes what comes within a while; returns whether nothing more can come.
    fn gather(&mut self) -> bool {
        let until = now() + GATHER;
        loop {
            match self.noted.looks.recv_timeout(until.saturating_duration_since(now())) {
                Ok(look) => self.add(look),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    /// Finds whose mail was looked at; what belongs to no mailbox is nobody's.
    fn add(&mut self, look: Look) {
        let Some(node) = self.tree.nodes.node(look.ino) else { return };
        let Some((mailbox, item)) = self.tree.whose(&self.tree.head(), node) else { return };
        let pid = *self.processes.entry(look.pid).or_insert_with(|| process(look.pid));
        self.gathered.add(Look { pid, ..look }, mailbox, item);
    }

    fn tell(&mut self) {
        let lost = self.noted.lost();
        if lost > 0 {
            tracing::warn!(lost, mountpoint = %self.target.display(), "more was read in the mount than could be noted");
        }
        if self.away.is_some_and(|since| now().saturating_duration_since(since) < LEFT_ALONE) {
            return;
        }
        while let Some((report, is_logged)) = self.waiting.pop_front() {
            let (path, body) = self.message(&report);
            match post(&self.socket, path, &body) {
                Ok(()) => self.away = None,
                Err(Untold::Refused(_)) if is_logged => {}
                Err(Untold::Refused(why)) => self.log(&report, &why),
                Err(Untold::Away(error)) => {
                    tracing::debug!(%error, "the daemon does not answer");
                    self.waiting.push_front((report, is_logged));
                    self.away = Some(now());
                    return;
                }
            }
        }
    }

    fn message(&self, report: &Report) -> (&'static str, Value) {
        let (storage, target) = (self.storage.display().to_string(), self.target.display().to_string());
        match report {
            Report::Mounted => ("/v1/mounts", json!({ "path": storage, "dir": target })),
            Report::Read(reading) => {
                let pids: Vec<String> = reading.pids.iter().map(ToString::to_string).collect();
                let reader = format!("{} (uid {}), pid {}", user_name(reading.uid), reading.uid, pids.join(" "));
                let mut body = json!({ "dir": target, "mailbox": reading.mailbox, "reader": reader });
                if !reading.items.is_empty() {
                    body["items"] = json!(reading.items);
                }
                ("/v1/mounts/readings", body)
            }
        }
    }

    /// Logs what waits, once.
    fn log_waiting(&mut self) {
        let mut waiting = mem::take(&mut self.waiting);
        for (report, is_logged) in waiting.iter_mut().filter(|(_, is_logged)| !is_logged) {
            self.log(report, "the daemon is away");
            *is_logged = true;
        }
        waiting.drain(..waiting.len().saturating_sub(WAITING_MAX));
        self.waiting = waiting;
    }

    /// Leaves to the log what the daemon was not told.
    fn log(&self, report: &Report, why: &str) {
        let mountpoint = self.target.display();
        match report {
            Report::Mounted => tracing::info!(%mountpoint, why, "mounted, and not in the audit log"),
            Report::Read(Reading { uid, pids, mailbox, items, count }) => {
                tracing::info!(%mountpoint, uid, ?pids, mailbox, items, count, why, "read in the mount, and not in the audit log");
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a daemon was away is between this process and it")]
fn now() -> Instant {
    Instant::now()
}

/// Returns the process of a thread, which is what the kernel names; the thread where that has ended.
fn process(thread: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok()).unwrap_or(thread)
}

fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| "nobody known".to_owned(), |user| user.name)
}

/// Makes a request of the daemon: HTTP/1.0, whose answers end with the connection.
fn post(socket: &Path, path: &str, body: &Value) -> Result<(), Untold> {
    let body = body.to_string();
    let sent = || -> io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        let head = format!("POST {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    let line = sent().map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Untold::Refused("this user may not use the daemon".to_owned()),
        _ => Untold::Away(error),
    })?;
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(status) if status.starts_with('4') => Err(Untold::Refused(format!("the daemon refuses it ({status})"))),
        _ => Err(Untold::Away(io::Error::other(format!("the daemon answered {line:?}")))),
    }
}
