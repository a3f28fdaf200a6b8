//! The log over its life: what shows when somebody tampers with it, and when power is lost at a bad moment.

use super::*;
use crate::peer::Session;
use c2b_api::audit::AuditQuery;
use chrono::{TimeZone, Utc};

fn log(dir: &Path) -> AuditLog {
    let machine = Arc::new(MachineKey::new(dir, None));
    let secrets = Secrets::open(&dir.join("secrets"), machine.clone()).unwrap();
    AuditLog::new(dir, secrets, machine, Clock::manual(Utc.timestamp_opt(1_800_000_000, 0).unwrap()))
}

fn peer() -> Peer {
    Peer { user: "anna".to_owned(), uid: Some(1000), groups: vec![], pid: Some(7), session: Session::Login { id: 3, uid: 1000 } }
}

fn deed(action: &str, mailbox: &str) -> Deed {
    let mailboxes = if mailbox.is_empty() { vec![] } else { vec![mailbox.to_owned()] };
    Deed { action: action.to_owned(), object: "main".to_owned(), mailboxes, detail: String::new() }
}

/// A log of five deeds, with their outcomes ten records.
fn five(dir: &Path) {
    let log = log(dir);
    for number in 0..5 {
        let seq = log.begin(&peer(), deed("storage erase", &format!("m{number}@example.org"))).unwrap();
        log.end(seq, "storage erase", "done".to_owned());
    }
}

fn problems(dir: &Path) -> Vec<String> {
    let report = log(dir).verify().unwrap();
    assert_eq!(report.intact, report.problems.is_empty());
    report.problems
}

fn edit(dir: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let path = dir.join("audit").join(CURRENT);
    let mut lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn what_was_done_is_found_again_with_its_outcome() {
    let dir = tempfile::tempdir().unwrap();
    five(dir.path());
    let log = log(dir.path());
    log.refused(&peer(), deed("job start", ""), "the least role is operator");
    let all = log.show(&AuditQuery::default()).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!((all[0].seq, all[0].outcome.as_str(), all[0].session.starts_with("login 3")), (1, "done", true));
    let query = AuditQuery { mailbox: Some("M3@example.org".to_owned()), ..AuditQuery::default() };
    assert_eq!(log.show(&query).unwrap().iter().map(|entry| entry.seq).collect::<Vec<_>>(), [7]);
    let query = AuditQuery { action: Some("job".to_owned()), user: Some("anna".to_owned()), limit: Some(1), ..AuditQuery::default() };
    assert!(log.show(&query).unwrap()[0].outcome.starts_with("refused: "));
    assert!(log.show(&AuditQuery { user: Some("bob".to_owned()), ..AuditQuery::default() }).unwrap().is_empty());
    let report = log.verify().unwrap();
    assert_eq!((report.intact, report.records, report.last), (true, 11, 11), "{report:?}");
}

#[test]
fn whatever_is_done_to_a_line_shows() {
    type Change = fn(&mut Vec<String>);
    let cases: [(&str, Change, &str); 7] = [
        ("edited", |lines| lines[4] = lines[4].replace("m2@", "m9@"), "record 5 was changed"),
        ("removed", |lines| drop(lines.remove(4)), "records 5 to 5 are missing"),
        ("exchanged", |lines| lines.swap(3, 4), "records 4 to 4 are missing"),
        ("cut off", |lines| lines.truncate(8), "records 9 to 10 are missing"),
        ("emptied", Vec::clear, "records 1 to 10 are missing"),
        ("nonsense", |lines| lines[4] = "{}".to_owned(), "it is no record"),
        ("doubled", |lines| lines.insert(4, lines[3].clone()), "stands after record"),
    ];
    for (case, change, told) in cases {
        let dir = tempfile::tempdir().unwrap();
        five(dir.path());
        assert!(problems(dir.path()).is_empty(), "{case}");
        edit(dir.path(), change);
        for look in 0..2 {
            let found = problems(dir.path());
            assert!(found.iter().any(|problem| problem.contains(told)), "{case}, look {look}: {found:?}");
        }
        log(dir.path()).begin(&peer(), deed("job start", "")).unwrap();
        assert!(!problems(dir.path()).is_empty(), "{case}: forgotten after the next record");
    }
}

#[test]
fn a_line_that_somebody_without_the_key_adds_is_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    five(dir.path());
    let other = Record { entry: AuditEntry { seq: 11, user: "mallory".to_owned(), ..AuditEntry::default() }, of: None };
    let (line, _) = Line::make(&other, &ChainKey::new(&[1; 32]), &Chain::default()).unwrap();
    edit(dir.path(), |lines| lines.push(line.trim_end().to_owned()));
    assert!(!problems(dir.path()).is_empty());
    // Without the head neither.
    let dir = tempfile::tempdir().unwrap();
    five(dir.path());
    std::fs::remove_file(dir.path().join("secrets/audit+head")).unwrap();
    assert!(!problems(dir.path()).is_empty());
}

