//! `delete NAME`: the verb that connections, storages and jobs share.

use crate::ask;
use crate::error::Error;
use crate::exit::Exit;
use crate::noun::{Noun, parse_name};
use crate::session::Session;
use c2b_api::route::Nothing;
use clap::Args;
use serde_json::{Value, json};

/// Which one, and whether it is sure.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Its name
    #[arg(value_name = "NAME", value_parser = parse_name)]
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Deletes an object after a question that says what is lost.
pub(crate) async fn delete(session: &Session, noun: Noun, args: &DeleteArgs, consequence: &str) -> Result<Exit, Error> {
    let (word, name) = (noun.word(), &args.name);
    let _: Value = session.ask_of(noun.show(), name).await?;
    let step = ask::Step {
        question: format!("Delete {word} {name} ({consequence})?"),
        doing: format!("deleting {word} {name}"),
        consequence,
        declined: format!("{word} {name} stays as it was"),
    };
    ask::agree(args.yes, step)?;
    let _: Nothing = session.ask_of(noun.delete(), name).await?;
    if session.output.is_json() {
        session.output.value(&json!({ "deleted": name }))?;
    }
    session.output.done(&format!("deleted {word} {name}: {consequence}"))?;
    Ok(Exit::OK)
}
