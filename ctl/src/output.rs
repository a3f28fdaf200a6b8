//! What a command says: answers on standard output, words about them on standard error.
//!
//! With `--json`, standard output holds JSON only. Colours appear on a terminal only, and never with `NO_COLOR`.

use crate::error::Error;
use crate::human;
use crate::table::Table;
use serde::Serialize;
use std::env;
use std::io::{self, IsTerminal, Write};

/// The two streams and how they are to be used.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    stdout_terminal: bool,
    stdout_colour: bool,
    stderr_colour: bool,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// As it should be.
    Good,
    /// One should know.
    Warning,
    /// Wrong.
    Bad,
    /// A heading.
    Strong,
    /// Nothing special.
    Plain,
}

impl Output {
    /// Looks at the two streams and the environment.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let wanted = env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && env::var_os("TERM").is_none_or(|v| v != "dumb");
        let stdout_terminal = io::stdout().is_terminal();
        Self { json, quiet, stdout_terminal, stdout_colour: wanted && stdout_terminal, stderr_colour: wanted && io::stderr().is_terminal() }
    }

    /// Returns whether standard output is for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Returns whether only answers and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Returns whether a person looks at standard output.
    pub(crate) fn is_terminal(&self) -> bool {
        self.stdout_terminal
    }

    /// Writes an answer as one line of JSON.
    pub(crate) fn value<T: Serialize>(&self, value: &T) -> Result<(), Error> {
        let json = serde_json::to_string(value).map_err(|e| Error::Write(e.into()))?;
        write_line(&json)
    }

    /// Writes a line of an answer; nothing with `--json`.
    pub(crate) fn line(&self, text: &str) -> Result<(), Error> {
        if self.json { Ok(()) } else { write_line(text) }
    }

    /// Writes a table; nothing with `--json`.
    pub(crate) fn table(&self, table: &Table) -> Result<(), Error> {
        if self.json || table.is_empty() { Ok(()) } else { write_line(&table.render(self.stdout_terminal, self.stdout_colour)) }
    }

    /// Says that something was done; nothing with `--quiet` or `--json`.
    pub(crate) fn done(&self, text: &str) -> Result<(), Error> {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Says something beside the answer; nothing with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            write_error_line(text);
        }
    }

    /// Says what is not as it should be, and what to do.
    pub(crate) fn complain(&self, paint: Paint, message: &str, hint: &str) {
        let word = if paint == Paint::Bad { "error:" } else { "warning:" };
        write_error_line(&format!("{} {}", painted(self.stderr_colour, paint, word), human::text::line(message)));
        if !hint.is_empty() {
            write_error_line(&format!("{} {}", painted(self.stderr_colour, Paint::Strong, "hint:"), human::text::line(hint)));
        }
    }

    /// Says why a command failed: in words, and with `--json` also as the last value of standard output.
    pub(crate) fn failure(&self, error: &Error) {
        self.complain(Paint::Bad, &error.sentence(), &error.hint());
        if self.json && !matches!(error, Error::Write(_)) {
            // When standard output is gone there is nobody left to tell.
            let _ = self.value(&error.json());
        }
    }

    /// Returns the text in a colour, where colours are wanted on standard output.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        painted(self.stdout_colour, paint, text)
    }
}

fn painted(colour: bool, paint: Paint, text: &str) -> String {
    let code = match paint {
        Paint::Good => "32",
        Paint::Warning => "33",
        Paint::Bad => "31",
        Paint::Strong => "1",
        Paint::Plain => return text.to_owned(),
    };
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn write_line(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()).map_err(Error::Write)
}

fn write_error_line(text: &str) {
    // When standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
