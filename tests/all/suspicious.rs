//! A mailbox that changes as if somebody destroyed it: retention waits until somebody has looked.

use super::letters::letter;
use c2b_tests::{Bench, Ews};

const ANNA: &str = "anna@example.org";
const LETTERS: u64 = 100;

fn delete(bench: &Bench, count: usize) {
    let ews = Ews::new(&bench.lab.url, ANNA);
    for item in bench.lab.items(ANNA).iter().take(count) {
        ews.delete(&item.id);
    }
}

#[test]
fn a_mailbox_that_is_deleted_or_rewritten_freezes_retention() {
    let mut bench = Bench::organisation(|org| (0..LETTERS).for_each(|n| letter(org, ANNA, n, 1, 500)), &[]);
    bench.job_all("all");
    let frozen = |bench: &Bench| bench.ctl().json(&["storage", "show", "main"])["frozen"].as_array().map_or(0, Vec::len);
    bench.run("all");
    bench.ctl().ok(&["storage", "retention", "set", "main", "--deleted-after", "1h", "--yes"]);
    // An ordinary day.
    delete(&bench, 10);
    bench.run("all");
    assert_eq!(frozen(&bench), 0, "10 of 100 mails are nothing special");
    bench.ctl().ok(&["storage", "prune", "main"]);

    delete(&bench, 20);
    bench.run("all");
    let shown = bench.ctl().ok(&["storage", "show", "main"]);
    assert!(shown.contains("retention frozen") && shown.contains("of 90 items of anna@example.org, 20 were deleted"), "{shown}");
    let status = bench.ctl().run(&["status"]);
    assert!(status.stdout.contains("storage main: retention is frozen") && status.stdout.contains("retention thaw main"), "{status:#?}");
    for verb in ["prune", "free"] {
        let refused = bench.ctl().run(&["storage", verb, "main"]);
        assert!(refused.code == 1 && refused.stderr.contains("retention of storage main is frozen since"), "{verb}: {refused:#?}");
        bench.ctl().ok(&["storage", verb, "main", "--dry-run"]);
    }
    // Backups go on, and it outlives the daemon.
    bench.restart_daemon();
    bench.run("all");
    assert_eq!(frozen(&bench), 1);
    bench.ctl().ok(&["storage", "retention", "thaw", "main"]);
    assert_eq!(frozen(&bench), 0);
    bench.ctl().ok(&["storage", "prune", "main"]);
    assert_eq!(bench.ctl().run(&["storage", "retention", "thaw", "main"]).code, 1);

    // Somebody encrypts what is left: nothing is deleted, everything is another.
    for n in 0..LETTERS {
        letter(&bench.lab.org, ANNA, n, 2, 500);
    }
    bench.lab.restart();
    bench.run("all");
    let shown = bench.ctl().ok(&["storage", "show", "main"]);
    assert!(shown.contains("retention frozen") && shown.contains("70 rewritten"), "{shown}");
}

#[test]
fn a_folder_that_is_deleted_with_its_mails_freezes_retention_and_one_that_was_emptied_before_does_not() {
    let bench = Bench::organisation(|org| (0..LETTERS).for_each(|n| letter(org, ANNA, n, 1, 500)), &[]);
    bench.job_all("all");
    let frozen = |bench: &Bench| bench.ctl().json(&["storage", "show", "main"])["frozen"].as_array().map_or(0, Vec::len);
    let ews = Ews::new(&bench.lab.url, ANNA);
    let within = |folder: &str| bench.lab.items(ANNA).into_iter().filter(|item| item.folder.ends_with(folder)).map(|item| item.id).collect::<Vec<_>>();
    let old = ews.create_folder("inbox", "Old");
    ews.move_all_into(&within("Inbox")[..40], &old);
    bench.run("all");

    let older = ews.create_folder("inbox", "Older");
    ews.move_all_into(&within("Old"), &older);
    ews.delete_folder(&old);
    bench.run("all");
    assert_eq!(frozen(&bench), 0, "they were moved, not deleted");

    ews.delete_folder(&older);
    bench.run("all");
    let shown = bench.ctl().ok(&["storage", "show", "main"]);
    assert!(shown.contains("retention frozen") && shown.contains("of 100 items of anna@example.org, 40 were deleted"), "{shown}");
}
