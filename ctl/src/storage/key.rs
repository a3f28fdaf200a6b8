//! `c2bctl storage unlock`, `password`, `recovery-key` and `rotate-keys`: what opens a sealed storage.

use super::create::show_recovery_key;
use super::show::resealing;
use crate::ask;
use crate::error::Error;
use crate::exit::Exit;
use crate::human::count::nouns;
use crate::human::time::time;
use crate::noun::{NameArgs, parse_name};
use crate::output::Paint;
use crate::password::{self, SecretArgs};
use crate::session::Session;
use crate::table::Table;
use c2b_api::route;
use c2b_api::storage::{
    Credential, PasswordAdd, PasswordChange, PasswordInfo, PasswordRemove, RecoveryKey, StorageInfo, StorageRotate, StorageRotateReport, StorageUnlock,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

const EXAMPLES_UNLOCK: &str = "\
The daemon keeps a key of its own for each storage, so this is needed only once on a host: after a storage came from \
another one, or after the daemon's state folder was lost.

Examples:
  c2bctl storage unlock archive
  c2bctl storage unlock archive --password-file /root/archive-password
  c2bctl storage unlock archive --recovery-key";
const EXAMPLES_LIST: &str = "Examples:\n  c2bctl storage password list archive";
const EXAMPLES_ADD: &str = "\
Labels are not sealed: whoever has the storage's files can read them, and the times when passwords were made.

Examples:
  c2bctl storage password add archive --label anna
  c2bctl storage password add archive --label safe --password-file /root/second-password";
const EXAMPLES_CHANGE: &str = "\
Data is not sealed anew by this: who knew the old password and has an old copy of the storage can open that copy. \
`storage rotate-keys` gives all new data a new key.

Examples:
  c2bctl storage password change archive
  c2bctl storage password change archive --password-file old --new-password-file new
  printf '%s\\n%s\\n' \"$old\" \"$new\" | c2bctl storage password change archive --password-stdin";
const EXAMPLES_REMOVE: &str = "Examples:\n  c2bctl storage password remove archive --label anna";
const EXAMPLES_RECOVERY: &str = "Examples:\n  c2bctl storage recovery-key archive\n  c2bctl storage recovery-key archive --yes";
const EXAMPLES_ROTATE: &str = "\
All new data uses the new key at once; old data is sealed anew in the background, which `storage show` follows, and which \
goes on after a restart. The password that is given goes on opening the storage. All others are not known to the daemon \
and must be added again; a new recovery key is shown.

Examples:
  c2bctl storage rotate-keys archive
  c2bctl storage rotate-keys archive --password-file /root/archive-password --yes";

/// Open a sealed storage on this host, with a password or its recovery key
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_UNLOCK)]
pub(crate) struct UnlockArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Read its recovery key instead of a password
    #[arg(long)]
    recovery_key: bool,
    #[command(flatten)]
    secret: SecretArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum PasswordCommand {
    /// List the passwords of a sealed storage by their labels
    #[command(after_help = EXAMPLES_LIST)]
    List(NameArgs),
    Add(AddArgs),
    Change(ChangeArgs),
    Remove(RemoveArgs),
}

/// Let one more password open a sealed storage
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_ADD)]
pub(crate) struct AddArgs {
    /// The storage's name
    #[arg(value_parser = parse_name)]
    name: String,
    /// What the password is called; can be read without any password
    #[arg(long)]
    label: String,
    #[command(flatten)]
    secret: SecretArgs,
}

/// Put a new password in the place of one
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CHANGE)]
pub(crate) struct ChangeArgs {
    /// The storage's name
    #[arg(value_parser = parse_name)]
    name: String,
    /// A file with the present password that only you can read
    #[arg(long, value_name = "FILE", requires = "new_password_file")]
    password_file: Option<PathBuf>,
    /// A file with the new password that only you can read
    #[arg(long, value_name = "FILE", requires = "password_file")]
    new_password_file: Option<PathBuf>,
    /// Read both from standard input: the present password in the first line, the new one in the second
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
}

/// Let a password open the storage no more
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_REMOVE)]
pub(crate) struct RemoveArgs {
    /// The storage's name
    #[arg(value_parser = parse_name)]
    name: String,
    /// What the password is called
    #[arg(long)]
    label: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Make a new recovery key for a sealed storage; the one before opens nothing any more
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_RECOVERY)]
pub(crate) struct RecoveryKeyArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Give a sealed storage new keys: new data uses them at once, old data is sealed anew in the background
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_ROTATE)]
pub(crate) struct RotateKeysArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Opens a storage.
pub(super) async fn unlock(session: &Session, args: &UnlockArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let credential = match args.recovery_key {
        true => Credential::RecoveryKey(args.secret.read(&format!("Recovery key of storage {name}: "))?),
        false => Credential::Password(args.secret.read(&format!("Password of storage {name}: "))?),
    };
    let info: StorageInfo = session.tell_of(&route::storage::UNLOCK, name, &StorageUnlock { credential }).await?;
    if session.output.is_json() {
        session.output.value(&info)?;
    }
    session.output.done(&format!("storage {name} is open, and the daemon will open it by itself from now on"))?;
    Ok(Exit::OK)
}

/// Lists or changes passwords.
pub(super) async fn password(session: &Session, command: &PasswordCommand) -> Result<Exit, Error> {
    match command {
        PasswordCommand::List(args) => list(session, &args.name).await,
        PasswordCommand::Add(args) => add(session, args).await,
        PasswordCommand::Change(args) => change(session, args).await,
        PasswordCommand::Remove(args) => remove(session, args).await,
    }
}

