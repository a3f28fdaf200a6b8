//! A daemon with folders of its own.

use crate::ctl::Ctl;
use crate::programs::program;
use crate::wait::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running `c2bd`.
pub struct Daemon {
    child: Child,
    dir: PathBuf,
}

impl Daemon {
    /// Starts a daemon whose configuration, state and socket are below `dir`; waits until it answers.
    pub fn start(dir: &Path) -> Self {
        Self::start_logging(dir, None)
    }

    /// Starts one that logs all that it can.
    pub fn start_verbose(dir: &Path) -> Self {
        Self::start_logging(dir, Some("trace"))
    }

    fn start_logging(dir: &Path, filter: Option<&str>) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("c2bd.log")).expect("the log can be opened");
        let child = Command::new(program("c2bd"))
            .envs(filter.map(|filter| ("C2BD_LOG", filter)))
            .arg("--foreground")
            .arg("--config")
            .arg(dir.join("etc"))
            .arg("--state")
            .arg(dir.join("var"))
            .arg("--socket")
            .arg(dir.join("c2bd.sock"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .spawn()
            .expect("c2bd starts");
        let mut daemon = Self { child, dir: dir.to_owned() };
        let socket = dir.join("c2bd.sock");
        until("c2bd answers on its socket", || {
            if let Ok(Some(status)) = daemon.child.try_wait() {
                panic!("c2bd ended at its start with {status}:\n{}", daemon.log());
            }
            UnixStream::connect(&socket).ok()
        });
        daemon
    }

    /// Returns its command line.
    pub fn ctl(&self) -> Ctl {
        Ctl::new(&self.dir.join("c2bd.sock"))
    }

    /// Ends it as a power cut would: no chance to do anything.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits until it has; returns whether it ended well.
    pub fn stop(&mut self) -> bool {
        self.signal(Signal::SIGTERM);
        self.child.wait().expect("c2bd can be waited for").success()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id fits");
        kill(Pid::from_raw(pid), signal).expect("c2bd can be signalled");
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the most memory it has held, in bytes.
    pub fn memory_peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("c2bd runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel tells");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("in KiB");
        kib * 1024
    }

    /// Returns what it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("c2bd.log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "a failed test is understood by the daemon's log")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- log of c2bd ----\n{}", self.log());
        }
    }
}
