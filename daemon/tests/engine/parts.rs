//! A part of a mailbox that cannot be listed stays as it was, and is told of.

use super::stand::{Stand, company};
use c2b_mailbox::{Part, Presence};
use c2bd::engine::CycleEnd;
use tokio::test;

#[test(start_paused = true)]
async fn an_error_in_one_root_deletes_nothing_and_stops_nothing() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let deleted = stand.server.with(|state| {
        state.marks = true;
        state.parts = Part::ALL.map(|part| (part, Presence::Listed)).into();
        let archive = state.add_folder(&alice, Part::Archive.role_word(), None);
        let old = state.add_folder(&alice, "Old", Some(&archive));
        let root = state.add_folder(&alice, Part::RecoverableItems.role_word(), None);
        let deleted = state.add_folder(&alice, "Deletions", Some(&root));
        (0..5).for_each(|n| drop(state.add_mail(&alice, &old, &format!("old {n}"))));
        (0..5).for_each(|n| drop(state.add_mail(&alice, &deleted, &format!("deleted {n}"))));
        deleted
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();

    for presence in [Presence::Closed("store is away".into()), Presence::Absent] {
        stand.server.with(|state| {
            state.parts.insert(Part::Archive, presence.clone());
            let inbox = state.folders(&alice)[0].clone();
            state.add_mail(&alice, &inbox, "meanwhile");
            let gone = state.mails(&alice, &deleted)[0].clone();
            state.delete_mail(&alice, &deleted, &gone);
            state.forget_log();
        });
        let (end, info) = stand.cycle().await;
        assert_eq!(end, CycleEnd::Warnings, "{presence:?}");
        let problems: Vec<_> = info.problems.iter().map(|problem| (problem.mailbox.as_str(), problem.code.as_str(), problem.folder.as_str())).collect();
        assert!(problems.contains(&("alice@x", "not-covered", "Archive Mailbox")), "{problems:?}");
        // Everything is as the server has it, the archive as it was.
        stand.assert_equal();
        let counts = stand.server.with(|state| ["tree", "changes"].map(|kind| state.count(kind)));
        assert_eq!(counts, [2, 2], "only the two folders that changed are listed");
    }
    stand.server.with(|state| state.parts.insert(Part::Archive, Presence::Listed));
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn a_part_that_never_was_is_no_problem() {
    let stand = Stand::new(10);
    company(&stand);
    stand.server.with(|state| {
        state.marks = true;
        state.parts = Part::ALL.map(|part| (part, Presence::Absent)).into();
    });
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    stand.assert_equal();
}

#[test(start_paused = true)]
async fn permissions_are_versions_of_their_folder_and_read_in_full_looks() {
    let stand = Stand::new(10);
    let alice = company(&stand);
    let inbox = stand.server.with(|state| {
        state.marks = true;
        let inbox = state.folders(&alice)[0].clone();
        state.permissions.insert(inbox.clone(), "Default: None".into());
        inbox
    });
    let held = |stand: &Stand| stand.permissions(&alice);
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!(held(&stand), [("Inbox".to_owned(), "Default: None".to_owned())]);
    stand.server.with(|state| {
        state.permissions.insert(inbox.clone(), "Default: None\nbob@x: Owner".into());
        state.forget_log();
    });
    let head = stand.archive().head;
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!((stand.server.with(|state| state.count("permissions")), stand.archive().head), (0, head), "a quiet cycle asks nothing");
    stand.clock.advance(std::time::Duration::from_secs(8 * 24 * 3600));
    assert_eq!(stand.cycle().await.0, CycleEnd::Finished);
    assert_eq!(held(&stand), [("Inbox".to_owned(), "Default: None\nbob@x: Owner".to_owned())]);
    // A rename keeps them.
    stand.server.with(|state| state.rename_folder(&alice, &inbox, "In", None));
    stand.cycle().await;
    assert_eq!(held(&stand)[0].0, "In");
    stand.assert_equal();
}
