//! An archive and recoverable items are listed with the primary folders, in one request, and each answers for itself.

use crate::answers::{error, fault, open, response, success};
use crate::fetching::alice;
use crate::server::{Answer, Request, Scripted, status};
use c2b_mailbox::{FolderChange, FolderId, FolderPage, Part, Presence, Source, Trouble, Wishes};

const COUNTERS: &str = "<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag='0x670a' PropertyType='SystemTime'/><t:Value>2020-01-01T00:00:00Z</t:Value></t:ExtendedProperty>\
                        <t:ExtendedProperty><t:ExtendedFieldURI PropertyTag='0x670b' PropertyType='Integer'/><t:Value>0</t:Value></t:ExtendedProperty>";

/// A list of folders, each `id<parent`, out of so many.
fn list(folders: &[&str], total: usize, last: bool) -> String {
    let folder = |text: &&str| {
        let (id, parent) = text.split_once('<').unwrap();
        format!(
            "<t:Folder><t:FolderId Id='{id}'/><t:ParentFolderId Id='{parent}'/><t:DisplayName>{id}</t:DisplayName>{COUNTERS}<t:DistinguishedFolderId/></t:Folder>"
        )
    };
    let folders: String = folders.iter().map(folder).collect();
    success("FindFolder", &format!("<m:RootFolder TotalItemsInView='{total}' IncludesLastItemInRange='{last}'><t:Folders>{folders}</t:Folders></m:RootFolder>"))
}

fn whole(folders: &[&str]) -> String {
    list(folders, folders.len(), true)
}

/// Answers each root as told; `None` is a fault over all.
async fn server(answers: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |request: &Request| {
        if request.operation() != "FindFolder" {
            return open(request);
        }
        let answers: Option<Vec<String>> = request.ids("t:DistinguishedFolderId").iter().map(|root| answers(root)).collect();
        answers.map_or_else(refusal, |answers| dated(&response("FindFolder", &answers.concat())))
    })
    .await
}

fn refusal() -> Answer {
    status("500 Internal Server Error", "", fault("ErrorSchemaValidation", ""))
}

fn dated(body: &str) -> Answer {
    status("200 OK", "Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n", body)
}

async fn listed(server: &Scripted) -> Vec<FolderPage> {
    let mut pages: Vec<FolderPage> = Vec::new();
    loop {
        let page = server.source.folder_changes(&alice(), pages.last().map(|page| &page.cursor)).await.unwrap();
        let last = page.last;
        pages.push(page);
        if last {
            return pages;
        }
    }
}

/// Folders as `id<parent (role)`.
fn folders(pages: &[FolderPage]) -> Vec<String> {
    let text = |change: &FolderChange| match change {
        FolderChange::Upsert(folder) => {
            let role = folder.role.as_ref().map(|role| format!(" {}", role.as_str())).unwrap_or_default();
            format!("{}<{}{role}", folder.id, folder.parent.as_ref().map_or("", |parent| parent.as_str()))
        }
        FolderChange::Delete(id) => panic!("{id} deleted"),
    };
    pages.iter().flat_map(|page| &page.changes).map(text).collect()
}

#[tokio::test]
async fn all_parts_come_in_one_request() {
    let server = server(|root| {
        Some(match root {
            "msgfolderroot" => whole(&["INBOX<ROOT"]),
            "archivemsgfolderroot" => whole(&["a<AR", "b<a"]),
            "recoverableitemsroot" => whole(&["del<RR"]),
            _ => whole(&["adel<ARR"]),
        })
    })
    .await;
    let pages = listed(&server).await;
    let names =
        ["INBOX< inbox", "AR< archivemsgfolderroot", "a<AR", "b<a", "RR< recoverableitemsroot", "del<RR", "ARR<AR archiverecoverableitemsroot", "adel<ARR"];
    assert_eq!(folders(&pages), names);
    assert_eq!((pages[0].marks.len(), pages[0].whole), (names.len(), true));
    assert!(Part::ALL.iter().all(|part| pages[0].parts[part] == Presence::Listed));
    let again = server.source.folder_changes(&alice(), Some(&pages[0].cursor)).await.unwrap();
    assert_eq!(again, pages[0]);
    let operations: Vec<String> = server.all_requests().iter().map(|request| request.operation().to_owned()).collect();
    assert_eq!(operations, ["GetFolder", "FindFolder", "FindFolder"]);
}

#[tokio::test]
async fn a_root_that_is_not_there_or_closed_answers_for_itself() {
    let server = server(|root| {
        Some(match root {
            "msgfolderroot" => whole(&["INBOX<ROOT"]),
            "archivemsgfolderroot" => error("FindFolder", "ErrorArchiveMailboxNotEnabled"),
            "recoverableitemsroot" => error("FindFolder", "ErrorAccessDenied"),
            // Less than it says, and a server that lists the same whatever is named.
            _ => list(&["adel<ARR"], 7, true),
        })
    })
    .await;
    let pages = listed(&server).await;
    assert_eq!(folders(&pages), ["INBOX< inbox"]);
    let parts = &pages[0].parts;
    assert_eq!(parts[&Part::Archive], Presence::Absent);
    for closed in [Part::RecoverableItems, Part::ArchiveRecoverableItems] {
        assert!(matches!(parts[&closed], Presence::Closed(_)), "{parts:?}");
    }
}

