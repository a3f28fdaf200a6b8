//! Questions to the person at the terminal. Nobody is asked where there is no terminal.

use crate::error::Error;
use nix::sys::termios::{self, LocalFlags, SetArg};
use std::io::{self, BufRead, IsTerminal, Write};
use zeroize::Zeroizing;

/// Returns whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question whose answer is no unless it is yes.
pub(crate) fn confirm(question: &str) -> Result<bool, Error> {
    let answer = ask(&format!("{question} [y/N] ")).map_err(Error::Ask)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks a question whose answer is yes unless it is no.
pub(crate) fn agreed(question: &str) -> Result<bool, Error> {
    let answer = ask(&format!("{question} [Y/n] ")).map_err(Error::Ask)?;
    // The end of the input is no answer.
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") || answer == "\n")
}

/// A step that loses something, about to be taken.
pub(crate) struct Step<'a> {
    /// The question: `Delete storage archive (its files stay)?`.
    pub(crate) question: String,
    /// What needs `--yes` where nobody can be asked: `deleting storage archive`.
    pub(crate) doing: String,
    /// What is lost, or is not.
    pub(crate) consequence: &'a str,
    /// What holds when the person says no: `storage archive stays as it was`.
    pub(crate) declined: String,
}

/// Asks whether a step is to be taken, unless the arguments say so already.
pub(crate) fn agree(yes: bool, step: Step<'_>) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if !can_ask() {
        let hint = format!("say --yes if that is wanted; {}", step.consequence);
        return Err(Error::usage(format!("{} needs --yes where nobody can be asked", step.doing), hint));
    }
    if confirm(&step.question)? { Ok(()) } else { Err(Error::Declined(step.declined)) }
}

/// Asks for a secret; what is typed is not shown.
pub(crate) fn secret(prompt: &str) -> Result<Zeroizing<String>, Error> {
    let stdin = io::stdin();
    let before = termios::tcgetattr(&stdin).map_err(|e| Error::Ask(e.into()))?;
    let mut hidden = before.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).map_err(|e| Error::Ask(e.into()))?;
    let answer = ask(prompt);
    termios::tcsetattr(&stdin, SetArg::TCSANOW, &before).map_err(|e| Error::Ask(e.into()))?;
    answer.map(Zeroizing::new).map_err(Error::Ask)
}

fn ask(prompt: &str) -> io::Result<String> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}
