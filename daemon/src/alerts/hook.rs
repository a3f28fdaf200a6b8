//! A command for each event, which has the event as JSON on its standard input.

use super::rules::Hook;
use c2b_api::alert::AlertEvent;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a command may take; then it is killed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How much of what a command says is told, in characters.
const SAID_CHARS_MAX: usize = 300;

/// A command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    /// It could not be run.
    #[error("failed to run {program}")]
    Run {
        program: String,
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("{program} was killed after {} s", TIMEOUT.as_secs())]
    Timeout { program: String },
    /// It failed.
    #[error("{program} ended with {status}: {said}")]
    Failed { program: String, status: std::process::ExitStatus, said: String },
}

/// Runs the command for an event.
pub(super) async fn run(hook: &Hook, event: &AlertEvent) -> Result<(), HookError> {
    let [program, args @ ..] = hook.command.as_slice() else { return Ok(()) };
    let failed = |source| HookError::Run { program: program.clone(), source };
    let mut command = Command::new(program);
    // Of the daemon's environment it needs the search path, and nothing else.
    command.args(args).env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut json = serde_json::to_vec(event).map_err(|error| failed(error.into()))?;
    json.push(b'\n');
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read is no failure.
        let _ = tokio::time::timeout(TIMEOUT, stdin.write_all(&json)).await;
    }
    let Ok(ended) = tokio::time::timeout(TIMEOUT, child.wait_with_output()).await else { return Err(HookError::Timeout { program: program.clone() }) };
    let ended = ended.map_err(failed)?;
    if ended.status.success() {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&ended.stderr).trim().chars().take(SAID_CHARS_MAX).collect();
    Err(HookError::Failed { program: program.clone(), status: ended.status, said })
}
