//! What the process denies itself: leaving its memory, with passwords and mail in it, in a core
//! file, and making files that everybody can read.

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Applies all. Where the kernel refuses, the daemon is as it would have been without.
pub fn apply() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = set_dumpable(false);
    umask(Mode::from_bits_truncate(0o027));
}
