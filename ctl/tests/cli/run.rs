//! Runs the real binary and keeps all that it said.

use crate::daemon::Daemon;
use serde_json::Value;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_c2bctl");

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i32,
}

impl Run {
    /// Takes a run's output; the folder's name is shown as `DIR`.
    pub(crate) fn of(output: &Output, dir: &Path) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(dir.to_str().unwrap(), "DIR");
        Self { stdout: text(&output.stdout), stderr: text(&output.stderr), exit: output.status.code().unwrap() }
    }

    /// Returns the values on standard output, each of which must be JSON.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {}", self.exit)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "--- {name}\n{text}")?;
            }
        }
        Ok(())
    }
}

/// Prepares the binary with nothing of the caller's environment.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("TZ", "UTC").env("PATH", "/usr/bin:/bin").current_dir(dir).stdin(Stdio::null());
    command
}

/// Runs the binary against a daemon. Arguments are separated by spaces.
pub(crate) fn run(daemon: &Daemon, args: &str) -> Run {
    let output = command(daemon.dir()).arg("--socket").arg(daemon.socket()).args(args.split_whitespace()).output().unwrap();
    Run::of(&output, daemon.dir())
}

/// Runs the binary against a daemon with something on standard input.
pub(crate) fn run_with_stdin(daemon: &Daemon, args: &str, stdin: &[u8]) -> Run {
    let mut command = command(daemon.dir());
    command.arg("--socket").arg(daemon.socket()).args(args.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The binary may end without having read it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    Run::of(&child.wait_with_output().unwrap(), daemon.dir())
}
