//! Questions to the person at the terminal. Nobody is asked where there is no terminal.

use crate::error::Error;
use nix::sys::termios::{self, LocalFlags, SetArg};
use std::io::{self, BufRead, IsTerminal, Write};

/// Returns whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question whose answer is no unless it is yes.
pub(crate) fn confirm(question: &str) -> Result<bool, Error> {
    let answer = ask(&format!("{question} [y/N] ")).map_err(Error::Ask)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a secret; what is typed is not shown.
pub(crate) fn secret(prompt: &str) -> Result<String, Error> {
    let stdin = io::stdin();
    let before = termios::tcgetattr(&stdin).map_err(|e| Error::Ask(e.into()))?;
    let mut hidden = before.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).map_err(|e| Error::Ask(e.into()))?;
    let answer = ask(prompt);
    termios::tcsetattr(&stdin, SetArg::TCSANOW, &before).map_err(|e| Error::Ask(e.into()))?;
    answer.map_err(Error::Ask)
}

fn ask(prompt: &str) -> io::Result<String> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}
