//! Jobs that wait for their next cycle hear of new mail and fetch it at once.

use c2b_tests::{Bench, Mount, files, fuse_usable, until};

fn mail(subject: &str) -> Vec<u8> {
    format!("From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n").into_bytes()
}

/// Starts a job that idles an hour between its cycles, and waits until it does.
fn idle_for_an_hour(bench: &Bench) {
    let args = ["--connection", "lab", "--storage", "main", "--all-except", "nobody@example.org", "--continuous", "--idle", "01:00:00"];
    bench.ctl().ok(&[&["job", "create", "all"], args.as_slice()].concat());
    bench.ctl().ok(&["job", "start", "all"]);
    until("the first cycle is done", || (items(bench) == Some(bench.served_items())).then_some(()));
}

fn items(bench: &Bench) -> Option<u64> {
    bench.ctl().json(&["storage", "show", "main"])["items"].as_u64()
}

fn looks(bench: &Bench) -> u64 {
    bench.ctl().json(&["job", "show", "all"])["listening"]["looks"].as_u64().unwrap_or(0)
}

/// Waits until the job hears all mailboxes, and has looked at them since.
fn listening(bench: &Bench) {
    let all = bench.lab.mailboxes().len() as u64;
    until("the job listens", || {
        let job = bench.ctl().json(&["job", "show", "all"]);
        let listening = &job["listening"];
        (listening["mailboxes"].as_u64() == Some(all) && listening["looks"].as_u64() >= Some(1) && job["next-run"].is_string()).then_some(())
    });
}

#[test]
fn a_mail_is_in_the_mount_within_seconds_though_the_job_idles_for_an_hour() {
    if !fuse_usable() {
        return;
    }
    let bench = Bench::company(4, 40, &[]);
    idle_for_an_hour(&bench);
    listening(&bench);
    let mount = Mount::new(&bench.storage(), &bench.path("mnt"));
    let mailbox = bench.lab.mailboxes()[1].clone();
    let before = bench.ctl().json(&["job", "show", "all"]);
    let arrives = |subject: &str| {
        bench.lab.deliver(&mailbox, &mail(subject));
        until(subject, || files(&mount.latest(&mailbox)).iter().any(|path| path.to_string_lossy().contains(subject)).then_some(()));
    };
    // The folders' counters can be trusted from the second on.
    arrives("the first one");
    bench.lab.reset_counters();
    arrives("quick as a flash");
    let asked = bench.lab.counters()["by_mailbox"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(asked, std::slice::from_ref(&mailbox), "other mailboxes were asked, too");
    // Tree, items, what they are, and the item in both forms.
    assert!(bench.lab.requests_in_all() <= 6, "{}", bench.lab.counters());
    let after = bench.ctl().json(&["job", "show", "all"]);
    assert_eq!((&after["next-run"], &after["run"]["cycle"]), (&before["next-run"], &before["run"]["cycle"]), "the cycle stays where it was");
    let text = bench.ctl().ok(&["job", "show", "all"]);
    assert!(text.contains("to 4 mailboxes over 1 connection, woken 3 times"), "{text}");
    assert!(text.contains(", listening"), "{text}");

    bench.lab.lose_subscriptions();
    arrives("after the failover");
    bench.ctl().ok(&["job", "stop", "all"]);
    until("the subscriptions are given up", || (bench.lab.requests("Unsubscribe") == 4).then_some(()));
    assert!(bench.ctl().json(&["job", "show", "all"])["listening"].is_null());
}

#[test]
fn a_flood_of_mail_makes_few_looks() {
    let bench = Bench::company(2, 20, &[]);
    idle_for_an_hour(&bench);
    listening(&bench);
    let (looked, mailbox, before) = (looks(&bench), bench.lab.mailboxes()[0].clone(), bench.served_items());
    for n in 0..300 {
        bench.lab.deliver(&mailbox, &mail(&format!("number {n}")));
    }
    until("all of the flood is there", || (items(&bench) == Some(before + 300)).then_some(()));
    let looked = until("the look is told", || Some(looks(&bench) - looked).filter(|looked| *looked > 0));
    assert!((1..=6).contains(&looked), "{looked} looks for 300 mails");
}

#[test]
fn a_server_without_notifications_is_told_and_the_job_waits() {
    let bench = Bench::company(2, 20, &["--quirks", "no-notifications"]);
    idle_for_an_hour(&bench);
    until("the job says why it does not listen", || {
        bench.ctl().ok(&["job", "show", "all"]).contains("no, changes wait for the next cycle: the server knows no streaming notifications").then_some(())
    });
    let asked = bench.lab.requests("Subscribe");
    assert!(asked <= 3, "asked {asked} times");
    let outcome = bench.ctl().run(&["job", "edit", "all", "--continuous", "--idle", "02:00:00", "--stop"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    bench.ctl().ok(&["job", "stop", "all"]);
}
