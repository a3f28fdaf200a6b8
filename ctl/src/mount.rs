//! `c2bctl mount` and `unmount`: a storage as folders of mail.
//!
//! The daemon only says where the storage is, and records that it was asked; the mount program runs as the calling user, so a caller
//! sees what that user may read. A password goes to it on standard input, never as an argument.

mod table;

use crate::ask;
use crate::connection::absolute;
use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::noun::parse_name;
use crate::output::Output;
use crate::password::SecretArgs;
use crate::program;
use crate::session::Session;
use c2b_api::storage::{StorageInfo, StorageMount};
use c2b_api::{Secret, route};
use clap::Args;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::unistd::Uid;
use serde_json::json;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::time::{interval, timeout};

const EXAMPLES_MOUNT: &str = "\
STORAGE is a storage's name; with a `/` in it, it is a storage's folder, and the daemon is not
asked. The mount is read-only and yours alone; options are passed to mount.c2b.

Examples:
  c2bctl mount archive /mnt
  c2bctl mount ./archive /mnt -o allow_other,uid=1000,gid=1000
  c2bctl mount archive /mnt --password-file ./archive-password   # sealed; without it you are asked
  ls /mnt/mailboxes/alice@example.org/latest/Inbox";
const EXAMPLES_UNMOUNT: &str = "Examples:\n  c2bctl unmount /mnt\n  c2bctl unmount /mnt --lazy   # somebody is in it";

/// The program that mounts.
const PROGRAM: &str = "mount.c2b";
/// What it ends with when a storage is sealed, and it has nothing to open it with.
pub(crate) const SEALED: u8 = 34;
/// Between two looks at the list of mounts.
const GONE_INTERVAL: Duration = Duration::from_millis(20);
/// How long a mount may take to go.
const GONE_TIMEOUT: Duration = Duration::from_secs(10);

/// Show a storage as folders of mail
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_MOUNT)]
pub(crate) struct MountArgs {
    /// The storage: its name, or its folder
    storage: String,
    /// An empty folder
    dir: PathBuf,
    /// Options of mount.c2b, separated by commas; can be given several times
    #[arg(short, long = "options", value_name = "OPTIONS")]
    options: Vec<String>,
    #[command(flatten)]
    password: SecretArgs,
}

/// Take a mount of a storage away
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_UNMOUNT)]
pub(crate) struct UnmountArgs {
    /// Where it is mounted
    dir: PathBuf,
    /// Also while programs use it: they keep what they have open
    #[arg(long)]
    lazy: bool,
}

/// Mounts a storage.
pub(crate) async fn mount(session: &Session, args: &MountArgs) -> Result<Exit, Error> {
    let dir = absolute(&args.dir)?;
    let path = if args.storage.contains('/') { absolute(Path::new(&args.storage))? } else { storage_path(session, &args.storage, &dir).await? };
    let start = Start { storage: &path, dir: &dir, options: &args.options, socket: absolute(session.socket())? };
    let prompt = format!("Password or recovery key of storage {}: ", args.storage);
    let secret = if args.password.is_given() { Some(args.password.read(&prompt)?) } else { None };
    let mut status = start.run(secret.as_ref())?;
    if status.code() == Some(i32::from(SEALED)) && secret.is_none() && ask::can_ask() {
        status = start.run(Some(&args.password.read(&prompt)?))?;
    }
    if !status.success() {
        let exit = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::FAILED.0);
        return Err(Error::Mount { what: args.storage.clone(), dir, status: words(status), exit });
    }
    if session.output.is_json() {
        session.output.value(&json!({ "storage": args.storage, "path": path, "mounted": dir }))?;
    }
    let shown = human::text::line(&dir.to_string_lossy());
    let under = shown.trim_end_matches('/');
    session.output.done(&format!("mounted {} at {shown}", args.storage))?;
    session.output.done(&format!("  mail       {under}/mailboxes/ADDRESS/latest/FOLDER"))?;
    session.output.done(&format!("  take away  c2bctl unmount {shown}"))?;
    Ok(Exit::OK)
}

/// The mount program with its arguments.
struct Start<'a> {
    storage: &'a Path,
    dir: &'a Path,
    options: &'a [String],
    socket: PathBuf,
}

