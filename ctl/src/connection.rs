//! `c2bctl connection`: where mail comes from.

mod edit;
mod guard;
mod place;
mod public_folders;
mod sign_in;

use crate::delete::{DeleteArgs, delete};
use crate::error::Error;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::human;
use crate::human::count::{count, nouns};
use crate::list::list;
use crate::noun::{NameArgs, Noun, parse_name};
use crate::output::{Output, Paint};
use crate::session::Session;
use crate::table::{Cell, Table};
use c2b_api::connection::{CheckReport, CheckRequest, ConnectionCreate, ConnectionDefinition, ConnectionInfo, ConnectionKind, Level, SignInKind};
use c2b_api::route;
use c2b_api::slots::SlotsInfo;
use clap::{Args, Subcommand, ValueEnum};
use place::PlaceArgs;
use sign_in::SignInArgs;
use std::path::{Path, PathBuf};

const EXAMPLES_CREATE: &str = "\
The password is read from a file that only you can read, from standard input, or asked for at the terminal.
The daemon keeps it encrypted and never gives it back.

Examples:
  c2bctl connection create main --kind ews --user 'EXAMPLE\\backup' \\
      --url https://mail.example.org/EWS/Exchange.asmx
  c2bctl connection create main --kind ews --user backup@example.org \\
      --url https://mail.example.org/EWS/Exchange.asmx \\
      --password-file /root/exchange-password --ca-file /etc/ssl/example-ca.pem
  c2bctl connection create main --kind ews --user backup@example.org \\
      --autodiscover backup@example.org --mailboxes ldap --ldap-url ldaps://dc1.example.org:3269
  c2bctl connection create main --kind ews --sign-in negotiate --user backup@example.org \\
      --url https://mail.example.org/EWS/Exchange.asmx
  c2bctl connection create online --kind ews --url https://outlook.office365.com/EWS/Exchange.asmx \\
      --sign-in oauth-certificate --tenant example.onmicrosoft.com --client-id ID --certificate-file /root/app.pem
  pass show exchange | c2bctl connection create main --kind ews --user backup@example.org \\
      --url https://mail.example.org/EWS/Exchange.asmx --password-file -";
const EXAMPLES_LIST: &str = "Examples:\n  c2bctl connection list\n  c2bctl --json connection list | jq -r '.[].name'";
const EXAMPLES_SHOW: &str = "Examples:\n  c2bctl connection show main";
const EXAMPLES_CHECK: &str = "\
Mailboxes that are not named are chosen: some of those that jobs name, else some of those that are listed.
Exit code 0 when a job could run (warnings included), 5 when sign-in or rights are the trouble, else 1.

Examples:
  c2bctl connection check main
  c2bctl connection check main --mailbox alice@example.org --mailbox bob@example.org";
const EXAMPLES_PUBLIC_FOLDERS: &str = "\
Paths are as jobs name them: in a name / is %2F and % is %25.

Examples:
  c2bctl connection public-folders main
  c2bctl --json connection public-folders main | jq -r '.[].path'";
const EXAMPLES_SIGN_IN: &str = "Examples:\n  c2bctl connection sign-in online";
const EXAMPLES_DELETE: &str = "Examples:\n  c2bctl connection delete main\n  c2bctl connection delete main --yes";

#[derive(Subcommand, Debug)]
pub(crate) enum ConnectionCommand {
    Create(Box<CreateArgs>),
    /// List all connections
    #[command(after_help = EXAMPLES_LIST)]
    List,
    /// Show a connection
    #[command(after_help = EXAMPLES_SHOW)]
    Show(NameArgs),
    /// Find out whether a connection works: reachable, version, sign-in, rights
    #[command(after_help = EXAMPLES_CHECK)]
    Check(CheckArgs),
    /// List the public folders that the account sees
    #[command(after_help = EXAMPLES_PUBLIC_FOLDERS)]
    PublicFolders(NameArgs),
    /// Sign in with a code on another device, for connections with sign-in device-code
    #[command(after_help = EXAMPLES_SIGN_IN)]
    SignIn(NameArgs),
    Edit(Box<edit::EditArgs>),
    /// The password of a connection, which others than its owner must give before they use or change it
    #[command(subcommand)]
    Password(guard::PasswordCommand),
    Unlock(guard::UnlockArgs),
    /// Ask for the password of a connection again in this login session
    #[command(after_help = guard::EXAMPLES_LOCK)]
    Lock(NameArgs),
    /// Delete a connection that no job uses, and forget its password
    #[command(after_help = EXAMPLES_DELETE)]
    Delete(DeleteArgs),
}

/// Which connection, and what to look at
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The connection
    #[arg(value_parser = parse_name)]
    name: String,
    /// Open this mailbox to find out about rights; may be repeated
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    mailboxes: Vec<String>,
}

