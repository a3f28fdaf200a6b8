//! Changes come page by page with the server's cursor.

use crate::answers::{error, fault, open, response, success};
use crate::fetching::alice;
use crate::server::{Request, Scripted, cut, ok, status};
use c2b_mailbox::{Change, ChangeKey, Cursor, Folder, FolderChange, FolderId, ItemId, Role, Scope, Source, Told, Trouble, Wishes};

fn folder_page() -> String {
    success(
        "SyncFolderHierarchy",
        "<m:SyncState>S1</m:SyncState><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange><m:Changes>
         <t:Create><t:Folder><t:FolderId Id='INBOX' ChangeKey='x'/><t:ParentFolderId Id='ROOT'/><t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>Posteingang</t:DisplayName></t:Folder></t:Create>
         <t:Create><t:CalendarFolder><t:FolderId Id='CAL'/><t:ParentFolderId Id='INBOX'/><t:DisplayName>a/b &#x1F;</t:DisplayName><t:DistinguishedFolderId>calendar</t:DistinguishedFolderId></t:CalendarFolder></t:Create>
         <t:Create><t:SearchFolder><t:FolderId Id='SEARCH'/><t:ParentFolderId Id='ROOT'/></t:SearchFolder></t:Create>
         <t:Update><t:Folder><t:FolderId Id='ROOT'/></t:Folder></t:Update><t:Unheard><t:Of/></t:Unheard>
         <t:Delete><t:FolderId Id='OLD'/></t:Delete></m:Changes>",
    )
}

#[tokio::test]
async fn folders_get_parent_class_and_role() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "SyncFolderHierarchy" => ok(response("SyncFolderHierarchy", &folder_page())),
        _ => open(request),
    })
    .await;
    let page = server.source.folder_changes(&alice(), None).await.unwrap();
    let folder = |id: &str, parent: Option<&str>, name: &str, class: &str, role: &str| {
        FolderChange::Upsert(Folder {
            id: FolderId::new(id),
            parent: parent.map(FolderId::new),
            name: name.to_owned(),
            class: class.to_owned(),
            role: Some(Role::new(role)),
        })
    };
    assert_eq!(
        page.changes,
        [
            folder("INBOX", None, "Posteingang", "IPF.Note", "inbox"),
            folder("CAL", Some("INBOX"), "a/b \u{fffd}", "", "calendar"),
            FolderChange::Delete(FolderId::new("OLD"))
        ]
    );
    assert!(page.last);
    server.source.folder_changes(&alice(), Some(&page.cursor)).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.iter().map(|request| request.text("m:SyncState")).collect::<Vec<_>>(), [None, Some("S1".to_owned())]);
    assert!(requests.iter().all(|request| request.ids("t:DistinguishedFolderId") == ["msgfolderroot"]));
    assert_eq!(server.all_requests().len(), 4, "the mailbox is opened once, and asked for counters once");
}

#[tokio::test]
async fn all_kinds_of_item_changes_are_told() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "SyncFolderItems" => ok(response(
            "SyncFolderItems",
            &success(
                "SyncFolderItems",
                "<m:SyncState>S2</m:SyncState><m:IncludesLastItemInRange>false</m:IncludesLastItemInRange><m:Changes>
                 <t:Create><t:Message><t:ItemId Id='a' ChangeKey='1'/><t:Size>77</t:Size></t:Message></t:Create><t:Update><t:Task><t:ItemId Id='b'/></t:Task></t:Update>
                 <t:ReadFlagChange><t:ItemId Id='c' ChangeKey='3'/><t:IsRead>true</t:IsRead></t:ReadFlagChange><t:Delete><t:ItemId Id='d' ChangeKey='4'/></t:Delete></m:Changes>",
            ),
        )),
        _ => open(request),
    })
    .await;
    let page = server.source.changes(&alice(), &FolderId::new("INBOX"), None, Wishes::default()).await.unwrap();
    let id = ItemId::new;
    assert_eq!(
        page.changes,
        [
            Change::Upsert { id: id("a"), change_key: Some(ChangeKey::new("1")), told: Told { size: Some(77), ..Told::default() } },
            Change::Upsert { id: id("b"), change_key: None, told: Told::default() },
            Change::Read { id: id("c"), change_key: Some(ChangeKey::new("3")), read: true },
            Change::Delete(id("d")),
        ]
    );
    assert!(!page.last);
    assert_eq!(server.requests()[0].text("m:MaxChangesReturned").as_deref(), Some("512"));
}

