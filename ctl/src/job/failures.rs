//! `c2bctl job failures NAME`: the items that could not be backed up.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::noun::Noun;
use crate::session::Session;
use crate::table::Table;
use c2b_api::job::FailureInfo;

/// Shows the failure ledger.
pub(super) async fn run(session: &Session, name: &str) -> Result<Exit, Error> {
    let failures: Vec<FailureInfo> = session.get_object(Noun::Job, name, "/failures").await?;
    if session.output.is_json() {
        session.output.value(&failures)?;
        return Ok(Exit::OK);
    }
    let mut table =
        Table::new(&["MAILBOX", "FOLDER", "SUBJECT", "DATE", ">SIZE", "CODE", "WHY", ">TRIES", "NEXT TRY"]).missable(&["SIZE", "TRIES", "CODE", "DATE"]);
    for failure in &failures {
        table.row(vec![
            (&failure.mailbox).into(),
            (&failure.folder).into(),
            (&failure.subject).into(),
            human::time::time_or_dash(failure.date).into(),
            failure.size.map_or_else(String::new, human::size::size).into(),
            (&failure.code).into(),
            (&failure.message).into(),
            failure.attempts.to_string().into(),
            failure.next_try.map_or_else(|| "not again".to_owned(), human::time::time).into(),
        ]);
    }
    session.output.table(&table)?;
    if failures.is_empty() {
        session.output.note(&format!("no item of job {name} has failed"));
    }
    Ok(Exit::OK)
}
