//! `c2bctl storage rename`: another name for a storage; its folder stays where it is.

use crate::error::Error;
use crate::exit::Exit;
use crate::noun::parse_name;
use crate::session::Session;
use c2b_api::route;
use c2b_api::storage::{StorageEdit, StorageInfo};
use clap::Args;

const EXAMPLES: &str = "\
The folder stays where it is, and the jobs that use the storage follow. Refused while a job runs on it.

Examples:
  c2bctl storage rename archive archive-2026";

/// Give a storage another name
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenameArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Its new name
    #[arg(value_name = "NEW", value_parser = parse_name)]
    new: String,
}

/// Renames a storage.
pub(super) async fn rename(session: &Session, args: &RenameArgs) -> Result<Exit, Error> {
    let edit = StorageEdit { name: Some(args.new.clone()), ..StorageEdit::default() };
    let info: StorageInfo = session.tell_of(&route::storage::EDIT, &args.name, &edit).await?;
    if session.output.is_json() {
        session.output.value(&info)?;
    }
    session.output.done(&format!("storage {} is {} from now on", args.name, info.name))?;
    Ok(Exit::OK)
}
