//! `c2bctl api schema`: what other programs need to know to speak with the daemon.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use c2b_api::openapi;
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
The description is OpenAPI 3.1, in JSON, of this version of c2b; a daemon tells its own at
/v1/openapi.json. It holds for the JSON of `c2bctl --json`, too. No daemon is asked.

Examples:
  c2bctl api schema > c2bd.openapi.json
  c2bctl api schema | jq -r '.paths | keys[]'
  curl --unix-socket /run/c2b/c2bd.sock http://localhost/v1/openapi.json";

#[derive(Subcommand, Debug)]
pub(crate) enum ApiCommand {
    Schema(SchemaArgs),
}

/// Print the description of the daemon's socket
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArgs {}

/// Does what the arguments say.
pub(crate) fn run(command: &ApiCommand, output: &Output) -> Result<Exit, Error> {
    let ApiCommand::Schema(SchemaArgs {}) = command;
    let document = openapi::document();
    if output.is_json() {
        output.value(&document)?;
    } else {
        output.line(&serde_json::to_string_pretty(&document).map_err(|error| Error::Write(error.into()))?)?;
    }
    Ok(Exit::OK)
}