impl Start<'_> {
    /// Runs it until the mount is usable, or is not to be.
    fn run(&self, secret: Option<&Secret>) -> Result<ExitStatus, Error> {
        let program = program::find(PROGRAM);
        let fail = |source| Error::StartProgram { program: program.clone(), source };
        let mut options = self.options.to_vec();
        options.extend(secret.map(|_| "passfile=-".to_owned()));
        let mut command = Command::new(&program);
        command.arg(self.storage).arg(self.dir);
        if !options.is_empty() {
            command.arg("-o").arg(options.join(","));
        }
        // The mount tells the daemon what is read in it.
        command.env("C2B_SOCKET", &self.socket);
        // Its words go to standard error, so that standard output stays ours.
        command.stdin(if secret.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::from(io::stderr()));
        let mut child = command.spawn().map_err(fail)?;
        if let (Some(secret), Some(mut input)) = (secret, child.stdin.take()) {
            // Whoever does not read it has said why.
            match input.write_all(secret.expose().as_bytes()) {
                Err(err) if err.kind() != io::ErrorKind::BrokenPipe => return Err(fail(err)),
                _ => {}
            }
        }
        child.wait().map_err(fail)
    }
}

/// Takes a mount of ours away, and nobody else's.
pub(crate) async fn unmount(output: &Output, args: &UnmountArgs) -> Result<Exit, Error> {
    let dir = real(&absolute(&args.dir)?);
    let shown = dir.display();
    match table::read().map_err(Error::ReadMounts)?.top(&dir) {
        None => {
            let message = format!("nothing is mounted at {shown}");
            return Err(Error::NotMounted { message, hint: "see what is with `findmnt -t fuse.c2b`".to_owned() });
        }
        Some(mount) if !mount.is_ours() => {
            let message = format!("what is mounted at {shown} is not a storage of c2b but {}", mount.kind);
            return Err(Error::NotMounted { message, hint: format!("if it is to go, use `umount {shown}`") });
        }
        Some(_) => {}
    }
    let before = count(&dir)?;
    if Uid::effective().is_root() {
        unmount_as_root(&dir, args.lazy)?;
    } else {
        unmount_as_user(&dir, args.lazy)?;
    }
    timeout(GONE_TIMEOUT, gone(&dir, before)).await.map_err(|_| Error::Unmount { dir: dir.clone(), reason: "it is busy and still there".to_owned() })??;
    if output.is_json() {
        output.value(&json!({ "unmounted": dir }))?;
    }
    output.done(&format!("unmounted {shown}"))?;
    Ok(Exit::OK)
}

fn words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

async fn storage_path(session: &Session, name: &str, dir: &Path) -> Result<PathBuf, Error> {
    let name = parse_name(name).map_err(|message| Error::usage(message, "name a storage of `c2bctl storage list`, or a storage's folder with a `/` in it"))?;
    let info: StorageInfo = session.tell_of(&route::storage::MOUNT, &name, &StorageMount { dir: dir.to_owned() }).await?;
    Ok(info.path)
}

/// Resolves all but the last step: a mount whose process died cannot be looked into.
fn real(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap_or_else(|_| match (dir.parent().map(Path::canonicalize), dir.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => dir.to_owned(),
    })
}

fn unmount_as_root(dir: &Path, lazy: bool) -> Result<(), Error> {
    let how = if lazy { MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH } else { MntFlags::UMOUNT_NOFOLLOW };
    umount2(dir, how).map_err(|errno| {
        let reason = if errno == Errno::EBUSY { "it is busy".to_owned() } else { errno.desc().to_owned() };
        Error::Unmount { dir: dir.to_owned(), reason }
    })
}

fn unmount_as_user(dir: &Path, lazy: bool) -> Result<(), Error> {
    let program = PathBuf::from("fusermount3");
    let args: [OsString; 3] = ["-u".into(), "--".into(), dir.into()];
    let output =
        Command::new(&program).args(lazy.then_some("-z")).args(args).stdin(Stdio::null()).output().map_err(|source| Error::StartProgram { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.trim().rsplit(": ").next().unwrap_or_default().to_lowercase();
    Err(Error::Unmount { dir: dir.to_owned(), reason: if reason.is_empty() { output.status.to_string() } else { reason } })
}

fn count(dir: &Path) -> Result<usize, Error> {
    Ok(table::read().map_err(Error::ReadMounts)?.count(dir))
}

async fn gone(dir: &Path, before: usize) -> Result<(), Error> {
    let mut tick = interval(GONE_INTERVAL);
    while count(dir)? >= before {
        tick.tick().await;
    }
    Ok(())
}
