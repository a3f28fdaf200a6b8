//! Routes about jobs.

use super::{Answer, Route, Verb, of};
use crate::ErrorCode::{self, Config, Exists, Locked, LowSpace, NotFound, State, Storage};
use crate::access::Role::{Admin, Operator, Restorer};
use crate::coverage::MailboxCoverage;
use crate::job::{
    CycleInfo, FailureChoice, FailureCount, FailureInfo, HowMany, JobApplied, JobApply, JobDefinition, JobEdit, JobSchedule, JobStart, JobStatus, JobText,
    NewName,
};

/// What can go wrong where a definition is written.
const WRITING: &[ErrorCode] = &[NotFound, Exists, State, Locked, Config, LowSpace, Storage];

/// What can go wrong where a job is asked to do something.
const ACTING: &[ErrorCode] = &[State, Config, LowSpace, Storage];

/// All jobs.
pub const LIST: Route = Route::get("/v1/jobs", "List jobs", of::<Vec<JobStatus>>);
/// A new one.
pub const CREATE: Route = Route::post("/v1/jobs", "Make a job; it is started by its schedule, or when it is asked to", of::<JobStatus>)
    .takes(of::<JobDefinition>)
    .act(Admin, "job create")
    .asks_password()
    .fails(WRITING);
/// One of them.
pub const SHOW: Route = Route::get("/v1/jobs/{name}", "Show a job", of::<JobStatus>);
/// What is given replaces what was.
pub const EDIT: Route =
    Route::put("/v1/jobs/{name}", "Change a job", of::<JobStatus>).takes(of::<JobEdit>).act(Admin, "job edit").asks_password().fails(WRITING);
/// One fewer.
pub const DELETE: Route = Route::delete("/v1/jobs/{name}", "Forget a job; what it backed up stays").act(Admin, "job delete").asks_password().fails(ACTING);
/// Go.
pub const START: Route = Route::post("/v1/jobs/{name}/start", "Start a job", of::<JobStatus>).takes(of::<JobStart>).act(Operator, "job start").fails(ACTING);
/// Stop.
pub const STOP: Route =
    Route::post("/v1/jobs/{name}/stop", "Stop a job, and answer when it has stopped", of::<JobStatus>).act(Operator, "job stop").fails(ACTING);
/// When.
pub const SCHEDULE: Route = Route::get("/v1/jobs/{name}/schedule", "List the next activity periods", of::<JobSchedule>).query(of::<HowMany>).fails(ACTING);
/// How it goes.
pub const WATCH: Route = Route::new(
    Verb::Get,
    "/v1/jobs/{name}/watch",
    "Follow a job: its state at once, at each change (at most 4 a second), and when its run ends",
    Answer::Lines(of::<JobStatus>),
);
/// Its file.
pub const DEFINITION: Route = Route::get("/v1/jobs/{name}/definition", "Show a job's definition as TOML", of::<JobText>).fails(ACTING);
/// Several by file.
pub const APPLY: Route = Route::post("/v1/apply", "Make or change jobs by a definition file: all of it, or nothing", of::<Vec<JobApplied>>)
    .takes(of::<JobApply>)
    .act(Admin, "job apply")
    .fails(WRITING);
/// A second one like it.
pub const COPY: Route = Route::post("/v1/jobs/{name}/copy", "Make another job like this one", of::<JobStatus>)
    .takes(of::<NewName>)
    .act(Admin, "job copy")
    .asks_password()
    .fails(WRITING);
/// Another name.
pub const RENAME: Route = Route::post("/v1/jobs/{name}/rename", "Give a job another name", of::<JobStatus>)
    .takes(of::<NewName>)
    .act(Admin, "job rename")
    .asks_password()
    .fails(WRITING);
/// Its past.
pub const HISTORY: Route =
    Route::get("/v1/jobs/{name}/history", "List past cycles, the last one first", of::<Vec<CycleInfo>>).query(of::<HowMany>).fails(ACTING);
/// What could not be backed up.
pub const FAILURES: Route =
    Route::get("/v1/jobs/{name}/failures", "List the items that could not be backed up", of::<Vec<FailureInfo>>).act(Operator, "job failures").fails(ACTING);
/// Once more.
pub const RETRY: Route = Route::post("/v1/jobs/{name}/failures/retry", "Have failed items tried again with the next cycle", of::<FailureCount>)
    .takes(of::<FailureChoice>)
    .act(Operator, "job failures retry")
    .fails(ACTING);
/// Let it be.
pub const ACKNOWLEDGE: Route =
    Route::post("/v1/jobs/{name}/failures/acknowledge", "Take failed items out of the list though they are not stored", of::<FailureCount>)
        .takes(of::<FailureChoice>)
        .act(Restorer, "job failures acknowledge")
        .fails(ACTING);
/// What it backs up.
pub const COVERAGE: Route =
    Route::get("/v1/jobs/{name}/coverage", "Show which parts of each mailbox are backed up, and why the others are not", of::<Vec<MailboxCoverage>>)
        .fails(ACTING);

/// All of them.
pub const ALL: &[Route] =
    &[LIST, CREATE, SHOW, EDIT, DELETE, START, STOP, SCHEDULE, WATCH, DEFINITION, APPLY, COPY, RENAME, HISTORY, FAILURES, RETRY, ACKNOWLEDGE, COVERAGE];
