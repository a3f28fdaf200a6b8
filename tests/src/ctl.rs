//! The command line of a daemon.

use crate::programs::program;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `c2bctl` against one socket.
#[derive(Clone)]
pub struct Ctl {
    socket: PathBuf,
}

/// What came of a command.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

impl Ctl {
    /// Prepares a command line.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Runs a command.
    pub fn run(&self, args: &[&str]) -> Outcome {
        let output = Command::new(program("c2bctl")).arg("--socket").arg(&self.socket).args(args).output().expect("c2bctl starts");
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("its output is text"),
            stderr: String::from_utf8(output.stderr).expect("its messages are text"),
        }
    }

    /// Runs a command that must succeed; returns what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, 0, "c2bctl {args:?}: {outcome:#?}");
        outcome.stdout
    }

    /// Runs a command that must succeed, with `--json`.
    pub fn json(&self, args: &[&str]) -> Value {
        let all: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
        let text = self.ok(&all);
        serde_json::from_str(&text).unwrap_or_else(|err| panic!("c2bctl --json {args:?} did not print JSON: {err}\n{text}"))
    }
}
