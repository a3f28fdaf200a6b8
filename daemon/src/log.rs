//! Where the log goes: to journald with its fields under systemd, else to standard error.
//!
//! No secret, subject or body is ever logged; this file cannot ensure that, the callers do.

mod jobs;

pub use jobs::JobLogs;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that overrides what is logged, for instance `debug` or `c2bd=trace,info`.
const FILTER_VARIABLE: &str = "C2BD_LOG";

/// What is logged otherwise: our own from `info` on, libraries only their warnings.
const FILTER_DEFAULT: &str = "warn,c2bd=info,c2b_ews=info,c2b_storagefmt=info,c2b_mailbox=info";

/// Starts logging; what is about a job goes to its file, too. Under systemd (which sets `JOURNAL_STREAM`) facts arrive as journald fields.
pub fn start(jobs: JobLogs) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    let registry = tracing_subscriber::registry().with(filter).with(jobs);
    let journald = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    // A second start (a test that runs two daemons in one process) keeps the first one's log.
    let _ = match journald {
        Some(layer) => registry.with(layer.with_syslog_identifier("c2bd".to_owned()).with_field_prefix(None)).try_init(),
        None => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false)).try_init(),
    };
}
