//! Associated items: taken where the job says so, whatever their age, and never deleted because it says so no more.

use super::server::State;
use super::stand::Stand;
use c2b_api::coverage::{CoverageState, CoveredPart};
use c2b_api::filter::{Age, Filter};
use c2b_mailbox::{Address, Facts};
use c2bd::engine::{CycleEnd, run_cycle};
use chrono::TimeDelta;

fn whole() -> Filter {
    Filter { associated: true, ..Filter::default() }
}

/// A server with marks and a folder with three mails and two associated items.
fn office() -> (Stand, Address, String) {
    let stand = Stand::new(2);
    let (alice, inbox) = stand.server.with(|state| {
        state.marks = true;
        let alice = state.add_mailbox("alice@x");
        let inbox = state.add_folder(&alice, "Inbox", None);
        for n in 0..3 {
            state.add_mail(&alice, &inbox, &format!("mail {n}"));
        }
        state.add_associated(&alice, &inbox, "rule");
        state.add_associated(&alice, &inbox, "view");
        (alice, inbox)
    });
    (stand, alice, inbox)
}

/// What the archive has: bodies, the associated ones in parentheses.
fn held(stand: &Stand, mailbox: &Address) -> Vec<String> {
    let archive = stand.archive();
    let mails = archive.mailboxes[mailbox].values().flat_map(|folder| folder.2.values());
    let mut held: Vec<String> = mails.map(|mail| if mail.associated { format!("({})", mail.body) } else { mail.body.clone() }).collect();
    held.sort();
    held
}

async fn coverage(stand: &Stand) -> Vec<(CoverageState, String)> {
    let storage = stand.open();
    let context = stand.context(&storage);
    run_cycle(&context).await;
    let coverage = context.progress.coverage();
    drop(context);
    storage.close().await.unwrap();
    let parts = coverage[0].parts.iter().filter(|one| matches!(one.part, CoveredPart::AssociatedItems | CoveredPart::Rules));
    parts.map(|one| (one.state, one.reason.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn turning_it_on_brings_what_was_there_and_turning_it_off_deletes_nothing() {
    let (stand, alice, inbox) = office();
    let (_, info) = stand.cycle().await;
    assert_eq!((held(&stand, &alice).len(), info.totals.stored), (3, 3));

    stand.edit(whole());
    stand.server.with(State::forget_log);
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored), (CycleEnd::Finished, 2), "what is held is not fetched again");
    assert_eq!(held(&stand, &alice), ["(rule)", "(view)", "mail 0", "mail 1", "mail 2"]);
    stand.assert_equal();

    // Quiet, then one changes, one goes, one comes.
    stand.server.with(State::forget_log);
    stand.cycle().await;
    let kinds: Vec<&str> = stand.server.with(|state| state.log.iter().map(|request| request.kind).collect());
    assert_eq!(kinds, ["mailboxes", "tree"]);
    stand.server.with(|state| {
        let ids = state.mails(&alice, &inbox);
        state.change_mail(&alice, &inbox, &ids[3], "another rule");
        state.delete_mail(&alice, &inbox, &ids[4]);
        state.add_associated(&alice, &inbox, "form");
    });
    let (_, info) = stand.cycle().await;
    assert_eq!((info.totals.stored, info.totals.deleted), (2, 1));
    stand.assert_equal();

    stand.edit(Filter::default());
    stand.server.with(|state| {
        let ids = state.mails(&alice, &inbox);
        state.delete_mail(&alice, &inbox, &ids[0]);
        state.delete_mail(&alice, &inbox, &ids[3]);
        state.add_associated(&alice, &inbox, "unseen");
    });
    let (end, info) = stand.cycle().await;
    assert_eq!((end, info.totals.stored, info.totals.deleted), (CycleEnd::Finished, 0, 1));
    assert_eq!(held(&stand, &alice), ["(another rule)", "(form)", "mail 1", "mail 2"], "what is not wanted any more stays");
    stand.server.with(|state| state.invalidate_folder(&alice, &inbox));
    stand.server.with(|state| state.add_mail(&alice, &inbox, "mail 3"));
    stand.cycle().await;
    assert_eq!(held(&stand, &alice).len(), 5, "a comparison deletes nothing of it either");

    stand.edit(whole());
    stand.cycle().await;
    stand.assert_equal();
    assert_eq!(held(&stand, &alice), ["(form)", "(unseen)", "mail 1", "mail 2", "mail 3"]);
}

#[tokio::test(start_paused = true)]
async fn age_decides_about_mail_alone() {
    for little in [false, true] {
        let (stand, alice, inbox) = office();
        let old = stand.clock.now() - TimeDelta::days(900);
        stand.server.with(|state| {
            state.tells_little = little;
            for id in state.mails(&alice, &inbox) {
                state.ages.insert(id, Facts { class: "IPM.Note".into(), occurs: None, modified: Some(old) });
            }
        });
        stand.edit(Filter { age: Age::NotOlderThan("1y".parse().unwrap()), ..whole() });
        let (_, info) = stand.cycle().await;
        assert_eq!((held(&stand, &alice), info.totals.excluded), (vec!["(rule)".to_owned(), "(view)".to_owned()], 3), "{little}");
    }
}

#[tokio::test(start_paused = true)]
async fn coverage_tells_of_them_and_what_a_server_lacks_is_not_deleted() {
    let (stand, alice, inbox) = office();
    let none = "they are associated items, which the job does not take".to_owned();
    let excluded = CoverageState::ExcludedByConfiguration;
    assert_eq!(coverage(&stand).await, [(excluded, "the job does not take them".to_owned()), (excluded, none)]);
    stand.edit(whole());
    let included = CoverageState::Included;
    assert_eq!(coverage(&stand).await, [(included, String::new()), (included, "as associated items".to_owned())]);
    assert_eq!(held(&stand, &alice).len(), 5);

    stand.server.with(|state| {
        state.lacks_associated = true;
        state.invalidate_folder(&alice, &inbox);
        state.add_mail(&alice, &inbox, "mail 3");
    });
    let lacking = [
        (CoverageState::NotAvailable, "nobody is told".to_owned()),
        (CoverageState::NotAvailable, "they are associated items, which the server does not list".to_owned()),
    ];
    assert_eq!(coverage(&stand).await, lacking);
    assert_eq!(held(&stand, &alice).len(), 6);
}
