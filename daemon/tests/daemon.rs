//! The real daemon as a process: start and end, definitions by hand, what it refuses, its jobs.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that calls them")]

#[path = "../../tests/src/login.rs"]
pub mod login;
#[path = "daemon/stand.rs"]
mod stand;

#[path = "daemon/access.rs"]
mod access;
#[path = "daemon/alerts.rs"]
mod alerts;
#[path = "daemon/apply.rs"]
mod apply;
#[path = "daemon/definitions.rs"]
mod definitions;
#[path = "daemon/edits.rs"]
mod edits;
#[path = "daemon/jobs.rs"]
mod jobs;
#[path = "daemon/metrics.rs"]
mod metrics;
#[path = "daemon/process.rs"]
mod process;
#[path = "daemon/requests.rs"]
mod requests;
#[path = "daemon/sealed.rs"]
mod sealed;
#[path = "daemon/storages.rs"]
mod storages;
