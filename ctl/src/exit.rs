//! How a command ends: the exit codes that scripts rely on.

/// The table of `c2bctl --help`.
pub(crate) const HELP: &str = "\
Exit codes:
    0  ok
    1  failed
    2  wrong usage, or a value that is not acceptable
    3  finished with warnings: done, except for what is listed
    4  a definition file is wrong
    5  sign-in or rights: the mail server or a sealed storage refused them, or you may not do this
    6  the daemon cannot be reached, or went away
    7  low space: the disk is full
  130  interrupted by Ctrl-C: a job runs on, work on a storage stops where it can go on later
`mount` passes on the exit code of mount.c2b. `monitor` ends as plugins of Nagios do: 0 ok, 1 warning,
2 critical, 3 unknown.";

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// All is well.
    pub(crate) const OK: Self = Self(0);
    /// It failed.
    pub(crate) const FAILED: Self = Self(1);
    /// The request is not understood or not acceptable.
    pub(crate) const USAGE: Self = Self(2);
    /// Done, except for what is listed.
    pub(crate) const WARNINGS: Self = Self(3);
    /// A definition file is wrong.
    pub(crate) const CONFIG: Self = Self(4);
    /// Sign-in or rights.
    pub(crate) const SIGN_IN: Self = Self(5);
    /// The daemon cannot be reached.
    pub(crate) const UNREACHABLE: Self = Self(6);
    /// The disk is full.
    pub(crate) const LOW_SPACE: Self = Self(7);
    /// Ctrl-C: 128 and the signal's number, as shells do.
    pub(crate) const INTERRUPTED: Self = Self(130);
}
