//! Where things are on the socket.
//!
//! | method and path | request | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`crate::status::Status`] |
//! | `GET /v1/connections` | | `[ConnectionInfo]` |
//! | `POST /v1/connections` | `ConnectionCreate` | `ConnectionInfo` |
//! | `GET /v1/connections/NAME` | | `ConnectionInfo` |
//! | `DELETE /v1/connections/NAME` | | `{}`; refused while a job uses it |
//! | `POST /v1/connections/NAME/check` | | `CheckReport` |
//! | `GET /v1/connections/NAME/mailboxes` | | `[MailboxInfo]` |
//! | `GET /v1/storages` | | `[StorageInfo]` |
//! | `POST /v1/storages` | `StorageCreate` | `StorageInfo` |
//! | `GET /v1/storages/NAME` | | `StorageInfo` |
//! | `DELETE /v1/storages/NAME` | | `{}`; forgets the storage, its files stay |
//! | `POST /v1/storages/NAME/check` | `StorageCheck` | NDJSON of `CareEvent<StorageCheckReport>` |
//! | `POST /v1/storages/NAME/rebuild` | | NDJSON of `CareEvent<StorageRebuildReport>` |
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
/// Connections.
pub const CONNECTIONS: &str = "/v1/connections";
/// Storages.
pub const STORAGES: &str = "/v1/storages";
/// Jobs.
pub const JOBS: &str = "/v1/jobs";
