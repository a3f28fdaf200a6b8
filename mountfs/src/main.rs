//! `mount.c2b STORAGE MOUNTPOINT [-o options]`: called by hand, by mount(8), or by systemd.
//!
//! Exit codes, after mount(8): 0 mounted, 1 wrong usage, 2 the system refused, 32 the storage cannot be
//! shown, 33 the mount point will not do, 34 the storage is sealed and there is nothing to open it with.

use c2b_mountfs::unlock::UnlockError;
use c2b_mountfs::{MountError, Options, Request, background, mount, ready};
use clap::Parser;
use clap::error::ErrorKind;
use nix::sys::resource::{Resource, setrlimit};
use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

const USAGE: u8 = 1;
const SYSTEM: u8 = 2;
const STORAGE: u8 = 32;
const MOUNT_POINT: u8 = 33;
const SEALED: u8 = 34;

/// Show a c2b storage as read-only folders of mailboxes
#[derive(Parser)]
#[command(name = "mount.c2b", version, after_help = "Logs: C2B_LOG=debug (default info). Unmount: umount MOUNTPOINT, or fusermount3 -u MOUNTPOINT.")]
struct Args {
    /// Folder of the storage
    storage: PathBuf,
    /// Empty folder to mount on
    mountpoint: PathBuf,
    /// Options: allow_other, uid=, gid=, umask=, log=FILE, passfile=FILE, keyfile=FILE, and those of mount(8)
    #[arg(short, long = "options", value_name = "OPTIONS")]
    options: Vec<String>,
    /// Stay in the foreground
    #[arg(short, long)]
    foreground: bool,
    /// Accepted from mount(8), changes nothing
    #[arg(short = 's', hide = true)]
    sloppy: bool,
    /// Accepted from mount(8), changes nothing
    #[arg(short = 'n', hide = true)]
    no_mtab: bool,
    /// Accepted from mount(8), changes nothing
    #[arg(short = 'v', hide = true)]
    verbose: bool,
    /// Accepted from mount(8), changes nothing
    #[arg(short = 'r', hide = true)]
    read_only: bool,
    /// Accepted from mount(8), changes nothing
    #[arg(short = 'w', hide = true)]
    read_write: bool,
    /// Accepted from mount(8), changes nothing
    #[arg(short = 't', hide = true, value_name = "TYPE")]
    fstype: Option<String>,
}

fn main() -> ExitCode {
    // Keys and mail must not be left in a core file. Where the kernel refuses, it is as without.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(err) => {
            let asked = matches!(err.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nowhere to say so when even this cannot be printed.
            let _printed = err.print();
            return ExitCode::from(if asked { 0 } else { USAGE });
        }
    };
    let options = match Options::parse(args.options.iter().map(String::as_str)) {
        Ok(options) => options,
        Err(err) => return fail(USAGE, &err),
    };
    if !args.foreground && !background::is_child() {
        return match background::start(options.reads_input()) {
            Ok(code) => ExitCode::from(code),
            Err(err) => fail(SYSTEM, &err),
        };
    }
    start_log(&options, args.foreground);
    let request = Request { storage: args.storage, target: args.mountpoint, options };
    match mount(&request, || announce(&request, args.foreground)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(code(&err), &err),
    }
}

/// Tells whoever waits that the mount is usable.
fn announce(request: &Request, foreground: bool) {
    ready::notify(&request.target);
    if !foreground && let Err(err) = background::leave() {
        tracing::warn!(%err, "the caller could not be told that the mount is ready");
    }
}

fn code(error: &MountError) -> u8 {
    match error {
        MountError::MountPoint(_) => MOUNT_POINT,
        MountError::Unlock(UnlockError::Sealed(_)) => SEALED,
        MountError::Find { .. } | MountError::Unlock(_) | MountError::Open { .. } | MountError::Read(_) => STORAGE,
        MountError::Scratch(_) | MountError::Kernel(_) | MountError::Ready(_) | MountError::Start(_) | MountError::Session(_) => SYSTEM,
    }
}

/// Prints an error with its causes in one line.
#[expect(clippy::print_stderr, reason = "this is where a person, mount(8) or systemd reads why")]
fn fail(code: u8, error: &(dyn Error + 'static)) -> ExitCode {
    let mut line = format!("mount.c2b: {error}");
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string().replace('\n', " "));
        next = cause.source();
    }
    eprintln!("{line}");
    ExitCode::from(code)
}

/// Foreground: standard error. Background: the file of `log=`, else the journal, where there is one.
fn start_log(options: &Options, foreground: bool) {
    let filter = EnvFilter::try_from_env("C2B_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let file = options.log.as_ref().and_then(|path| File::options().append(true).create(true).open(path).ok());
    let sink: Option<Box<dyn Layer<Registry> + Send + Sync>> = match file {
        Some(file) => Some(fmt::layer().with_ansi(false).with_target(false).with_writer(file).boxed()),
        None if foreground => Some(fmt::layer().without_time().with_ansi(false).with_target(false).with_writer(std::io::stderr).boxed()),
        None => tracing_journald::layer().ok().map(|layer| layer.with_syslog_identifier("mount.c2b".to_owned()).boxed()),
    };
    tracing_subscriber::registry().with(sink).with(filter).init();
}
