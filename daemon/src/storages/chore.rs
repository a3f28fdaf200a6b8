//! One chore at a time for each storage: what retention, erasing and the schedule do must not meet.

use super::Storages;
use crate::failure;
use crate::name::Name;
use c2b_api::ApiError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The exclusive right to a storage's chores, until it is dropped.
pub(super) struct Chore {
    chores: Arc<Mutex<HashMap<Name, &'static str>>>,
    name: Name,
}

impl Storages {
    /// Begins a chore.
    ///
    /// # Errors
    /// When another goes on; backups are none and never in its way.
    pub(super) fn chore(&self, name: &Name, what: &'static str) -> Result<Chore, ApiError> {
        let mut chores = self.chores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = chores.get(name) {
            return Err(failure::state(format!("storage {name} is busy with {other}"), "try again when that is done"));
        }
        chores.insert(name.clone(), what);
        Ok(Chore { chores: self.chores.clone(), name: name.clone() })
    }
}

impl Drop for Chore {
    fn drop(&mut self) {
        self.chores.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
