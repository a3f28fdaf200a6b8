//! A look at a connection says in plain words how far one gets.

use crate::answers::{error, fault, open, response};
use crate::fetching::alice;
use crate::server::{Answer, Request, Scripted, ok, status};
use c2b_mailbox::{CheckReport, Level, Source};

/// Gives each finding as a line.
fn lines(report: &CheckReport) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{:?} {}: {}", finding.level, finding.subject, finding.text)).collect()
}

fn answer(request: &Request) -> Answer {
    match request.operation() {
        "" => status("401 Unauthorized", "WWW-Authenticate: Basic\r\n", ""),
        "ExportItems" => ok(response("ExportItems", &error("ExportItems", "ErrorInvalidIdMalformed"))),
        _ => open(request),
    }
}

#[tokio::test]
async fn a_good_connection_is_described() {
    let server = Scripted::start(answer).await;
    let report = server.source.check(&[alice()]).await;
    let expected = [
        format!("Ok url: {}", server.url),
        "Ok encryption: not encrypted, and needs not be: it stays on this machine".to_owned(),
        "Ok reachable: 127.0.0.1 answers".to_owned(),
        "Ok server: Exchange Server SE 15.2.2562.17, schema V2017_07_11".to_owned(),
        "Ok sign-in: signed in as admin@example.org".to_owned(),
        "Ok mailbox alice@example.org: opened by impersonation".to_owned(),
        "Ok export: the server exports items in full fidelity".to_owned(),
    ];
    assert_eq!(lines(&report), expected);
    assert_eq!(report.worst(), Level::Ok);
    let knock = &server.all_requests()[0];
    assert_eq!((knock.operation(), knock.header("authorization")), ("", None), "the first look carries the password");
}

#[tokio::test]
async fn a_wrong_password_ends_the_look() {
    let server = Scripted::start(|_: &Request| status("401 Unauthorized", "WWW-Authenticate: Basic\r\n", "")).await;
    let report = server.source.check(&[alice()]).await;
    let last = report.findings.last().unwrap();
    assert_eq!((last.subject.as_str(), last.level), ("sign-in", Level::Error));
    assert!(last.text.contains("refused the user name or password") && last.hint.contains("password"), "{last:?}");
}

#[tokio::test]
async fn each_mailbox_gets_its_own_finding() {
    let server = Scripted::start(|request: &Request| match request.text("t:PrimarySmtpAddress").as_deref() {
        Some("bob@example.org") => ok(fault("ErrorNonExistentMailbox", "")),
        Some("alice@example.org") if request.operation() == "GetFolder" => ok(fault("ErrorImpersonateUserDenied", "")),
        _ if request.operation() == "ExportItems" => ok(fault("ErrorInvalidOperation", "")),
        _ => answer(request),
    })
    .await;
    let bob = c2b_mailbox::Address::parse("bob@example.org").unwrap();
    let report = server.source.check(&[alice(), bob]).await;
    let lines = lines(&report);
    assert!(lines.contains(&"Warning mailbox alice@example.org: opened as a delegate; impersonation is denied".to_owned()), "{lines:?}");
    assert!(lines.contains(&"Error mailbox bob@example.org: It says ErrorNonExistentMailbox. (ErrorNonExistentMailbox)".to_owned()), "{lines:?}");
    assert!(lines.last().unwrap().starts_with("Warning export: the server cannot export items"), "{lines:?}");
}
