//! `c2bd`: the backup daemon's process around [`c2bd::daemon`].
//!
//! What can fail fails before the process goes to the background, so that the terminal shows it.

use anyhow::Context;
use c2bd::clock::Clock;
use c2bd::daemon::Daemon;
use c2bd::lock::StateLock;
use c2bd::options::Options;
use c2bd::{atomic, hardening, listener, log};
use clap::Parser;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// How long blocking work may go on after all was committed: none of it matters any more.
const RUNTIME_END_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let options = Options::parse().absolute().context("failed to find the working directory")?;
    hardening::apply();
    atomic::make_folder(&options.state, 0o750)?;
    let mut lock = StateLock::take(&options.state)?;
    if let Some(folder) = options.socket.parent() {
        atomic::make_folder(folder, 0o750)?;
    }
    let clock = Clock::system();
    let daemon = Daemon::open(&options, &clock)?;
    let listener = listener::bind(&options.socket)?;
    if options.daemonize {
        go_to_background(&options)?;
    }
    lock.write_pid()?;
    log::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start the runtime")?;
    let ended = runtime.block_on(daemon.run(listener)).context("failed to run");
    runtime.shutdown_timeout(RUNTIME_END_TIMEOUT);
    let _ = std::fs::remove_file(&options.socket);
    if let Some(pid_file) = &options.pid_file {
        let _ = std::fs::remove_file(pid_file);
    }
    ended
}

/// Leaves the terminal; what would be logged there goes to `c2bd.log` in the state folder.
fn go_to_background(options: &Options) -> anyhow::Result<()> {
    let path = options.state.join("c2bd.log");
    let log = OpenOptions::new().append(true).create(true).mode(0o640).open(&path);
    let log = log.with_context(|| format!("failed to open {}", path.display()))?;
    let mut background = daemonize::Daemonize::new().working_directory("/").umask(0o027).stderr(log);
    if let Some(pid_file) = &options.pid_file {
        background = background.pid_file(pid_file);
    }
    background.start().context("failed to go to the background")
}