/// Makes a new recovery key.
pub(super) async fn recovery_key(session: &Session, args: &RecoveryKeyArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let consequence = "the recovery key that was shown before opens nothing any more";
    let step = ask::Step {
        question: format!("Make a new recovery key for storage {name} ({consequence})?"),
        doing: "making a new recovery key".to_owned(),
        consequence,
        declined: format!("the recovery key of storage {name} stays as it was"),
    };
    ask::agree(args.yes, step)?;
    let key: RecoveryKey = session.ask_of(&route::storage::RECOVERY_KEY, name).await?;
    if session.output.is_json() {
        session.output.value(&key)?;
        return Ok(Exit::OK);
    }
    session.output.done(&format!("made a new recovery key for storage {name}; the one before opens nothing any more"))?;
    show_recovery_key(&session.output, &key.recovery_key)?;
    Ok(Exit::OK)
}

/// Gives a storage new keys.
pub(super) async fn rotate_keys(session: &Session, args: &RotateKeysArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let consequence = "its recovery key ends, and so do all passwords but the one you give";
    let step = ask::Step {
        question: format!("Give storage {name} new keys ({consequence})?"),
        doing: format!("rotating the keys of storage {name}"),
        consequence,
        declined: format!("the keys of storage {name} stay as they were"),
    };
    ask::agree(args.yes, step)?;
    let password = if args.secret.is_given() || ask::can_ask() { Some(args.secret.read(&format!("Password of storage {name}: "))?) } else { None };
    let report: StorageRotateReport = session.tell_of(&route::storage::ROTATE_KEYS, name, &StorageRotate { password }).await?;
    let output = &session.output;
    if output.is_json() {
        output.value(&report)?;
        return Ok(Exit::OK);
    }
    output.done(&format!("storage {name} has new keys (generation {}); all new data uses them", report.generation))?;
    output.done(&resealing(&report.resealing))?;
    if !report.passwords_kept.is_empty() {
        output.done(&format!("opens it as before: password {}", report.passwords_kept.join(", ")))?;
    }
    show_recovery_key(output, &report.recovery_key)?;
    if report.passwords_gone.is_empty() {
        return Ok(Exit::OK);
    }
    let gone = report.passwords_gone.join(", ");
    let hint = format!("add each again with `c2bctl storage password add {name} --label LABEL`");
    output.complain(Paint::Warning, &format!("these passwords open the storage no more: {gone}"), &hint);
    Ok(Exit::WARNINGS)
}

async fn list(session: &Session, name: &str) -> Result<Exit, Error> {
    let passwords: Vec<PasswordInfo> = session.ask_of(&route::storage::PASSWORDS, name).await?;
    if session.output.is_json() {
        session.output.value(&passwords)?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["PASSWORD", "SINCE"]);
    for password in &passwords {
        table.row(vec![(&password.label).into(), time(password.created).into()]);
    }
    session.output.table(&table)?;
    if passwords.is_empty() {
        session.output.note(&format!("storage {name} has no password: its recovery key opens it, and the daemon's own key on this host"));
    }
    Ok(Exit::OK)
}

async fn add(session: &Session, args: &AddArgs) -> Result<Exit, Error> {
    let AddArgs { name, label, secret } = args;
    let password = secret.read_new(&format!("New password {label} of storage {name}: "), "The same again: ")?;
    let passwords: Vec<PasswordInfo> = session.tell_of(&route::storage::PASSWORD_ADD, name, &PasswordAdd { label: label.clone(), password }).await?;
    told(session, &passwords, &format!("password {label} opens storage {name}"))
}

async fn change(session: &Session, args: &ChangeArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let (present, password) = match args.password_stdin {
        true => password::read_two_lines()?,
        false => {
            let present = password::read(args.password_file.as_deref(), &format!("Present password of storage {name}: "))?;
            (present, password::read_new(args.new_password_file.as_deref(), "New password: ", "The same again: ")?)
        }
    };
    let passwords: Vec<PasswordInfo> = session.tell_of(&route::storage::PASSWORD_CHANGE, name, &PasswordChange { present, password }).await?;
    told(session, &passwords, &format!("storage {name} opens with the new password, and no more with the old one"))
}

async fn remove(session: &Session, args: &RemoveArgs) -> Result<Exit, Error> {
    let RemoveArgs { name, label, .. } = args;
    let consequence = "the recovery key and other passwords open it as before";
    let step = ask::Step {
        question: format!("Remove password {label} of storage {name} ({consequence})?"),
        doing: format!("removing password {label}"),
        consequence,
        declined: format!("password {label} of storage {name} stays"),
    };
    ask::agree(args.yes, step)?;
    let passwords: Vec<PasswordInfo> = session.tell_of(&route::storage::PASSWORD_REMOVE, name, &PasswordRemove { label: label.clone() }).await?;
    told(session, &passwords, &format!("password {label} opens storage {name} no more"))
}

fn told(session: &Session, passwords: &[PasswordInfo], what: &str) -> Result<Exit, Error> {
    if session.output.is_json() {
        session.output.value(&passwords)?;
    }
    session.output.done(&format!("{what}; it has {}", nouns(passwords.len() as u64, "password", "passwords")))?;
    Ok(Exit::OK)
}
