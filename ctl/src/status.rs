//! `c2bctl status`: good news, bad news, and everything at a glance.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::output::Paint;
use crate::session::Session;
use crate::{connection, job, storage};
use c2b_api::job::{JobState, JobStatus};
use c2b_api::route;
use c2b_api::status::Status;
use clap::Args;

const EXAMPLES: &str = "Examples:\n  c2bctl status\n  c2bctl --json status | jq -r '.\"bad-news\"[]'";

/// Show good news, bad news, jobs, storages and connections
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {}

/// Shows how things stand.
pub(crate) async fn run(session: &Session, _args: &StatusArgs) -> Result<Exit, Error> {
    let status: Status = session.ask(&route::daemon::STATUS).await?;
    let output = &session.output;
    if output.is_json() {
        output.value(&status)?;
        return Ok(Exit::OK);
    }
    for text in good_news(&status) {
        output.line(&format!("{}  {}", output.paint(Paint::Good, "good"), human::text::line(&text)))?;
    }
    for text in &status.bad_news {
        output.line(&format!("{}  {}", output.paint(Paint::Bad, "bad "), human::text::line(text)))?;
    }
    let none = [
        (status.connections.is_empty(), "no connection yet: `c2bctl connection create` says where mail comes from"),
        (status.storages.is_empty(), "no storage yet: `c2bctl storage create` says where backups are kept"),
        (status.jobs.is_empty(), "no job yet: `c2bctl job create` says what is backed up"),
    ];
    for (_, text) in none.iter().filter(|(missing, _)| *missing) {
        output.line(&format!("next  {text}"))?;
    }
    // Why a job failed is among the bad news.
    let without_reason = |job: JobStatus| if job.state == JobState::Error { JobStatus { detail: String::new(), ..job } } else { job };
    let jobs: Vec<JobStatus> = status.jobs.iter().cloned().map(without_reason).collect();
    for table in [job::table(&jobs), storage::table(&status.storages), connection::table(&status.connections)] {
        if !table.is_empty() {
            output.line("")?;
            output.table(&table)?;
        }
    }
    Ok(Exit::OK)
}

fn good_news(status: &Status) -> Vec<String> {
    let mut news = vec![format!("c2bd {} runs since {} (process {})", status.version, human::time::time(status.started), status.pid)];
    let running = status.jobs.iter().filter(|job| job.state == JobState::Active).count();
    if running > 0 {
        news.push(format!("{} active", human::count::nouns(running as u64, "job is", "jobs are")));
    }
    if let Some((time, name)) = status.jobs.iter().filter_map(|job| Some((job.last_success?, &job.definition.name))).max() {
        news.push(format!("last success: {name} at {}", human::time::time(time)));
    }
    for connection in &status.connections {
        if let Some(slots) = connection.slots.filter(|slots| slots.in_flight + slots.waiting > 0) {
            let mut text = format!("connection {}: {}", connection.name, connection::slots_text(&slots));
            if slots.throttled_secs > 0 {
                text += &format!(", throttled for {} so far", human::duration::duration(slots.throttled_secs));
            }
            news.push(text);
        }
    }
    if status.bad_news.is_empty() {
        news.push("no bad news".to_owned());
    }
    news
}