/// Make a connection
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CREATE)]
pub(crate) struct CreateArgs {
    /// Its distinct name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Its protocol: ews is Exchange Web Services
    #[arg(long, value_enum)]
    kind: Kind,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    sign_in: SignInArgs,
    /// A PEM file with the authority that signed the server's certificate
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Accept any certificate, and plain HTTP; stays visible as a warning
    #[arg(long)]
    insecure: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    // No doc comment: one that clap sees turns the whole help into its long form.
    Ews,
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &ConnectionCommand) -> Result<Exit, Error> {
    match command {
        ConnectionCommand::Create(args) => create(session, args).await,
        ConnectionCommand::List => list(session, Noun::Connection, table).await,
        ConnectionCommand::Show(args) => show(session, &args.name).await,
        ConnectionCommand::Check(args) => check(session, args).await,
        ConnectionCommand::Edit(args) => edit::edit(session, args).await,
        ConnectionCommand::Password(command) => guard::password(session, command).await,
        ConnectionCommand::Unlock(args) => guard::unlock(session, args).await,
        ConnectionCommand::Lock(args) => guard::lock(session, &args.name).await,
        ConnectionCommand::PublicFolders(args) => public_folders::run(session, &args.name).await,
        ConnectionCommand::SignIn(args) => sign_in::sign_in(session, args).await,
        ConnectionCommand::Delete(args) => delete(session, Noun::Connection, args, "its password is forgotten").await,
    }
}

/// Makes the table of connections.
pub(crate) fn table(connections: &[ConnectionInfo]) -> Table {
    let mut table = Table::new(&["CONNECTION", "KIND", "URL", "USER", "OWNER", "JOBS", "WARNINGS"]).missable(&["OWNER", "KIND", "JOBS"]).beneath("WARNINGS");
    for connection in connections {
        let definition = &connection.definition;
        table.row(vec![
            (&connection.name).into(),
            kind(definition.kind).into(),
            server(connection).into(),
            account(definition).into(),
            (&connection.owner).into(),
            connection.jobs.join(", ").into(),
            Cell::painted(Paint::Warning, &connection.warnings.join("; ")),
        ]);
    }
    table
}

/// Returns how a connection stands with its server.
pub(crate) fn slots_text(slots: &SlotsInfo) -> String {
    let mut text = format!("{} of {} in flight", slots.in_flight, nouns(slots.slots.into(), "slot", "slots"));
    if let Some(latency) = slots.latency_ms {
        text += &format!(", {latency} ms");
    }
    if slots.held_mailboxes > 0 {
        text += &format!(", {} left alone at the server's request", nouns(slots.held_mailboxes.into(), "mailbox", "mailboxes"));
    }
    text
}

/// Returns what a connection went through since the daemon started.
fn slots_so_far(slots: &SlotsInfo) -> String {
    let (answered, refused, lost) = (count(slots.answered), count(slots.refused), count(slots.lost));
    format!("{answered} answered, {refused} refused, {lost} without an answer, throttled for {}", human::duration::duration(slots.throttled_secs))
}

/// Makes a path absolute: the daemon's working folder is another one.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::Absolute { path: path.to_owned(), source })
}

async fn create(session: &Session, args: &CreateArgs) -> Result<Exit, Error> {
    let ca_file = args.ca_file.as_deref().map(absolute).transpose()?;
    let password = args.sign_in.secret()?;
    let Kind::Ews = args.kind;
    let place = &args.place;
    let ldap_password = place.ldap_password()?;
    let definition = ConnectionDefinition {
        kind: ConnectionKind::Ews,
        url: place.url.clone(),
        autodiscover: place.autodiscover.clone(),
        autodiscover_url: place.autodiscover_url.clone(),
        autodiscover_root_domain: place.root_domain,
        approved_hosts: place.approved_hosts.clone(),
        mailboxes: place.mailboxes()?,
        sign_in: args.sign_in.kind(),
        user: args.sign_in.user(),
        oauth: args.sign_in.oauth(),
        kerberos: args.sign_in.kerberos(),
        ca_file,
        insecure: args.insecure,
        ldap: place.ldap()?,
    };
    let request = ConnectionCreate { name: args.name.clone(), definition, password, ldap_password };
    let info: ConnectionInfo = session.tell(&route::connection::CREATE, &request).await?;
    if session.output.is_json() {
        session.output.value(&info)?;
    }
    if let Some(found) = &info.found {
        session.output.note(&format!("autodiscover found {} (told by {})", found.url, found.told_by));
    }
    let next = if waits_for_somebody(&info) { "sign in with `c2bctl connection sign-in" } else { "try it with `c2bctl connection check" };
    session.output.done(&format!("made connection {0}; {next} {0}`", info.name))?;
    warn(&session.output, &info);
    Ok(Exit::OK)
}

