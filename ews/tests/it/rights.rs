//! A mailbox is opened by the first right that works.

use crate::answers::{error, fault, healthy, open, response};
use crate::fetching::{alice, fetch};
use crate::server::{Request, Scripted, ok, status};
use c2b_mailbox::{Address, Scope, Source, Trouble};

fn impersonates(request: &Request) -> bool {
    request.body.contains("ExchangeImpersonation")
}

#[tokio::test]
async fn the_own_mailbox_needs_no_impersonation() {
    let server = Scripted::start(healthy).await;
    let own = Address::parse("Admin@Example.org").unwrap();
    server.source.fetch(&own, &[]).await.unwrap();
    assert!(server.all_requests().iter().all(|request| !impersonates(request)));
}

#[tokio::test]
async fn a_user_without_impersonation_comes_in_as_a_delegate() {
    let server = Scripted::start(|request: &Request| {
        if impersonates(request) { status("500 Internal Server Error", "", fault("ErrorImpersonateUserDenied", "")) } else { healthy(request) }
    })
    .await;
    for _ in 0..2 {
        assert!(fetch(&server, &["a"]).await.unwrap()["a"].is_ok());
    }
    let requests = server.all_requests();
    assert_eq!(requests.iter().filter(|request| impersonates(request)).count(), 1, "the refusal was forgotten");
    assert_eq!(requests[1].text("t:EmailAddress").as_deref(), Some("alice@example.org"));
    assert!(requests.iter().all(|request| request.header("x-anchormailbox") == Some("alice@example.org")));
}

#[tokio::test]
async fn without_any_right_the_mailbox_is_forbidden() {
    let server = Scripted::start(|request: &Request| {
        if impersonates(request) { ok(fault("ErrorImpersonateUserDenied", "")) } else { ok(response("GetFolder", &error("GetFolder", "ErrorAccessDenied"))) }
    })
    .await;
    let err = server.source.folder_changes(&alice(), None).await.unwrap_err();
    assert_eq!((err.trouble, err.scope), (Trouble::Forbidden, Scope::Mailbox));
    assert!(err.message.contains("admin@example.org may neither impersonate alice@example.org"), "{}", err.message);
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_named_so() {
    let server = Scripted::start(|_: &Request| status("500 Internal Server Error", "", fault("ErrorNonExistentMailbox", ""))).await;
    let err = server.source.folder_changes(&alice(), None).await.unwrap_err();
    assert_eq!((err.trouble, err.scope), (Trouble::NoSuchMailbox, Scope::Mailbox));
}

#[tokio::test]
async fn a_server_that_knows_few_folder_words_is_asked_for_the_root_alone() {
    let server = Scripted::start(
        |request: &Request| {
            if request.ids("t:DistinguishedFolderId").len() > 1 { ok(fault("ErrorSchemaValidation", "")) } else { open(request) }
        },
    )
    .await;
    server.source.fetch(&alice(), &[]).await.unwrap();
    assert_eq!(server.all_requests().len(), 2);
}
