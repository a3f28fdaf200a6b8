//! Public folders: what is named is kept, what cannot be seen stays, another organisation's are refused.

use super::server::State;
use super::stand::{Stand, company};
use c2b_mailbox::PublicFolder;
use c2bd::engine::{CycleEnd, run_cycle};
use tokio::test;

fn named(path: &str, subfolders: bool) -> PublicFolder {
    PublicFolder { path: path.into(), subfolders }
}

/// A company with public folders: News with 2025 in it, and Board.
fn stand() -> (Stand, c2b_mailbox::Address, [String; 3]) {
    let stand = Stand::new(10);
    company(&stand);
    let (public, folders) = stand.server.with(|state| {
        state.marks = true;
        let public = state.add_public_folders("x");
        let news = state.add_folder(&public, "News", None);
        let year = state.add_folder(&public, "2025", Some(&news));
        let board = state.add_folder(&public, "Board", None);
        for folder in [&news, &year, &board] {
            (0..3).for_each(|n| drop(state.add_mail(&public, folder, &format!("{folder} {n}"))));
        }
        (public, [news, year, board])
    });
    (stand, public, folders)
}

fn held(stand: &Stand, public: &c2b_mailbox::Address) -> Vec<(String, usize)> {
    let archive = stand.archive();
    let folders = archive.mailboxes.get(public).cloned().unwrap_or_default();
    folders.into_values().map(|(name, _, mails)| (name, mails.len())).collect()
}

#[test(start_paused = true)]
async fn what_is_named_is_kept_whatever_else_is_seen() {
    let (mut stand, public, [news, ..]) = stand();
    stand.public_folders = vec![named("News", true)];
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!(held(&stand, &public), [("News".into(), 3), ("2025".into(), 3)]);
    // A folder that comes later is taken with the tree that it is in; a quiet cycle lists nothing.
    stand.server.with(|state| {
        let late = state.add_folder(&public, "2026", Some(&news));
        state.add_mail(&public, &late, "late");
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!(held(&stand, &public).len(), 3);
    stand.server.with(State::forget_log);
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    let counts = stand.server.with(|state| ["tree", "changes", "fetch"].map(|kind| state.count(kind)));
    assert_eq!(counts, [3, 0, 0]);
    // What the job names no more stays as it was.
    stand.public_folders = vec![named("Board", false)];
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!(held(&stand, &public).len(), 4);
}

#[test(start_paused = true)]
async fn a_folder_that_others_are_in_is_not_listed_itself() {
    let (mut stand, public, _) = stand();
    stand.public_folders = vec![named("News/2025", false)];
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!(held(&stand, &public), [("News".into(), 0), ("2025".into(), 3)]);
}

#[test(start_paused = true)]
async fn what_is_deleted_goes_and_what_cannot_be_seen_is_told() {
    let (mut stand, public, [news, year, board]) = stand();
    stand.public_folders = vec![named("News", true), named("Board", false)];
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.server.with(|state| {
        let other = state.add_folder(&public, "Other", None);
        state.rename_folder(&public, &year, "2025", Some(&other));
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!(held(&stand, &public), [("News".into(), 3), ("Board".into(), 3)]);
    stand.server.with(|state| {
        state.folder_faults.insert(board.clone());
        state.add_mail(&public, &board, "more");
        state.add_mail(&public, &news, "more");
    });
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.problems.len()), (CycleEnd::Warnings, 1), "{:?}", info.problems);
    assert_eq!(held(&stand, &public), [("News".into(), 4), ("Board".into(), 3)]);
}

#[test(start_paused = true)]
async fn what_may_only_be_hidden_is_not_deleted() {
    let (mut stand, public, [news, year, _]) = stand();
    stand.public_folders = vec![named("News", true)];
    stand.server.with(|state| {
        let month = state.add_folder(&public, "March", Some(&year));
        state.add_mail(&public, &month, "in March");
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    let whole = held(&stand, &public);
    assert_eq!(whole.iter().map(|(_, mails)| mails).sum::<usize>(), 7);

    // Its rights are withdrawn, though the folder above it can be read.
    stand.server.with(|state| state.unseen.insert(year.clone()));
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.problems.len(), info.totals.deleted), (CycleEnd::Warnings, 1, 0));
    assert!(info.problems[0].folder == "News/2025" && info.problems[0].message.contains("no rights"), "{:?}", info.problems);
    assert_eq!(held(&stand, &public), whole);
    stand.server.with(|state| state.unseen.remove(&year));
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);

    // It is deleted: nobody can tell that from a folder that one may not see.
    stand.server.with(|state| {
        state.delete_folder(&public, &year);
        state.add_mail(&public, &news, "more");
    });
    let storage = stand.open();
    let context = stand.context(&storage);
    assert_eq!(run_cycle(&context).await, CycleEnd::Finished);
    let coverage = context.progress.coverage().into_iter().find(|one| one.mailbox == public.as_str()).unwrap();
    drop(context);
    storage.close().await.unwrap();
    assert_eq!(coverage.parts[0].reason, "deleted, or hidden from the account, and kept as they were: News/2025");
    let kept = held(&stand, &public);
    assert_eq!((kept.len(), kept.iter().map(|(_, mails)| mails).sum::<usize>()), (3, 8));
    let head = stand.archive().head;
    stand.cycle().await;
    assert_eq!(stand.archive().head, head, "a cycle without changes wrote something");
}

#[test(start_paused = true)]
async fn another_organisation_is_refused() {
    let (mut stand, public, _) = stand();
    stand.public_folders = vec![named("", true)];
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.server.with(|state| {
        let other = state.add_public_folders("y");
        state.add_folder(&other, "Theirs", None);
    });
    let (end, info) = stand.cycle().await;
    let codes: Vec<&str> = info.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!((end, codes), (CycleEnd::Warnings, vec!["other-organisation"]));
    assert_eq!(held(&stand, &public).len(), 3);
}
