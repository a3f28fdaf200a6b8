//! `c2bctl`: the command line of c2b. Reads arguments, asks the daemon over its socket, shows the answer.
//!
//! One file per noun: its arguments are the help, its functions the verbs. Nothing here knows how a backup works.

mod access;
mod alert;
mod api;
mod ask;
mod audit;
mod cli;
mod completions;
mod config;
mod connection;
mod delete;
mod error;
mod exit;
mod explain;
mod facts;
mod human;
mod job;
mod list;
mod mailbox;
mod man;
mod metrics;
mod monitor;
mod mount;
mod noun;
mod output;
mod password;
mod program;
mod progress;
mod session;
mod socket;
mod status;
mod storage;
mod table;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use nix::sys::resource::{Resource, setrlimit};
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    completions::answer();
    // A password must not be left in a core file. Where the kernel refuses, it is as without.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(exit) => return ExitCode::from(exit.0),
    };
    let output = Output::new(cli.json, cli.quiet);
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::SetUp { what: "the runtime", source })
        .and_then(|runtime| runtime.block_on(cli.run(output.clone())));
    let exit = match result {
        Ok(exit) => exit,
        // `c2bctl job list | head -1`: the reader has what it wanted.
        Err(Error::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => Exit::OK,
        Err(error) => {
            output.failure(&error);
            error.exit()
        }
    };
    ExitCode::from(exit.0)
}
