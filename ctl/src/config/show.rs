//! `c2bctl config show`: what is in force, as the daemon understands it.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Paint;
use crate::session::Session;
use c2b_api::config::EffectiveConfig;
use c2b_api::route;
use clap::Args;
use std::io;

const EXAMPLES: &str = "\
What files leave unsaid is there with the value that holds, and secrets are not. A file that is
wrong is named, and what was in force before it is shown. It reads like definition files, several
in one.

Examples:
  c2bctl config show
  c2bctl config show | grep -A 12 'name = \"nightly\"'
  c2bctl --json config show | jq '.storages[] | {name, reserve}'";

/// Show all definitions and settings in force, defaults included
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// Accepted, as what is shown is always what is in force
    #[arg(long, hide = true)]
    effective: bool,
}

/// Shows it.
pub(crate) async fn run(session: &Session, _: &ShowArgs) -> Result<Exit, Error> {
    let config: EffectiveConfig = session.ask(&route::daemon::CONFIG).await?;
    let output = &session.output;
    if output.is_json() {
        output.value(&config)?;
    } else {
        let text = toml::to_string(&config).map_err(|error| Error::Write(io::Error::other(error)))?;
        for line in text.trim_end().lines() {
            output.line(&crate::human::text::line(line))?;
        }
    }
    for bad in &config.bad {
        output.complain(Paint::Warning, bad, "`c2bctl config check` lists all that is wrong");
    }
    Ok(Exit::OK)
}
