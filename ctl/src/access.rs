//! `c2bctl access`: who may do what.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Paint;
use crate::session::Session;
use crate::table::Table;
use c2b_api::access::{AccessInfo, Role};
use c2b_api::route;
use clap::Subcommand;

const EXAMPLES_SHOW: &str = "\
Roles are given in /etc/c2b/access.toml, and each includes those before it:
  viewer    sees states and counts
  operator  starts and stops jobs
  restorer  looks into mailboxes: mounts, and sees subjects
  admin     may do everything
Without the file the members of the group c2b may do everything. Root always may.

  [viewer]
  groups = [\"helpdesk\"]

  [admin]
  users = [\"anna\"]

`systemctl reload c2bd` takes a changed file up.

Examples:
  c2bctl access show
  c2bctl --json access show | jq -r .caller.role";

#[derive(Subcommand, Debug)]
pub(crate) enum AccessCommand {
    /// Show your own role, and to administrators who else may do what
    #[command(after_help = EXAMPLES_SHOW)]
    Show,
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &AccessCommand) -> Result<Exit, Error> {
    let AccessCommand::Show = command;
    let info: AccessInfo = session.ask(&route::daemon::ACCESS).await?;
    let output = &session.output;
    if output.is_json() {
        output.value(&info)?;
        return Ok(Exit::OK);
    }
    let caller = &info.caller;
    let role = caller.role.map_or_else(|| "no role".to_owned(), |role| format!("{}: {}", output.paint(Paint::Strong, role.word()), role.meaning()));
    output.line(&format!("you are {}, {role} (session: {})", caller.user, caller.session))?;
    if caller.role == Some(Role::Admin) {
        match &info.file {
            Some(file) => output.line(&format!("{file} gives these roles; root and c2bd's own user may do everything besides"))?,
            None => output.line("there is no access.toml: the members of the group c2b may do everything, as root may")?,
        }
        let mut table = Table::new(&["ROLE", "USERS", "GROUPS"]);
        for grant in info.grants.iter().filter(|grant| !grant.users.is_empty() || !grant.groups.is_empty()) {
            table.row(vec![grant.role.word().into(), grant.users.join(", ").into(), grant.groups.join(", ").into()]);
        }
        output.table(&table)?;
    }
    for warning in &info.warnings {
        output.complain(Paint::Warning, warning, "");
    }
    Ok(Exit::OK)
}
