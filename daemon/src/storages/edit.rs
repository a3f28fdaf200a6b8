//! Changes of a storage's definition: its name, its retention policy, its reserve.

use super::Storages;
use crate::definition::file::JobFile;
use crate::definition::{Defined, Job, Storage};
use crate::failure;
use crate::name::Name;
use c2b_api::storage::{RetentionPolicy, StorageEdit, StorageInfo};
use c2b_api::{ApiError, ErrorCode};
use std::sync::Arc;
use tracing::info;

impl Storages {
    /// Changes a storage's definition. The caller has seen to it that no job runs there when the name changes.
    ///
    /// # Errors
    /// When there is no such storage, the new name is taken, or a value is not acceptable; then nothing changes.
    pub async fn edit(&self, name: &Name, edit: StorageEdit, user: &str) -> Result<StorageInfo, ApiError> {
        let _changing = self.definitions.change().await;
        let storage = self.get(name)?;
        let mut file = storage.to_file();
        if let Some(policy) = edit.retention {
            file.retention = (policy != RetentionPolicy::default()).then_some(policy);
        }
        file.reserve = edit.reserve.or(file.reserve);
        let new: Name = match &edit.name {
            Some(text) => text.parse().map_err(|error| failure::bad_name(&error))?,
            None => name.clone(),
        };
        let edited = Storage::check(&new, file, user).map_err(failure::wrong)?;
        if new == *name {
            let storage = self.definitions.put(name, edited).map_err(|error| failure::file(&error))?;
            info!(storage = %name, %user, retention = %storage.retention, "storage edited");
            self.wake();
            return Ok(self.info(&storage).await);
        }
        if self.definitions.is_taken::<Storage>(&new) {
            return Err(ApiError::new(ErrorCode::Exists, format!("there is a storage {new} already"), "choose another name"));
        }
        self.close(name).await;
        // Before the definition: a freeze of retention is not lost on the way.
        self.move_schedule(name, &new).map_err(|error| failure::file(&error))?;
        let storage = self.rename(name, &new, edited).map_err(|error| failure::file(&error))?;
        info!(storage = %name, %user, new = %new, "storage renamed");
        Ok(self.info(&storage).await)
    }

    /// Writes the definitions so that whoever reads them meanwhile finds each job's storage.
    fn rename(&self, name: &Name, new: &Name, storage: Storage) -> Result<Arc<Storage>, crate::atomic::FileError> {
        let storage = self.definitions.put(new, storage)?;
        let jobs: Vec<Arc<Job>> = self.definitions.known().jobs.values().filter(|job| job.storage == *name).cloned().collect();
        for job in jobs {
            let file = JobFile { storage: new.to_string(), ..job.to_file() };
            if let Ok(moved) = Job::check(&job.name, file, &job.owner) {
                self.definitions.put(&job.name, moved)?;
            }
        }
        self.definitions.remove::<Storage>(name)?;
        Ok(storage)
    }
}
