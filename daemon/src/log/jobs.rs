//! What is logged of each job as a file of its own: `NAME.csv`, for who has a spreadsheet and no journal.
//!
//! One row for each event that names a job, down to the level `info`, as RFC 4180 has it: time (UTC), level, job, cycle, worker,
//! mailbox, folder, code, description. Files are rotated and bounded. A file that cannot be written never holds up a backup; it
//! is told about once.

use crate::clock::Clock;
use crate::name::Name;
use chrono::SecondsFormat;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// When a file becomes an old one, in bytes.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How many old files are kept of a job: `NAME.csv.1` is the last one.
const OLD_FILES: u32 = 4;

const HEADINGS: [&str; 9] = ["time", "level", "job", "cycle", "worker", "mailbox", "folder", "code", "description"];

/// Writes the files.
pub struct JobLogs {
    folder: PathBuf,
    clock: Clock,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    files: HashMap<Name, JobFile>,
    /// The cycle that goes on, as its beginning said.
    cycles: HashMap<Name, String>,
    has_failed: bool,
}

struct JobFile {
    file: File,
    bytes: u64,
}

/// The fields of an event.
#[derive(Default)]
struct Fields {
    job: String,
    cycle: String,
    mailbox: String,
    folder: String,
    code: String,
    message: String,
    rest: String,
}

impl JobLogs {
    /// Says in which folder the files are; makes it with the first one.
    pub fn new(folder: &Path, clock: Clock) -> Self {
        Self { folder: folder.to_owned(), clock, open: Mutex::default() }
    }

    fn add(&self, level: Level, fields: Fields) -> io::Result<()> {
        let Ok(name) = fields.job.parse::<Name>() else { return Ok(()) };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !fields.cycle.is_empty() {
            open.cycles.insert(name.clone(), fields.cycle.clone());
        }
        let cycle = open.cycles.get(&name).cloned().unwrap_or_default();
        let time = self.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let worker = std::thread::current().name().unwrap_or_default().to_owned();
        let description = if fields.rest.is_empty() { fields.message } else { format!("{} ({})", fields.message, fields.rest) };
        let level = level.as_str().to_lowercase();
        let row = row(&[&time, &level, name.as_str(), &cycle, &worker, &fields.mailbox, &fields.folder, &fields.code, &description])?;
        if open.files.get(&name).is_some_and(|file| file.bytes + row.len() as u64 > FILE_BYTES_MAX) {
            open.files.remove(&name);
            self.rotate(&name)?;
        }
        let file = match open.files.remove(&name) {
            Some(file) => open.files.entry(name).or_insert(file),
            None => {
                let made = self.file(&name)?;
                open.files.entry(name).or_insert(made)
            }
        };
        file.file.write_all(&row)?;
        file.bytes += row.len() as u64;
        Ok(())
    }

    fn file(&self, name: &Name) -> io::Result<JobFile> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.path(name, 0);
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() >= FILE_BYTES_MAX) {
            self.rotate(name)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        let mut bytes = file.metadata()?.len();
        if bytes == 0 {
            let headings = row(&HEADINGS)?;
            file.write_all(&headings)?;
            bytes = headings.len() as u64;
        }
        Ok(JobFile { file, bytes })
    }

    fn rotate(&self, name: &Name) -> io::Result<()> {
        for age in (0..OLD_FILES).rev() {
            match std::fs::rename(self.path(name, age), self.path(name, age + 1)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
        Ok(())
    }

    fn path(&self, name: &Name, age: u32) -> PathBuf {
        self.folder.join(if age == 0 { format!("{name}.csv") } else { format!("{name}.csv.{age}") })
    }
}

impl<S: Subscriber> Layer<S> for JobLogs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::INFO {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.job.is_empty() {
            return;
        }
        if let Err(error) = self.add(level, fields) {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            // The event itself is in the journal.
            if !std::mem::replace(&mut open.has_failed, true) {
                drop(open);
                tracing::warn!(folder = %self.folder.display(), %error, "files of jobs' logs cannot be written");
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let place = match field.name() {
            "job" => &mut self.job,
            "cycle" => &mut self.cycle,
            "mailbox" => &mut self.mailbox,
            "folder" => &mut self.folder,
            "code" => &mut self.code,
            "message" => &mut self.message,
            name => {
                let separator = if self.rest.is_empty() { "" } else { ", " };
                // Writing into memory does not fail.
                let _ = write!(self.rest, "{separator}{name} {value}");
                return;
            }
        };
        value.clone_into(place);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn row(cells: &[&str]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells)?;
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// Reads a file's rows as somebody else's program would.
    fn rows(path: &Path) -> Vec<Vec<String>> {
        let rows = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap().into_records();
        rows.map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    fn log(folder: &Path, work: impl FnOnce()) {
        let clock = Clock::manual("2026-11-22T10:00:00Z".parse().unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(JobLogs::new(folder, clock)), work);
    }

    #[test]
    fn each_job_has_its_rows_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path(), || {
            tracing::info!(job = %"nightly", cycle = 3, "cycle began");
            tracing::warn!(job = "nightly", mailbox = %"a@example.org", folder = 6, code = "ErrorItemCorrupt", attempts = 2, "item failed, \"again\"");
            tracing::info!(job = "other", "job started");
            tracing::debug!(job = "nightly", "a detail");
            tracing::info!("daemon ready");
            tracing::info!(job = "../etc/passwd", "no name of a job");
        });
        let nightly = rows(&dir.path().join("nightly.csv"));
        assert_eq!(nightly.len(), 3, "{nightly:?}");
        assert_eq!(nightly[0], HEADINGS);
        assert_eq!(nightly[1][..4], ["2026-11-22T10:00:00.000Z", "info", "nightly", "3"]);
        assert_eq!(nightly[2][5..], ["a@example.org", "6", "ErrorItemCorrupt", "item failed, \"again\" (attempts 2)"]);
        assert_eq!(nightly[2][3], "3", "the cycle is not remembered");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn files_are_rotated_and_bounded_and_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(1024 * 1024);
        for _ in 0..7 {
            log(dir.path(), || (0..8).for_each(|_| tracing::info!(job = "nightly", text = long, "long")));
        }
        let files: Vec<PathBuf> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1 + OLD_FILES as usize, "{files:?}");
        for file in files {
            assert!(file.metadata().unwrap().len() <= FILE_BYTES_MAX + 2 * 1024 * 1024);
            assert_eq!(rows(&file)[0], HEADINGS, "{}", file.display());
        }
    }
}
