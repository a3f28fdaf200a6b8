//! A look at a connection says in plain words how far one gets.

use crate::answers::{error, fault, open, response, success};
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
        "ResolveNames" => ok(response(
            "ResolveNames",
            &success(
                "ResolveNames",
                "<m:ResolutionSet TotalItemsInView='1' IncludesLastItemInRange='true'><t:Resolution><t:Mailbox><t:EmailAddress>alice@example.org</t:EmailAddress></t:Mailbox></t:Resolution></m:ResolutionSet>",
            ),
        )),
        "GetFolder" if request.body.contains("folder:EffectiveRights") => {
            let of = |read: bool| {
                let rights = format!("<t:CreateContents>false</t:CreateContents><t:Read>{read}</t:Read>");
                success(
                    "GetFolder",
                    &format!(
                        "<m:Folders><t:Folder><t:ChildFolderCount>3</t:ChildFolderCount><t:EffectiveRights>{rights}</t:EffectiveRights></t:Folder></m:Folders>"
                    ),
                )
            };
            let none = error("GetFolder", "ErrorFolderNotFound");
            ok(response("GetFolder", &[error("GetFolder", "ErrorArchiveMailboxNotEnabled"), of(false), of(true), of(false), none, of(true)].concat()))
        }
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
        "Ok mailboxes: the address list can be searched".to_owned(),
        "Ok mailbox alice@example.org: opened by impersonation".to_owned(),
        "Ok rights: of 1 mailboxes tried: 1 by impersonation".to_owned(),
        "Ok archive: none in the 1 mailboxes tried".to_owned(),
        "Warning recoverable items: not readable in alice@example.org, so not covered there: the user may not read it".to_owned(),
        "Ok calendar: readable in 1 of 1 mailboxes tried".to_owned(),
        "Warning contacts: not readable in alice@example.org, so not covered there: the user may not read it".to_owned(),
        "Ok tasks: none in the 1 mailboxes tried".to_owned(),
        "Ok public folders: reachable, 3 at the top".to_owned(),
        "Ok export: the server exports items in full fidelity".to_owned(),
        "Ok throttling: the server did not ask to slow down; its limits cannot be asked for".to_owned(),
    ];
    assert_eq!(lines(&report), expected);
    assert_eq!(report.worst(), Level::Warning);
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
    assert!(lines.iter().any(|line| line.starts_with("Warning export: the server cannot export items")), "{lines:?}");
    assert!(lines.contains(&"Warning rights: of 2 mailboxes tried: 1 as a delegate with full access, 1 not opened for another reason".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_denied_mailbox_is_proven_and_named_and_throttling_told() {
    let server = Scripted::start(|request: &Request| {
        match (request.operation(), request.text("t:PrimarySmtpAddress").or_else(|| request.text("t:EmailAddress")).as_deref()) {
            ("GetFolder", Some("boss@example.org")) if request.body.contains("ExchangeImpersonation") => ok(fault("ErrorImpersonateUserDenied", "")),
            ("GetFolder", Some("boss@example.org")) => ok(response("GetFolder", &error("GetFolder", "ErrorAccessDenied"))),
            ("GetFolder", Some("alice@example.org")) if request.body.contains("folder:EffectiveRights") => ok(fault("ErrorServerBusy", "")),
            _ => answer(request),
        }
    })
    .await;
    let boss = c2b_mailbox::Address::parse("boss@example.org").unwrap();
    let lines = lines(&server.source.check(&[boss, alice()]).await);
    assert!(lines.contains(&"Warning rights: of 2 mailboxes tried: 1 by impersonation, 1 denied (boss@example.org)".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("Error mailbox boss@example.org: ") && line.contains("may neither impersonate")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("Warning throttling: the server asked to slow down")), "{lines:?}");
}

#[tokio::test]
async fn without_names_some_of_the_listed_mailboxes_are_opened() {
    let server = Scripted::start(answer).await;
    let file = server.dir.path().join("list.csv");
    let rows: String = (0..40).map(|n| format!("u{n:02}@example.org,{}\n", if n == 0 { "DiscoveryMailbox" } else { "UserMailbox" })).collect();
    std::fs::write(&file, format!("Address,RecipientTypeDetails\n{rows}")).unwrap();
    let mut config = c2b_ews::EwsConfig::new(server.url.clone(), "admin", c2b_ews::Secret::new("pw"), server.dir.path());
    config.lists = vec![c2b_ews::MailboxList::File(file)];
    let report = c2b_ews::EwsSource::new(config).unwrap().check(&[]).await;
    let lines = lines(&report);
    assert!(lines.contains(&"Ok mailboxes: 40 are listed: 39 user, 1 system".to_owned()), "{lines:?}");
    assert!(lines.contains(&"Ok not covered: 1: the server keeps it for itself".to_owned()), "{lines:?}");
    assert!(lines.contains(&"Ok rights: of 5 mailboxes tried: 5 by impersonation".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_sample_that_may_not_be_opened_does_not_condemn_the_connection() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetFolder" if request.body.contains("ExchangeImpersonation") => ok(fault("ErrorImpersonateUserDenied", "")),
        "GetFolder" if request.text("t:EmailAddress").is_some() => ok(response("GetFolder", &error("GetFolder", "ErrorAccessDenied"))),
        _ => answer(request),
    })
    .await;
    let report = server.source.check(&[]).await;
    assert_eq!(report.worst(), Level::Warning, "{:?}", lines(&report));
    assert_eq!(server.source.check(&[alice()]).await.worst(), Level::Error);
}
