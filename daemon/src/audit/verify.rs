//! Whether the log is as it was written.

use super::chain::{Chain, ChainKey, Line};
use super::{AuditError, AuditLog, CURRENT, Head};
use crate::atomic::FileError;
use c2b_api::audit::AuditVerifyReport;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The action of the record that a daemon makes when it finds the log other than it was left.
pub(super) const DAMAGED: &str = "audit damaged";

/// How many problems are told: who rewrote a file did so with all of its lines.
const PROBLEMS_MAX: usize = 20;

/// Where in the chain one is.
#[derive(Default)]
struct Place {
    seq: u64,
    chain: Chain,
    /// Whether the hash of the line before is known.
    known: bool,
}

impl AuditLog {
    /// Reads all of the log and compares it with its hashes and the kept head. Blocks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn verify(&self) -> Result<AuditVerifyReport, AuditError> {
        // Nobody writes meanwhile, and the log is opened: the head is known, and damage to it is recorded.
        let mut guard = self.lock();
        let open = match guard.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let (head, key) = (open.head, open.key.clone());
        *guard = Some(open);
        let kept = self.head()?.0;
        let report = compare(&files(&self.folder)?, &key, &head, kept);
        drop(guard);
        report
    }
}

/// Returns the log's files, the oldest first.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FileError::of("list", folder))? {
        let path = entry.map_err(FileError::of("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("audit-") && name.ends_with(".ndjson") {
            files.push(path);
        }
    }
    // Their numbers have the same length.
    files.sort();
    let current = folder.join(CURRENT);
    files.extend(current.exists().then_some(current));
    Ok(files)
}

/// Returns the lines of a file; an error for one that is no line of ours.
pub(super) fn lines(path: &Path) -> Result<impl Iterator<Item = io::Result<Line>> + use<>, AuditError> {
    let reader = BufReader::new(File::open(path).map_err(FileError::of("open", path))?);
    Ok(reader.split(b'\n').map(|text| Line::parse(&text?).ok_or_else(|| io::ErrorKind::InvalidData.into())))
}

/// Returns the last line of all.
pub(super) fn last_line(files: &[PathBuf]) -> Result<Option<Line>, AuditError> {
    for file in files.iter().rev() {
        if let Some(line) = lines(file)?.filter_map(Result::ok).last() {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

fn compare(files: &[PathBuf], key: &ChainKey, head: &Head, kept: Option<Head>) -> Result<AuditVerifyReport, AuditError> {
    let mut report = AuditVerifyReport { files: files.len() as u64, ..AuditVerifyReport::default() };
    let mut place = Place { known: true, ..Place::default() };
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for (index, line) in lines(file)?.enumerate() {
            let at = || format!("{name}, line {}", index + 1);
            report.records += 1;
            match line {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    report.problems.push(format!("{}: it is no record", at()));
                    place.known = false;
                }
                Err(error) => return Err(FileError::of("read", file)(error).into()),
                Ok(line) => {
                    report.problems.extend(place.step(&line, key).map(|problem| format!("{}: {problem}", at())));
                }
            }
        }
    }
    report.last = place.seq;
    if (Head { seq: place.seq, chain: place.chain }) != *head {
        report.problems.push(format!("the end was cut off or changed: the last record is {}, and {} was written", place.seq, head.seq));
    }
    if head.seq > 0 && kept != Some(*head) {
        report.problems.push("the kept head was changed while the daemon ran".to_owned());
    }
    report.intact = report.problems.is_empty();
    if report.problems.len() > PROBLEMS_MAX {
        let more = report.problems.len() - PROBLEMS_MAX;
        report.problems.truncate(PROBLEMS_MAX);
        report.problems.push(format!("and {more} more"));
    }
    Ok(report)
}

impl Place {
    /// Goes on to a line; returns what is wrong with it.
    fn step(&mut self, line: &Line, key: &ChainKey) -> Option<String> {
        let follows = line.follows(key, &self.chain);
        let problem = match line.seq {
            seq if seq == self.seq + 1 && follows => None,
            // The line before cannot be believed; whether this one is true shows with the next.
            seq if seq == self.seq + 1 && !self.known => None,
            seq if seq == self.seq + 1 => Some(format!("record {seq} was changed, or the one before it")),
            seq if seq > self.seq + 1 => Some(format!("records {} to {} are missing", self.seq + 1, seq - 1)),
            seq => Some(format!("record {seq} stands after record {}", self.seq)),
        };
        let told = (line.record.entry.action == DAMAGED).then(|| format!("c2bd found at its start: {}", line.record.entry.outcome));
        *self = Self { seq: line.seq, chain: line.chain, known: true };
        problem.or(told)
    }
}
