//! Long work on a storage: its progress, what it finds on its way, its report; Ctrl-C ends the listening.

use crate::error::Error;
use crate::human;
use crate::human::count::count;
use crate::output::Output;
use crate::progress::PackBar;
use crate::session::Session;
use c2b_api::client::Lines;
use c2b_api::route::Route;
use c2b_api::storage::{CareEvent, NoItem, ProgressUnit, WorkStage};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is asked of a storage, and how it is told.
pub(super) struct Long<'a, B> {
    /// Which storage.
    pub(super) name: &'a str,
    /// What is done there.
    pub(super) route: &'static Route,
    /// How.
    pub(super) body: Option<&'a B>,
    /// What stands before the bar: `checking`.
    pub(super) verb: &'static str,
    /// What holds after Ctrl-C, and how to go on.
    pub(super) interrupted: &'static str,
}

/// Shows progress until the report comes.
pub(super) async fn follow<B: Serialize + Sync, R: Serialize + DeserializeOwned>(session: &Session, long: Long<'_, B>) -> Result<R, Error> {
    follow_found(session, long, |item: NoItem| match item {}).await
}

/// Shows progress until the report comes; hands over what is found, except with `--json`, which has it already.
pub(super) async fn follow_found<B: Serialize + Sync, R: Serialize + DeserializeOwned, I: Serialize + DeserializeOwned>(
    session: &Session,
    long: Long<'_, B>,
    found: impl FnMut(I),
) -> Result<R, Error> {
    let lines = session.lines_of(long.route, long.name, long.body).await?;
    tokio::select! {
        report = read(session, lines, long.verb, found) => report,
        result = tokio::signal::ctrl_c() => {
            result.map_err(|source| Error::SetUp { what: "Ctrl-C", source })?;
            Err(Error::Interrupted { message: format!("stopped {} storage {}", long.verb, long.name), hint: long.interrupted })
        }
    }
}

async fn read<R: Serialize + DeserializeOwned, I: Serialize + DeserializeOwned>(
    session: &Session,
    mut lines: Lines,
    verb: &'static str,
    mut found: impl FnMut(I),
) -> Result<R, Error> {
    let output = &session.output;
    let mut bar = PackBar::new(output, verb);
    while let Some(event) = lines.next::<CareEvent<R, I>>().await.map_err(|e| session.error(e))? {
        pass_through(output, &event)?;
        match event {
            CareEvent::Progress { done, total, unit, bytes, stage } => bar.update(done, total, &progress(stage, done, total, unit, bytes)),
            CareEvent::Found { item } if !output.is_json() => found(item),
            CareEvent::Found { .. } => {}
            CareEvent::Done { report } => return Ok(report),
            CareEvent::Failed { error } => return Err(Error::Api(error)),
        }
    }
    Err(Error::WentAway)
}

/// Says in words what is done, and how far it is.
fn progress(stage: WorkStage, done: u64, total: u64, unit: ProgressUnit, bytes: u64) -> String {
    let doing = match stage {
        WorkStage::Whole => "",
        WorkStage::Waiting => "waiting for jobs that work on the mailbox",
        WorkStage::Looking => "finding out what is needed",
        WorkStage::Marking => "noting what goes",
        WorkStage::Moving => "storing elsewhere what stays of parts that go",
        WorkStage::Rewriting => "writing packs anew without what goes",
        WorkStage::Index => "overwriting what the index has of it",
    };
    let noun = match unit {
        ProgressUnit::Packs => "packs",
        ProgressUnit::Files => "files",
        ProgressUnit::Versions => "versions",
        ProgressUnit::Commits => "commits",
        ProgressUnit::Bytes => return format!("{} of {}", human::size::size(done), human::size::size(total)),
    };
    let far = match (done, total) {
        (0, 0) => String::new(),
        (_, 0) => format!("{} {noun}", count(done)),
        _ => format!("{} of {} {noun}", count(done), count(total)),
    };
    let size = match (stage, bytes) {
        (_, 0) => String::new(),
        (WorkStage::Whole, _) => human::size::size(bytes),
        _ => format!("{} freed", human::size::size(bytes)),
    };
    let parts: Vec<&str> = [doing, &far, &size].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

fn pass_through<R: Serialize, I: Serialize>(output: &Output, event: &CareEvent<R, I>) -> Result<(), Error> {
    // A failure is told once, as the error that ends the stream.
    if output.is_json() && !matches!(event, CareEvent::Failed { .. }) { output.value(event) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_as_far_as_it_is_known() {
        for (stage, done, total, unit, bytes, text) in [
            (WorkStage::Whole, 3, 10, ProgressUnit::Packs, 0, "3 of 10 packs"),
            (WorkStage::Whole, 3, 10, ProgressUnit::Packs, 1 << 20, "3 of 10 packs, 1.0 MiB"),
            (WorkStage::Looking, 0, 0, ProgressUnit::Packs, 0, "finding out what is needed"),
            (WorkStage::Marking, 4096, 0, ProgressUnit::Versions, 0, "noting what goes, 4,096 versions"),
            (WorkStage::Rewriting, 3, 10, ProgressUnit::Commits, 1 << 20, "writing packs anew without what goes, 3 of 10 commits, 1.0 MiB freed"),
        ] {
            assert_eq!(progress(stage, done, total, unit, bytes), text);
        }
    }
}
