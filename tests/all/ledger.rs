//! The failure ledger in an administrator's hands: tried again, acknowledged, under the job's new name.

use super::letters::letter;
use c2b_tests::{Bench, Ews};
use serde_json::Value;

const ANNA: &str = "anna@example.org";

fn failures(bench: &Bench, job: &str) -> Vec<Value> {
    bench.ctl().json(&["job", "failures", job]).as_array().unwrap().clone()
}

#[test]
fn what_failed_is_tried_again_acknowledged_and_follows_a_new_name() {
    let faults = tempfile::NamedTempFile::new().unwrap();
    let fault = |subject: &str| format!("[[fault]]\nmailbox = '{ANNA}'\nitem_subject = '{subject}'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'\n");
    std::fs::write(faults.path(), fault("letter 2") + &fault("letter 3")).unwrap();
    let bench = Bench::organisation(|org| (0..5).for_each(|n| letter(org, ANNA, n, 1, 2000)), &["--faults", faults.path().to_str().unwrap()]);
    let ctl = bench.ctl();
    bench.job_all("all");
    let run = |job: &str, code: i32| assert_eq!(ctl.run(&["job", "start", job, "--wait"]).code, code);
    run("all", 3);
    let first = failures(&bench, "all");
    assert_eq!(first.len(), 2, "{first:?}");
    let tries = |job: &str| failures(&bench, job).iter().map(|failure| failure["attempts"].as_u64().unwrap()).sum::<u64>();
    // A one-time job tries once more each time, until that is of no use.
    while failures(&bench, "all").iter().any(|failure| failure["next-try"].is_string()) {
        run("all", 3);
    }
    let before = tries("all");
    run("all", 3);
    assert_eq!(tries("all"), before, "what is not to be tried again was");
    assert!(ctl.ok(&["job", "failures", "all", "--retry"]).contains("2 items of job all will be tried again"));
    run("all", 3);
    assert!(tries("all") > before, "what was to be tried again was not");

    ctl.ok(&["job", "rename", "all", "everyone"]);
    assert_eq!(failures(&bench, "everyone").len(), 2, "the failures did not follow the name");
    assert!(ctl.json(&["job", "history", "everyone"]).as_array().unwrap().len() > 3, "the history did not follow the name");
    // They are not to be tried again: the new name makes no other job of it.
    let before = tries("everyone");
    run("everyone", 3);
    assert_eq!(tries("everyone"), before);

    let item = first[0]["item"].as_str().unwrap();
    ctl.ok(&["job", "failures", "everyone", "--item", item, "--acknowledge"]);
    let left = failures(&bench, "everyone");
    assert_eq!((left.len(), &left[0]["item"]), (1, &first[1]["item"]));
    ctl.ok(&["job", "failures", "everyone", "--mailbox", ANNA, "--acknowledge"]);
    let refused = ctl.run(&["job", "failures", "everyone", "--retry"]);
    assert!(refused.code == 1 && refused.stderr.contains("none of the job's failures is chosen"), "{refused:#?}");
    // Nothing failed that is not acknowledged, and what is acknowledged is not asked for again.
    run("everyone", 0);
    assert_eq!(failures(&bench, "everyone").len(), 0);
    // When it changes, it is another chance, and another failure.
    Ews::new(&bench.lab.url, ANNA).categorise_all(&[item.to_owned()], "Urgent");
    std::fs::write(faults.path(), "").unwrap();
    run("everyone", 0);
    let kept = ctl.json(&["storage", "show", "main"])["items"].as_u64();
    assert_eq!(kept, Some(4), "an acknowledged item that changed was not stored");
}
