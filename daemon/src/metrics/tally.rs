//! Counters of connections over restarts of the daemon: `metrics.json` in the folder of states.
//!
//! A connection counts from its daemon's start; what it counted before is kept here and added. Written now and then and
//! at the end: a crash loses what was counted in the last half minute.

use crate::atomic::{self, FileError};
use c2b_api::slots::SlotsInfo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// The counters of all connections.
#[derive(Debug)]
pub struct Tally {
    path: PathBuf,
    inner: Mutex<BTreeMap<String, Entry>>,
    written: Mutex<Vec<u8>>,
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Entry {
    /// What ended: before the daemon's start, or before the connection began to count anew.
    before: Counts,
    /// What it last said.
    last: Counts,
}

/// What a connection counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Counts {
    pub(super) answered: u64,
    pub(super) refused: u64,
    pub(super) lost: u64,
    pub(super) throttled_secs: u64,
}

impl Tally {
    /// Takes up what a daemon before this one counted; a file that is missing or damaged is nothing.
    pub fn open(state: &Path) -> Self {
        let path = state.join("metrics.json");
        let read = std::fs::read(&path).unwrap_or_default();
        let mut entries: BTreeMap<String, Entry> = if read.is_empty() {
            BTreeMap::new()
        } else {
            serde_json::from_slice(&read).unwrap_or_else(|error| {
                warn!(%error, "counters of connections not readable, they start anew");
                BTreeMap::new()
            })
        };
        for entry in entries.values_mut() {
            *entry = Entry { before: entry.before.plus(entry.last), last: Counts::default() };
        }
        Self { path, inner: Mutex::new(entries), written: Mutex::default() }
    }

    /// Returns a connection's counts in all, now that it says this.
    pub(super) fn count(&self, connection: &str, slots: Option<SlotsInfo>) -> Counts {
        let mut entries = self.lock();
        let entry = entries.entry(connection.to_owned()).or_default();
        let now = slots.map_or(Counts::default(), |slots| Counts {
            answered: slots.answered,
            refused: slots.refused,
            lost: slots.lost,
            throttled_secs: slots.throttled_secs,
        });
        if now.answered < entry.last.answered {
            entry.before = entry.before.plus(entry.last);
        }
        entry.last = now;
        entry.before.plus(now)
    }

    /// Writes what is known of the connections that there are, unless it is written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, connections: &[String]) -> Result<(), FileError> {
        let bytes = {
            let mut entries = self.lock();
            entries.retain(|name, _| connections.contains(name));
            serde_json::to_vec(&*entries).map_err(|error| FileError::of("write", &self.path)(error.into()))?
        };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written != bytes {
            atomic::write(&self.path, &bytes, 0o640)?;
            *written = bytes;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
            throttled_secs: self.throttled_secs + other.throttled_secs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let slots = |answered| Some(SlotsInfo { answered, ..SlotsInfo::default() });
        let tally = Tally::open(dir.path());
        assert_eq!(tally.count("a", None).answered, 0);
        assert_eq!(tally.count("a", slots(10)).answered, 10);
        assert_eq!(tally.count("gone", slots(10)).answered, 10);
        // Made anew, or the daemon's limits were: it counts from nothing.
        assert_eq!(tally.count("a", slots(3)).answered, 13);
        tally.write(&["a".to_owned()]).unwrap();
        let tally = Tally::open(dir.path());
        assert_eq!(tally.count("a", None).answered, 13);
        assert_eq!(tally.count("a", slots(2)).answered, 15);
        assert_eq!(tally.count("gone", None).answered, 0);
        std::fs::write(dir.path().join("metrics.json"), "{").unwrap();
        assert_eq!(Tally::open(dir.path()).count("a", None).answered, 0);
    }
}
