//! The bench on which the real binaries are tried: a lab, a daemon, its command line, a mount.
//!
//! Each test has its own folders, ports and socket; everything started here ends with the value
//! that holds it. Nothing in here knows how the product works inside: it starts programs, reads
//! what they print, and looks at files.

mod bench;
mod ctl;
mod daemon;
mod ews;
mod lab;
mod login;
mod machine;
mod mount;
mod programs;
mod tap;
mod tree;
mod wait;

pub use bench::Bench;
pub use ctl::{Ctl, Outcome};
pub use daemon::Daemon;
pub use ews::Ews;
pub use lab::{Lab, LabItem};
pub use login::in_a_session;
pub use machine::Machine;
pub use mount::{Mount, fuse_usable};
pub use programs::{program, shared};
pub use tap::{Exchange, Tap, ask};
pub use tree::{digest, files, folders, sha256};
pub use wait::until;
