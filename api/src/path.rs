//! Where things are on the socket.
//!
//! | method and path | request | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`crate::status::Status`] |
//! | `GET /v1/metrics` | | metrics for Prometheus, as text |
//! | `GET /v1/connections` | | `[ConnectionInfo]` |
//! | `POST /v1/connections` | `ConnectionCreate` | `ConnectionInfo` |
//! | `GET /v1/connections/NAME` | | `ConnectionInfo` |
//! | `DELETE /v1/connections/NAME` | | `{}`; refused while a job uses it |
//! | `POST /v1/connections/NAME/check` | | `CheckReport` |
//! | `GET /v1/connections/NAME/mailboxes` | | `[MailboxInfo]` |
//! | `GET /v1/storages` | | `[StorageInfo]` |
//! | `POST /v1/storages` | `StorageCreate` | `StorageCreated` |
//! | `GET /v1/storages/NAME` | | `StorageInfo` |
//! | `PUT /v1/storages/NAME` | `StorageEdit` | `StorageInfo` |
//! | `DELETE /v1/storages/NAME` | | `{}`; forgets the storage, its files stay |
//! | `POST /v1/storages/NAME/unlock` | `StorageUnlock` | `StorageInfo` |
//! | `GET /v1/storages/NAME/passwords` | | `[PasswordInfo]` |
//! | `POST /v1/storages/NAME/passwords/add` | `PasswordAdd` | `[PasswordInfo]` |
//! | `POST /v1/storages/NAME/passwords/change` | `PasswordChange` | `[PasswordInfo]` |
//! | `POST /v1/storages/NAME/passwords/remove` | `PasswordRemove` | `[PasswordInfo]` |
//! | `POST /v1/storages/NAME/recovery-key` | | `RecoveryKey` |
//! | `POST /v1/storages/NAME/rotate-keys` | `StorageRotate` | `StorageRotateReport` |
//! | `POST /v1/storages/NAME/check` | `StorageCheck` | NDJSON of `CareEvent<StorageCheckReport>` |
//! | `POST /v1/storages/NAME/rebuild` | | NDJSON of `CareEvent<StorageRebuildReport>` |
//! | `POST /v1/storages/NAME/repair` | | NDJSON of `CareEvent<StorageRepairReport>` |
//! | `POST /v1/storages/NAME/prune` | `StoragePrune` | NDJSON of `CareEvent<StoragePruneReport, RetentionDecision>` |
//! | `POST /v1/storages/NAME/unprune` | | `StorageUnpruneReport` |
//! | `POST /v1/storages/NAME/free` | `StorageFree` | NDJSON of `CareEvent<StorageFreeReport>` |
//! | `POST /v1/storages/NAME/erase` | `StorageErase` | NDJSON of `CareEvent<StorageEraseReport>` |
//! | `GET /v1/storages/NAME/erased` | | `[ErasedInfo]` |
//! | `POST /v1/storages/NAME/allow` | `StorageAllow` | `[ErasedInfo]` |
//! | `POST /v1/storages/NAME/copy` | `StorageCopy` | NDJSON of `CareEvent<StorageCopyReport>` |
//! | `GET /v1/jobs` | | `[JobStatus]` |
//! | `POST /v1/jobs` | `JobDefinition` | `JobStatus` |
//! | `GET /v1/jobs/NAME` | | `JobStatus` |
//! | `PUT /v1/jobs/NAME` | `JobEdit` | `JobStatus` |
//! | `DELETE /v1/jobs/NAME` | | `{}`; refused while it runs; the backed-up data stays |
//! | `POST /v1/jobs/NAME/start` | | `JobStatus` |
//! | `POST /v1/jobs/NAME/stop` | | `JobStatus`, when the job has stopped |
//! | `GET /v1/jobs/NAME/watch` | | NDJSON of `JobStatus`: at once, at each change (at most 4 a second), and once more when its run ends; then the stream ends |
//! | `GET /v1/jobs/NAME/failures` | | `[FailureInfo]` |

/// What is running, what went well and what went wrong.
pub const STATUS: &str = "/v1/status";
/// Metrics.
pub const METRICS: &str = "/v1/metrics";
/// Connections.
pub const CONNECTIONS: &str = "/v1/connections";
/// Storages.
pub const STORAGES: &str = "/v1/storages";
/// Jobs.
pub const JOBS: &str = "/v1/jobs";

/// Returns the path of an object, or of something below it: `object(JOBS, "a b", "/start")` is `/v1/jobs/a%20b/start`.
/// A name stays in its segment whatever is in it; `.` and `..` alone are steps to a URL, however written, and must not be given.
pub fn object(collection: &str, name: &str, below: &str) -> String {
    let mut path = format!("{collection}/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path + below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_segment() {
        assert_eq!(object(JOBS, "nightly-2.x", ""), "/v1/jobs/nightly-2.x");
        assert_eq!(object(JOBS, "a b/../c?d#e", "/start"), "/v1/jobs/a%20b%2F..%2Fc%3Fd%23e/start");
        assert_eq!(object(STORAGES, "zażółć", ""), "/v1/storages/za%C5%BC%C3%B3%C5%82%C4%87");
    }
}
