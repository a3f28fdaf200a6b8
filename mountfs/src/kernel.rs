//! Mounting and unmounting: as root by mount(2), so that the type is `fuse.c2b`; else through `fusermount3`.
//!
//! mount(2) is called before anything leaves the caller's process group: under an automount point only
//! that group may pass.

use crate::fuse::Adapter;
use crate::mountpoint::{self, FSTYPE, Mount, MountPointError};
use crate::options::Options;
use crate::{archive::Archive, errno::ViewError};
use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::unistd::{getegid, geteuid};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Threads that answer the kernel: with fewer than four, one slow read holds up every `ls`.
const THREADS: usize = 4;

/// Why the kernel does not take the mount.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The device of FUSE cannot be opened.
    #[error("failed to open /dev/fuse (is the fuse module loaded?)")]
    Device(#[source] io::Error),
    /// mount(2) failed.
    #[error("failed to mount on {target}")]
    Mount {
        /// Where.
        target: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The conversation with the kernel could not be begun.
    #[error("failed to start the conversation with the kernel")]
    Start(#[source] io::Error),
    /// The view cannot answer.
    #[error("failed to read the storage")]
    View(#[source] ViewError),
}

/// How a mount can be taken away.
pub enum Unmount {
    /// By us, as root, while it is still this very mount.
    Direct(PathBuf, Option<Mount>),
    /// By fusermount3.
    Helper(SessionUnmounter),
}

/// Mounts an adapter.
///
/// # Errors
/// [`KernelError`]; then nothing is mounted.
pub fn connect<A: Archive>(adapter: Adapter<A>, source: &Path, target: &Path, options: &Options) -> Result<(Session<Adapter<A>>, Unmount), KernelError> {
    let acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    let mut config = Config::default();
    config.n_threads = Some(THREADS);
    config.acl = acl;
    if geteuid().is_root()
        && let Some(device) = mount_directly(source, target, options)?
    {
        return match Session::from_fd(adapter, device, acl, config) {
            Ok(session) => Ok((session, Unmount::Direct(target.to_owned(), mountpoint::uppermost(target).ok().flatten()))),
            Err(err) => {
                // Best effort: the first error is the one to tell.
                let _detached = mountpoint::detach(target);
                Err(KernelError::Start(err))
            }
        };
    }
    let mut words = vec![MountOption::RO, MountOption::NoSuid, MountOption::NoDev, MountOption::NoExec];
    words.extend([MountOption::FSName(source.display().to_string()), MountOption::Subtype("c2b".to_owned())]);
    if options.allow_other {
        words.push(MountOption::DefaultPermissions);
    }
    config.mount_options = words;
    let mut session = Session::new(adapter, target, &config).map_err(|source| KernelError::Mount { target: target.to_owned(), source: one_line(&source) })?;
    let unmounter = session.unmount_callable();
    Ok((session, Unmount::Helper(unmounter)))
}

impl Unmount {
    /// Unmounts; what is open stays usable until we end.
    ///
    /// # Errors
    /// When the mount is still there afterwards.
    pub fn unmount(&mut self) -> Result<(), MountPointError> {
        match self {
            Self::Direct(target, mount) => match mountpoint::uppermost(target)? {
                Some(now) if Some(&now) == mount.as_ref() => mountpoint::detach(target),
                _ => Ok(()),
            },
            Self::Helper(unmounter) => unmounter.unmount().map_err(|source| MountPointError::Unmount { path: PathBuf::new(), source }),
        }
    }
}

/// Calls mount(2); `None` when we may not although we are root (a container without the right to mount).
fn mount_directly(source: &Path, target: &Path, options: &Options) -> Result<Option<OwnedFd>, KernelError> {
    let device = File::options().read(true).write(true).open("/dev/fuse").map_err(KernelError::Device)?;
    let mut data = format!("fd={},rootmode=40000,user_id={},group_id={}", device.as_raw_fd(), geteuid(), getegid());
    if options.allow_other {
        data.push_str(",allow_other,default_permissions");
    }
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some(source), target, Some(FSTYPE), flags, Some(data.as_str())) {
        Ok(()) => Ok(Some(device.into())),
        Err(Errno::EPERM) => Ok(None),
        Err(errno) => Err(KernelError::Mount { target: target.to_owned(), source: errno.into() }),
    }
}

/// fusermount3 speaks in lines.
fn one_line(error: &io::Error) -> io::Error {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    io::Error::new(error.kind(), lines.join("; "))
}
