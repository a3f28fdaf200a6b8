//! A machine with a systemd of its own: this host's files, copied when written, in namespaces.
//!
//! Nothing that happens in it reaches the host. It needs root, and a kernel that lets it.

use crate::ctl::Outcome;
use crate::wait::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What boots it.
const SCRIPT: &str = include_str!("machine.sh");

/// A machine that runs until it is dropped.
pub struct Machine {
    script: Child,
    dir: TempDir,
}

impl Machine {
    /// Boots one; none, with a message, where that is impossible.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
    pub fn boot() -> Option<Self> {
        if let Err(reason) = possible() {
            eprintln!("skipped: no machine can be booted here: {reason}");
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("disk")).expect("a folder for its disk");
        let path = dir.path().join("machine.sh");
        std::fs::write(&path, SCRIPT).expect("the script can be written");
        let log = File::create(dir.path().join("log")).expect("a log");
        let script = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--kill-child", "--fork", "bash"])
            .arg(&path)
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log can be shared"))
            .stderr(log)
            .spawn()
            .expect("unshare starts");
        let mut machine = Self { script, dir };
        machine.wait_until_up();
        Some(machine)
    }

    /// Reboots, and waits until it is up again.
    pub fn reboot(&mut self) {
        let before = self.first().expect("it runs");
        // The answer may be lost when everything ends.
        let _ = self.enter().args(["systemctl", "reboot"]).output();
        until("the machine goes down", || (self.first() != Some(before)).then_some(()));
        self.wait_until_up();
    }

    /// Runs a command as root.
    pub fn run(&self, args: &[&str]) -> Outcome {
        let output = self.enter().args(args).stdin(Stdio::null()).output().expect("nsenter starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs a command that must succeed; returns what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, 0, "{args:?}: {outcome:#?}\n{}", self.journal());
        outcome.stdout.trim().to_owned()
    }

    /// Runs a line of shell that must succeed; returns what it printed.
    pub fn sh(&self, line: &str) -> String {
        self.ok(&["sh", "-ec", line])
    }

    /// Copies a file of the host into it.
    pub fn copy(&self, from: &Path, to: &str, mode: &str) {
        let file = File::open(from).expect("the file can be read");
        let script = r#"mkdir -p "${1%/*}" && cat >"$1" && chmod "$2" "$1""#;
        let status = self.enter().args(["sh", "-c", script, "sh", to, mode]).stdin(file).status().expect("nsenter starts");
        assert!(status.success(), "{to} cannot be written");
    }

    /// Writes a file in it.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.dir.path().join("file");
        std::fs::write(&file, text).expect("a temporary file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its own file");
        self.copy(&file, path, "644");
    }

    /// Waits until a line of shell succeeds; returns what it prints.
    pub fn until(&self, what: &str, line: &str) -> String {
        let mut looks = 0;
        until(what, || {
            looks += 1;
            let outcome = self.run(&["sh", "-ec", line]);
            assert!(looks < 500, "waited in vain: {what}: {outcome:#?}\n{}", self.journal());
            (outcome.code == 0).then(|| outcome.stdout.trim().to_owned())
        })
    }

    /// Returns the end of its journal.
    pub fn journal(&self) -> String {
        self.run(&["journalctl", "--no-pager", "--lines=80"]).stdout
    }

    /// The process id of its systemd, as the host counts.
    fn first(&self) -> Option<i32> {
        std::fs::read_to_string(self.dir.path().join("first")).ok()?.trim().parse().ok()
    }

    fn wait_until_up(&mut self) {
        until("the machine boots", || {
            if let Ok(Some(status)) = self.script.try_wait() {
                panic!("the machine did not boot: {status}\n{}", std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
            }
            self.first()?;
            let state = self.run(&["systemctl", "is-system-running"]).stdout;
            matches!(state.trim(), "running" | "degraded").then_some(())
        });
    }

    /// A command that enters it.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        let first = self.first().unwrap_or(0).to_string();
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--target", &first]);
        command.args(["env", "-i", "--chdir=/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"]);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(first) = self.first() {
            // With it all its processes end, and with the script its disk.
            let _ = kill(Pid::from_raw(first), Signal::SIGKILL);
        }
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Returns why no machine can be booted.
fn possible() -> Result<(), String> {
    if !geteuid().is_root() {
        return Err("only root can".to_owned());
    }
    if !Path::new("/lib/systemd/systemd").exists() {
        return Err("there is no systemd".to_owned());
    }
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let probe = r#"mount -t tmpfs tmpfs "$1" && mkdir "$1/u" "$1/w" "$1/r" "$1/c" && mount -t overlay overlay -o "lowerdir=/,upperdir=$1/u,workdir=$1/w" "$1/r" && mount -t cgroup2 cgroup2 "$1/c""#;
    let unshare = ["--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--fork", "--kill-child", "--propagation", "private"];
    let output = Command::new("unshare").args(unshare).args(["sh", "-ec", probe, "sh"]).arg(dir.path()).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}
