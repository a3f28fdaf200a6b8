//! What is done with a storage: sealing, care, retention, erasing, copying.

use crate::daemon::{Answer, Daemon, Request};
use crate::run::{Run, run, run_with_stdin};
use crate::sample;
use insta::assert_snapshot;
use serde_json::{Value, json};

fn daemon(line: &'static str, answer: Value) -> Daemon {
    Daemon::new([(line, Answer::Json(200, answer))])
}

fn streaming(line: &'static str, lines: Vec<Value>) -> Daemon {
    Daemon::new([(line, Answer::Lines(lines))])
}

fn asked(daemon: &Daemon, line: &str, body: Value) {
    assert_eq!(daemon.requests().last().unwrap(), &Request { line: line.to_owned(), body });
}

fn sealed_and_made() -> Value {
    let mut storage = sample::storage_sealed();
    for key in ["mailboxes", "items", "versions"] {
        storage[key] = json!(0);
    }
    storage["recovery-key"] = sample::recovery_key()["recovery-key"].clone();
    storage
}

#[test]
fn create_sealed_shows_the_recovery_key_once() {
    let daemon = daemon("POST /v1/storages", sealed_and_made());
    assert_snapshot!(run_with_stdin(&daemon, "storage create vault new/vault --seal --password-stdin", b"hunter2\n"), @"
    exit 0
    --- stdout
    made storage vault in /srv/backup/vault, sealed

      recovery key  C2BR-7Q4M-9XKD-2VHP

    It opens the storage when every password is forgotten. It is shown this once and kept nowhere:
    write it down now, and keep it apart from the storage.
    ");
    let body = json!({ "name": "vault", "path": daemon.dir().join("new/vault"), "seal": true, "credential": { "password": "hunter2" } });
    asked(&daemon, "POST /v1/storages", body);
    let quiet = run_with_stdin(&daemon, "--quiet storage create vault new/vault --seal --password-stdin", b"hunter2\n");
    assert!(quiet.stdout.contains("C2BR-7Q4M-9XKD-2VHP") && !quiet.stdout.contains("made storage"), "{quiet}");
}

#[test]
fn create_unsealed_says_so() {
    let mut storage = sample::storage();
    storage["versions"] = json!(0);
    storage["mailboxes"] = json!(0);
    let daemon = daemon("POST /v1/storages", storage);
    assert_snapshot!(run(&daemon, "storage create archive here"), @"
    exit 0
    --- stdout
    made storage archive in /srv/backup/archive, not sealed
    ");
    asked(&daemon, "POST /v1/storages", json!({ "name": "archive", "path": daemon.dir().join("here") }));
}

#[test]
fn create_needs_a_path_and_one_only() {
    let daemon = daemon("POST /v1/storages", sample::storage());
    for args in ["storage create archive", "storage create archive a --path b"] {
        assert_eq!(run(&daemon, args).exit, 2, "{args}");
    }
    assert!(daemon.requests().is_empty());
}

#[test]
fn a_sealed_storage_without_a_password_says_what_to_do() {
    let locked = sample::error("locked", "storage vault is sealed", "give its password: `c2bctl storage unlock vault`");
    let daemon = Daemon::new([("POST /v1/storages", Answer::Json(423, locked))]);
    assert_snapshot!(run(&daemon, "storage import vault /mnt/vault"), @"
    exit 5
    --- stderr
    error: storage vault is sealed
    hint: give its password: `c2bctl storage unlock vault`
    ");
    asked(&daemon, "POST /v1/storages", json!({ "name": "vault", "path": "/mnt/vault", "existing": true }));
}

#[test]
fn import_with_a_recovery_key() {
    let daemon = daemon("POST /v1/storages", sample::storage_sealed());
    assert_snapshot!(run_with_stdin(&daemon, "storage import vault /mnt/vault --recovery-key --password-stdin", b"C2BR-7Q4M\n"), @"
    exit 0
    --- stdout
    attached storage vault in /srv/backup/vault, sealed: 3 mailboxes, 12,345 items
    ");
    let body = json!({ "name": "vault", "path": "/mnt/vault", "existing": true, "credential": { "recovery-key": "C2BR-7Q4M" } });
    asked(&daemon, "POST /v1/storages", body);
}

#[test]
fn unlock() {
    let daemon = daemon("POST /v1/storages/vault/unlock", sample::storage_sealed());
    assert_snapshot!(run_with_stdin(&daemon, "storage unlock vault --password-stdin", b"hunter2\n"), @"
    exit 0
    --- stdout
    storage vault is open, and the daemon will open it by itself from now on
    ");
    asked(&daemon, "POST /v1/storages/vault/unlock", json!({ "credential": { "password": "hunter2" } }));
    assert_eq!(run_with_stdin(&daemon, "storage unlock vault --recovery-key --password-file -", b"K\n").exit, 0);
    asked(&daemon, "POST /v1/storages/vault/unlock", json!({ "credential": { "recovery-key": "K" } }));
}

#[test]
fn show_a_sealed_storage() {
    assert_snapshot!(run(&daemon("GET /v1/storages/vault", sample::storage_sealed()), "storage show vault"), @r#"
    exit 0
    --- stdout
    storage vault
      path          /srv/backup/vault
      state         low space: backups pause until there is more free space than the reserve
      busy          with an erasure
      seal          sealed
      opened by     password "main", the recovery key, c2bd on mail1
      resealing     512.0 MiB of 1.5 GiB are sealed with the newest key; the rest follows in the background
      not resealed  pack 3f2a: a wrong checksum
      holds         3 mailboxes, 12,345 items, 12,400 versions
      mail          5.0 GiB when every version is counted whole
      on disk       1.5 GiB; mail 3.3 : 1 (deduplication 1.6 : 1, compression 2.0 : 1)
      lost          2 contents are lost to damage until a cycle finds them at the source again
      marked        55 versions, 1.0 MiB when counted whole; freed from 2026-11-28 22:00:00 on, `storage unprune` undoes the marks
      pending       4.0 KiB that nothing needs, as of 2026-11-20 03:00:00: in a damaged pack: see `c2bctl storage check` (pack 3f2a: a wrong checksum)
      pinned        2.0 MiB that programs which read the storage hold open
      erased        2 mailboxes; 1 of them is not out of every file yet, which goes on by itself
      last commit   2026-11-21 22:15:07
      verified      every byte; the oldest part at 2026-10-25 03:00:00
      retention     replaced versions go after 90d, deleted items go after 1y; looked at every 1d
      free space    100.0 GiB, 1.0 GiB of it in reserve
      jobs          nightly
      identity      9f1c6e6e-6c0f-4a53-9a38-3a3f4d2f7c11, format 2
    "#);
}

#[test]
fn list_tells_sealed_from_not_sealed() {
    let all = json!([sample::storage(), sample::storage_sealed(), sample::storage_broken()]);
    assert_snapshot!(run(&daemon("GET /v1/storages", all), "storage list"), @"
    exit 0
    --- stdout
    STORAGE  PATH                 STATE                                SEAL        MAILBOXES   ITEMS     MAIL  ON DISK       FREE  LAST COMMIT          JOBS
    archive  /srv/backup/archive  ok                                   not sealed          3  12,345  5.0 GiB  1.5 GiB  100.0 GiB  2026-11-21 22:15:07  nightly
    vault    /srv/backup/vault    low space                            sealed              3  12,345  5.0 GiB  1.5 GiB  100.0 GiB  2026-11-21 22:15:07  nightly
    old      /srv/backup/old      format 7 is newer than this program  -                   0       0      0 B      0 B    1.0 KiB  -                    -
    ");
}

#[test]
fn rename() {
    let mut renamed = sample::storage();
    renamed["name"] = json!("attic");
    let daemon = daemon("PUT /v1/storages/archive", renamed);
    assert_snapshot!(run(&daemon, "storage rename archive attic"), @"
    exit 0
    --- stdout
    storage archive is attic from now on
    ");
    asked(&daemon, "PUT /v1/storages/archive", json!({ "name": "attic" }));
}

#[test]
fn detach_is_delete() {
    let script = [("GET /v1/storages/archive", Answer::Json(200, sample::storage())), ("DELETE /v1/storages/archive", Answer::Json(200, json!({})))];
    assert_eq!(run(&Daemon::new(script), "storage detach archive --yes").stdout, "deleted storage archive: its files stay where they are\n");
}

#[test]
fn passwords() {
    let daemon = Daemon::new([
        ("GET /v1/storages/vault/passwords", Answer::Json(200, sample::passwords())),
        ("POST /v1/storages/vault/passwords/add", Answer::Json(200, sample::passwords())),
        ("POST /v1/storages/vault/passwords/change", Answer::Json(200, sample::passwords())),
        ("POST /v1/storages/vault/passwords/remove", Answer::Json(200, json!([]))),
    ]);
    assert_snapshot!(run(&daemon, "storage password list vault"), @"
    exit 0
    --- stdout
    PASSWORD  SINCE
    main      2026-11-01 10:00:00
    anna      2026-11-20 10:00:00
    ");
    assert_snapshot!(run_with_stdin(&daemon, "storage password add vault --label anna --password-stdin", b"s3cret\n"), @"
    exit 0
    --- stdout
    password anna opens storage vault; it has 2 passwords
    ");
    asked(&daemon, "POST /v1/storages/vault/passwords/add", json!({ "label": "anna", "password": "s3cret" }));
    assert_snapshot!(run_with_stdin(&daemon, "storage password change vault --password-stdin", b"old\r\nnew\n"), @"
    exit 0
    --- stdout
    storage vault opens with the new password, and no more with the old one; it has 2 passwords
    ");
    asked(&daemon, "POST /v1/storages/vault/passwords/change", json!({ "present": "old", "password": "new" }));
    assert_snapshot!(run(&daemon, "storage password remove vault --label anna --yes"), @"
    exit 0
    --- stdout
    password anna opens storage vault no more; it has 0 passwords
    ");
    asked(&daemon, "POST /v1/storages/vault/passwords/remove", json!({ "label": "anna" }));
}

#[test]
fn a_change_of_password_needs_both() {
    let daemon = Daemon::new([]);
    for stdin in [&b"old\n"[..], b"", b"old\nnew\nmore\n", b"\nnew\n"] {
        assert_eq!(run_with_stdin(&daemon, "storage password change vault --password-stdin", stdin).exit, 2);
    }
    assert_eq!(run(&daemon, "storage password change vault --password-file old").exit, 2);
    assert!(daemon.requests().is_empty());
}

#[test]
fn recovery_key() {
    let daemon = daemon("POST /v1/storages/vault/recovery-key", sample::recovery_key());
    assert_snapshot!(run(&daemon, "storage recovery-key vault --yes"), @"
    exit 0
    --- stdout
    made a new recovery key for storage vault; the one before opens nothing any more

      recovery key  C2BR-7Q4M-9XKD-2VHP

    It opens the storage when every password is forgotten. It is shown this once and kept nowhere:
    write it down now, and keep it apart from the storage.
    ");
    let unasked = daemon.requests().len();
    assert_snapshot!(run(&daemon, "storage recovery-key vault"), @"
    exit 2
    --- stderr
    error: making a new recovery key needs --yes where nobody can be asked
    hint: say --yes if that is wanted; the recovery key that was shown before opens nothing any more
    ");
    assert_eq!(daemon.requests().len(), unasked);
}

#[test]
fn rotate_keys() {
    let one = daemon("POST /v1/storages/vault/rotate-keys", sample::rotated(json!([])));
    assert_snapshot!(run_with_stdin(&one, "storage rotate-keys vault --yes --password-stdin", b"hunter2\n"), @"
    exit 0
    --- stdout
    storage vault has new keys (generation 2); all new data uses them
    0 B of 1.5 GiB are sealed with the newest key; the rest follows in the background
    opens it as before: password main

      recovery key  C2BR-7Q4M-9XKD-2VHP

    It opens the storage when every password is forgotten. It is shown this once and kept nowhere:
    write it down now, and keep it apart from the storage.
    ");
    asked(&one, "POST /v1/storages/vault/rotate-keys", json!({ "password": "hunter2" }));
    let others = daemon("POST /v1/storages/vault/rotate-keys", sample::rotated(json!(["anna", "safe"])));
    let run = run(&others, "storage rotate-keys vault --yes");
    asked(&others, "POST /v1/storages/vault/rotate-keys", json!({}));
    assert_eq!((run.exit, run.stderr.lines().next()), (3, Some("warning: these passwords open the storage no more: anna, safe")), "{run}");
}

#[test]
fn check_of_a_part() {
    let mut done = sample::check_done(false);
    done["report"]["oldest-verification"] = json!("2026-10-25T03:00:00Z");
    let daemon = streaming("POST /v1/storages/archive/check", vec![done]);
    assert_snapshot!(run(&daemon, "storage check archive --subset 3/30"), @"
    exit 0
    --- stdout
    looked at 4 packs, 12,345 items, 12,400 versions (every byte of part 3/30 read: 1.5 GiB; all others since 2026-10-25 03:00:00)
    storage archive is whole
    ");
    asked(&daemon, "POST /v1/storages/archive/check", json!({ "read-data": true, "subset": "3/30" }));
    assert_snapshot!(run(&daemon, "storage check archive --subset 31/30"), @r#"
    exit 2
    --- stderr
    error: invalid value '31/30' for '--subset <N/M>': "31/30" is not a part: expected N/M with N from 1 to M, for instance 3/30

    For more information, try '--help'.
    "#);
}

#[test]
fn repair() {
    let done = |lost| streaming("POST /v1/storages/archive/repair", vec![sample::progress(2), sample::repair_done(lost)]);
    assert_snapshot!(run(&done(false), "storage repair archive"), @"
    exit 0
    --- stdout
    put aside: pack 3f2a: 2 frames with a wrong checksum
    MAILBOX            FOLDER  SUBJECT     DATE                 KEY     VERSION  BECOMES
    alice@example.org  Inbox   Re: budget  2026-03-01 08:00:00  k3f9c2  -        fetched again
    repaired storage archive: 1 place put aside; 1 item waits for the next cycle, which fetches what the source still has; 0 versions are lost
    ");
    assert_snapshot!(run(&done(true), "storage repair archive"), @"
    exit 3
    --- stdout
    put aside: pack 3f2a: 2 frames with a wrong checksum
    MAILBOX            FOLDER  SUBJECT     DATE                 KEY     VERSION  BECOMES
    alice@example.org  Inbox   Re: budget  2026-03-01 08:00:00  k3f9c2  -        fetched again
    alice@example.org  Inbox   old draft   2026-03-01 08:00:00  k3f9c2  2        lost: a past version: the source has only the newest
    repaired storage archive: 1 place put aside; 1 item waits for the next cycle, which fetches what the source still has; 1 version is lost
    --- stderr
    warning: storage archive lost 1 version for good
    hint: a copy of the storage may have them: `c2bctl storage import` attaches one
    ");
    let nothing = json!({ "event": "done", "report": { "packs": 4, "quarantined": [], "fetched-again": [], "lost": [] } });
    let whole = streaming("POST /v1/storages/archive/repair", vec![nothing]);
    assert_eq!(run(&whole, "storage repair archive").stdout, "looked at 4 packs: nothing of storage archive needs repair\n");
}

fn retention_daemon() -> Daemon {
    let mut info = sample::storage();
    info["retention"] = json!({ "superseded-after": "90d" });
    Daemon::new([("GET /v1/storages/archive", Answer::Json(200, info)), ("PUT /v1/storages/archive", Answer::Json(200, sample::storage_sealed()))])
}

#[test]
fn retention_is_shown() {
    assert_snapshot!(run(&daemon("GET /v1/storages/vault", sample::storage_sealed()), "storage retention vault"), @"
    exit 0
    --- stdout
    retention of storage vault: replaced versions go after 90d, deleted items go after 1y
      superseded-after  90d
      deleted-after     1y
      versions-max      off
      every             1d
      undo              7d
      marked now        55 versions
    ");
    assert_snapshot!(run(&daemon("GET /v1/storages/archive", sample::storage()), "storage retention archive"), @"
    exit 0
    --- stdout
    retention of storage archive: everything is kept
    ");
    let values = run(&daemon("GET /v1/storages/vault", sample::storage_sealed()), "storage retention vault --json").values();
    assert_eq!(values, [sample::storage_sealed()["retention"].clone()]);
}

#[test]
fn retention_is_set_rule_by_rule() {
    let daemon = retention_daemon();
    assert_snapshot!(run(&daemon, "storage retention set archive --deleted-after 1y --every 1d"), @"
    exit 2
    --- stderr
    error: keeping less in storage archive than before needs --yes where nobody can be asked
    hint: say --yes if that is wanted; until now replaced versions go after 90d; from now on replaced versions go after 90d, deleted items go after 1y, marked every 1d, and freed for good 7d later
    ");
    assert!(daemon.requests().iter().all(|request| !request.line.starts_with("PUT")), "less is kept although nobody said so");
    assert_snapshot!(run(&daemon, "storage retention set archive --deleted-after 1y --every 1d --yes"), @"
    exit 0
    --- stdout
    retention of storage archive: replaced versions go after 90d, deleted items go after 1y
    see what it removes with `c2bctl storage prune archive --dry-run`
    ");
    asked(&daemon, "PUT /v1/storages/archive", json!({ "retention": { "superseded-after": "90d", "deleted-after": "1y", "every": "1d" } }));
    assert_eq!(run(&daemon, "storage retention set archive --superseded-after off --versions-max 10 --yes").exit, 0);
    asked(&daemon, "PUT /v1/storages/archive", json!({ "retention": { "versions-max": 10 } }));
    assert_eq!(run(&daemon, "storage retention set archive --keep-all").exit, 0);
    asked(&daemon, "PUT /v1/storages/archive", json!({ "retention": {} }));
}

#[test]
fn a_policy_that_nobody_can_mean_is_refused() {
    let daemon = retention_daemon();
    assert_snapshot!(run(&daemon, "storage retention set archive --superseded-after off"), @"
    exit 2
    --- stderr
    error: the retention policy has no rule: nothing would ever be removed
    hint: name superseded-after, deleted-after or versions-max; without a policy everything is kept
    ");
    assert_snapshot!(run(&daemon, "storage retention set archive --versions-max 1"), @"
    exit 2
    --- stderr
    error: superseded-after = 90d keeps replaced versions for a time, versions-max = 1 removes them at once
    hint: leave one of the two out
    ");
    assert_snapshot!(run(&daemon, "storage retention set archive --superseded-after 90"), @r#"
    exit 2
    --- stderr
    error: invalid value '90' for '--superseded-after <TIME>': "90" is not a length of time: expected a number from 1 to 9999 and h, d, w, mo or y, for instance 90d or 6mo, or off

    For more information, try '--help'.
    "#);
    assert_snapshot!(run(&daemon, "storage retention set archive"), @"
    exit 2
    --- stderr
    error: nothing is to be set
    hint: name a rule, for instance --superseded-after 90d, or --keep-all
    ");
    for args in ["--versions-max 0", "--undo 3d", "--keep-all --every 1d", "--superseded-after 0d"] {
        assert_eq!(run(&daemon, &format!("storage retention set archive {args}")).exit, 2, "{args}");
    }
    assert!(daemon.requests().iter().all(|request| !request.line.starts_with("PUT")));
}

#[test]
fn prune() {
    let dry = vec![sample::decision(1, "superseded-after"), sample::decision(2, "versions-max"), sample::prune_done(true, 2)];
    let daemon = streaming("POST /v1/storages/archive/prune", dry);
    assert_snapshot!(run(&daemon, "storage prune archive --dry-run"), @"
    exit 0
    --- stdout
    MAILBOX            FOLDER  SUBJECT     DATE                 KEY     VERSION      SIZE  SINCE                RULE
    alice@example.org  Inbox   Re: budget  2026-03-01 08:00:00  k3f9c2        1  20.0 KiB  2026-05-01 08:00:00  superseded-after
    alice@example.org  Inbox   Re: budget  2026-03-01 08:00:00  k3f9c2        2  20.0 KiB  2026-05-01 08:00:00  versions-max
    would mark 2 versions (2 by superseded-after), 40.0 KiB when counted whole; nothing was done
    ");
    asked(&daemon, "POST /v1/storages/archive/prune", json!({ "dry-run": true }));
    let marked = streaming("POST /v1/storages/archive/prune", vec![sample::prune_done(false, 55)]);
    assert_snapshot!(run(&marked, "storage prune archive"), @"
    exit 0
    --- stdout
    marked 55 versions (55 by superseded-after), 1.1 MiB when counted whole
    they are freed from 2026-11-28 22:00:00 on; until then `c2bctl storage unprune archive` undoes it
    ");
    let none = streaming("POST /v1/storages/archive/prune", vec![sample::prune_done(false, 0)]);
    assert_eq!(run(&none, "storage prune archive").stdout, "looked at 1,234 past versions: the policy of storage archive removes none\n");
}

#[test]
fn a_suspect_clock_removes_nothing() {
    let failed = json!({ "event": "failed", "error": sample::error("state", "the clock is suspect: it is 3650 days after the last commit", "set the clock; nothing was marked") });
    assert_snapshot!(run(&streaming("POST /v1/storages/archive/prune", vec![failed]), "storage prune archive"), @"
    exit 1
    --- stderr
    error: the clock is suspect: it is 3650 days after the last commit
    hint: set the clock; nothing was marked
    ");
}

#[test]
fn unprune() {
    assert_snapshot!(run(&daemon("POST /v1/storages/archive/unprune", json!({ "versions": 55 })), "storage unprune archive"), @"
    exit 0
    --- stdout
    55 versions stay of storage archive after all; the policy marks them again at the next prune
    ");
}

#[test]
fn free() {
    let daemon = streaming("POST /v1/storages/archive/free", vec![sample::progress(1), sample::free_done(false)]);
    assert_snapshot!(run(&daemon, "storage free archive"), @"
    exit 0
    --- stdout
    freed in storage archive
      logical  1.1 MiB removed, with 55 versions
      on disk  512.0 KiB freed, 3 packs written anew
      pending  4.0 KiB: no room to write the rest of their packs anew; free some space, then the same command goes on
      pending  8.0 KiB: held open by a program that reads the storage; free once it looks again or ends (mount.c2b, process 4711)
      pending  512 B: scattered in packs of which nearly all is in use; freed once more of them is unused
    ");
    asked(&daemon, "POST /v1/storages/archive/free", json!({ "dry-run": false }));
    let dry = run(&streaming("POST /v1/storages/archive/free", vec![sample::free_done(true)]), "storage free archive --dry-run");
    assert!(dry.stdout.starts_with("storage archive would free\n"), "{dry}");
}

#[test]
fn erase() {
    let daemon = streaming("POST /v1/storages/archive/erase", vec![sample::erase_done(false)]);
    assert_snapshot!(run(&daemon, "storage erase archive alice@example.org --yes"), @"
    exit 0
    --- stdout
    erased alice@example.org from storage archive: 4,321 items and 5,000 versions in 12 folders, 100.0 MiB are lost for ever
    20.0 MiB freed on disk; 1.0 MiB stay with other mailboxes that hold the same
    ");
    assert_eq!(daemon.requests().len(), 1);
    asked(&daemon, "POST /v1/storages/archive/erase", json!({ "mailbox": "alice@example.org", "dry-run": false }));
}

#[test]
fn erase_says_what_would_be_lost_and_asks() {
    let daemon = streaming("POST /v1/storages/archive/erase", vec![sample::erase_done(true)]);
    assert_snapshot!(run(&daemon, "storage erase archive alice@example.org"), @"
    exit 2
    --- stderr
    error: erasing alice@example.org needs --yes where nobody can be asked
    hint: say --yes if that is wanted; 4,321 items and 5,000 versions in 12 folders, 100.0 MiB are lost for ever
    ");
    assert_snapshot!(run(&daemon, "storage erase archive alice@example.org --dry-run"), @"
    exit 0
    --- stdout
    would erase alice@example.org from storage archive: 4,321 items and 5,000 versions in 12 folders, 100.0 MiB would be lost for ever; nothing was done
    ");
    assert!(daemon.requests().iter().all(|request| request.body["dry-run"] == true));
}

#[test]
fn erased_and_allowed() {
    let daemon = Daemon::new([
        ("GET /v1/storages/archive/erased", Answer::Json(200, sample::erased(false))),
        ("POST /v1/storages/archive/allow", Answer::Json(200, sample::erased(true))),
    ]);
    assert_snapshot!(run(&daemon, "storage erased archive"), @"
    exit 0
    --- stdout
    MAILBOX            ERASED               BY    ITEMS  VERSIONS  BACKED UP AGAIN
    alice@example.org  2026-11-21 22:00:00  root  4,321     5,000  no
    ");
    assert_snapshot!(run(&daemon, "storage allow archive alice@example.org"), @"
    exit 0
    --- stdout
    alice@example.org may be backed up to storage archive again, from nothing; what was erased stays erased
    ");
    asked(&daemon, "POST /v1/storages/archive/allow", json!({ "mailbox": "alice@example.org" }));
}

#[test]
fn copy() {
    let daemon = streaming("POST /v1/storages/archive/copy", vec![sample::progress(2), sample::copy_done(4)]);
    assert_snapshot!(run(&daemon, "storage copy archive /mnt/disk/archive"), @"
    exit 0
    --- stdout
    copied storage archive to /mnt/disk/archive; its last commit is of 2026-11-21 22:15:07
    4 files copied (4.0 MiB), 40 files there already, 0 files removed
    ");
    asked(&daemon, "POST /v1/storages/archive/copy", json!({ "path": "/mnt/disk/archive" }));
    assert_snapshot!(run(&streaming("POST /v1/storages/archive/copy", vec![sample::copy_done(0)]), "storage copy archive /mnt/disk/archive"), @"
    exit 0
    --- stdout
    the copy of storage archive in /mnt/disk/archive is up to date; its last commit is of 2026-11-21 22:15:07
    0 files copied (0 B), 40 files there already, 0 files removed
    ");
}

#[test]
fn no_secret_is_said_again() {
    let refused = Answer::Json(423, sample::error("locked", "the password does not open storage vault", ""));
    let lines = ["POST /v1/storages", "POST /v1/storages/vault/unlock", "POST /v1/storages/vault/passwords/add", "POST /v1/storages/vault/rotate-keys"];
    let daemon = Daemon::new(lines.map(|line| (line, refused.clone())));
    for args in [
        "storage create vault v --seal --password-stdin",
        "storage unlock vault --password-stdin",
        "storage password add vault --label x --password-stdin",
        "storage rotate-keys vault --yes --password-stdin",
    ] {
        for json in ["", " --json"] {
            let run: Run = run_with_stdin(&daemon, &format!("{args}{json}"), b"hunter2\n");
            assert!(run.exit == 5 && !run.to_string().contains("hunter2"), "{run}");
        }
    }
}

#[test]
fn no_flag_takes_a_secret() {
    let daemon = Daemon::new([]);
    for args in ["create vault v --seal --password x", "unlock vault --recovery-key=K", "unlock vault hunter2", "password add vault --label x --password y"] {
        assert_eq!(run(&daemon, &format!("storage {args}")).exit, 2, "{args}");
    }
    assert!(daemon.requests().is_empty());
}
