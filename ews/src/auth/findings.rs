//! What an administrator should know about the sign-in itself, before anything is tried.

use super::SignIn;
use c2b_mailbox::{Finding, Level};
use chrono::TimeDelta;

/// How long before its end a certificate is warned about: time enough to have a new one made.
const EXPIRY_WARNING: TimeDelta = TimeDelta::days(30);

/// Looks at the sign-in of a configuration.
pub(crate) fn sign_in_findings(sign_in: &SignIn) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let SignIn::OAuth(oauth) = sign_in
        && let Some(end) = oauth.expiry()
    {
        let day = end.format("%Y-%m-%d");
        let left = end - oauth.now();
        let (level, text) = match left {
            left if left < TimeDelta::zero() => (Level::Error, format!("the client certificate has expired on {day}")),
            left if left < EXPIRY_WARNING => (Level::Warning, format!("the client certificate expires in {} days, on {day}", left.num_days())),
            _ => (Level::Ok, format!("the client certificate holds until {day}")),
        };
        let hint = if level == Level::Ok { "" } else { "have a new certificate made, give it to the application, and to this connection" };
        findings.push(Finding { subject: "client certificate".to_owned(), level, text, hint: hint.to_owned() });
    }
    findings
}