#[tokio::test]
async fn a_root_that_is_busy_delays_the_whole() {
    let server = server(|root| Some(if root == "msgfolderroot" { whole(&["INBOX<ROOT"]) } else { error("FindFolder", "ErrorServerBusy") })).await;
    let err = server.source.folder_changes(&alice(), None).await.unwrap_err();
    assert_eq!(err.trouble, Trouble::Throttled);
}

#[tokio::test]
async fn a_server_that_does_not_know_the_roots_is_asked_once() {
    let server = server(|root| (root == "msgfolderroot").then(|| whole(&["INBOX<ROOT"]))).await;
    let pages = listed(&server).await;
    assert_eq!((folders(&pages), pages[0].parts.len()), (vec!["INBOX< inbox".to_owned()], 0));
    listed(&server).await;
    let asked: Vec<usize> = server
        .all_requests()
        .iter()
        .filter(|request| request.operation() == "FindFolder")
        .map(|request| request.ids("t:DistinguishedFolderId").len())
        .collect();
    assert_eq!(asked, [4, 1, 1]);
}

#[tokio::test]
async fn a_server_that_lists_the_same_for_every_root_has_no_parts() {
    let server = server(|_| Some(whole(&["INBOX<ROOT"]))).await;
    let pages = listed(&server).await;
    assert_eq!(folders(&pages), ["INBOX< inbox"]);
    assert!(pages[0].parts.values().all(|presence| *presence == Presence::Absent));
}

#[tokio::test]
async fn a_part_is_whole_though_the_server_does_not_tell_what_folders_are_in() {
    let server = server(|root| {
        Some(match root {
            "msgfolderroot" => whole(&["INBOX<ROOT"]),
            "recoverableitemsroot" => whole(&["del<", "versions<"]).replace("<t:ParentFolderId Id=''/>", ""),
            _ => error("FindFolder", "ErrorFolderNotFound"),
        })
    })
    .await;
    let pages = listed(&server).await;
    let root = "root:recoverableitemsroot";
    assert_eq!(folders(&pages), ["INBOX< inbox", &format!("{root}< recoverableitemsroot"), &format!("del<{root}"), &format!("versions<{root}")]);
    let asked = server.all_requests().len();
    let page = server.source.changes(&alice(), &FolderId::new(root), None, Wishes::default()).await.unwrap();
    assert!(page.last && page.changes.is_empty() && server.all_requests().len() == asked, "nobody knows the items of a folder that we made up");
}

#[tokio::test]
async fn long_lists_go_on_root_by_root() {
    let server = Scripted::start(|request: &Request| {
        if request.operation() != "FindFolder" {
            return open(request);
        }
        let offset = request.body.split_once("Offset=\"").unwrap().1.split('"').next().unwrap();
        let answers = request.ids("t:DistinguishedFolderId").into_iter().map(|root| match (root.as_str(), offset) {
            ("msgfolderroot", "0") => list(&["INBOX<ROOT", "x<INBOX"], 3, false),
            ("msgfolderroot", "2") => list(&["y<x"], 3, true),
            ("archivemsgfolderroot", "0") => list(&["a<AR"], 3, false),
            ("archivemsgfolderroot", "1") => list(&["b<a"], 3, false),
            ("archivemsgfolderroot", "2") => list(&["c<AR"], 3, true),
            _ => error("FindFolder", "ErrorFolderNotFound"),
        });
        dated(&response("FindFolder", &answers.collect::<String>()))
    })
    .await;
    let pages = listed(&server).await;
    assert_eq!(pages.len(), 4);
    assert_eq!(folders(&pages), ["INBOX< inbox", "x<INBOX", "AR< archivemsgfolderroot", "a<AR", "y<x", "b<a", "c<AR"]);
    assert_eq!(pages.iter().map(|page| page.marks.len()).sum::<usize>(), 7);
}

#[tokio::test]
async fn without_counters_parts_are_listed_and_no_state_is_asked_for() {
    let bare = |folders: &[&str]| whole(folders).replace(COUNTERS, "");
    let server = server(move |root| {
        Some(match root {
            "msgfolderroot" => bare(&["INBOX<ROOT"]),
            "recoverableitemsroot" => bare(&["del<RR"]),
            _ => error("FindFolder", "ErrorFolderNotFound"),
        })
    })
    .await;
    for _ in 0..2 {
        let pages = listed(&server).await;
        assert_eq!((folders(&pages).len(), pages[0].whole), (3, true));
    }
    let operations: Vec<String> = server.all_requests().iter().map(|request| request.operation().to_owned()).collect();
    assert_eq!(operations, ["GetFolder", "FindFolder", "FindFolder", "FindFolder"]);
}
