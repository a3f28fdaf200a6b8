//! Definitions of jobs as a whole: as text, applied, copied, renamed.
//!
//! Applying does all or nothing: everything is checked before the first job changes.

use super::Jobs;
use super::handle::{Beginning, Handle, Stop};
use crate::definition::file::JobFile;
use crate::definition::text::{self, BadFile};
use crate::definition::{Defined, Job};
use crate::failure;
use crate::name::Name;
use c2b_api::job::{Applied, JobApplied, JobApply, JobStatus, JobText};
use c2b_api::{ApiError, ErrorCode};
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use tracing::info;

/// Several jobs in one text.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Several {
    job: Vec<JobFile>,
}

impl Jobs {
    /// Returns a job's definition as it may be edited and applied.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn text(&self, name: &Name) -> Result<JobText, ApiError> {
        let file = JobFile { name: Some(name.to_string()), owner: None, ..self.get(name)?.to_file() };
        let text = toml::to_string(&file).map_err(|error| ApiError::new(ErrorCode::Internal, format!("job {name} cannot be written: {error}"), ""))?;
        Ok(JobText { text })
    }

    /// Makes or changes the jobs of a text.
    ///
    /// # Errors
    /// When the text or one of its jobs is wrong, or one that is to change runs and must not be stopped; then nothing changes.
    pub async fn apply(self: &Arc<Self>, wish: JobApply, user: &str, may_use: impl Fn(&Name) -> Result<(), ApiError>) -> Result<Vec<JobApplied>, ApiError> {
        let _changing = self.definitions.change().await;
        let mut planned: Vec<(Job, Applied)> = Vec::new();
        for (name, file) in read(&wish).map_err(config)? {
            if planned.iter().any(|(job, _)| job.name == name) {
                return Err(config(BadFile::whole(Path::new(&wish.file), format!("job {name} is in it twice"))));
            }
            let before = self.definitions.get::<Job>(&name);
            if before.is_none() && self.definitions.is_taken::<Job>(&name) {
                let hint = format!("mend or remove {}", self.definitions.path::<Job>(&name).display());
                return Err(ApiError::new(ErrorCode::Exists, format!("there is a file of job {name} that cannot be read"), hint));
            }
            let owner = before.as_ref().map(|job| job.owner.clone());
            let before_connection = before.as_ref().map(|job| job.connection.clone());
            let job = Job::check(&name, JobFile { owner, ..file }, user)
                .map_err(|wrong| config(text::locate(Path::new(&wish.file), &wish.text, wrong)))
                .and_then(|job| self.find_parts(job))?;
            let outcome = match before {
                None => Applied::Created,
                Some(before) if *before == job => Applied::Unchanged,
                Some(_) => Applied::Changed,
            };
            if outcome != Applied::Unchanged {
                before_connection.iter().chain([&job.connection]).try_for_each(&may_use)?;
            }
            planned.push((job, outcome));
        }
        let outcomes = planned.iter().map(|(job, outcome)| JobApplied { name: job.name.to_string(), outcome: *outcome }).collect();
        let running = planned.iter().filter(|(job, outcome)| *outcome == Applied::Changed && self.handle(&job.name).is_running());
        let running: Vec<String> = running.map(|(job, _)| job.name.to_string()).collect();
        if !running.is_empty() && !wish.stop && !wish.dry_run {
            return Err(runs(&running.join(", "), "nothing was changed"));
        }
        if wish.dry_run {
            return Ok(outcomes);
        }
        for (job, outcome) in planned {
            let name = job.name.clone();
            match outcome {
                Applied::Unchanged => continue,
                Applied::Created => self.put_new(&name, job, user)?,
                Applied::Changed => self.put_changed(&name, job, user).await?,
            }
        }
        Ok(outcomes)
    }

    /// Makes a job that is like another one.
    ///
    /// # Errors
    /// When there is no such job, or the name is taken.
    pub async fn copy(self: &Arc<Self>, name: &Name, new: &Name, user: &str) -> Result<JobStatus, ApiError> {
        let file = JobFile { owner: None, ..self.get(name)?.to_file() };
        self.create(new, file, user).await
    }

    /// Gives a job another name; what is remembered of it, its history and its failures follow.
    ///
    /// # Errors
    /// When there is no such job, it runs, the name is taken, or its storage cannot be written.
    pub async fn rename(self: &Arc<Self>, name: &Name, new: &Name, user: &str) -> Result<JobStatus, ApiError> {
        let _changing = self.definitions.change().await;
        let before = self.get(name)?;
        if self.definitions.is_taken::<Job>(new) {
            return Err(ApiError::new(ErrorCode::Exists, format!("there is a job {new} already"), "choose another name"));
        }
        if self.handle(name).is_running() {
            return Err(failure::state(format!("job {name} is running"), format!("stop it first: `c2bctl job stop {name}`")));
        }
        let job = self.check(new, before.to_file(), user)?;
        self.rename_failures(&before, new).await?;
        self.states.remove_job(new).and_then(|()| self.states.rename_job(name, new)).map_err(|error| failure::file(&error))?;
        self.definitions.put(new, job).map_err(|error| failure::file(&error))?;
        self.definitions.remove::<Job>(name).map_err(|error| failure::file(&error))?;
        self.lock_handles().remove(name);
        self.lock_handles().remove(new);
        info!(job = %name, %user, new = %new, "job renamed");
        self.follow_schedule(new);
        self.status(new).await
    }

    /// Puts a new job in force.
    pub(super) fn put_new(self: &Arc<Self>, name: &Name, job: Job, user: &str) -> Result<(), ApiError> {
        self.states.remove_job(name).map_err(|error| failure::file(&error))?;
        self.definitions.put(name, job).map_err(|error| failure::file(&error))?;
        info!(job = %name, %user, "job created");
        self.follow_schedule(name);
        Ok(())
    }

    /// Puts a changed job in force; one that runs is stopped for it and started again.
    pub(super) async fn put_changed(self: &Arc<Self>, name: &Name, job: Job, user: &str) -> Result<(), ApiError> {
        let handle: Arc<Handle> = self.handle(name);
        let (is_disabled, is_scheduled) = (job.definition.disabled, job.definition.activity.is_some());
        let beyond = handle.is_beyond();
        let runs = handle.stop(if is_disabled { Stop::Disabled } else { Stop::Edited }).await;
        let put = self.definitions.put(name, job);
        handle.edited();
        // Whoever has activity periods is begun by them.
        let is_stopped = handle.record().held;
        if runs && !is_disabled && !is_stopped && (!is_scheduled || beyond) {
            self.begin(&handle, Beginning { resumed: false, beyond })?;
        }
        put.map_err(|error| failure::file(&error))?;
        info!(job = %name, %user, "job edited");
        self.follow_schedule(name);
        Ok(())
    }
}

