//! `c2bctl storage create` and `import`: a storage is made, or one that exists is attached.

use super::{items, mailboxes};
use crate::ask;
use crate::connection::absolute;
use crate::error::Error;
use crate::exit::Exit;
use crate::noun::parse_name;
use crate::output::{Output, Paint};
use crate::password::{self, SecretArgs};
use crate::session::Session;
use c2b_api::ErrorCode;
use c2b_api::Secret;
use c2b_api::route;
use c2b_api::storage::{Credential, StorageCreate, StorageCreated, StorageInfo};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES_CREATE: &str = "\
A folder that is missing or empty becomes a storage; a folder that is one already is attached.

With --seal, nothing in the storage can be read without its password: no content, no name, no index. The recovery key \
is shown once; it opens the storage when the password is forgotten. The daemon keeps a key of its own, readable by root \
only, so that it works after a reboot without anybody.

Examples:
  c2bctl storage create archive /srv/backup/archive --seal
  c2bctl storage create archive /srv/backup/archive --seal --password-file /root/archive-password
  c2bctl storage create lab /srv/backup/lab";
const EXAMPLES_IMPORT: &str = "\
The folder is used where it is: a copy made by `storage copy`, or a storage of another host that is not in use there.

Examples:
  c2bctl storage import old /mnt/disk/archive
  c2bctl storage import old /mnt/disk/archive --password-file /root/archive-password
  c2bctl storage import old /mnt/disk/archive --recovery-key --password-stdin < key.txt";

/// Make a storage, or attach one that exists
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_CREATE, override_usage = "c2bctl storage create [OPTIONS] <NAME> <PATH>")]
pub(crate) struct CreateArgs {
    /// Its distinct name
    #[arg(value_parser = parse_name)]
    name: String,
    /// Its folder
    #[arg(value_name = "PATH", required_unless_present = "path_option")]
    path: Option<PathBuf>,
    // How it was said before there was `import`; scripts may say so.
    #[arg(long = "path", id = "path_option", value_name = "PATH", hide = true, conflicts_with = "path")]
    path_option: Option<PathBuf>,
    /// Make it sealed: nothing in it can be read without its password
    #[arg(long)]
    seal: bool,
    #[command(flatten)]
    secret: SecretArgs,
}

/// Attach a storage that exists: a copy, or one from another host
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_IMPORT)]
pub(crate) struct ImportArgs {
    /// Its distinct name here
    #[arg(value_parser = parse_name)]
    name: String,
    /// Its folder
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// Open it with its recovery key, which is read instead of a password
    #[arg(long)]
    recovery_key: bool,
    #[command(flatten)]
    secret: SecretArgs,
}

/// Makes a storage, or attaches one.
pub(super) async fn create(session: &Session, args: &CreateArgs) -> Result<Exit, Error> {
    let path = args.path.as_ref().or(args.path_option.as_ref()).cloned().unwrap_or_default();
    let name = &args.name;
    let credential = match args.seal {
        true => Some(Credential::Password(args.secret.read_new(&format!("New password of storage {name}: "), "The same again: ")?)),
        false if args.secret.is_given() => Some(Credential::Password(args.secret.read("")?)),
        false => None,
    };
    let request = StorageCreate { name: name.clone(), path: absolute(&path)?, seal: args.seal, existing: false, credential };
    let made = attach(session, request).await?;
    tell(session, &made, false)
}

/// Attaches a storage that exists.
pub(super) async fn import(session: &Session, args: &ImportArgs) -> Result<Exit, Error> {
    let name = &args.name;
    let credential = match args.recovery_key {
        true => Some(Credential::RecoveryKey(args.secret.read(&format!("Recovery key of storage {name}: "))?)),
        false if args.secret.is_given() => Some(Credential::Password(args.secret.read("")?)),
        false => None,
    };
    let request = StorageCreate { name: name.clone(), path: absolute(&args.path)?, seal: false, existing: true, credential };
    let made = attach(session, request).await?;
    tell(session, &made, true)
}

/// Shows a recovery key, with what it is for. It is the answer: `--quiet` does not leave it out.
pub(super) fn show_recovery_key(output: &Output, key: &Secret) -> Result<(), Error> {
    output.line("")?;
    output.line(&format!("  recovery key  {}", output.paint(Paint::Strong, key.expose())))?;
    output.line("")?;
    output.line("It opens the storage when every password is forgotten. It is shown this once and kept nowhere:")?;
    output.line("write it down now, and keep it apart from the storage.")
}

/// Asks for the password of a sealed storage when the daemon says that it needs one and somebody is there.
async fn attach(session: &Session, request: StorageCreate) -> Result<StorageCreated, Error> {
    match session.tell(&route::storage::CREATE, &request).await {
        Err(Error::Api(error)) if error.code == ErrorCode::Locked && request.credential.is_none() && ask::can_ask() => {
            let password = password::read(None, &format!("Password of the storage in {}: ", request.path.display()))?;
            let request = StorageCreate { credential: Some(Credential::Password(password)), ..request };
            session.tell(&route::storage::CREATE, &request).await
        }
        answer => answer,
    }
}

fn tell(session: &Session, made: &StorageCreated, existing: bool) -> Result<Exit, Error> {
    let output = &session.output;
    if output.is_json() {
        output.value(made)?;
        return Ok(Exit::OK);
    }
    output.done(&sentence(&made.info, existing))?;
    if let Some(key) = &made.recovery_key {
        show_recovery_key(output, key)?;
    }
    Ok(Exit::OK)
}

fn sentence(info: &StorageInfo, existing: bool) -> String {
    let sealed = match info.sealed {
        Some(true) => ", sealed",
        Some(false) => ", not sealed",
        None => "",
    };
    let path = info.path.display();
    match info.versions {
        0 if !existing => format!("made storage {} in {path}{sealed}", info.name),
        _ => format!("attached storage {} in {path}{sealed}: {}, {}", info.name, mailboxes(info), items(info)),
    }
}
