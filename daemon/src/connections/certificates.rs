//! The servers' certificates as connections saw them last, remembered over restarts: `certificates.json`.
//!
//! Nobody is asked for them: they are seen when something else is asked. Without a memory a restart would look as if an
//! end that draws near had gone away.

use crate::atomic;
use crate::failure::chain;
use crate::name::Name;
use c2b_api::connection::Expiry;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tracing::warn;

/// What was seen, by connection.
#[derive(Debug)]
pub(super) struct Certificates {
    path: PathBuf,
    seen: Mutex<BTreeMap<String, Seen>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Seen {
    /// Of whom; another server's certificate says nothing of this one's.
    host: String,
    since: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Certificates {
    /// Reads what was seen before; what cannot be read is seen again.
    pub(super) fn open(path: PathBuf) -> Self {
        let seen = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, seen: Mutex::new(seen) }
    }

    /// Takes what a connection sees now, if anything; returns what it saw last of this host.
    pub(super) fn take(&self, name: &Name, host: &str, now: Option<(DateTime<Utc>, DateTime<Utc>)>) -> Option<Expiry> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, end)) = now {
            let new = Seen { host: host.to_owned(), since, end };
            if seen.get(name.as_str()) != Some(&new) {
                seen.insert(name.to_string(), new);
                self.write(&seen);
            }
        }
        let last = seen.get(name.as_str()).filter(|last| last.host == host)?;
        Some(Expiry { what: "server certificate".to_owned(), since: Some(last.since), time: last.end })
    }

    /// Forgets a connection.
    pub(super) fn remove(&self, name: &Name) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.remove(name.as_str()).is_some() {
            self.write(&seen);
        }
    }

    fn write(&self, seen: &BTreeMap<String, Seen>) {
        let written = serde_json::to_vec(seen).map_err(|error| error.to_string());
        let written = written.and_then(|bytes| atomic::write(&self.path, &bytes, 0o640).map_err(|error| chain(&error)));
        if let Err(error) = written {
            warn!(error, "certificates not remembered");
        }
    }
}
