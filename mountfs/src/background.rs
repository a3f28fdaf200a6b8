//! Going to the background: the program starts itself again, waits until the mount is usable, and leaves.
//!
//! The child stays in the caller's process group until it has mounted (see `kernel.rs`), then begins its own
//! session and lets go of the caller's terminal.

use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Set in the child's environment: it shall say on its standard output when it is ready.
const CHILD: &str = "C2B_MOUNT_CHILD";

/// What the child says.
const READY: &[u8] = b"ready\n";

/// Returns whether this process is the child.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Starts the child with our own arguments, and our standard input if it is to read a secret there; returns the exit
/// code that we should end with.
///
/// # Errors
/// When it cannot be started or waited for.
pub fn start(reads_input: bool) -> io::Result<u8> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg0("mount.c2b")
        .args(std::env::args_os().skip(1))
        .env(CHILD, "1")
        .stdin(if reads_input { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_end(&mut said)?;
    }
    if said == READY {
        return Ok(0);
    }
    // Its reason is on the standard error that we share.
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.filter(|code| *code != 0).unwrap_or(2))
}

/// In the child: says that the mount is ready and leaves the caller's session and terminal.
///
/// # Errors
/// When the caller cannot be told.
pub fn leave() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // Fails only for the leader of a process group: a shell's job, which has what it wants already.
    let _session = setsid();
    chdir("/")?;
    dup2_stdin(&null)?;
    dup2_stderr(&null)?;
    let mut output = io::stdout().lock();
    output.write_all(READY)?;
    output.flush()?;
    dup2_stdout(&null)?;
    Ok(())
}
