//! Filters from the command line to the archive: what a job leaves out of a German mailbox, and what comes back.

use c2b_tests::{Bench, until};
use chrono::{DateTime, TimeDelta, Utc};
use std::fs;
use std::path::Path;

const MAILBOX: &str = "anna@example.org";

/// The time by the clock of the daemon's machine, as a file tells it.
fn now() -> DateTime<Utc> {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().metadata().unwrap().modified().unwrap().into()
}

fn put_mail(folder: &Path, name: &str, time: DateTime<Utc>) {
    fs::create_dir_all(folder).unwrap();
    let date = time.to_rfc2822();
    let text = format!("From: A <a@example.org>\r\nTo: B <b@example.org>\r\nSubject: {name}\r\nMessage-ID: <{name}@x>\r\nDate: {date}\r\n\r\n{name}.\r\n");
    fs::write(folder.join(format!("{name}.eml")), text).unwrap();
}

/// An appointment made in 2014, with these lines of its own.
fn put_appointment(folder: &Path, name: &str, start: DateTime<Utc>, rule: &str) {
    fs::create_dir_all(folder).unwrap();
    let (start, end) = (start.format("%Y%m%dT%H%M%SZ"), (start + TimeDelta::hours(1)).format("%Y%m%dT%H%M%SZ"));
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//\r\nBEGIN:VEVENT\r\nUID:{name}@x\r\nDTSTAMP:20140301T000000Z\r\nLAST-MODIFIED:20140301T000000Z\r\nDTSTART:{start}\r\nDTEND:{end}\r\n{rule}SUMMARY:{name}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    fs::write(folder.join(format!("{name}.ics")), text).unwrap();
}

/// Runs the job; returns what it scanned, stored and excluded.
fn run(bench: &Bench) -> [u64; 3] {
    bench.run("some");
    let shown = bench.ctl().json(&["job", "show", "some"]);
    let job = shown.get("job").unwrap_or(&shown);
    ["scanned", "stored", "excluded"].map(|counter| job["run"]["totals"][counter].as_u64().unwrap_or_else(|| panic!("no {counter} in {shown}")))
}

fn create(bench: &Bench, flags: &[&str]) {
    let job = ["job", "create", "some", "--connection", "lab", "--storage", "main", "--mailbox", MAILBOX, "--one-time"];
    bench.ctl().ok(&[&job[..], flags].concat());
}

#[test]
fn a_german_mailbox_is_backed_up_in_part_and_then_whole() {
    let now = now();
    let days = |days: i64| now - TimeDelta::days(days);
    let fill = |org: &Path| {
        let mailbox = org.join(MAILBOX);
        put_mail(&mailbox.join("Posteingang"), "neu", days(20));
        put_mail(&mailbox.join("Posteingang"), "alt", days(900));
        put_mail(&mailbox.join("Posteingang/Deleted Items"), "eigener-ordner", days(20));
        put_mail(&mailbox.join("Gelöschte Elemente"), "weg", days(20));
        put_mail(&mailbox.join("Gelöschte Elemente/Alt"), "auch-weg", days(20));
        let calendar = mailbox.join("Kalender");
        put_appointment(&calendar, "einmal", days(900), "");
        put_appointment(&calendar, "bald", days(-9), "");
        put_appointment(&calendar, "endlos", days(900), "RRULE:FREQ=WEEKLY\r\n");
        put_appointment(&calendar, "vorbei", days(900), "RRULE:FREQ=WEEKLY;COUNT=5\r\n");
        put_appointment(&calendar, "noch-nicht-vorbei", days(900), "RRULE:FREQ=MONTHLY;COUNT=40\r\n");
    };
    let bench = Bench::organisation(fill, &[]);
    create(&bench, &["--not-older-than", "6mo", "--leave-out", "deleted-items"]);
    // Left out: an old mail, an old appointment and an old series.
    assert_eq!(run(&bench), [8, 5, 3]);
    assert_eq!(bench.lab.requests("GetItem"), 6, "one look at the series, and one fetch for each item of so small a cycle");
    until("folders are old enough for their marks to count", || {
        bench.lab.reset_counters();
        assert_eq!(run(&bench), [5, 0, 0], "a cycle without changes");
        assert_eq!(bench.lab.requests("GetItem"), 0);
        (bench.lab.requests("SyncFolderItems") == 0).then_some(())
    });
    let shown = bench.ctl().ok(&["job", "show", "some"]);
    assert!(shown.contains("not older than 6mo") && shown.contains("deleted-items"), "{shown}");
    bench.ctl().ok(&["job", "edit", "some", "--any-age", "--leave-out"]);
    assert_eq!(run(&bench), [10, 5, 0]);
}

#[test]
fn what_grows_old_enough_is_taken_without_a_change() {
    // Old enough in some seconds.
    let soon = now() - TimeDelta::days(30) + TimeDelta::seconds(20);
    let bench = Bench::organisation(|org| put_mail(&org.join(MAILBOX).join("Inbox"), "reif", soon), &[]);
    create(&bench, &["--older-than", "30d"]);
    let first = run(&bench);
    assert_eq!(first, [1, 0, 1]);
    let description = fs::read_to_string(bench.storage().join("storage.toml")).unwrap();
    assert!(description.contains("\"waiting\""), "{description}");
    bench.lab.reset_counters();
    until("the mail is old enough", || (run(&bench)[1] == 1).then_some(()));
    assert_eq!(bench.lab.requests("ExportItems"), 1);
    bench.ctl().ok(&["storage", "check", "main", "--read-data"]);
}
