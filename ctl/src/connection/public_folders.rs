//! `c2bctl connection public-folders NAME`: what a job can name.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Paint;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::connection::PublicFolderInfo;
use c2b_api::route;

/// Lists the public folders.
pub(super) async fn run(session: &Session, name: &str) -> Result<Exit, Error> {
    let folders: Vec<PublicFolderInfo> = session.ask_of(&route::connection::PUBLIC_FOLDERS, name).await?;
    if session.output.is_json() {
        session.output.value(&folders)?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["PATH", "CLASS", "NOT READABLE BELOW"]);
    for folder in &folders {
        table.row(vec![(&folder.path).into(), (&folder.class).into(), Cell::painted(Paint::Warning, &folder.closed)]);
    }
    session.output.table(&table)?;
    if folders.is_empty() {
        session.output.note("the account sees no public folder: it needs at least the permission Reviewer");
    }
    Ok(Exit::OK)
}
