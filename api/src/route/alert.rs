//! Routes about alerts.

use super::{Nothing, Route, of};
use crate::access::Role::{Admin, Operator};
use crate::alert::{AlertPassword, AlertStatus, AlertTest};

/// What is wrong now.
pub const LIST: Route = Route::get("/v1/alerts", "List the troubles there are now, and how people are told of them", of::<AlertStatus>);
/// Whether alerts arrive.
pub const TEST: Route = Route::post("/v1/alerts/test", "Tell a test by every way", of::<Vec<AlertTest>>).act(Operator, "alert test");
/// The mail server's password.
pub const PASSWORD: Route =
    Route::put("/v1/alerts/password", "Keep the password of the mail server", of::<Nothing>).takes(of::<AlertPassword>).act(Admin, "alert password");

/// All of them.
pub const ALL: &[Route] = &[LIST, TEST, PASSWORD];
