//! `/v1/audit`.

use super::answer::{Answer, Refusal};
use crate::audit::AuditError;
use crate::daemon::Daemon;
use crate::failure::chain;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use c2b_api::ErrorCode;
use c2b_api::audit::{AuditEntry, AuditQuery, AuditVerifyReport};
use std::sync::Arc;

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, query: Result<Query<AuditQuery>, QueryRejection>) -> Answer<Vec<AuditEntry>> {
    let Query(query) = query.map_err(|error| Refusal::new(ErrorCode::Invalid, error.body_text(), "known here: since, user, action, mailbox, limit"))?;
    let audit = daemon.audit.clone();
    Ok(Json(blocking(move || audit.show(&query)).await?))
}

pub(super) async fn verify(State(daemon): State<Arc<Daemon>>) -> Answer<AuditVerifyReport> {
    let audit = daemon.audit.clone();
    Ok(Json(blocking(move || audit.verify()).await?))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, AuditError> + Send + 'static) -> Result<T, Refusal> {
    let failed = |message| Refusal::new(ErrorCode::Internal, message, "see that the daemon can read and write its state folder");
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(chain(&error))),
        Err(error) => Err(failed(error.to_string())),
    }
}
