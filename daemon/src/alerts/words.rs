//! Events in words for people: what happened, since when, what to do.

use c2b_api::alert::{AlertEvent, AlertKind, AlertStage};
use std::fmt::Write;

/// Longest message in a subject, in characters.
const SUBJECT_CHARS_MAX: usize = 120;

/// Returns an event in one line.
pub(super) fn line(event: &AlertEvent) -> String {
    let what = what(event.alert.kind);
    let text = match event.stage {
        AlertStage::Raised => format!("{}: {what}", event.alert.object),
        AlertStage::Reminder => format!("{}: {what} still", event.alert.object),
        AlertStage::Recovered => format!("{}: over: {what}", event.alert.object),
    };
    text.chars().filter(|c| !c.is_control()).take(SUBJECT_CHARS_MAX).collect()
}

/// Returns events as the text of a mail.
pub(super) fn text(host: &str, events: &[AlertEvent]) -> String {
    let mut text = String::new();
    for event in events {
        let alert = &event.alert;
        let (since, time) = (alert.since.format("%Y-%m-%d %H:%M UTC"), event.time.format("%Y-%m-%d %H:%M UTC"));
        // Writing into memory does not fail.
        let _ = writeln!(text, "{}", line(event));
        let _ = match event.stage {
            AlertStage::Recovered => writeln!(text, "  what:  it was: {}\n  since: {since}, over {time}", alert.message),
            AlertStage::Raised | AlertStage::Reminder => writeln!(text, "  what:  {}\n  since: {since}", alert.message),
        };
        if event.stage != AlertStage::Recovered && !alert.hint.is_empty() {
            let _ = writeln!(text, "  do:    {}", alert.hint);
        }
        text.push('\n');
    }
    let _ = write!(text, "-- \nc2bd on {host}. `c2bctl status` shows how everything stands, `c2bctl alert list` what is wrong now.\n");
    text
}

fn what(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Failure => "backup fails",
        AlertKind::Warnings => "some things could not be backed up",
        AlertKind::Silence => "no good backup for too long",
        AlertKind::LowSpace => "low space, backups pause",
        AlertKind::Storage => "trouble with the storage",
        AlertKind::Expiry => "something expires",
        AlertKind::Suspicious => "suspicious change, retention is frozen",
        AlertKind::Configuration => "a definition is wrong",
        AlertKind::Test => "a test, nothing is wrong",
    }
}
