//! `c2bctl job edit NAME` without anything to change: the definition in the caller's editor.
//!
//! What the daemon refuses is not lost: it can be edited on, or stays in a file that is named.

use crate::ask;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use c2b_api::ErrorCode;
use c2b_api::job::{Applied, JobApplied, JobApply, JobText};
use c2b_api::route;
use std::env;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// Editors that are tried when the environment names none: Debian's choice, then the one that POSIX has.
const EDITORS: [&str; 2] = ["editor", "vi"];

/// A file that goes when it is not kept.
struct Draft {
    path: PathBuf,
    is_kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // It holds no secret; whoever clears the folder gets it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Has a job's definition edited.
pub(super) async fn run(session: &Session, name: &str, stop: bool) -> Result<Exit, Error> {
    if !ask::can_ask() {
        return Err(Error::usage("nothing is to be changed, and there is no terminal for an editor", "see `c2bctl job edit --help` for what can be changed"));
    }
    let JobText { text } = session.ask_of(&route::job::DEFINITION, name).await?;
    let mut draft = Draft { path: write(name, &text)?, is_kept: false };
    let mut wish = JobApply { only: Some(name.to_owned()), stop, ..JobApply::default() };
    loop {
        edit(&draft.path)?;
        wish.text = std::fs::read_to_string(&draft.path).map_err(|source| Error::ReadFile { path: draft.path.clone(), source })?;
        if wish.text == text {
            return Err(Error::Declined(format!("nothing was changed; job {name} stays as it was")));
        }
        let answer = match session.tell::<_, Vec<JobApplied>>(&route::job::APPLY, &wish).await {
            Err(Error::Api(error)) if error.code == ErrorCode::State && !wish.stop => {
                if !ask::confirm(&format!("Job {name} is running. Stop it for the edit and start it again?"))? {
                    return Err(Error::Declined(format!("the edit is discarded; job {name} runs on as it was")));
                }
                wish.stop = true;
                session.tell(&route::job::APPLY, &wish).await
            }
            answer => answer,
        };
        match answer {
            Ok(applied) => return told(session, name, &applied),
            Err(error @ Error::Api(_)) => {
                session.output.failure(&error);
                if !ask::agreed("Edit again?")? {
                    draft.is_kept = true;
                    return Err(Error::Declined(format!("job {name} stays as it was; what you wrote is in {}", draft.path.display())));
                }
            }
            Err(error) => {
                draft.is_kept = true;
                return Err(error);
            }
        }
    }
}

fn told(session: &Session, name: &str, applied: &[JobApplied]) -> Result<Exit, Error> {
    if session.output.is_json() {
        session.output.value(&applied)?;
    }
    let is_new = applied.iter().any(|job| job.outcome != Applied::Unchanged);
    session.output.done(&if is_new {
        format!("changed job {name}; see it with `c2bctl job show {name}`")
    } else {
        format!("job {name} is like that already")
    })?;
    Ok(Exit::OK)
}

/// Writes the text to a new file that only the caller can read.
fn write(name: &str, text: &str) -> Result<PathBuf, Error> {
    let folder = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir()).unwrap_or_else(env::temp_dir);
    let path = folder.join(format!("c2b-{name}-{}.toml", process::id()));
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| Error::WriteFile { path: path.clone(), source })?;
    Ok(path)
}

/// Runs the editor until it is closed.
fn edit(path: &Path) -> Result<(), Error> {
    let chosen = ["VISUAL", "EDITOR"].iter().find_map(|name| env::var_os(name).filter(|value| !value.is_empty()));
    let editors = chosen.map_or_else(|| EDITORS.map(OsString::from).to_vec(), |editor| vec![editor]);
    for editor in &editors {
        // With its arguments, as other programs take it: EDITOR="code --wait".
        let status = Command::new("sh").arg("-c").arg(r#"exec $0 "$1""#).arg(editor).arg(path).status();
        match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) if status.code() != Some(NOT_FOUND) => {
                return Err(Error::Declined(format!("the editor ended with {status}; nothing was changed")));
            }
            Ok(_) => {}
            Err(source) => return Err(Error::StartProgram { program: PathBuf::from(editor), source }),
        }
    }
    let program = PathBuf::from(editors.first().cloned().unwrap_or_default());
    Err(Error::StartProgram { program, source: io::ErrorKind::NotFound.into() })
}

/// What the shell ends with when there is no such program.
const NOT_FOUND: i32 = 127;
