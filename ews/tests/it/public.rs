//! Public folders are walked level by level, and each request goes where the documents say.

use crate::answers::{error, response, success};
use crate::server::{Answer, Request, Scripted, ok};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use c2b_ews::{EwsConfig, EwsSource, PublicFolderPlace, Secret};
use c2b_mailbox::public::Whereabouts;
use c2b_mailbox::{Address, Change, FolderId, ItemRef, PublicFolder, Source, Trouble, Wishes};

const GUID: &str = "11111111-2222-3333-4444-555555555555";

/// A folder that names the mailbox of its contents.
fn folder(id: &str, name: &str) -> String {
    let replica = STANDARD.encode(format!("{GUID}\0"));
    format!(
        "<t:Folder><t:FolderId Id='{id}'/><t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>{name}</t:DisplayName><t:ExtendedProperty>\
         <t:ExtendedFieldURI PropertyTag='0x6698' PropertyType='Binary'/><t:Value>{replica}</t:Value></t:ExtendedProperty></t:Folder>"
    )
}

fn listing(list: &str, inside: &str, total: usize) -> String {
    success("FindFolder", &format!("<m:RootFolder TotalItemsInView='{total}' IncludesLastItemInRange='true'><t:{list}>{inside}</t:{list}></m:RootFolder>"))
}

/// Answers as a server with News, 2025 in it, and a folder that may not be opened.
fn answer(request: &Request) -> Answer {
    match request.operation() {
        "FindFolder" => {
            let roots = request.ids("t:DistinguishedFolderId").into_iter().chain(request.ids("t:FolderId"));
            let below = roots.map(|root| match root.as_str() {
                "publicfoldersroot" => listing("Folders", &[folder("N", "News"), folder("B", "Board"), folder("O", "Other")].concat(), 3),
                "N" => listing("Folders", &folder("Y", "20/25"), 1),
                "B" => error("FindFolder", "ErrorAccessDenied"),
                _ => listing("Folders", "", 0),
            });
            ok(response("FindFolder", &below.collect::<String>()))
        }
        "FindItem" => ok(response("FindItem", &listing("Items", "<t:Message><t:ItemId Id='i1' ChangeKey='c'/></t:Message>", 1))),
        "GetFolder" if request.ids("t:DistinguishedFolderId") == ["publicfoldersroot"] => {
            ok(response("GetFolder", &success("GetFolder", "<m:Folders><t:Folder><t:FolderId Id='ROOT'/></t:Folder></m:Folders>")))
        }
        "GetFolder" => ok(response("GetFolder", &error("GetFolder", "ErrorAccessDenied"))),
        _ => ok(response("GetItem", &error("GetItem", "ErrorItemNotFound"))),
    }
}

async fn server() -> (Scripted, EwsSource) {
    let server = Scripted::start(answer).await;
    let mut config = EwsConfig::new(server.url.clone(), "admin@example.org", Secret::new("pw"), server.dir.path());
    config.public_folders =
        Some(PublicFolderPlace { hierarchy: Address::parse("pf1@example.org").ok(), server: Some("guid1@example.org".to_owned()), endpoint: None });
    let source = EwsSource::new(config).unwrap();
    (server, source)
}

fn named(path: &str, subfolders: bool) -> PublicFolder {
    PublicFolder { path: path.to_owned(), subfolders }
}

#[tokio::test]
async fn the_tree_is_walked_and_contents_are_asked_for_where_they_are() {
    let (server, source) = server().await;
    assert_eq!(source.organisation().as_deref(), Some("example.org"));
    let tree = source.public_folders(None, &[named("news/20%2F25", false), named("Board", true), named("Nowhere", false)]).await.unwrap();
    let names: Vec<(&str, Option<&str>)> = tree.folders.iter().map(|folder| (folder.name.as_str(), folder.parent.as_ref().map(FolderId::as_str))).collect();
    assert_eq!(names, [("News", None), ("Board", None), ("20/25", Some("N"))]);
    assert!(tree.bare.contains(&FolderId::new("N")) && tree.bare.len() == 1);
    assert_eq!((tree.seen.len(), tree.opened.len()), (4, 1), "a folder that was not opened says nothing about what is in it");
    let missing: Vec<&str> = tree.missing.iter().map(|missing| missing.path.as_str()).collect();
    assert_eq!(missing, ["Board", "Nowhere"]);

    let public = Address::of_public_folders("example.org").unwrap();
    let page = source.changes(&public, &FolderId::new("Y"), None, Wishes::default()).await.unwrap();
    let Change::Upsert { id, .. } = &page.changes[0] else { panic!("{page:?}") };
    assert_eq!(id.as_str(), &format!("{GUID}@example.org|i1"));
    let again = source.changes(&public, &FolderId::new("Y"), Some(&page.cursor), Wishes::default()).await.unwrap_err();
    assert_eq!(again.trouble, Trouble::CursorInvalid, "it is listed whole each time, and compared");
    let item = ItemRef { id: id.clone(), change_key: None, settle: false };
    let fetched = source.fetch(&public, std::slice::from_ref(&item)).await.unwrap();
    assert_eq!((&fetched[0].id, fetched[0].result.as_ref().unwrap_err().trouble), (id, Trouble::NotFound));

    let content = format!("{GUID}@example.org");
    for request in server.all_requests() {
        let is_tree = request.operation() == "FindFolder" || request.ids("t:DistinguishedFolderId") == ["publicfoldersroot"];
        let routed = (request.header("x-anchormailbox"), request.header("x-publicfoldermailbox"));
        let expected = if is_tree { (Some("pf1@example.org"), Some("guid1@example.org")) } else { (Some(content.as_str()), Some(content.as_str())) };
        assert_eq!(routed, expected, "{}", request.operation());
        assert!(!request.operation().starts_with("Sync") && !request.body.contains("Deep"), "public folders know no {}", request.operation());
        assert_ne!(request.ids("t:ItemId"), [id.as_str()], "the server knows its own ids only");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_seen_any_more_is_asked_for_by_its_id() {
    let server = Scripted::start(|request: &Request| match request.operation() {
        "GetFolder" => {
            let of = |id: &String| match id.as_str() {
                "moved" => success("GetFolder", "<m:Folders><t:Folder><t:FolderId Id='moved'/></t:Folder></m:Folders>"),
                "closed" => error("GetFolder", "ErrorAccessDenied"),
                _ => error("GetFolder", "ErrorItemNotFound"),
            };
            ok(response("GetFolder", &request.ids("t:FolderId").iter().map(of).collect::<String>()))
        }
        _ => answer(request),
    })
    .await;
    let found = server.source.seek_public_folders(&["moved", "closed", "gone"].map(FolderId::new)).await.unwrap();
    assert!(matches!(&found[..], [Whereabouts::Elsewhere, Whereabouts::Closed(_), Whereabouts::Unknown(_)]), "{found:?}");
    assert_eq!(server.all_requests().len(), 1);
}

#[tokio::test]
async fn an_account_without_a_mailbox_borrows_a_name() {
    let server = Scripted::start(|request: &Request| {
        if request.body.contains("ExchangeImpersonation") { answer(request) } else { ok(response("GetFolder", &error("GetFolder", "ErrorNonExistentMailbox"))) }
    })
    .await;
    let refused = server.source.public_folders(None, &[named("", true)]).await.unwrap_err();
    assert_eq!(refused.trouble, Trouble::NoSuchMailbox);
    let alice = Address::parse("alice@example.org").unwrap();
    let tree = server.source.public_folders(Some(&alice), &[named("", true)]).await.unwrap();
    assert_eq!(tree.folders.len(), 4);
}
