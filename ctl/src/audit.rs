//! `c2bctl audit`: who did what, and whether the log of it is as it was written.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::output::Paint;
use crate::session::Session;
use crate::table::Table;
use c2b_api::Span;
use c2b_api::audit::{AuditEntry, AuditVerifyReport};
use c2b_api::route;
use chrono::{DateTime, Local, NaiveDate, NaiveTime, TimeZone, Utc};
use clap::{Args, Subcommand};

const EXAMPLES_SHOW: &str = "\
Recorded are what people looked at, mounted, restored, erased, started, stopped and changed, and what
they were refused; what only shows states is not. Each look at the log is recorded, too.

Examples:
  c2bctl audit show
  c2bctl audit show --since 7d --action mount
  c2bctl audit show --mailbox alice@example.org -n 1000
  c2bctl --json audit show --since 2026-11-01 --user bob | jq -r '.[].action'";
const EXAMPLES_VERIFY: &str = "\
Finds records that were edited, removed, exchanged or added, and an end that was cut off.
Exit code 1 when something is wrong.

Examples:
  c2bctl audit verify";

#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    Show(ShowArgs),
    /// Find out whether the audit log is as it was written
    #[command(after_help = EXAMPLES_VERIFY)]
    Verify,
}

/// Show who did what, the latest last
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES_SHOW)]
pub(crate) struct ShowArgs {
    /// From then on: a time span until now (12h, 7d), a day, or a time as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Since>,
    /// What this user did
    #[arg(long)]
    user: Option<String>,
    /// What begins with this noun, or noun and verb: mount, job, "job start"
    #[arg(long)]
    action: Option<String>,
    /// What was about this mailbox
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<String>,
    /// How many at most, the latest
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// A moment, as people say it.
#[derive(Clone, Copy, Debug)]
enum Since {
    Span(Span),
    Time(DateTime<Utc>),
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &AuditCommand) -> Result<Exit, Error> {
    match command {
        AuditCommand::Show(args) => show(session, args).await,
        AuditCommand::Verify => verify(session).await,
    }
}

async fn show(session: &Session, args: &ShowArgs) -> Result<Exit, Error> {
    let since = args.since.map(|since| match since {
        Since::Span(span) => span.before(now()),
        Since::Time(time) => time,
    });
    let mut wishes = vec![("limit", args.limit.to_string())];
    wishes.extend(since.map(|since| ("since", since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))));
    let texts = [("user", &args.user), ("action", &args.action), ("mailbox", &args.mailbox)];
    wishes.extend(texts.into_iter().filter_map(|(key, text)| Some((key, text.clone()?))));
    let entries: Vec<AuditEntry> = session.ask_with(&route::daemon::AUDIT, &wishes).await?;
    if session.output.is_json() {
        session.output.value(&entries)?;
        return Ok(Exit::OK);
    }
    let mut table = Table::new(&["TIME", "USER", "SESSION", "ACTION", "OBJECT", "MAILBOXES", "DETAIL", "OUTCOME"]).missable(&["SESSION", "DETAIL"]);
    for entry in &entries {
        table.row(vec![
            human::time::time(entry.time).into(),
            (&entry.user).into(),
            (&entry.session).into(),
            (&entry.action).into(),
            (&entry.object).into(),
            entry.mailboxes.join(", ").into(),
            (&entry.detail).into(),
            if entry.outcome.is_empty() { "not ended" } else { &entry.outcome }.into(),
        ]);
    }
    session.output.table(&table)?;
    if entries.is_empty() {
        session.output.note("nothing of that is recorded");
    }
    Ok(Exit::OK)
}

async fn verify(session: &Session) -> Result<Exit, Error> {
    let report: AuditVerifyReport = session.ask(&route::daemon::AUDIT_VERIFY).await?;
    let output = &session.output;
    if output.is_json() {
        output.value(&report)?;
    }
    for problem in &report.problems {
        output.line(&format!("{}  {}", output.paint(Paint::Bad, "error"), human::text::line(problem)))?;
    }
    let (records, files) = (human::count::nouns(report.records, "record", "records"), human::count::nouns(report.files, "file", "files"));
    if report.intact {
        output.done(&format!("the audit log is as it was written: {records} in {files}"))?;
        return Ok(Exit::OK);
    }
    output.complain(
        Paint::Bad,
        &format!("the audit log is not as it was written ({records} in {files})"),
        "compare it with the journal (journalctl -u c2bd), or with a copy",
    );
    Ok(Exit::FAILED)
}

fn parse_since(text: &str) -> Result<Since, String> {
    if let Ok(span) = text.parse() {
        return Ok(Since::Span(span));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::Time(time.to_utc()));
    }
    let day = text.parse::<NaiveDate>().ok().and_then(|day| Local.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest());
    day.map(|time| Since::Time(time.to_utc())).ok_or_else(|| "expected a span (12h, 7d), a day (2026-11-22) or a time (2026-11-22T10:00:00Z)".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the span that a person gives ends now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_span_a_day_or_a_time() {
        assert!(matches!(parse_since("7d"), Ok(Since::Span(_))));
        assert!(matches!(parse_since("2026-11-22"), Ok(Since::Time(_))));
        assert!(matches!(parse_since("2026-11-22T10:00:00+01:00"), Ok(Since::Time(time)) if time.to_rfc3339().starts_with("2026-11-22T09")));
        assert!(parse_since("yesterday").is_err());
    }
}
