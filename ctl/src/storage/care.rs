//! `c2bctl storage check` and `rebuild`: a stream of progress with a report at its end.

use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::human::count::{count, nouns};
use crate::noun::Noun;
use crate::output::{Output, Paint};
use crate::progress::PackBar;
use crate::session::Session;
use crate::table::Table;
use c2b_api::client::{Lines, Method};
use c2b_api::storage::{CareEvent, StorageCheck, StorageCheckReport, StorageRebuildReport};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checks a storage and shows what is damaged.
pub(crate) async fn check(session: &Session, name: &str, read_data: bool) -> Result<Exit, Error> {
    let request = StorageCheck { read_data };
    let lines = session.object_lines(Method::POST, Noun::Storage, name, "/check", Some(&request)).await?;
    let report: StorageCheckReport = follow(session, lines, "checking").await?;
    let output = &session.output;
    let mut table = Table::new(&["MAILBOX", "FOLDER", "SUBJECT", "DATE", "KEY", "DAMAGE"]).missable(&["KEY"]);
    for damage in &report.damages {
        for item in &damage.items {
            table.row(vec![
                (&item.mailbox).into(),
                (&item.folder).into(),
                (&item.subject).into(),
                human::time::time_or_dash(item.date).into(),
                (&item.key).into(),
                (&damage.what).into(),
            ]);
        }
        if damage.items.is_empty() {
            table.row(vec!["".into(), "".into(), "".into(), "".into(), "".into(), (&damage.what).into()]);
        }
    }
    output.table(&table)?;
    let looked =
        format!("{}, {}, {}", nouns(report.packs, "pack", "packs"), nouns(report.items, "item", "items"), nouns(report.versions, "version", "versions"));
    let bytes = human::size::size(report.bytes_read);
    let read = if read_data { format!("every byte read: {bytes}") } else { "structure only; --read-data reads every byte".to_owned() };
    output.done(&format!("looked at {looked} ({read})"))?;
    if report.damages.is_empty() {
        output.done(&format!("storage {name} is whole"))?;
        return Ok(Exit::OK);
    }
    let items: usize = report.damages.iter().map(|damage| damage.items.len()).sum();
    let places = nouns(report.damages.len() as u64, "place", "places");
    output.complain(
        Paint::Bad,
        &format!("storage {name} is damaged in {places}, which touches {}", nouns(items as u64, "item", "items")),
        "what is not listed is whole and can be read; look at the disk (`dmesg`, `smartctl -a`) before you write to it again",
    );
    Ok(Exit::FAILED)
}

/// Makes a storage's index anew.
pub(crate) async fn rebuild(session: &Session, name: &str) -> Result<Exit, Error> {
    let lines = session.object_lines(Method::POST, Noun::Storage, name, "/rebuild", None::<&()>).await?;
    let report: StorageRebuildReport = follow(session, lines, "reading").await?;
    let output = &session.output;
    output.done(&format!(
        "made the index of storage {name} anew: {} read, {} in {}",
        nouns(report.packs, "pack", "packs"),
        nouns(report.items, "item", "items"),
        nouns(report.versions, "version", "versions")
    ))?;
    for problem in &report.problems {
        output.line(&format!("  {}", human::text::line(problem)))?;
    }
    if report.problems.is_empty() {
        return Ok(Exit::OK);
    }
    let problems = nouns(report.problems.len() as u64, "place", "places");
    output.complain(Paint::Warning, &format!("{problems} could not be used"), &format!("see whose mail it is with `c2bctl storage check {name} --read-data`"));
    Ok(Exit::WARNINGS)
}

/// Shows progress until the report comes.
async fn follow<R: Serialize + DeserializeOwned>(session: &Session, mut lines: Lines, verb: &'static str) -> Result<R, Error> {
    let output = &session.output;
    let mut bar = PackBar::new(output, verb);
    while let Some(event) = lines.next::<CareEvent<R>>().await.map_err(|e| session.error(e))? {
        pass_through(output, &event)?;
        match event {
            CareEvent::Progress { done, total, bytes } => {
                bar.update(done, total, &format!("{} of {} packs, {}", count(done), count(total), human::size::size(bytes)));
            }
            CareEvent::Done { report } => return Ok(report),
            CareEvent::Failed { error } => return Err(Error::Api(error)),
        }
    }
    Err(Error::WentAway)
}

fn pass_through<R: Serialize>(output: &Output, event: &CareEvent<R>) -> Result<(), Error> {
    // A failure is told once, as the error that ends the stream.
    if output.is_json() && !matches!(event, CareEvent::Failed { .. }) { output.value(event) } else { Ok(()) }
}
