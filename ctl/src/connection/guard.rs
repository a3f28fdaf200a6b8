//! The password of a connection: set and removed by its owner, given by others.

use super::told;
use crate::ask::{self, Step};
use crate::error::Error;
use crate::exit::Exit;
use crate::noun::parse_name;
use crate::password::SecretArgs;
use crate::session::Session;
use c2b_api::connection::{ConnectionInfo, ConnectionPassword};
use c2b_api::route::{self, Nothing};
use clap::{Args, Subcommand};
use serde_json::json;

const EXAMPLES_SET: &str = "\
Others who administer c2b must give it before they use the connection in a new job, edit it, or edit
a job that uses it; root and you are not asked. It is not the password of the account at the server,
which nobody can read back.

Examples:
  c2bctl connection password set main
  pass show c2b/main | c2bctl connection password set main --password-file -";
const EXAMPLES_REMOVE: &str = "Examples:\n  c2bctl connection password remove main --yes";
const EXAMPLES_UNLOCK: &str = "\
It is not asked for again until this login session ends, `connection lock`, or a restart of the daemon.

Examples:
  c2bctl connection unlock main
  c2bctl connection unlock main --password-file /home/bob/main-password";

/// What `connection lock --help` shows.
pub(super) const EXAMPLES_LOCK: &str = "Examples:\n  c2bctl connection lock main";

#[derive(Subcommand, Debug)]
pub(crate) enum PasswordCommand {
    Set(SetArgs),
    Remove(RemoveArgs),
}

/// Set the password of a connection that is yours
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_SET)]
pub(crate) struct SetArgs {
    /// The connection
    #[arg(value_parser = parse_name)]
    name: String,
    #[command(flatten)]
    secret: SecretArgs,
}

/// Let others use a connection that is yours without a password
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_REMOVE)]
pub(crate) struct RemoveArgs {
    /// The connection
    #[arg(value_parser = parse_name)]
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Give the password of a connection that is not yours
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_UNLOCK)]
pub(crate) struct UnlockArgs {
    /// The connection
    #[arg(value_parser = parse_name)]
    name: String,
    #[command(flatten)]
    secret: SecretArgs,
}

/// Sets or removes a password.
pub(super) async fn password(session: &Session, command: &PasswordCommand) -> Result<Exit, Error> {
    match command {
        PasswordCommand::Set(SetArgs { name, secret }) => {
            let password = secret.read_new(&format!("New password of connection {name}: "), "The same again: ")?;
            let info: ConnectionInfo = session.tell_of(&route::connection::PASSWORD_SET, name, &ConnectionPassword { password }).await?;
            told(session, &info, &format!("connection {name} has a password: others give it with `c2bctl connection unlock {name}`"))
        }
        PasswordCommand::Remove(RemoveArgs { name, yes }) => {
            let consequence = "every administrator may use the connection then";
            let step = Step {
                question: format!("Remove the password of connection {name} ({consequence})?"),
                doing: format!("removing the password of connection {name}"),
                consequence,
                declined: format!("connection {name} keeps its password"),
            };
            ask::agree(*yes, step)?;
            let _: Nothing = session.ask_of(&route::connection::PASSWORD_REMOVE, name).await?;
            if session.output.is_json() {
                session.output.value(&json!({ "removed": name }))?;
            }
            session.output.done(&format!("connection {name} has no password any more"))?;
            Ok(Exit::OK)
        }
    }
}

/// Gives a password.
pub(super) async fn unlock(session: &Session, args: &UnlockArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let password = args.secret.read(&format!("Password of connection {name}: "))?;
    let info: ConnectionInfo = session.tell_of(&route::connection::UNLOCK, name, &ConnectionPassword { password }).await?;
    told(session, &info, &format!("connection {name} is unlocked for this login session"))
}

/// Takes it back.
pub(super) async fn lock(session: &Session, name: &str) -> Result<Exit, Error> {
    let info: ConnectionInfo = session.ask_of(&route::connection::LOCK, name).await?;
    told(session, &info, &format!("connection {name} asks for its password again"))
}
