//! The engine between a scripted server and a real storage.

#[path = "engine/server.rs"]
mod server;
#[path = "engine/stand.rs"]
mod stand;

use c2bd::engine::CycleEnd;
use stand::Stand;

/// A server with two mailboxes, nested and empty folders, and enough mail for several pages.
fn company(stand: &Stand) {
    stand.server.with(|state| {
        for name in ["alice@x", "bob@x"] {
            let mailbox = state.add_mailbox(name);
            let inbox = state.add_folder(&mailbox, "Inbox", None);
            let sub = state.add_folder(&mailbox, "Sub", Some(&inbox));
            state.add_folder(&mailbox, "Empty", Some(&sub));
            for n in 0..25 {
                state.add_mail(&mailbox, &inbox, &format!("{name} inbox {n}"));
            }
            for n in 0..7 {
                state.add_mail(&mailbox, &sub, &format!("{name} sub {n}"));
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_storage_equals_the_server_and_a_cycle_without_changes_does_nothing() {
    let stand = Stand::new(10);
    company(&stand);
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    assert_eq!((info.totals.stored, info.totals.scanned, info.totals.failed), (64, 64, 0));
    assert!(info.mailboxes.iter().all(|one| one.phase == "done" && one.known == 32));
    let first = stand.assert_equal();
    stand.server.with(|state| state.forget_log());
    let (end, info) = stand.cycle().await;
    assert_eq!(end, CycleEnd::Finished);
    assert_eq!(info.totals.scanned, 0);
    let again = stand.assert_equal();
    assert_eq!(again.head, first.head, "a cycle without changes wrote something");
    assert_eq!(stand.server.with(|state| (state.count("fetch"), state.count("changes"), state.count("tree"))), (0, 6, 2));
}
