//! Routes about storages.

use super::{Answer, Nothing, Route, SchemaOf, Verb, of};
use crate::ErrorCode::{self, Config, Exists, Locked, LowSpace, State, Storage};
use crate::access::Role::{Admin, Restorer};
use crate::storage::{
    CareEvent, ErasedInfo, MountReport, PasswordAdd, PasswordChange, PasswordInfo, PasswordRemove, RecoveryKey, RetentionDecision, StorageAllow, StorageCheck,
    StorageCheckReport, StorageCopy, StorageCopyReport, StorageCreate, StorageCreated, StorageEdit, StorageErase, StorageEraseReport, StorageFree,
    StorageFreeReport, StorageInfo, StorageMount, StoragePrune, StoragePruneReport, StorageRebuildReport, StorageRepairReport, StorageRotate,
    StorageRotateReport, StorageUnlock, StorageUnpruneReport,
};

/// What can go wrong where a storage is worked on.
const WORKING: &[ErrorCode] = &[Exists, State, Locked, Config, LowSpace, Storage];

/// Returns a route of work that takes long and tells how it goes.
const fn work(path: &'static str, summary: &'static str, event: SchemaOf) -> Route {
    Route::new(Verb::Post, path, summary, Answer::Lines(event)).fails(WORKING)
}

/// All storages.
pub const LIST: Route = Route::get("/v1/storages", "List storages", of::<Vec<StorageInfo>>);
/// A new one.
pub const CREATE: Route = Route::post("/v1/storages", "Make a storage, or attach one that is there", of::<StorageCreated>)
    .takes(of::<StorageCreate>)
    .act(Admin, "storage create")
    .fails(WORKING);
/// One of them.
pub const SHOW: Route = Route::get("/v1/storages/{name}", "Show a storage", of::<StorageInfo>);
/// Another name, policy or reserve.
pub const EDIT: Route = Route::put("/v1/storages/{name}", "Change a storage's name, retention or reserve", of::<StorageInfo>)
    .takes(of::<StorageEdit>)
    .act(Admin, "storage edit")
    .fails(WORKING);
/// One fewer.
pub const DELETE: Route = Route::delete("/v1/storages/{name}", "Forget a storage; its files stay").act(Admin, "storage delete").fails(WORKING);
/// Opening a sealed one.
pub const UNLOCK: Route = Route::post("/v1/storages/{name}/unlock", "Open a sealed storage on this host", of::<StorageInfo>)
    .takes(of::<StorageUnlock>)
    .act(Admin, "storage unlock")
    .fails(WORKING);
/// Its passwords.
pub const PASSWORDS: Route =
    Route::get("/v1/storages/{name}/passwords", "List a storage's passwords by their labels", of::<Vec<PasswordInfo>>).see(Admin).fails(WORKING);
/// One more.
pub const PASSWORD_ADD: Route = Route::post("/v1/storages/{name}/passwords/add", "Add a password", of::<Vec<PasswordInfo>>)
    .takes(of::<PasswordAdd>)
    .act(Admin, "storage password add")
    .fails(WORKING);
/// Another.
pub const PASSWORD_CHANGE: Route = Route::post("/v1/storages/{name}/passwords/change", "Change a password", of::<Vec<PasswordInfo>>)
    .takes(of::<PasswordChange>)
    .act(Admin, "storage password change")
    .fails(WORKING);
/// One fewer.
pub const PASSWORD_REMOVE: Route = Route::post("/v1/storages/{name}/passwords/remove", "Remove a password", of::<Vec<PasswordInfo>>)
    .takes(of::<PasswordRemove>)
    .act(Admin, "storage password remove")
    .fails(WORKING);
/// Another recovery key.
pub const RECOVERY_KEY: Route = Route::post("/v1/storages/{name}/recovery-key", "Make a new recovery key, and tell it this once", of::<RecoveryKey>)
    .act(Admin, "storage recovery-key")
    .fails(WORKING);
/// Other keys.
pub const ROTATE_KEYS: Route =
    Route::post("/v1/storages/{name}/rotate-keys", "Make new keys; old data is sealed anew in the background", of::<StorageRotateReport>)
        .takes(of::<StorageRotate>)
        .act(Admin, "storage rotate-keys")
        .fails(WORKING);
