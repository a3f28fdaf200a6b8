//! A whole set-up: lab, daemon, connection, storage.

use crate::{Ctl, Daemon, Lab, LabItem};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A lab and a daemon that is connected to it as `lab`, with a storage `main`.
pub struct Bench {
    /// The lab.
    pub lab: Lab,
    /// The daemon.
    pub daemon: Daemon,
    dir: TempDir,
}

impl Bench {
    /// Serves a generated company of `mailboxes` and `messages`.
    pub fn company(mailboxes: u32, messages: u32, lab_args: &[&str]) -> Self {
        let dir = folder();
        Lab::generate(&dir.path().join("org"), mailboxes, messages, 7);
        Self::over(dir, lab_args)
    }

    /// Serves a generated company with archives, recoverable items, public folders and an item of every class.
    pub fn everything(mailboxes: u32, messages: u32, lab_args: &[&str]) -> Self {
        let dir = folder();
        Lab::generate_with(&dir.path().join("org"), mailboxes, messages, 7, &["--everything"]);
        Self::over(dir, lab_args)
    }

    /// Serves the organisation that `fill` puts into an empty folder.
    pub fn organisation(fill: impl FnOnce(&Path), lab_args: &[&str]) -> Self {
        let dir = folder();
        std::fs::create_dir(dir.path().join("org")).expect("the organisation's folder can be made");
        fill(&dir.path().join("org"));
        Self::over(dir, lab_args)
    }

    fn over(dir: TempDir, lab_args: &[&str]) -> Self {
        let lab = Lab::serve(&dir.path().join("org"), lab_args);
        let daemon = Daemon::start(dir.path());
        let bench = Self { lab, daemon, dir };
        bench.write_password("secret");
        let ctl = bench.ctl();
        ctl.ok(&["connection", "create", "lab", "--kind", "ews", "--url", &bench.lab.url, "--user", "admin", "--password-file", &bench.text("password")]);
        ctl.ok(&["storage", "create", "main", "--path", &bench.text("storage")]);
        bench
    }

    /// Returns a path in the set-up's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns such a path as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("temporary folders have plain names").to_owned()
    }

    /// Returns the storage's folder.
    pub fn storage(&self) -> PathBuf {
        self.path("storage")
    }

    /// Returns the daemon's command line.
    pub fn ctl(&self) -> Ctl {
        self.daemon.ctl()
    }

    /// Writes the password file.
    pub fn write_password(&self, password: &str) {
        let path = self.path("password");
        std::fs::write(&path, password).expect("the password file can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("and made private");
    }

    /// Starts the daemon again; one that still runs is killed before, lest it answers in the new one's place.
    pub fn restart_daemon(&mut self) {
        self.daemon.kill();
        self.daemon = Daemon::start(self.dir.path());
    }

    /// Makes a one-time job over all mailboxes.
    pub fn job_all(&self, name: &str) {
        self.ctl().ok(&["job", "create", name, "--connection", "lab", "--storage", "main", "--all-except", "nobody@example.org", "--one-time"]);
    }

    /// Runs a job to its end, which must be a good one.
    pub fn run(&self, job: &str) {
        self.ctl().ok(&["job", "start", job, "--wait"]);
    }

    /// Runs a job until a run of it writes nothing: counters of folders in which something changed within the last
    /// seconds are not believed, and are kept once they are. Returns the packs that there are then.
    ///
    /// # Panics
    /// When each run writes something.
    pub fn settle(&self, job: &str) -> Vec<PathBuf> {
        crate::until("a cycle without changes writes nothing", || {
            let before = self.packs();
            self.run(job);
            (self.packs() == before).then_some(before)
        })
    }

    /// Returns what the lab serves as files, as a count for each (mailbox, hash, length).
    pub fn served(&self) -> BTreeMap<(String, String, u64), u64> {
        let mut counts = BTreeMap::new();
        for mailbox in self.lab.mailboxes() {
            for LabItem { mailbox, sha256, length, .. } in self.lab.items(&mailbox) {
                if !sha256.is_empty() {
                    *counts.entry((mailbox, sha256, length)).or_default() += 1;
                }
            }
        }
        counts
    }

    /// Returns how many items the lab has.
    pub fn served_items(&self) -> u64 {
        self.lab.mailboxes().iter().map(|mailbox| self.lab.items(mailbox).len() as u64).sum()
    }

    /// Returns the names of the packs in the storage.
    pub fn packs(&self) -> Vec<PathBuf> {
        crate::files(&self.storage().join("packs"))
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("c2b-").tempdir().expect("a temporary folder can be made")
}
