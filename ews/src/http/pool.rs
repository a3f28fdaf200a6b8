//! Connections that wait for their next request.

use super::connection::{Connection, Origin};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may wait: below the 120 s after which IIS closes it.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// Connections by where they lead.
#[derive(Default)]
pub(crate) struct Pool(Mutex<HashMap<Origin, Vec<Connection>>>);

impl Pool {
    /// Takes the connection used last among those on which the user has, or has not, signed in.
    pub(super) fn take(&self, origin: &Origin, is_signed_in: bool) -> Option<Connection> {
        let mut waiting = self.lock();
        let waiting = waiting.get_mut(origin)?;
        waiting.retain(|connection| !connection.is_closed() && connection.idle_since.elapsed() < IDLE_MAX);
        let at = waiting.iter().rposition(|connection| connection.is_signed_in == is_signed_in)?;
        Some(waiting.remove(at))
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, origin: &Origin, mut connection: Connection) {
        if !connection.is_closed() {
            connection.idle_since = Instant::now();
            self.lock().entry(origin.clone()).or_default().push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Vec<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
