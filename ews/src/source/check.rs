//! How far one gets with a connection: each step a finding, until one makes the next pointless.

pub(super) mod certificate;
mod rights;

use super::EwsSource;
use super::mailbox::Right;
use crate::auth::oauth::Grant;
use crate::auth::{SignIn, sign_in_findings};
use crate::autodiscover::web::{HttpWeb, Web};
use crate::directory::MailboxList;
use crate::error::Failure;
use crate::http::Target;
use crate::operation::FolderName;
use crate::operation::get_folder::GetFolder;
use c2b_mailbox::{Address, CheckReport, Finding, Level, Mailbox, MailboxKind, SourceError, Trouble};
use rights::Seen;
use std::collections::BTreeMap;

/// Listed mailboxes that are opened to find out about rights when none is given.
const SAMPLE_MAILBOXES: usize = 5;

impl EwsSource {
    /// Looks at the connection, then at each mailbox.
    pub(super) async fn look(&self, mailboxes: &[Address]) -> CheckReport {
        let mut report = CheckReport::default();
        self.look_at_url(&mut report);
        report.findings.extend(sign_in_findings(&self.config.sign_in));
        if self.look_at_way(&mut report).await && self.look_at_sign_in(&mut report).await {
            let listed = self.look_at_lists(&mut report).await;
            let sample = if mailboxes.is_empty() { sample(&listed) } else { mailboxes.to_vec() };
            let mut seen = Seen::default();
            let mut throttled = None;
            for mailbox in &sample {
                let slowed = self.look_at_mailbox(&mut report, &mut seen, mailbox).await;
                throttled = throttled.or(slowed);
            }
            if mailboxes.is_empty() {
                forgive(&mut report);
            }
            seen.tell(&mut report, self.is_application());
            self.look_at_export(&mut report, sample.iter().find(|mailbox| !seen.denied.contains(mailbox))).await;
            tell_throttling(&mut report, throttled);
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
                    report.findings.push(self.certificate().await);
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
        let own = GetFolder { folders: vec![FolderName::WellKnown("msgfolderroot", None)], with_counters: false };
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
                add(report, "sign-in", Level::Ok, format!("signed in as {}, who has no mailbox of their own", self.config.sign_in.user()), "");
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

    /// Returns whether an application signs in in its own name: then the tenant, not a role, says which mailboxes it opens.
    fn is_application(&self) -> bool {
        matches!(&self.config.sign_in, SignIn::OAuth(oauth) if !matches!(oauth.grant, Grant::Refresh { .. }))
    }

    /// Returns what is known of the certificate, which has been accepted.
    async fn certificate(&self) -> Finding {
        let reply = match HttpWeb::new(&self.config) {
            Ok(web) => web.peek(&self.config.url).await.ok(),
            Err(_) => None,
        };
        let reply = reply.unwrap_or_default();
        certificate::finding(reply.certificate.as_deref(), reply.date.as_deref())
    }

    /// Lists the mailboxes, or some of them where that takes many requests.
    async fn look_at_lists(&self, report: &mut CheckReport) -> Vec<Mailbox> {
        let by_names = self.config.lists.contains(&MailboxList::Names);
        match self.list_all(Some(SAMPLE_MAILBOXES)).await {
            Ok(listed) if listed.is_empty() => {
                add(report, "mailboxes", Level::Warning, "no mailbox is listed".to_owned(), "name the mailboxes in the job, or say where they are listed");
                listed
            }
            Ok(listed) => {
                if by_names {
                    let hint = "mailboxes hidden from the address list stay unseen; a directory lists all";
                    add(report, "mailboxes", Level::Ok, "the address list can be searched".to_owned(), hint);
                } else {
                    add(report, "mailboxes", Level::Ok, format!("{} are listed: {}", listed.len(), kinds(&listed)), "");
                }
                tell_skipped(report, &listed);
                listed
            }
            Err(failure) => {
                // A job that names its mailboxes needs no list.
                let text = format!("the mailboxes cannot be listed: {} ({})", failure.message, failure.code);
                add(report, "mailboxes", Level::Warning, text, "\"all except\" does not work until they can; mailboxes named in a job do");
                Vec::new()
            }
        }
    }

    /// Opens a mailbox and looks into it; returns the server's word when it asks to slow down.
    async fn look_at_mailbox(&self, report: &mut CheckReport, seen: &mut Seen, mailbox: &Address) -> Option<String> {
        let subject = format!("mailbox {mailbox}");
        match self.open(mailbox).await {
            Ok(open) => {
                let looked = seen.look_into(self, mailbox, &open).await;
                let text = match open.right {
                    Right::Own => "opened: it is the user's own",
                    Right::Impersonation if self.is_application() => "opened by application access",
                    Right::Impersonation => "opened by impersonation",
                    Right::Delegate => "opened as a delegate; impersonation is denied",
                };
                let (level, hint) = match open.right {
                    Right::Delegate => (Level::Warning, "folders that are not shared with the user stay invisible; grant ApplicationImpersonation to see all"),
                    Right::Own | Right::Impersonation => (Level::Ok, ""),
                };
                add(report, &subject, level, text.to_owned(), hint);
                looked.err().filter(|failure| failure.trouble == Trouble::Throttled).map(|failure| format!("{} ({})", failure.message, failure.code))
            }
            Err(err) => {
                match err.trouble {
                    Trouble::Forbidden => seen.denied.push(mailbox.clone()),
                    _ => seen.failed += 1,
                }
                add_error(report, &subject, &err);
                (err.trouble == Trouble::Throttled).then(|| format!("{} ({})", err.message, err.code))
            }
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

/// Takes some of the mailboxes that can be backed up, from all over the list.
fn sample(listed: &[Mailbox]) -> Vec<Address> {
    let open: Vec<&Mailbox> = listed.iter().filter(|mailbox| mailbox.skipped.is_none()).collect();
    let step = open.len().div_ceil(SAMPLE_MAILBOXES).max(1);
    open.iter().step_by(step).map(|mailbox| mailbox.address.clone()).collect()
}

/// Nobody has asked for the mailboxes of a sample: that the user may not open them need not matter to any job.
fn forgive(report: &mut CheckReport) {
    for finding in report.findings.iter_mut().filter(|finding| finding.subject.starts_with("mailbox ")) {
        finding.level = finding.level.min(Level::Warning);
    }
}

fn kinds(listed: &[Mailbox]) -> String {
    let mut sums: BTreeMap<MailboxKind, usize> = BTreeMap::new();
    for mailbox in listed {
        *sums.entry(mailbox.kind).or_default() += 1;
    }
    sums.iter().map(|(kind, count)| format!("{count} {}", kind.word())).collect::<Vec<_>>().join(", ")
}

fn tell_skipped(report: &mut CheckReport, listed: &[Mailbox]) {
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in listed.iter().filter_map(|mailbox| mailbox.skipped.as_deref()) {
        *sums.entry(reason).or_default() += 1;
    }
    if !sums.is_empty() {
        let words: Vec<String> = sums.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
        add(report, "not covered", Level::Ok, words.join("; "), "");
    }
}

/// A server's throttling policy cannot be asked for; only what it says by itself is known.
fn tell_throttling(report: &mut CheckReport, told: Option<String>) {
    match told {
        Some(words) => add(report, "throttling", Level::Warning, format!("the server asked to slow down: {words}"), "backups wait as long as the server asks"),
        None => add(report, "throttling", Level::Ok, "the server did not ask to slow down; its limits cannot be asked for".to_owned(), ""),
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
