//! Routes about the daemon itself, and about who does what with it.

use super::{Answer, Nothing, Route, Verb, of};
use crate::access::AccessInfo;
use crate::access::Role::{Admin, Viewer};
use crate::audit::{AuditEntry, AuditQuery, AuditVerifyReport};
use crate::config::EffectiveConfig;
use crate::status::Status;

/// What is running, what went well and what went wrong.
pub const STATUS: Route = Route::get("/v1/status", "Show what is running, what went well and what went wrong", of::<Status>);
/// Whether the daemon works.
pub const ALIVE: Route = Route::get("/v1/alive", "Answer once definitions and jobs can be asked; for watchdogs", of::<Nothing>);
/// Metrics.
pub const METRICS: Route = Route::new(Verb::Get, "/v1/metrics", "Show metrics in the text format of Prometheus", Answer::Metrics);
/// What this table says.
pub const OPENAPI: Route = Route::new(Verb::Get, "/v1/openapi.json", "Show this description", Answer::OpenApi);
/// What is in force.
pub const CONFIG: Route = Route::get("/v1/config", "Show all definitions and settings in force, defaults included; no secrets", of::<EffectiveConfig>);
/// Who may do what.
pub const ACCESS: Route = Route::get("/v1/access", "Show the caller's role, and to administrators who may do what", of::<AccessInfo>).see(Viewer);
/// Who did what.
pub const AUDIT: Route =
    Route::get("/v1/audit", "List who did what, and who was refused", of::<Vec<AuditEntry>>).query(of::<AuditQuery>).act(Admin, "audit show");
/// Whether the audit log is whole.
pub const AUDIT_VERIFY: Route =
    Route::get("/v1/audit/verify", "Look whether the audit log is as it was written", of::<AuditVerifyReport>).act(Admin, "audit verify");

/// All of them.
pub const ALL: &[Route] = &[STATUS, ALIVE, METRICS, OPENAPI, CONFIG, ACCESS, AUDIT, AUDIT_VERIFY];
