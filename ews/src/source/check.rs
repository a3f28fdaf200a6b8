//! How far one gets with a connection: each step a finding, until one makes the next pointless.

use super::EwsSource;
use super::mailbox::Right;
use crate::auth::sign_in_findings;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::FolderName;
use crate::operation::get_folder::GetFolder;
use c2b_mailbox::{Address, CheckReport, Finding, Level, SourceError, Trouble};

impl EwsSource {
    /// Looks at the connection, then at each mailbox.
    pub(super) async fn look(&self, mailboxes: &[Address]) -> CheckReport {
        let mut report = CheckReport::default();
        self.look_at_url(&mut report);
        report.findings.extend(sign_in_findings(&self.config.sign_in));
        if self.look_at_way(&mut report).await && self.look_at_sign_in(&mut report).await {
            for mailbox in mailboxes {
                self.look_at_mailbox(&mut report, mailbox).await;
            }
            self.look_at_export(&mut report, mailboxes.first()).await;
        }
        report
    }

    fn look_at_url(&self, report: &mut CheckReport) {
        let url = &self.config.url;
        let host = url.host_str().unwrap_or_default();
        if url.path().to_ascii_lowercase().ends_with(".asmx") {
            add(report, "url", Level::Ok, format!("{url}"), "");
        } else {
            add(report, "url", Level::Warning, format!("{url} does not end in .asmx"), "EWS is usually at https://HOST/EWS/Exchange.asmx");
        }
        if self.config.is_plain() {
            if self.config.is_loopback() {
                add(report, "encryption", Level::Ok, "not encrypted, and needs not be: it stays on this machine".to_owned(), "");
            } else {
                add(report, "encryption", Level::Warning, "the connection is not encrypted".to_owned(), "use https");
            }
        }
        if self.config.insecure {
            let hint = "give the issuer's certificate with --ca-file instead of --insecure";
            add(report, "encryption", Level::Warning, "any certificate is accepted: whoever is on the way can read the password".to_owned(), hint);
        }
        if host == "outlook.office365.com" || host.ends_with(".outlook.com") || host.ends_with(".office365.com") {
            let text = "Exchange Online blocks EWS since 2026-10-01 for tenants that have not listed this application, and ends it on 2027-04-01; it takes no Basic sign-in";
            add(report, "platform", Level::Warning, text.to_owned(), "plan for a connection of another kind before that day");
        }
    }

    async fn look_at_way(&self, report: &mut CheckReport) -> bool {
        match self.transport.knock().await {
            Ok(_) => {
                add(report, "reachable", Level::Ok, format!("{} answers", self.config.url.host_str().unwrap_or_default()), "");
                if !self.config.is_plain() && !self.config.insecure {
                    add(report, "certificate", Level::Ok, "the server's certificate is trusted".to_owned(), "");
                }
                true
            }
            Err(failure) => {
                let subject = if failure.trouble == Trouble::Certificate { "certificate" } else { "reachable" };
                add_failure(report, subject, &failure);
                false
            }
        }
    }

    /// Asks for the user's own root folder. Not having a mailbox is no fault of a service account.
    async fn look_at_sign_in(&self, report: &mut CheckReport) -> bool {
        let own = GetFolder { folders: vec![FolderName::WellKnown("msgfolderroot", None)] };
        let answer = self.transport.call(own, &Target::default()).await.and_then(|batch| batch.single());
        let signed_in = match &answer {
            Ok(_) => true,
            Err(failure) => failure.code.starts_with("Error") && !matches!(failure.trouble, Trouble::SignIn | Trouble::Throttled | Trouble::Busy),
        };
        if let Some(version) = self.transport.version() {
            let schema = if version.schema.is_empty() { String::new() } else { format!(", schema {}", version.schema) };
            add(report, "server", Level::Ok, format!("{} {}{schema}", product(&version.build), version.build), "");
        } else if signed_in {
            add(report, "server", Level::Ok, "an EWS server that does not tell its version".to_owned(), "");
        }
        match answer {
            Ok(_) => add(report, "sign-in", Level::Ok, format!("signed in as {}", self.config.sign_in.user()), ""),
            Err(_) if signed_in => {
                add(report, "sign-in", Level::Ok, format!("signed in as {}, who has no mailbox of their own", self.config.sign_in.user()), "")
            }
            Err(failure) => {
                let is_sign_in = failure.trouble == Trouble::SignIn;
                add_failure(report, if is_sign_in { "sign-in" } else { "server" }, &failure);
                if let (true, Some(hint), Some(finding)) = (is_sign_in, self.transport.sign_in_hint(), report.findings.last_mut()) {
                    finding.hint = hint;
                }
            }
        }
        signed_in
    }

