//! Associated items: asked for where they are wished for, in one enumeration with the others, and done without where a server refuses.

use crate::answers::{error, open, response, success};
use crate::fetching::alice;
use crate::server::{Answer, Request, Scripted, ok};
use c2b_mailbox::{Address, Change, Cursor, FolderId, Page, Source, Trouble, Wishes};

const WHOLE: Wishes = Wishes { read: false, facts: false, associated: true };

fn scope(request: &Request) -> Option<String> {
    request.text("m:SyncScope")
}

/// Answers `SyncFolderItems` in its scope.
fn sync(request: &Request) -> Answer {
    let state = request.text("m:SyncState").map_or(1, |state| state.parse::<u32>().unwrap() + 1);
    let hidden = if scope(request).as_deref() == Some("NormalAndAssociatedItems") {
        "<t:Create><t:Message><t:ItemId Id='rule'/><t:IsAssociated>true</t:IsAssociated></t:Message></t:Create>"
    } else {
        ""
    };
    let told = if hidden.is_empty() { "" } else { "<t:IsAssociated>false</t:IsAssociated>" };
    let changes = format!("<t:Create><t:Message><t:ItemId Id='mail'/>{told}</t:Message></t:Create>{hidden}");
    let page = format!("<m:SyncState>{state}</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange><m:Changes>{changes}</m:Changes>");
    ok(response("SyncFolderItems", &success("SyncFolderItems", &page)))
}

fn find(request: &Request) -> Answer {
    let id = if request.body.contains("Traversal=\"Associated\"") { "rule" } else { "mail" };
    let root = "<m:RootFolder IndexedPagingOffset='1' TotalItemsInView='1' IncludesLastItemInRange='true'>";
    ok(response("FindItem", &success("FindItem", &format!("{root}<t:Items><t:Message><t:ItemId Id='{id}'/></t:Message></t:Items></m:RootFolder>"))))
}

/// The items of a page and what is told of them.
fn told(page: &Page<Change>) -> Vec<(&str, Option<bool>)> {
    page.changes.iter().map(told_of).collect()
}

fn told_of(change: &Change) -> (&str, Option<bool>) {
    match change {
        Change::Upsert { id, told, .. } => (id.as_str(), told.associated),
        other => panic!("{other:?} in a first listing"),
    }
}

async fn changes(server: &Scripted, cursor: Option<&Cursor>, wishes: Wishes) -> Result<Page<Change>, Trouble> {
    server.source.changes(&alice(), &FolderId::new("INBOX"), cursor, wishes).await.map_err(|error| error.trouble)
}

#[tokio::test]
async fn a_state_goes_on_in_the_scope_in_which_it_began() {
    let server = Scripted::start(|request: &Request| if request.operation() == "SyncFolderItems" { sync(request) } else { open(request) }).await;
    let plain = changes(&server, None, Wishes::default()).await.unwrap();
    assert_eq!(told(&plain), [("mail", None)]);
    let whole = changes(&server, None, WHOLE).await.unwrap();
    assert_eq!(told(&whole), [("mail", Some(false)), ("rule", Some(true))]);
    let more = changes(&server, Some(&whole.cursor), WHOLE).await.unwrap();
    assert_eq!(changes(&server, Some(&whole.cursor), Wishes::default()).await, Err(Trouble::CursorInvalid));
    assert_eq!(changes(&server, Some(&plain.cursor), WHOLE).await, Err(Trouble::CursorInvalid));
    changes(&server, Some(&plain.cursor), Wishes::default()).await.unwrap();
    assert_ne!(more.cursor, whole.cursor);
    let scopes: Vec<String> = server.requests().iter().filter_map(scope).collect();
    assert_eq!(scopes, ["NormalItems", "NormalAndAssociatedItems", "NormalAndAssociatedItems", "NormalItems"]);
    let asks = |request: &Request| request.body.contains("item:IsAssociated");
    assert!(server.requests().iter().all(|request| asks(request) == (scope(request).as_deref() != Some("NormalItems"))));
    assert_eq!(server.source.lacks_associated(&alice()), None);
}

#[tokio::test]
async fn a_server_that_refuses_them_tells_the_others_and_is_not_asked_again() {
    let server = Scripted::start(|request: &Request| match (request.operation(), scope(request).as_deref()) {
        ("SyncFolderItems", Some("NormalAndAssociatedItems")) => ok(response("SyncFolderItems", &error("SyncFolderItems", "ErrorInvalidRequest"))),
        ("SyncFolderItems", _) => sync(request),
        _ => open(request),
    })
    .await;
    let page = changes(&server, None, WHOLE).await.unwrap();
    assert_eq!(told(&page), [("mail", None)]);
    assert!(server.source.lacks_associated(&alice()).is_some());
    let asked = server.requests().len();
    changes(&server, Some(&page.cursor), WHOLE).await.unwrap();
    changes(&server, None, WHOLE).await.unwrap();
    let scopes: Vec<Option<String>> = server.requests().iter().skip(asked).map(scope).collect();
    assert!(scopes.iter().all(|scope| scope.as_deref() == Some("NormalItems")), "{scopes:?}");
    // Another process goes on where this one was, and knows why there are none.
    let later = Scripted::start(|request: &Request| if request.operation() == "SyncFolderItems" { sync(request) } else { open(request) }).await;
    changes(&later, Some(&page.cursor), WHOLE).await.unwrap();
    assert!(later.source.lacks_associated(&alice()).is_some());
}

#[tokio::test]
async fn listings_go_through_the_one_and_then_through_the_other() {
    let public = Address::of_public_folders("example.org").unwrap();
    for refuses in [false, true] {
        let server = Scripted::start(move |request: &Request| match request.operation() {
            "FindItem" if refuses && request.body.contains("Associated\"") => ok(response("FindItem", &error("FindItem", "ErrorInvalidRequest"))),
            "FindItem" => find(request),
            _ => open(request),
        })
        .await;
        let list = async |cursor: Option<Cursor>| server.source.changes(&public, &FolderId::new("P"), cursor.as_ref(), WHOLE).await.unwrap();
        let first = list(None).await;
        assert_eq!((told(&first), first.last), (vec![("mail", Some(false))], false));
        let second = list(Some(first.cursor)).await;
        let expected = if refuses { vec![] } else { vec![("rule", Some(true))] };
        assert_eq!((told(&second), second.last), (expected, true));
        assert_eq!((list(None).await.last, server.source.lacks_associated(&public).is_some()), (refuses, refuses));
    }
}
