//! What an administrator should know about the sign-in itself, before anything is tried.

use super::SignIn;
use super::oauth::{Grant, OAuth};
use c2b_mailbox::{Finding, Level};
use chrono::TimeDelta;

/// How long before its end a certificate or secret is warned about: time enough to have a new one made.
const EXPIRY_WARNING: TimeDelta = TimeDelta::days(30);

/// Looks at the sign-in of a configuration.
pub(crate) fn sign_in_findings(sign_in: &SignIn) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let SignIn::OAuth(oauth) = sign_in
        && let Some((what, end)) = oauth.expiry()
    {
        let day = end.format("%Y-%m-%d");
        let left = end - oauth.now();
        let (level, text) = match left {
            left if left < TimeDelta::zero() => (Level::Error, format!("the {what} has expired on {day}")),
            left if left < EXPIRY_WARNING => (Level::Warning, format!("the {what} expires in {} days, on {day}", left.num_days())),
            _ => (Level::Ok, format!("the {what} holds until {day}")),
        };
        let hint = if level == Level::Ok { "" } else { "have a new one made for the application, and give it to this connection" };
        findings.push(Finding { subject: what.to_owned(), level, text, hint: hint.to_owned() });
    } else if let SignIn::OAuth(OAuth { grant: Grant::Secret(_), .. }) = sign_in {
        let text = "how long the client secret is good is not known".to_owned();
        let hint = "say it with --secret-expires, as the portal shows it, to be warned 30 days before".to_owned();
        findings.push(Finding { subject: "client secret".to_owned(), level: Level::Ok, text, hint });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::auth::oauth::WallClock;
    use chrono::NaiveDate;
    use url::Url;

    fn found(secret_expires: Option<&str>, today: &str) -> (Level, String) {
        let now = today.parse::<NaiveDate>().unwrap().and_hms_opt(12, 0, 0).unwrap().and_utc();
        let oauth = OAuth {
            token_url: Url::parse("https://login.example.org/token").unwrap(),
            client_id: "c2b".to_owned(),
            scope: "mail".to_owned(),
            grant: Grant::Secret(Secret::new("s")),
            secret_expires: secret_expires.map(|day| day.parse().unwrap()),
            clock: WallClock::new(move || now),
        };
        let finding = sign_in_findings(&SignIn::OAuth(oauth)).pop().unwrap();
        assert_eq!(finding.hint.is_empty(), finding.level == Level::Ok && secret_expires.is_some());
        (finding.level, finding.text)
    }

    #[test]
    fn a_secret_that_ends_soon_is_warned_about() {
        let end = Some("2027-02-28");
        assert_eq!(found(end, "2027-01-28").0, Level::Ok);
        assert_eq!(found(end, "2027-01-31"), (Level::Warning, "the client secret expires in 28 days, on 2027-02-28".to_owned()));
        assert_eq!(found(end, "2027-02-28").0, Level::Warning);
        assert_eq!(found(end, "2027-03-01").0, Level::Error);
        assert_eq!(found(None, "2027-03-01").0, Level::Ok);
    }
}