async fn show(session: &Session, name: &str) -> Result<Exit, Error> {
    let info: ConnectionInfo = session.ask_of(&route::connection::SHOW, name).await?;
    if session.output.is_json() {
        session.output.value(&info)?;
        return Ok(Exit::OK);
    }
    let definition = &info.definition;
    session.output.line(&format!("connection {}", session.output.paint(Paint::Strong, &human::text::line(&info.name))))?;
    let mut facts = Facts::default();
    facts.add("kind", kind(definition.kind));
    place::show(&mut facts, &info);
    sign_in::show(&mut facts, definition);
    match (&definition.ca_file, definition.insecure) {
        (_, true) => facts.add_painted("certificate", Paint::Warning, "not checked (insecure)"),
        (Some(file), false) => facts.add("certificate", format!("checked against {}", file.display())),
        (None, false) => facts.add("certificate", "checked against the system's authorities"),
    }
    for expiry in &info.expires {
        facts.add("expires", format!("{}: {}", expiry.what, human::time::time(expiry.time)));
    }
    facts.add("owner", &info.owner);
    if info.guarded {
        facts.add("password", "others than the owner give it first: `c2bctl connection unlock`");
    }
    facts.add("jobs", if info.jobs.is_empty() { "none".to_owned() } else { info.jobs.join(", ") });
    if let Some(slots) = &info.slots {
        facts.add("requests", slots_text(slots));
        facts.add("so far", slots_so_far(slots));
    }
    for warning in &info.warnings {
        facts.add_painted("warning", Paint::Warning, warning);
    }
    facts.show(&session.output)?;
    Ok(Exit::OK)
}

async fn check(session: &Session, args: &CheckArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let request = CheckRequest { mailboxes: args.mailboxes.clone() };
    let report: CheckReport = session.tell_of(&route::connection::CHECK, name, &request).await?;
    let output = &session.output;
    if output.is_json() {
        output.value(&report)?;
    }
    let width = report.findings.iter().map(|f| f.subject.chars().count()).max().unwrap_or(0);
    for finding in &report.findings {
        let (paint, word) = match finding.level {
            Level::Ok => (Paint::Good, "ok     "),
            Level::Warning => (Paint::Warning, "warning"),
            Level::Error => (Paint::Bad, "error  "),
        };
        let subject = human::text::line(&finding.subject);
        output.line(&format!("{}  {subject:width$}  {}", output.paint(paint, word), human::text::line(&finding.text)))?;
        if !finding.hint.is_empty() {
            output.line(&format!("         {:width$}  hint: {}", "", human::text::line(&finding.hint)))?;
        }
    }
    if report.usable {
        output.done(&format!("connection {name} can be used"))?;
        return Ok(Exit::OK);
    }
    let trouble = report.findings.iter().find(|f| f.level == Level::Error);
    // Where the findings were shown, reason and hint stand just above.
    let (reason, hint) = match trouble {
        Some(finding) if output.is_json() => (format!(": {}", finding.text), finding.hint.as_str()),
        Some(_) | None => (String::new(), ""),
    };
    output.complain(Paint::Bad, &format!("connection {name} cannot be used{reason}"), hint);
    Ok(Exit(report.code.map_or(Exit::FAILED.0, c2b_api::ErrorCode::exit_code)))
}

/// Says what was done with a connection; in JSON, how it is now.
fn told(session: &Session, info: &ConnectionInfo, text: &str) -> Result<Exit, Error> {
    if session.output.is_json() {
        session.output.value(info)?;
    }
    session.output.done(text)?;
    Ok(Exit::OK)
}

fn warn(output: &Output, info: &ConnectionInfo) {
    for warning in &info.warnings {
        output.complain(Paint::Warning, &format!("connection {}: {warning}", info.name), "");
    }
}

/// Returns whether somebody must sign in before the connection can be used.
fn waits_for_somebody(info: &ConnectionInfo) -> bool {
    info.definition.sign_in == SignInKind::DeviceCode
}

/// Returns who signs in: a user, or an application.
fn account(definition: &ConnectionDefinition) -> &str {
    match &definition.oauth {
        Some(oauth) if definition.user.is_empty() => &oauth.client_id,
        _ => &definition.user,
    }
}

/// Returns where the server is, as far as that is known.
fn server(connection: &ConnectionInfo) -> &str {
    let found = connection.found.as_ref().map(|found| found.url.as_str());
    connection.definition.url.as_deref().or(found).unwrap_or("not found yet")
}

fn kind(kind: ConnectionKind) -> &'static str {
    match kind {
        ConnectionKind::Ews => "ews",
    }
}
