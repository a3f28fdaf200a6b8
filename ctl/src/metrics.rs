//! `c2bctl metrics`: what Prometheus reads.

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use c2b_api::path;
use clap::Args;

const EXAMPLES: &str = "\
The text is what the daemon answers at /v1/metrics. For the textfile collector of Prometheus' node exporter:

Examples:
  c2bctl metrics
  c2bctl metrics > /var/lib/node_exporter/c2b.new
  mv /var/lib/node_exporter/c2b.new /var/lib/node_exporter/c2b.prom";

/// Print metrics for Prometheus
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MetricsArgs {}

/// Prints the metrics; with `--json` as one string.
pub(crate) async fn run(session: &Session, _args: &MetricsArgs) -> Result<Exit, Error> {
    let text = session.text(path::METRICS).await?;
    if session.output.is_json() {
        session.output.value(&text)?;
    }
    session.output.line(text.trim_end())?;
    Ok(Exit::OK)
}
