//! `c2bctl alert`: what is wrong now, and whether people are told of it.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::human::count::nouns;
use crate::output::Paint;
use crate::password::SecretArgs;
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::alert::{AlertPassword, AlertStatus, AlertTest};
use c2b_api::route;
use clap::{Args, Subcommand};
use serde_json::Value;

const EXAMPLES_LIST: &str = "\
Who is told, and how, stands in /etc/c2b/alerts.toml: by e-mail, by a command, by a URL that is asked for after each
good cycle. Each trouble is told once, again after a week, and when it is over.

Examples:
  c2bctl alert list
  c2bctl --json alert list | jq -r '.open[] | [.kind, .object, .message] | @tsv'";
const EXAMPLES_TEST: &str = "\
The exit code is 1 when one of the ways does not work.

Examples:
  c2bctl alert test";
const EXAMPLES_PASSWORD: &str = "Examples:\n  c2bctl alert password\n  c2bctl alert password --password-file ./smtp-password";

#[derive(Subcommand, Debug)]
pub(crate) enum AlertCommand {
    /// List what is wrong now, and how people are told
    #[command(after_help = EXAMPLES_LIST)]
    List,
    /// Tell by every way that somebody tries it
    #[command(after_help = EXAMPLES_TEST)]
    Test,
    Password(PasswordArgs),
}

/// Set the password with which c2bd signs in to the mail server
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_PASSWORD)]
pub(crate) struct PasswordArgs {
    #[command(flatten)]
    secret: SecretArgs,
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &AlertCommand) -> Result<Exit, Error> {
    match command {
        AlertCommand::List => list(session).await,
        AlertCommand::Test => test(session).await,
        AlertCommand::Password(args) => password(session, args).await,
    }
}

async fn list(session: &Session) -> Result<Exit, Error> {
    let status: AlertStatus = session.ask(&route::alert::LIST).await?;
    if session.output.is_json() {
        session.output.value(&status)?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["KIND", "WHERE", "SINCE", "WHAT", "WHAT TO DO"]).beneath("WHAT TO DO");
    for alert in &status.open {
        table.row(vec![
            Cell::painted(Paint::Bad, alert.kind.word()),
            (&alert.object).into(),
            human::time::time(alert.since).into(),
            (&alert.message).into(),
            (&alert.hint).into(),
        ]);
    }
    session.output.table(&table)?;
    let mut table = Table::new(&["TOLD BY", "TO", "LAST WORKED", ">WAITING", "PROBLEM"]).beneath("PROBLEM");
    for channel in &status.channels {
        let problem = channel.problem.as_deref().unwrap_or_default();
        table.row(vec![
            (&channel.name).into(),
            (&channel.to).into(),
            human::time::time_or_dash(channel.worked).into(),
            human::count::count(channel.waiting).into(),
            Cell::painted(Paint::Bad, problem),
        ]);
    }
    if !table.is_empty() {
        session.output.line("")?;
        session.output.table(&table)?;
    }
    if status.open.is_empty() && !status.channels.is_empty() {
        session.output.note("nothing is wrong");
    }
    if status.channels.is_empty() {
        session.output.note("nobody is told of anything: say who in /etc/c2b/alerts.toml, then `systemctl reload c2bd`");
    }
    Ok(Exit::OK)
}

async fn test(session: &Session) -> Result<Exit, Error> {
    let tests: Vec<AlertTest> = session.ask(&route::alert::TEST).await?;
    if session.output.is_json() {
        session.output.value(&tests)?;
    }
    let mut failed = 0;
    for AlertTest { channel, to, error } in &tests {
        match error {
            None => session.output.done(&format!("{channel} to {to}: handed over"))?,
            Some(error) => {
                failed += 1;
                session.output.complain(Paint::Bad, &format!("{channel} to {to}: {error}"), "");
            }
        }
    }
    if tests.is_empty() {
        return Err(Error::usage("nobody is told of anything", "say who in /etc/c2b/alerts.toml, then `systemctl reload c2bd`"));
    }
    if failed > 0 {
        session.output.complain(
            Paint::Bad,
            &format!("{} not work", nouns(failed, "way does", "ways do")),
            "mend /etc/c2b/alerts.toml, `systemctl reload c2bd`, and test again",
        );
        return Ok(Exit::FAILED);
    }
    Ok(Exit::OK)
}

async fn password(session: &Session, args: &PasswordArgs) -> Result<Exit, Error> {
    let password = args.secret.read("Password for the mail server: ")?;
    let answer: Value = session.tell(&route::alert::PASSWORD, &AlertPassword { password }).await?;
    if session.output.is_json() {
        session.output.value(&answer)?;
    }
    session.output.done("kept the password for the mail server; try it with `c2bctl alert test`")?;
    Ok(Exit::OK)
}
