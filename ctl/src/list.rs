//! `list`: all objects of a kind as a table.

use crate::error::Error;
use crate::exit::Exit;
use crate::noun::Noun;
use crate::session::Session;
use crate::table::Table;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Prints all objects of a kind; says how to make the first.
pub(crate) async fn list<T: Serialize + DeserializeOwned>(session: &Session, noun: Noun, table: impl Fn(&[T]) -> Table) -> Result<Exit, Error> {
    let objects: Vec<T> = session.ask(noun.list()).await?;
    if session.output.is_json() {
        session.output.value(&objects)?;
        return Ok(Exit::OK);
    }
    session.output.table(&table(&objects))?;
    if objects.is_empty() {
        session.output.note(&format!("there is no {0} yet: make one with `c2bctl {0} create`", noun.word()));
    }
    Ok(Exit::OK)
}