#[test]
fn a_loss_of_power_is_no_tampering() {
    let dir = tempfile::tempdir().unwrap();
    five(dir.path());
    let head = dir.path().join("secrets/audit+head");
    let before = std::fs::read(&head).unwrap();
    log(dir.path()).begin(&peer(), deed("job start", "")).unwrap();
    // The line is there, its head is not.
    std::fs::write(&head, before).unwrap();
    assert!(problems(dir.path()).is_empty());
    // A line without its end.
    let path = dir.path().join("audit").join(CURRENT);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"seq\":12,\"ti");
    std::fs::write(&path, bytes).unwrap();
    assert!(problems(dir.path()).is_empty());
    assert_eq!(log(dir.path()).begin(&peer(), deed("job stop", "")).unwrap(), 12);
    assert!(problems(dir.path()).is_empty());
}

#[test]
fn the_chain_goes_on_over_files_and_a_missing_file_shows() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let detail = "x".repeat(6 * 1024 * 1024);
    for _ in 0..7 {
        log.begin(&peer(), Deed { detail: detail.clone(), ..deed("job edit", "") }).unwrap();
    }
    let files = verify::files(&dir.path().join("audit")).unwrap();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(log.verify().unwrap().intact);
    assert_eq!(log.show(&AuditQuery { limit: Some(5), ..AuditQuery::default() }).unwrap().len(), 5);
    std::fs::remove_file(&files[1]).unwrap();
    assert!(log.verify().unwrap().problems[0].contains("are missing"));
}

#[test]
fn what_cannot_be_recorded_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    five(dir.path());
    let path = dir.path().join("audit").join(CURRENT);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = log(dir.path()).begin(&peer(), deed("job start", "")).unwrap_err();
    assert!(error.message.contains("nothing was done"), "{}", error.message);
}

#[test]
fn another_machine_key_begins_another_log_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    five(dir.path());
    std::fs::write(dir.path().join("machine.key"), "ab".repeat(32)).unwrap();
    let log = log(dir.path());
    assert_eq!(log.begin(&peer(), deed("job start", "")).unwrap(), 2);
    assert!(log.show(&AuditQuery::default()).unwrap()[0].outcome.contains("another machine key"));
    assert!(dir.path().join("audit.other-key-1").join(CURRENT).exists());
}

#[test]
fn who_is_refused_all_the_time_does_not_fill_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    for _ in 0..100 {
        log.refused(&peer(), deed("job start", ""), "no role");
    }
    let entries = log.show(&AuditQuery::default()).unwrap();
    assert_eq!(entries.len(), 30);
    assert!(entries.last().unwrap().outcome.contains("are not recorded"));
    log.clock.advance(Duration::from_secs(61));
    log.refused(&peer(), deed("job start", ""), "no role");
    assert_eq!(log.show(&AuditQuery::default()).unwrap().len(), 31);
}