    async fn look_at_mailbox(&self, report: &mut CheckReport, mailbox: &Address) {
        let subject = format!("mailbox {mailbox}");
        match self.open(mailbox).await {
            Ok(open) => {
                let text = match open.right {
                    Right::Own => "opened: it is the user's own",
                    Right::Impersonation => "opened by impersonation",
                    Right::Delegate => "opened as a delegate; impersonation is denied",
                };
                let (level, hint) = match open.right {
                    Right::Delegate => (Level::Warning, "folders that are not shared with the user stay invisible; grant ApplicationImpersonation to see all"),
                    Right::Own | Right::Impersonation => (Level::Ok, ""),
                };
                add(report, &subject, level, text.to_owned(), hint);
            }
            Err(err) => add_error(report, &subject, &err),
        }
    }

    async fn look_at_export(&self, report: &mut CheckReport, mailbox: Option<&Address>) {
        let target = match mailbox {
            Some(mailbox) => match self.open(mailbox).await {
                Ok(open) => open.target.clone(),
                Err(_) => return,
            },
            None => Target::default(),
        };
        if self.can_export(&target).await {
            add(report, "export", Level::Ok, "the server exports items in full fidelity".to_owned(), "");
        } else {
            let text = "the server cannot export items: they are kept as MIME, iCalendar, vCard and properties";
            add(report, "export", Level::Warning, text.to_owned(), "nothing to do; a restore brings back what these forms hold");
        }
    }
}

fn add(report: &mut CheckReport, subject: &str, level: Level, text: String, hint: &str) {
    report.findings.push(Finding { subject: subject.to_owned(), level, text, hint: hint.to_owned() });
}

fn add_failure(report: &mut CheckReport, subject: &str, failure: &Failure) {
    let text = format!("{} ({})", failure.message, failure.code);
    add(report, subject, Level::Error, text, hint_for(failure.trouble));
}

fn add_error(report: &mut CheckReport, subject: &str, err: &SourceError) {
    let text = format!("{} ({})", err.message, err.code);
    add(report, subject, Level::Error, text, hint_for(err.trouble));
}

/// Says what an administrator can do about it.
fn hint_for(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Unreachable => "check the host name and port of the URL, DNS, and firewalls on the way",
        Trouble::Certificate => "check the host name of the URL, or give the issuer's certificate with --ca-file",
        Trouble::WrongUrl => "EWS is usually at https://HOST/EWS/Exchange.asmx; ask the administrator of the server",
        Trouble::SignIn => "check the account, its secret, and the kind of sign-in",
        Trouble::Forbidden => "grant the user the role ApplicationImpersonation, or full access to the mailbox",
        Trouble::NoSuchMailbox => "check the spelling; it must be the primary SMTP address",
        Trouble::Throttled | Trouble::Busy => "the server is busy: try again later",
        _ => "see the server's message",
    }
}

/// Returns the product that a build number belongs to.
fn product(build: &str) -> &'static str {
    let mut numbers = build.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(8), _, _) => "Exchange 2007",
        (Some(14), _, _) => "Exchange 2010",
        (Some(15), Some(0), _) => "Exchange 2013",
        (Some(15), Some(1), _) => "Exchange 2016",
        (Some(15), Some(2), Some(2562..)) => "Exchange Server SE",
        (Some(15), Some(2), _) => "Exchange 2019",
        (Some(15), Some(20), _) => "Exchange Online",
        _ => "an EWS server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EwsConfig, Secret};
    use url::Url;

    fn warnings(url: &str, insecure: bool) -> Vec<String> {
        let mut config = EwsConfig::new(Url::parse(url).unwrap(), "alice", Secret::new("pw"), "/nowhere");
        config.insecure = insecure;
        let mut report = CheckReport::default();
        EwsSource::new(config).unwrap().look_at_url(&mut report);
        report.findings.into_iter().filter(|finding| finding.level != Level::Ok).map(|finding| finding.subject).collect()
    }

    #[test]
    fn a_doubtful_url_is_warned_about() {
        assert!(warnings("https://mail.example.org/EWS/Exchange.asmx", false).is_empty());
        assert!(warnings("http://127.0.0.1:8080/EWS/Exchange.asmx", false).is_empty());
        assert_eq!(warnings("https://mail.example.org/owa", false), ["url"]);
        assert_eq!(warnings("https://outlook.office365.com/EWS/Exchange.asmx", false), ["platform"]);
        assert_eq!(warnings("http://mail.example.org/EWS/Exchange.asmx", true), ["encryption", "encryption"]);
    }

    #[test]
    fn builds_are_named_by_their_product() {
        for (build, name) in [
            ("15.0.1497.2", "Exchange 2013"),
            ("15.2.1118.7", "Exchange 2019"),
            ("15.2.2562.17", "Exchange Server SE"),
            ("8.0", "Exchange 2007"),
            ("x", "an EWS server"),
        ] {
            assert_eq!(product(build), name);
        }
    }
}
