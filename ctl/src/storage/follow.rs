//! Long work on a storage: its progress, what it finds on its way, its report; Ctrl-C ends the listening.

use crate::error::Error;
use crate::human;
use crate::human::count::count;
use crate::noun::Noun;
use crate::output::Output;
use crate::progress::PackBar;
use crate::session::Session;
use c2b_api::client::{Lines, Method};
use c2b_api::storage::{CareEvent, NoItem, ProgressUnit};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is asked of a storage, and how it is told.
pub(super) struct Long<'a, B> {
    /// Which storage.
    pub(super) name: &'a str,
    /// What is done there: `/check`.
    pub(super) below: &'static str,
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
    let lines = session.object_lines(Method::POST, Noun::Storage, long.name, long.below, long.body).await?;
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
            CareEvent::Progress { done, total, unit, bytes } => bar.update(done, total, &progress(done, total, unit, bytes)),
            CareEvent::Found { item } if !output.is_json() => found(item),
            CareEvent::Found { .. } => {}
            CareEvent::Done { report } => return Ok(report),
            CareEvent::Failed { error } => return Err(Error::Api(error)),
        }
    }
    Err(Error::WentAway)
}

fn progress(done: u64, total: u64, unit: ProgressUnit, bytes: u64) -> String {
    let noun = match unit {
        ProgressUnit::Packs => "packs",
        ProgressUnit::Files => "files",
        ProgressUnit::Versions => "versions",
        ProgressUnit::Bytes => return format!("{} of {}", human::size::size(done), human::size::size(total)),
    };
    format!("{} of {} {noun}, {}", count(done), count(total), human::size::size(bytes))
}

fn pass_through<R: Serialize, I: Serialize>(output: &Output, event: &CareEvent<R, I>) -> Result<(), Error> {
    // A failure is told once, as the error that ends the stream.
    if output.is_json() && !matches!(event, CareEvent::Failed { .. }) { output.value(event) } else { Ok(()) }
}
