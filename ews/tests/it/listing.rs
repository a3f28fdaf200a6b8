//! Servers that cannot tell changes are listed; the list of mailboxes comes out of name resolution.

use crate::answers::{error, fault, open, response, success};
use crate::fetching::alice;
use crate::server::{Request, Scripted, ok};
use c2b_mailbox::{FolderChange, FolderId, MailboxKind, Source, Trouble, Wishes};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers FindItem over `items` items in pages of two.
fn find_item(request: &Request, items: usize) -> crate::server::Answer {
    let offset: usize = request.body.split_once("Offset=\"").unwrap().1.split('"').next().unwrap().parse().unwrap();
    let page: String = (offset..items.min(offset + 2)).map(|n| format!("<t:Message><t:ItemId Id='i{n}' ChangeKey='k{n}'/></t:Message>")).collect();
    let last = offset + 2 >= items;
    ok(response(
        "FindItem",
        &success(
            "FindItem",
            &format!(
                "<m:RootFolder IndexedPagingOffset='{}' TotalItemsInView='{items}' IncludesLastItemInRange='{last}'><t:Items>{page}</t:Items></m:RootFolder>",
                offset + 2
            ),
        ),
    ))
}

#[tokio::test]
async fn items_are_listed_page_by_page_and_compared_in_the_next_cycle() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "SyncFolderItems" => ok(fault("ErrorInvalidOperation", "")),
        "FindItem" => find_item(request, 5),
        _ => open(request),
    })
    .await;
    let folder = FolderId::new("INBOX");
    let mut cursor = None;
    let mut listed = 0;
    loop {
        let page = server.source.changes(&alice(), &folder, cursor.as_ref(), Wishes::default()).await.unwrap();
        listed += page.changes.len();
        cursor = Some(page.cursor);
        if page.last {
            break;
        }
    }
    assert_eq!(listed, 5);
    let err = server.source.changes(&alice(), &folder, cursor.as_ref(), Wishes::default()).await.unwrap_err();
    assert_eq!(err.trouble, Trouble::CursorInvalid);
    let operations = server.operations();
    assert_eq!(operations.iter().filter(|operation| *operation == "FindItem").count(), 3);
    assert!(operations.iter().filter(|operation| *operation == "SyncFolderItems").count() <= 4, "{operations:?}");
}

#[tokio::test]
async fn folders_are_listed_where_their_changes_are_not_told() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "SyncFolderHierarchy" => ok(fault("ErrorInvalidOperation", "")),
        "FindFolder" => ok(response(
            "FindFolder",
            &success(
                "FindFolder",
                "<m:RootFolder TotalItemsInView='2' IncludesLastItemInRange='true'><t:Folders><t:Folder><t:FolderId Id='INBOX'/><t:ParentFolderId Id='ROOT'/><t:DisplayName>In</t:DisplayName></t:Folder>
                 <t:TasksFolder><t:FolderId Id='T'/><t:ParentFolderId Id='INBOX'/></t:TasksFolder></t:Folders></m:RootFolder>",
            ),
        )),
        _ => open(request),
    })
    .await;
    let page = server.source.folder_changes(&alice(), None).await.unwrap();
    let found = page.changes.iter().map(|change| match change {
        FolderChange::Upsert(folder) => (folder.id.as_str(), folder.parent.as_ref().map(FolderId::as_str), folder.role.as_ref().map(|role| role.as_str())),
        FolderChange::Delete(id) => panic!("{id} deleted"),
    });
    assert_eq!(found.collect::<Vec<_>>(), [("INBOX", None, Some("inbox")), ("T", Some("INBOX"), None)]);
    assert!(page.last);
    let again = server.source.folder_changes(&alice(), Some(&page.cursor)).await.unwrap();
    assert_eq!((again.changes, again.whole), (page.changes.clone(), true));
}

#[tokio::test]
async fn mailboxes_are_found_beyond_the_limit_of_one_answer() {
    let people: Vec<String> = (0..250).map(|n| format!("meeting-room-{n:03}")).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let server = Scripted::start(move |request: &Request| {
        let beginning = request.text("m:UnresolvedEntry").unwrap();
        if counted.fetch_add(1, Ordering::Relaxed) % 10 == 9 {
            return ok(response("ResolveNames", &error("ResolveNames", "ErrorServerBusy")));
        }
        let found: Vec<&String> = people.iter().filter(|name| name.starts_with(&beginning)).collect();
        if found.is_empty() {
            return ok(response("ResolveNames", &error("ResolveNames", "ErrorNameResolutionNoResults")));
        }
        let entry = |name: &&String| {
            format!("<t:Resolution><t:Mailbox><t:Name>{name}</t:Name><t:EmailAddress>{name}@Example.org</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox></t:Resolution>")
        };
        let list = "<t:Resolution><t:Mailbox><t:EmailAddress>all@example.org</t:EmailAddress><t:MailboxType>PublicDL</t:MailboxType></t:Mailbox></t:Resolution>";
        let entries: String = found.iter().take(100).map(entry).collect();
        ok(response(
            "ResolveNames",
            &format!(
                "<m:ResolveNamesResponseMessage ResponseClass='Warning'><m:MessageText>Multiple results were found.</m:MessageText><m:ResponseCode>ErrorNameResolutionMultipleResults</m:ResponseCode>\
                 <m:ResolutionSet TotalItemsInView='{}' IncludesLastItemInRange='{}'>{entries}{list}</m:ResolutionSet></m:ResolveNamesResponseMessage>",
                found.len(),
                found.len() <= 100
            ),
        ))
    })
    .await;
    // A server that is busy now and then costs one request each time, not the whole listing.
    let mailboxes = loop {
        match server.source.mailboxes().await {
            Ok(mailboxes) => break mailboxes,
            Err(err) => assert!(err.is_transient() && asked.load(Ordering::Relaxed) < 2000, "{err}"),
        }
    };
    assert_eq!(mailboxes.len(), 250);
    assert_eq!((mailboxes[249].address.as_str(), mailboxes[249].kind), ("meeting-room-249@example.org", MailboxKind::Unknown));
}
