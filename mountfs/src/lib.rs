//! The view: a c2b storage as read-only folders of mailboxes, through FUSE.
//!
//! `doc/semantics.md` says what it promises to those who look. Inside, from pure to impure:
//!
//! * [`node`]: inode numbers and what they stand for; [`stamp`]: times as names
//! * [`tree`]: names, attributes, listings and bytes, over the seam [`archive`]
//! * [`invalidate`]: what a new commit makes untrue
//! * [`fuse`]: the adapter to the kernel; [`errno`]: the one mapping of errors
//! * `looks`, `witness`: who reads what, told to the daemon for its audit log
//! * [`unlock`]: the key of a sealed storage
//! * [`mountpoint`], [`kernel`], [`ready`], [`serve`], [`background`]: the life of a mount
//!
//! It reads a storage beside its writer and without the daemon; it never writes to it.

pub mod archive;
pub mod background;
mod clock;
pub mod errno;
pub mod folders;
pub mod fuse;
pub mod head;
pub mod invalidate;
pub mod kernel;
mod looks;
pub mod mountpoint;
pub mod node;
pub mod options;
pub mod ready;
mod scratch;
pub mod serve;
pub mod stamp;
pub mod tree;
pub mod unlock;
mod witness;
pub mod xattr;

pub use options::{Options, OptionsError};
pub use serve::{MountError, Request, mount};
