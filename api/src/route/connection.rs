//! Routes about connections.

use super::{Answer, Route, Verb, of};
use crate::ErrorCode::{self, Auth, Config, Exists, Locked, LowSpace, Server, State, Storage};
use crate::access::Role::{Admin, Operator, Restorer};
use crate::connection::{CheckReport, CheckRequest, ConnectionCreate, ConnectionInfo, ConnectionPassword, MailboxInfo, PublicFolderInfo, SignInEvent};

/// What can go wrong where a definition is written.
const WRITING: &[ErrorCode] = &[Exists, State, Config, LowSpace, Storage];

/// What can go wrong where the mail server is asked.
const ASKING: &[ErrorCode] = &[State, Config, Auth, Server, LowSpace, Storage];

/// What can go wrong with a connection's own password.
const GUARDING: &[ErrorCode] = &[State, Locked, LowSpace, Storage];

/// All connections.
pub const LIST: Route = Route::get("/v1/connections", "List connections", of::<Vec<ConnectionInfo>>);
/// A new one.
pub const CREATE: Route =
    Route::post("/v1/connections", "Make a connection", of::<ConnectionInfo>).takes(of::<ConnectionCreate>).act(Admin, "connection create").fails(WRITING);
/// One of them.
pub const SHOW: Route = Route::get("/v1/connections/{name}", "Show a connection", of::<ConnectionInfo>);
/// All of one anew.
pub const EDIT: Route = Route::put(
    "/v1/connections/{name}",
    "Replace a connection's definition; a secret that goes to the same place need not be given again",
    of::<ConnectionInfo>,
)
.takes(of::<ConnectionCreate>)
.act(Admin, "connection edit")
.asks_password()
.fails(WRITING);
/// One fewer.
pub const DELETE: Route = Route::delete("/v1/connections/{name}", "Forget a connection and its secrets; refused while a job uses it")
    .act(Admin, "connection delete")
    .asks_password()
    .fails(WRITING);
/// Whether it works.
pub const CHECK: Route = Route::post("/v1/connections/{name}/check", "Try whether a connection works", of::<CheckReport>)
    .takes(of::<CheckRequest>)
    .act(Operator, "connection check")
    .fails(ASKING);
/// Signing in with a code.
pub const SIGN_IN: Route = Route::new(Verb::Post, "/v1/connections/{name}/sign-in", "Sign in with a code on another device", Answer::Lines(of::<SignInEvent>))
    .act(Admin, "connection sign-in")
    .asks_password()
    .fails(ASKING);
/// A password of its own.
pub const PASSWORD_SET: Route = Route::put("/v1/connections/{name}/password", "Give a connection a password of its own; for its owner", of::<ConnectionInfo>)
    .takes(of::<ConnectionPassword>)
    .act(Admin, "connection password set")
    .fails(GUARDING);
/// None.
pub const PASSWORD_REMOVE: Route = Route::delete("/v1/connections/{name}/password", "Take a connection's own password away; for its owner")
    .act(Admin, "connection password remove")
    .fails(GUARDING);
/// Giving it.
pub const UNLOCK: Route =
    Route::post("/v1/connections/{name}/unlock", "Give the password of somebody's connection, for this login session", of::<ConnectionInfo>)
        .takes(of::<ConnectionPassword>)
        .act(Admin, "connection unlock")
        .fails(GUARDING);
/// Taking it back.
pub const LOCK: Route =
    Route::post("/v1/connections/{name}/lock", "Have the password asked for again", of::<ConnectionInfo>).act(Admin, "connection lock").fails(GUARDING);
/// Whose mail it is.
pub const MAILBOXES: Route = Route::get("/v1/connections/{name}/mailboxes", "List the mailboxes that the server tells of", of::<Vec<MailboxInfo>>)
    .act(Restorer, "mailbox list")
    .fails(ASKING);
/// What belongs to nobody.
pub const PUBLIC_FOLDERS: Route =
    Route::get("/v1/connections/{name}/public-folders", "List the public folders that the account sees", of::<Vec<PublicFolderInfo>>)
        .act(Restorer, "connection public-folders")
        .fails(ASKING);

/// All of them.
pub const ALL: &[Route] = &[LIST, CREATE, SHOW, EDIT, DELETE, CHECK, SIGN_IN, PASSWORD_SET, PASSWORD_REMOVE, UNLOCK, LOCK, MAILBOXES, PUBLIC_FOLDERS];