/// Whether it is whole.
pub const CHECK: Route =
    work("/v1/storages/{name}/check", "Check a storage", of::<CareEvent<StorageCheckReport>>).takes(of::<StorageCheck>).act(Restorer, "storage check");
/// Its index anew.
pub const REBUILD: Route =
    work("/v1/storages/{name}/rebuild", "Make a storage's index anew from its packs", of::<CareEvent<StorageRebuildReport>>).act(Admin, "storage rebuild");
/// What is damaged aside.
pub const REPAIR: Route = work("/v1/storages/{name}/repair", "Put aside what is damaged", of::<CareEvent<StorageRepairReport>>).act(Admin, "storage repair");
/// Marking by the policy.
pub const PRUNE: Route = work("/v1/storages/{name}/prune", "Mark what the retention policy removes", of::<CareEvent<StoragePruneReport, RetentionDecision>>)
    .takes(of::<StoragePrune>)
    .act(Admin, "storage prune");
/// Not so.
pub const UNPRUNE: Route = Route::post("/v1/storages/{name}/unprune", "Undo the marks that are not freed yet", of::<StorageUnpruneReport>)
    .act(Admin, "storage unprune")
    .fails(WORKING);
/// Retention goes on.
pub const THAW: Route =
    Route::post("/v1/storages/{name}/thaw", "Let retention go on after a suspicious change", of::<StorageInfo>).act(Admin, "storage thaw").fails(WORKING);
/// Space back.
pub const FREE: Route = work("/v1/storages/{name}/free", "Free the space of what is marked or erased", of::<CareEvent<StorageFreeReport>>)
    .takes(of::<StorageFree>)
    .act(Admin, "storage free");
/// A mailbox out of all history.
pub const ERASE: Route = work("/v1/storages/{name}/erase", "Erase a mailbox from all history", of::<CareEvent<StorageEraseReport>>)
    .takes(of::<StorageErase>)
    .act(Admin, "storage erase");
/// Which those are.
pub const ERASED: Route = Route::get("/v1/storages/{name}/erased", "List the mailboxes that were erased", of::<Vec<ErasedInfo>>).see(Restorer).fails(WORKING);
/// In again.
pub const ALLOW: Route = Route::post("/v1/storages/{name}/allow", "Allow an erased mailbox to be backed up again", of::<Vec<ErasedInfo>>)
    .takes(of::<StorageAllow>)
    .act(Admin, "storage allow")
    .fails(WORKING);
/// A second one.
pub const COPY: Route = work("/v1/storages/{name}/copy", "Copy a storage to another folder", of::<CareEvent<StorageCopyReport>>)
    .takes(of::<StorageCopy>)
    .act(Admin, "storage copy");
/// A look into it.
pub const MOUNT: Route = Route::post("/v1/storages/{name}/mount", "Record that the caller mounts a storage, and say where it is", of::<StorageInfo>)
    .takes(of::<StorageMount>)
    .act(Restorer, "mount")
    .fails(WORKING);
/// A mount's word.
pub const MOUNTED: Route =
    Route::post("/v1/mounts", "Tell that a mount was made, as the mount itself does", of::<Nothing>).takes(of::<MountReport>).act(Restorer, "mount begun");
/// Who reads.
pub const READ: Route = Route::post("/v1/mounts/readings", "Tell what somebody read in a mount, as the mount itself does", of::<Nothing>)
    .takes(of::<MountReport>)
    .act(Restorer, "mount read");

/// All of them.
pub const ALL: &[Route] = &[
    LIST,
    CREATE,
    SHOW,
    EDIT,
    DELETE,
    UNLOCK,
    PASSWORDS,
    PASSWORD_ADD,
    PASSWORD_CHANGE,
    PASSWORD_REMOVE,
    RECOVERY_KEY,
    ROTATE_KEYS,
    CHECK,
    REBUILD,
    REPAIR,
    PRUNE,
    UNPRUNE,
    THAW,
    FREE,
    ERASE,
    ERASED,
    ALLOW,
    COPY,
    MOUNT,
    MOUNTED,
    READ,
];