/// Says that a running job must be stopped for an edit.
pub(super) fn runs(name: &str, consequence: &str) -> ApiError {
    failure::state(format!("job {name} is running, {consequence}"), "give --stop: it is stopped for the edit and started again")
}

/// Reads the jobs of a text, with their names.
pub(crate) fn read(wish: &JobApply) -> Result<Vec<(Name, JobFile)>, BadFile> {
    let path = Path::new(if wish.file.is_empty() { "the definition" } else { &wish.file });
    let is_several = toml::from_str::<toml::Table>(&wish.text).is_ok_and(|table| table.contains_key("job"));
    let files =
        if is_several { text::parse::<Several>(path, &wish.text).map(|several| several.job) } else { text::parse(path, &wish.text).map(|file| vec![file]) };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| !wish.file.is_empty() && !is_several);
    let mut jobs = Vec::new();
    for file in files? {
        let Some(name) = file.name.as_deref().or(stem) else {
            let hint = "give name, for instance name = \"nightly\"".to_owned();
            return Err(BadFile { hint, ..BadFile::whole(path, "a job has no name") });
        };
        let name: Name = name.parse().map_err(|error| BadFile::whole(path, format!("{error}")))?;
        if let Some(only) = wish.only.as_deref().filter(|only| *only != name.as_str()) {
            let hint = format!("leave name = {only:?} as it is; `c2bctl job rename {only} {name}` gives it another one");
            return Err(BadFile { hint, ..BadFile::whole(path, format!("it is job {only}, not {name}")) });
        }
        jobs.push((name, file));
    }
    Ok(jobs)
}

fn config(bad: BadFile) -> ApiError {
    let hint = bad.hint.clone();
    ApiError::new(ErrorCode::Config, BadFile { hint: String::new(), ..bad }.to_string(), hint)
}
