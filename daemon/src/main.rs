//! `c2bd`: the backup daemon's process around [`c2bd::daemon`].
//!
//! What can fail fails before the process goes to the background, so that the terminal shows it.

use anyhow::Context;
use c2bd::clock::Clock;
use c2bd::daemon::Daemon;
use c2bd::lock::StateLock;
use c2bd::options::Options;
use c2bd::{atomic, background, hardening, listener, log};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// How long blocking work may go on after all was committed: none of it matters any more.
const RUNTIME_END_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(path) = &options.check {
        return check(path);
    }
    let options = options.absolute().context("failed to find the working directory")?;
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
        background::go(&options)?;
    }
    lock.write_pid()?;
    let logs = std::env::var_os("LOGS_DIRECTORY").map_or_else(|| options.state.join("logs"), PathBuf::from);
    log::start(log::JobLogs::new(&logs, clock.clone()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start the runtime")?;
    let ended = runtime.block_on(daemon.run(listener)).context("failed to run");
    runtime.shutdown_timeout(RUNTIME_END_TIMEOUT);
    let _ = std::fs::remove_file(&options.socket);
    if let Some(pid_file) = &options.pid_file {
        let _ = std::fs::remove_file(pid_file);
    }
    ended
}

/// Looks at definitions and says what is wrong with them; that something is, is no error of this.
fn check(path: &Path) -> anyhow::Result<()> {
    let report = c2bd::definition::check::check(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::to_writer(std::io::stdout().lock(), &report).context("failed to write")
}
