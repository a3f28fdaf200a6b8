//! Why a command could not do its work: message, causes, one hint, an exit code.

use crate::exit::Exit;
use crate::human;
use crate::mount;
use crate::socket::SocketTrouble;
use c2b_api::{ApiError, ErrorCode};
use serde::Serialize;
use std::io;
use std::path::PathBuf;

/// Where `journalctl` is named as the next step.
const HINT_JOURNAL: &str = "see what happened to the daemon with `journalctl -u c2bd -n 50`";

/// A command's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The daemon refused or failed.
    #[error("{0}")]
    Api(ApiError),
    /// The daemon did not answer.
    #[error("failed to reach c2bd at {}", socket.display())]
    Unreachable {
        socket: PathBuf,
        #[source]
        trouble: SocketTrouble,
    },
    /// The daemon's answer stopped in the middle.
    #[error("c2bd went away in the middle of its answer")]
    WentAway,
    /// The daemon's answer is of another version.
    #[error(transparent)]
    Answer(c2b_api::ClientError),
    /// The arguments contradict each other or lack something.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// The password file could not be read.
    #[error("failed to read the password from {}", path.display())]
    ReadPassword {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The password file is open to others.
    #[error("others can read the password file {} (mode {mode:04o})", path.display())]
    PasswordFileOpen { path: PathBuf, mode: u32 },
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    ReadFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("failed to write {}", path.display())]
    WriteFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Definitions could not be looked at.
    #[error("failed to check {}: {reason}", path.display())]
    CheckConfig { path: PathBuf, reason: String },
    /// A question could not be asked.
    #[error("failed to ask on the terminal")]
    Ask(#[source] io::Error),
    /// The person said no.
    #[error("{0}")]
    Declined(String),
    /// The person pressed Ctrl-C while something went on.
    #[error("{message}")]
    Interrupted { message: String, hint: &'static str },
    /// A path could not be made absolute.
    #[error("failed to find the folder that {} is relative to", path.display())]
    Absolute {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The mount program could not be started.
    #[error("failed to start {}", program.display())]
    StartProgram {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The mount program said no.
    #[error("failed to mount {what} at {}: mount.c2b ended with {status}", dir.display())]
    Mount { what: String, dir: PathBuf, status: String, exit: u8 },
    /// The list of mounts could not be read.
    #[error("failed to read /proc/self/mountinfo")]
    ReadMounts(#[source] io::Error),
    /// Nothing of ours is mounted there.
    #[error("{message}")]
    NotMounted { message: String, hint: String },
    /// The mount could not be taken away.
    #[error("failed to unmount {}: {reason}", dir.display())]
    Unmount { dir: PathBuf, reason: String },
    /// Standard output is closed or full.
    #[error("failed to write to standard output")]
    Write(#[source] io::Error),
    /// Something that the system always gives was not given.
    #[error("failed to set up {what}")]
    SetUp {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

/// An error in JSON.
#[derive(Serialize)]
pub(crate) struct ErrorJson {
    error: ErrorJsonBody,
}

#[derive(Serialize)]
struct ErrorJsonBody {
    code: String,
    message: String,
    hint: String,
    exit: u8,
}

impl Error {
    /// Makes a usage error.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Api(error) => Exit(error.code.exit_code()),
            Self::Unreachable { .. } | Self::WentAway => Exit::UNREACHABLE,
            Self::Usage { .. } | Self::PasswordFileOpen { .. } => Exit::USAGE,
            Self::Mount { exit, .. } => Exit(*exit),
            Self::Interrupted { .. } => Exit::INTERRUPTED,
            _ => Exit::FAILED,
        }
    }

    /// Returns the code of the JSON error.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Api(error) => code_text(error.code),
            Self::Unreachable { .. } | Self::WentAway => "unreachable".to_owned(),
            Self::Usage { .. } | Self::PasswordFileOpen { .. } => "invalid".to_owned(),
            Self::Declined(_) => "declined".to_owned(),
            Self::Interrupted { .. } => "interrupted".to_owned(),
            Self::Mount { .. } | Self::NotMounted { .. } | Self::Unmount { .. } | Self::ReadMounts(_) => "mount".to_owned(),
            _ => "failed".to_owned(),
        }
    }

    /// Returns the message and its causes in one sentence.
    pub(crate) fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        human::text::line(&text)
    }

    /// Returns what to do; empty when there is nothing to say.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Self::Api(error) if error.hint.is_empty() && error.code == ErrorCode::Internal => HINT_JOURNAL.to_owned(),
            Self::Api(error) => error.hint.clone(),
            Self::Unreachable { socket, trouble } => trouble.hint(socket),
            Self::WentAway => HINT_JOURNAL.to_owned(),
            Self::Answer(_) => "c2bctl and c2bd may be of different versions: restart the daemon after an upgrade with `systemctl restart c2bd`".to_owned(),
            Self::Usage { hint, .. } | Self::NotMounted { hint, .. } => hint.clone(),
            Self::Interrupted { hint, .. } => (*hint).to_owned(),
            Self::PasswordFileOpen { path, .. } => format!("make it yours alone with `chmod 600 {}`", path.display()),
            Self::StartProgram { program, .. } if program.to_string_lossy().contains("c2b") => {
                "it is installed with c2b: is the installation complete?".to_owned()
            }
            Self::StartProgram { .. } => "set EDITOR to an editor that is installed".to_owned(),
            Self::Mount { exit, .. } if *exit == mount::SEALED => "give its password or recovery key with `--password-file FILE`".to_owned(),
            Self::Unmount { reason, dir } if reason.contains("busy") => format!(
                "see which programs use it with `fuser -vm {0}`, then try again; or take it away from them with `c2bctl unmount {0} --lazy`",
                dir.display()
            ),
            Self::ReadFile { .. } => "name a file that is there and that you may read".to_owned(),
            _ => String::new(),
        };
        human::text::line(&hint)
    }

    /// Returns the error as JSON shows it.
    pub(crate) fn json(&self) -> ErrorJson {
        ErrorJson { error: ErrorJsonBody { code: self.code(), message: self.sentence(), hint: self.hint(), exit: self.exit().0 } }
    }
}

/// Returns a code as it is written on the socket.
pub(crate) fn code_text(code: ErrorCode) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_else(|| "internal".to_owned())
}
