//! `c2bctl metrics`: what Prometheus reads.

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use c2b_api::route;
use clap::Args;

const EXAMPLES: &str = "\
The text is what the daemon answers at /v1/metrics. It tells it at a loopback port and in a file for the
node exporter too, where /etc/c2b/c2bd.toml says so.

Examples:
  c2bctl metrics
  c2bctl metrics | grep last_success";

/// Print metrics for Prometheus
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MetricsArgs {}

/// Prints the metrics; with `--json` as one string.
pub(crate) async fn run(session: &Session, _args: &MetricsArgs) -> Result<Exit, Error> {
    let text = session.text(&route::daemon::METRICS).await?;
    if session.output.is_json() {
        session.output.value(&text)?;
    }
    session.output.line(text.trim_end())?;
    Ok(Exit::OK)
}
