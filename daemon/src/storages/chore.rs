//! One chore at a time for each storage: what retention, erasing and the schedule do must not meet.
//!
//! What the schedule does by itself makes way: it ends at its next step when a person wants the storage.

use super::Storages;
use crate::failure;
use crate::name::Name;
use c2b_api::ApiError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a person waits for the schedule to make way. Its longest step looks through all versions.
const WAY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the schedule's work is called.
const SCHEDULE: &str = "the daemon's own work";

/// The chores that go on.
#[derive(Default)]
pub(super) struct Chores {
    held: Mutex<HashMap<Name, Held>>,
    ended: Notify,
}

struct Held {
    what: &'static str,
    /// Given to those that make way.
    way: Option<CancellationToken>,
}

/// The exclusive right to a storage's chores, until it is dropped.
pub(super) struct Chore {
    chores: Arc<Chores>,
    name: Name,
    way: CancellationToken,
}

impl Chore {
    /// Returns whether somebody waits for the storage, and this chore makes way.
    pub(super) fn is_wanted(&self) -> bool {
        self.way.is_cancelled()
    }
}

impl Storages {
    /// Begins a chore of a person, after the schedule has made way.
    ///
    /// # Errors
    /// When another goes on; backups are none and never in its way.
    pub(super) async fn chore(&self, name: &Name, what: &'static str) -> Result<Chore, ApiError> {
        let chores = &self.chores;
        let begun = tokio::time::timeout(WAY_TIMEOUT, async {
            loop {
                let mut ended = std::pin::pin!(chores.ended.notified());
                ended.as_mut().enable();
                match chores.begin(name, what, None) {
                    Err(other) if other == SCHEDULE => {}
                    begun => return begun,
                }
                ended.await;
            }
        });
        let busy = |other| failure::state(format!("storage {name} is busy with {other}"), "try again when that is done");
        begun.await.unwrap_or(Err(SCHEDULE)).map_err(busy)
    }

    /// Begins the schedule's chore, unless another goes on.
    pub(super) fn scheduled_chore(&self, name: &Name) -> Option<Chore> {
        self.chores.begin(name, SCHEDULE, Some(CancellationToken::new())).ok()
    }

    /// Returns the chore that goes on at a storage.
    pub(super) fn busy(&self, name: &Name) -> Option<String> {
        self.chores.lock().get(name).map(|held| held.what.to_owned())
    }
}

impl Chores {
    /// Begins a chore, or asks the one that goes on to make way and returns what it is.
    fn begin(self: &Arc<Self>, name: &Name, what: &'static str, way: Option<CancellationToken>) -> Result<Chore, &'static str> {
        let mut held = self.lock();
        if let Some(other) = held.get(name) {
            if let (Some(other), None) = (&other.way, &way) {
                other.cancel();
            }
            return Err(other.what);
        }
        held.insert(name.clone(), Held { what, way: way.clone() });
        Ok(Chore { chores: self.clone(), name: name.clone(), way: way.unwrap_or_default() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Chore {
    fn drop(&mut self) {
        self.chores.lock().remove(&self.name);
        self.chores.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_makes_way_and_others_do_not() {
        let (chores, name): (Arc<Chores>, Name) = (Arc::default(), "main".parse().unwrap());
        let scheduled = chores.begin(&name, SCHEDULE, Some(CancellationToken::new())).ok().unwrap();
        assert!(chores.begin(&name, SCHEDULE, Some(CancellationToken::new())).is_err() && !scheduled.is_wanted(), "the schedule does not ask itself");
        assert_eq!(chores.begin(&name, "erase", None).err(), Some(SCHEDULE));
        assert!(scheduled.is_wanted());
        drop(scheduled);
        let erase = chores.begin(&name, "erase", None).ok().unwrap();
        assert_eq!(chores.begin(&name, "free", None).err(), Some("erase"));
        assert!(!erase.is_wanted());
        drop(erase);
        assert!(chores.begin(&name, "free", None).is_ok());
    }
}
