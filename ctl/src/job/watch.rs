//! `c2bctl job watch` and `job start --wait`: live progress until the run ends.

use super::outcome;
use crate::error::Error;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::session::Session;
use c2b_api::client::Lines;
use c2b_api::job::{JobState, JobStatus};
use c2b_api::route;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Between two lines of progress where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Watches a job that was just started.
pub(super) async fn wait(session: &Session, name: &str) -> Result<Exit, Error> {
    follow(session, &[name.to_owned()]).await
}

/// Watches a job, or all that run now.
pub(super) async fn watch(session: &Session, name: Option<&str>) -> Result<Exit, Error> {
    if let Some(name) = name {
        let job: JobStatus = session.ask_of(&route::job::SHOW, name).await?;
        if !job.running {
            if session.output.is_json() {
                session.output.value(&job)?;
            }
            if job.state == JobState::Active {
                session.output.note(&format!("job {name} does not run now: {}", job.detail));
                return Ok(Exit::OK);
            }
            session.output.note(&format!("job {name} does not run: this is how its last run ended"));
            return if job.run.is_none() { Ok(Exit::OK) } else { outcome::tell(&session.output, &job) };
        }
        return follow(session, &[name.to_owned()]).await;
    }
    let jobs: Vec<JobStatus> = session.ask(&route::job::LIST).await?;
    let active = jobs.iter().filter(|job| job.running);
    let names: Vec<String> = active.map(|job| job.definition.name.clone()).collect();
    if names.is_empty() {
        session.output.note("no job runs now");
        return Ok(Exit::OK);
    }
    follow(session, &names).await
}

/// Shows the progress of jobs until all their runs have ended; returns the worst exit code.
async fn follow(session: &Session, names: &[String]) -> Result<Exit, Error> {
    // A few states in flight: a slow terminal slows the reading, not the daemon.
    let (sender, mut receiver) = mpsc::channel(16);
    for name in names {
        let lines = session.lines_of(&route::job::WATCH, name, None::<&()>).await?;
        tokio::spawn(read(lines, sender.clone()));
    }
    drop(sender);
    let output = &session.output;
    let mut progress = Progress::new(output);
    let mut last: Vec<JobStatus> = Vec::new();
    let mut tick = interval(LINE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, before there is something to show.
    tick.tick().await;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            result = &mut interrupted => {
                progress.tick()?;
                progress.clear();
                return result.map(|()| tell_interrupted(session, names)).map_err(|source| Error::SetUp { what: "Ctrl-C", source });
            }
            received = receiver.recv() => match received {
                Some(Ok(job)) => {
                    if output.is_json() {
                        output.value(&job)?;
                    }
                    progress.update(&job);
                    last.retain(|other| other.definition.name != job.definition.name);
                    last.push(job);
                }
                Some(Err(error)) => {
                    progress.tick()?;
                    progress.clear();
                    return Err(session.error(error));
                }
                None => break,
            },
            _ = tick.tick() => progress.tick()?,
        }
    }
    progress.clear();
    if last.len() < names.len() {
        return Err(Error::WentAway);
    }
    let mut worst = Exit::OK;
    for job in &last {
        worst = worst.max(outcome::tell(output, job)?);
    }
    Ok(worst)
}

async fn read(mut lines: Lines, sender: mpsc::Sender<Result<JobStatus, c2b_api::ClientError>>) {
    loop {
        let message = match lines.next::<JobStatus>().await {
            Ok(Some(job)) => Ok(job),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let failed = message.is_err();
        if sender.send(message).await.is_err() || failed {
            return;
        }
    }
}

fn tell_interrupted(session: &Session, names: &[String]) -> Exit {
    for name in names {
        session.output.note(&format!("job {name} runs on: watch it with `c2bctl job watch {name}`, stop it with `c2bctl job stop {name}`"));
    }
    Exit::INTERRUPTED
}
