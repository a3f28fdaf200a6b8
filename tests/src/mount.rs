//! A mounted storage.

use crate::programs::program;
use crate::wait::until;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mount; ends with this value.
pub struct Mount {
    /// Where it is.
    pub path: PathBuf,
}

/// Returns whether this machine lets us mount; says so when not.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn fuse_usable() -> bool {
    let usable = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").is_ok();
    if !usable {
        eprintln!("skipped: /dev/fuse cannot be opened by this user");
    }
    usable
}

impl Mount {
    /// Mounts a storage's folder at a new folder `path`.
    pub fn new(storage: &Path, path: &Path) -> Self {
        std::fs::create_dir_all(path).expect("the mount point can be made");
        let output = Command::new(program("mount.c2b")).arg(storage).arg(path).stdin(Stdio::null()).output().expect("mount.c2b starts");
        assert!(output.status.success(), "mount.c2b: {}", String::from_utf8_lossy(&output.stderr));
        Self { path: path.to_owned() }
    }

    /// Returns the folder of a mailbox's latest state.
    pub fn latest(&self, mailbox: &str) -> PathBuf {
        self.path.join("mailboxes").join(mailbox).join("latest")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let path = self.path.clone();
        let _ = Command::new("fusermount3").arg("-u").arg("-z").arg(&path).stderr(Stdio::null()).status();
        let _ = std::panic::catch_unwind(|| {
            until("the mount is gone", || {
                let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
                (!table.contains(&*path.to_string_lossy())).then_some(())
            });
        });
    }
}