#[tokio::test]
async fn a_server_with_smaller_pages_gets_smaller_pages() {
    let server = Scripted::start(|request: &Request| match (request.operation(), request.text("m:MaxChangesReturned").as_deref()) {
        ("SyncFolderItems", Some("512")) => status("500 Internal Server Error", "", fault("ErrorSchemaValidation", "")),
        ("SyncFolderItems", _) => ok(response(
            "SyncFolderItems",
            &success("SyncFolderItems", "<m:SyncState>S</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"),
        )),
        _ => open(request),
    })
    .await;
    for _ in 0..2 {
        assert!(server.source.changes(&alice(), &FolderId::new("INBOX"), None, Wishes::default()).await.unwrap().last);
    }
    let asked: Vec<_> = server.requests().iter().filter_map(|request| request.text("m:MaxChangesReturned")).collect();
    assert_eq!(asked, ["512", "512", "100", "100"]);
    assert!(server.requests().iter().rev().take(2).all(|request| request.body.contains("item:Size")));
}

#[tokio::test]
async fn what_a_folder_can_fail_with_is_told_apart() {
    for (code, trouble, scope) in [
        ("ErrorInvalidSyncStateData", Trouble::CursorInvalid, Scope::Folder),
        ("ErrorSyncFolderNotFound", Trouble::NotFound, Scope::Folder),
        ("ErrorAccessDenied", Trouble::Forbidden, Scope::Folder),
        ("ErrorMailboxMoveInProgress", Trouble::Busy, Scope::Mailbox),
        ("ErrorNonExistentMailbox", Trouble::NoSuchMailbox, Scope::Mailbox),
    ] {
        let server = Scripted::start(move |request: &Request| match request.operation() {
            "SyncFolderItems" => ok(response("SyncFolderItems", &error("SyncFolderItems", code))),
            _ => open(request),
        })
        .await;
        let cursor = Cursor::new("sync:old");
        let err = server.source.changes(&alice(), &FolderId::new("INBOX"), Some(&cursor), Wishes::default()).await.unwrap_err();
        assert_eq!((err.trouble, err.scope, err.code.as_str()), (trouble, scope, code));
        assert_eq!(server.operations(), ["SyncFolderItems"], "{code} was asked again");
    }
}

#[tokio::test]
async fn a_page_that_breaks_off_is_no_page() {
    let page = response("SyncFolderHierarchy", &folder_page());
    for at in [page.find("CAL").unwrap(), page.find("</m:Changes>").unwrap(), page.len() - 3] {
        let page = page.clone();
        let server = Scripted::start(move |request: &Request| if request.operation() == "SyncFolderHierarchy" { cut(&page, at) } else { open(request) }).await;
        let err = server.source.folder_changes(&alice(), None).await.unwrap_err();
        assert_eq!((err.trouble, err.is_transient()), (Trouble::Malformed, true), "cut at {at}");
    }
}

#[tokio::test]
async fn a_server_that_never_says_last_does_not_keep_us_for_ever() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "SyncFolderItems" => ok(response(
            "SyncFolderItems",
            &success("SyncFolderItems", "<m:SyncState>S</m:SyncState><m:IncludesLastItemInRange>false</m:IncludesLastItemInRange>"),
        )),
        _ => open(request),
    })
    .await;
    let folder = FolderId::new("INBOX");
    let first = server.source.changes(&alice(), &folder, None, Wishes::default()).await.unwrap();
    assert!(!first.last);
    assert!(server.source.changes(&alice(), &folder, Some(&first.cursor), Wishes::default()).await.unwrap().last);
}
