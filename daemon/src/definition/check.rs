//! Definition files looked at without a daemon: a folder as `/etc/c2b` is one, or a single file.
//!
//! Nothing is made, changed or asked. What only a server or a storage knows is not looked at.

use super::access;
use super::folder::{is_definition, read};
use super::text::{self, BadFile};
use super::{Connection, Defined, Job, Storage};
use crate::alerts;
use crate::jobs::apply;
use crate::name::Name;
use crate::settings;
use c2b_api::job::JobApply;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files looked at.
    pub files: u64,
    /// What is wrong with them.
    pub problems: Vec<BadFile>,
}

/// Finds a mistake in a file.
type Reader = fn(&Path) -> Option<BadFile>;

/// Files of which there is one in the folder, and what finds a mistake in each.
const SINGLE_FILES: [(&str, Reader); 3] =
    [("alerts.toml", alerts::check_file), ("c2bd.toml", |path| settings::read(path).err()), ("access.toml", |path| access::read(path).err())];

/// Looks at a folder or a file.
///
/// # Errors
/// When it cannot be read at all.
pub fn check(path: &Path) -> io::Result<Report> {
    let mut report = Report::default();
    if path.is_dir() {
        let connections = folder::<Connection>(path, &mut report)?;
        let storages = folder::<Storage>(path, &mut report)?;
        for (path, job) in folder::<Job>(path, &mut report)?.values() {
            let mut missing = |key: &'static str, name: &Name| {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let wrong = super::Wrong::new(key, format!("there is no {key} {name}"), "make it, or name another one");
                report.problems.push(text::locate(path, &text, wrong));
            };
            if !connections.contains_key(&job.connection) {
                missing("connection", &job.connection);
            }
            if !storages.contains_key(&job.storage) {
                missing("storage", &job.storage);
            }
        }
        for (name, read) in SINGLE_FILES {
            let path = path.join(name);
            if path.exists() {
                report.files += 1;
                report.problems.extend(read(&path));
            }
        }
        return Ok(report);
    }
    report.files = 1;
    let text = std::fs::read_to_string(path)?;
    if let Some((_, read)) = SINGLE_FILES.iter().find(|(name, _)| path.file_name() == Some(OsStr::new(name))) {
        report.problems.extend(read(path));
        return Ok(report);
    }
    let folder = std::path::absolute(path)?.parent().and_then(Path::file_name).map(OsStr::to_owned);
    let keys = toml::from_str::<toml::Table>(&text).unwrap_or_default();
    let kind = [Connection::FOLDER, Storage::FOLDER, Job::FOLDER].into_iter().find(|kind| folder.as_deref() == Some(OsStr::new(kind)));
    match kind {
        Some(Connection::FOLDER) => one::<Connection>(path, &mut report),
        Some(Storage::FOLDER) => one::<Storage>(path, &mut report),
        None if keys.contains_key("path") => one::<Storage>(path, &mut report),
        None if keys.contains_key("kind") => one::<Connection>(path, &mut report),
        _ => {
            let wish = JobApply { text: text.clone(), file: path.display().to_string(), ..JobApply::default() };
            let read = apply::read(&wish).and_then(|jobs| {
                jobs.into_iter().try_for_each(|(name, file)| Job::check(&name, file, "").map(drop).map_err(|wrong| text::locate(path, &text, wrong)))
            });
            report.problems.extend(read.err());
        }
    }
    Ok(report)
}

/// Looks at all files of a kind; returns the good ones.
fn folder<T: Defined>(root: &Path, report: &mut Report) -> io::Result<BTreeMap<Name, (PathBuf, T)>> {
    let folder = root.join(T::FOLDER);
    let mut paths = Vec::new();
    match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        entries => {
            for entry in entries? {
                paths.push(entry?.path());
            }
        }
    }
    paths.sort();
    let mut good = BTreeMap::new();
    for path in paths.into_iter().filter(|path| is_definition(path)) {
        report.files += 1;
        match named(&path).and_then(|name| Ok((name.clone(), read::<T>(&path, &name)?))) {
            Ok((name, object)) => drop(good.insert(name, (path, object))),
            Err(bad) => report.problems.push(bad),
        }
    }
    Ok(good)
}

fn one<T: Defined>(path: &Path, report: &mut Report) {
    report.problems.extend(named(path).and_then(|name| read::<T>(path, &name)).err());
}

/// Returns the name of the object whose file it is.
pub(super) fn named(path: &Path) -> Result<Name, BadFile> {
    let stem = path.file_stem().and_then(OsStr::to_str).ok_or_else(|| BadFile::whole(path, "the file's name is not UTF-8"))?;
    stem.parse().map_err(|error| BadFile::whole(path, format!("{error}")))
}
