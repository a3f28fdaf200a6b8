//! The life of a mount: open the storage, mount, be ready, follow the writer, end.

use crate::archive::{Archive, Storage};
use crate::errno::ViewError;
use crate::fuse::{Adapter, Usage};
use crate::invalidate::{self, Notice};
use crate::kernel::{self, KernelError};
use crate::looks::Looks;
use crate::mountpoint::{self, MountPointError};
use crate::options::Options;
use crate::ready::{self, ReadyError};
use crate::scratch::Scratch;
use crate::tree::{Step, Tree};
use crate::unlock::{UnlockError, unlock};
use crate::witness::Witness;
use c2b_storagefmt::{Catalog, Error as StorageError};
use fuser::{INodeNo, Notifier};
use nix::unistd::geteuid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Decoded blocks that a mount keeps in memory, in bytes: the kernel keeps what was read, too, and many mounts may run side by side.
const CACHE_BYTES: usize = 32 << 20;

/// How often the writer is followed. A quiet look costs about 0.1 ms.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// How long open files may hold up our end after the mount is gone.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How long telling the daemon what was read last may hold up our end.
const TELL_WITHIN: Duration = Duration::from_secs(3);

/// Why there is no mount.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The mount point will not do.
    #[error(transparent)]
    MountPoint(#[from] MountPointError),
    /// The storage cannot be found.
    #[error("failed to find storage {path}")]
    Find {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What opens the storage is not there.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The storage cannot be opened.
    #[error("failed to open storage {path}")]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<StorageError>,
    },
    /// The storage cannot be read.
    #[error("failed to read the storage")]
    Read(#[source] ViewError),
    /// There is no private folder.
    #[error("failed to make a scratch folder")]
    Scratch(#[source] io::Error),
    /// The kernel does not take it.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// It was mounted, but is not usable.
    #[error(transparent)]
    Ready(#[from] ReadyError),
    /// A thread or signal handler could not be had.
    #[error("failed to start")]
    Start(#[source] io::Error),
    /// The conversation with the kernel broke off.
    #[error("the conversation with the kernel broke off")]
    Session(#[source] io::Error),
}

/// What is mounted where.
#[derive(Clone, Debug)]
pub struct Request {
    /// The storage's folder.
    pub storage: PathBuf,
    /// The mount point.
    pub target: PathBuf,
    /// How.
    pub options: Options,
}

/// What wakes the main thread.
enum Event {
    /// A signal asks us to end.
    Signal(i32),
    /// The mount is gone.
    Ended(io::Result<()>),
}

/// Mounts and serves until the mount is taken away or a signal comes. `ready` is called once, when the mount is usable.
///
/// # Errors
/// [`MountError`]; nothing stays mounted.
pub fn mount(request: &Request, ready: impl FnOnce()) -> Result<(), MountError> {
    let target = mountpoint::prepare(&request.target)?;
    let find = |source| MountError::Find { path: request.storage.clone(), source };
    let storage = std::fs::canonicalize(&request.storage).map_err(find)?;
    let scratch = Scratch::create(&target).map_err(MountError::Scratch)?;
    let open = |source| MountError::Open { path: storage.clone(), source: Box::new(source) };
    let key = unlock(&storage, &request.options)?;
    let (catalog, contents) = Catalog::open_reader(&storage, scratch.path(), &key).map_err(open)?;
    contents.set_cache(CACHE_BYTES);
    drop(key);
    let usage = Arc::new(Usage::default());
    let tree = Arc::new(Tree::new(Storage::new(catalog.clone(), contents)).map_err(MountError::Read)?);

    let (events, inbox) = mpsc::channel();
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(MountError::Start)?;
    let signal_events = events.clone();
    spawn("signals", move || signals.forever().take_while(|signal| signal_events.send(Event::Signal(*signal)).is_ok()).for_each(drop))?;

    let (looks, noted) = Looks::new();
    let adapter = Adapter::new(tree.clone(), usage.clone(), looks, request.options.clone());
    let (session, mut unmount) = kernel::connect(adapter, &storage, &target, &request.options)?;
    let notifier = session.notifier();
    spawn("session", move || drop(events.send(Event::Ended(session.run()))))?;

    if let Err(err) = check(&target, &request.options) {
        unmount.unmount()?;
        return Err(err.into());
    }
    tracing::info!(storage = %storage.display(), mountpoint = %target.display(), "mounted");
    ready();
    let (stop, stopped) = mpsc::channel::<()>();
    let (is_ending, (ended, witness_ended)) = (Arc::new(AtomicBool::new(false)), mpsc::channel::<()>());
    let witness = Witness::new(tree.clone(), noted, is_ending.clone(), &storage, &target);
    spawn("witness", move || {
        witness.run();
        drop(ended);
    })?;
    spawn("follow", move || follow(&tree, &catalog, &usage, &notifier, &stopped))?;

    let result = match inbox.recv() {
        Ok(Event::Ended(result)) => result.map_err(MountError::Session),
        Ok(Event::Signal(signal)) => {
            tracing::debug!(signal, "unmounting");
            ready::notify_stopping();
            unmount.unmount()?;
            if !matches!(inbox.recv_timeout(END_WITHIN), Ok(Event::Ended(_))) {
                tracing::warn!("files are still open in the mount; they fail from now on");
            }
            Ok(())
        }
        Err(_) => Ok(()),
    };
    drop(stop);
    // It tells what is left.
    is_ending.store(true, Ordering::Relaxed);
    let _ = witness_ended.recv_timeout(TELL_WITHIN);
    drop(scratch);
    tracing::info!(mountpoint = %target.display(), "unmounted");
    result
}

/// Looks at the mount from outside, when we are among those who may.
fn check(target: &Path, options: &Options) -> Result<(), ReadyError> {
    let user = geteuid();
    if options.allow_other && !user.is_root() && user.as_raw() != options.uid {
        return Ok(());
    }
    ready::check(target)
}

/// Follows the writer until the mount ends. What the kernel could not be told yet stays owed.
fn follow<A: Archive>(tree: &Tree<A>, catalog: &Catalog, usage: &Usage, notifier: &Notifier, stopped: &Receiver<()>) {
    let (mut owed, mut told) = (None, Vec::new());
    let mut failing = false;
    measure(catalog, usage);
    while stopped.recv_timeout(FOLLOW_EVERY) == Err(RecvTimeoutError::Timeout) {
        let followed = catch_up(tree, notifier, &mut owed, &mut told);
        match &followed {
            Ok(true) => measure(catalog, usage),
            Err(err) if !failing => tracing::warn!(error = err as &dyn std::error::Error, "the writer cannot be followed"),
            _ => {}
        }
        if failing && followed.is_ok() {
            tracing::info!("the writer is followed again");
        }
        failing = followed.is_err();
    }
}

/// Moves to the newest commit and tells the kernel; returns whether there was one.
///
/// What it was `told` is told once more the next time: a program that listed a folder at that very moment may have put
/// the answer from before into the kernel's memory just after.
fn catch_up<A: Archive>(tree: &Tree<A>, notifier: &Notifier, owed: &mut Option<Step>, told: &mut Vec<Notice>) -> Result<bool, ViewError> {
    told.drain(..).for_each(|notice| tell(tree, notifier, &notice));
    if let Some(step) = tree.advance()? {
        *owed = Some(match owed.take() {
            Some(before) => before.then(step),
            None => step,
        });
    }
    let Some(step) = owed else { return Ok(false) };
    let notices = invalidate::notices(tree, step)?;
    tracing::debug!(seq = %step.after, notices = notices.len(), "a newer commit is shown");
    notices.iter().for_each(|notice| tell(tree, notifier, notice));
    (*owed, *told) = (None, notices);
    Ok(true)
}

fn tell<A: Archive>(tree: &Tree<A>, notifier: &Notifier, notice: &Notice) {
    let told = match notice {
        Notice::Folder(node) => notifier.inval_inode(INodeNo(tree.nodes.number(*node)), 0, 0),
        Notice::Name(parent, name) => notifier.inval_entry(INodeNo(tree.nodes.number(*parent)), OsStr::new(name)),
    };
    if let Err(err) = told {
        tracing::debug!(%err, ?notice, "the kernel did not take a notice");
    }
}

fn measure(catalog: &Catalog, usage: &Usage) {
    match catalog.stats() {
        Ok(stats) => {
            usage.bytes.store(stats.stored_bytes, Ordering::Relaxed);
            usage.files.store(stats.items, Ordering::Relaxed);
        }
        Err(err) => tracing::debug!(%err, "sizes are not known"),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), MountError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(MountError::Start)
}
