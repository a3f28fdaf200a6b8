//! Each command when all goes well: what it asks the daemon, and what it shows.

use crate::daemon::{Answer, Daemon, Request};
use crate::run::run;
use crate::sample;
use insta::assert_snapshot;
use serde_json::{Value, json};

fn daemon(line: &'static str, answer: Value) -> Daemon {
    Daemon::new([(line, Answer::Json(200, answer))])
}

fn asked(daemon: &Daemon, line: &str, body: Value) {
    assert_eq!(daemon.requests().last().unwrap(), &Request { line: line.to_owned(), body });
}

#[test]
fn status() {
    let daemon = daemon("GET /v1/status", sample::status());
    assert_snapshot!(run(&daemon, "status"), @r"
    exit 0
    --- stdout
    good  c2bd 0.1.0 runs since 2026-11-21 20:00:00 (process 4242)
    good  1 job is active
    bad   storage old cannot be used: format 7 is newer than this program
    bad   connection lab: certificates are not checked

    JOB      TYPE      STATE   STORAGE  SCANNED  STORED  FAILED    BYTES      SPEED  LAST SUCCESS  NEXT RUN  DETAIL
    nightly  one-time  active  archive      500     500       0  9.5 MiB  1.0 MiB/s  -             -         running

    STORAGE  PATH                 STATE                                SEAL        MAILBOXES   ITEMS     MAIL  ON DISK       FREE  LAST COMMIT          JOBS
    archive  /srv/backup/archive  ok                                   not sealed          3  12,345  5.0 GiB  1.5 GiB  100.0 GiB  2026-11-21 22:15:07  nightly
    old      /srv/backup/old      format 7 is newer than this program  -                   0       0      0 B      0 B    1.0 KiB  -                    -

    CONNECTION  KIND  URL                                         USER            OWNER  JOBS     WARNINGS
    main        ews   https://mail.example.org/EWS/Exchange.asmx  EXAMPLE\backup  root   nightly  -
    lab         ews   http://10.0.0.5/EWS/Exchange.asmx           backup          anna   -        certificates are not checked
    ");
}

#[test]
fn status_of_a_new_daemon_says_what_comes_next() {
    let status = json!({ "version": "0.1.0", "now": "2026-11-21T22:11:00Z", "started": "2026-11-21T20:00:00Z", "pid": 1, "bad-news": [], "jobs": [], "storages": [], "connections": [] });
    assert_snapshot!(run(&daemon("GET /v1/status", status), "status"), @"
    exit 0
    --- stdout
    good  c2bd 0.1.0 runs since 2026-11-21 20:00:00 (process 1)
    good  no bad news
    next  no connection yet: `c2bctl connection create` says where mail comes from
    next  no storage yet: `c2bctl storage create` says where backups are kept
    next  no job yet: `c2bctl job create` says what is backed up
    ");
}

#[test]
fn connection_create() {
    let daemon = daemon("POST /v1/connections", sample::connection_insecure());
    let password = daemon.dir().join("pw");
    std::fs::write(&password, "hunter2\n").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let run =
        run(&daemon, "connection create lab --kind ews --url http://10.0.0.5/EWS/Exchange.asmx --user backup --password-file pw --ca-file ca.pem --insecure");
    assert_snapshot!(run, @"
    exit 0
    --- stdout
    made connection lab; try it with `c2bctl connection check lab`
    --- stderr
    warning: connection lab: certificates are not checked
    ");
    let body = json!({
        "name": "lab", "kind": "ews", "url": "http://10.0.0.5/EWS/Exchange.asmx", "user": "backup", "password": "hunter2",
        "ca-file": daemon.dir().join("ca.pem"), "insecure": true
    });
    asked(&daemon, "POST /v1/connections", body);
}

#[test]
fn connection_list() {
    let daemon = daemon("GET /v1/connections", json!([sample::connection(), sample::connection_insecure()]));
    assert_snapshot!(run(&daemon, "connection list"), @r"
    exit 0
    --- stdout
    CONNECTION  KIND  URL                                         USER            OWNER  JOBS     WARNINGS
    main        ews   https://mail.example.org/EWS/Exchange.asmx  EXAMPLE\backup  root   nightly  -
    lab         ews   http://10.0.0.5/EWS/Exchange.asmx           backup          anna   -        certificates are not checked
    ");
}

#[test]
fn connection_show() {
    assert_snapshot!(run(&daemon("GET /v1/connections/main", sample::connection()), "connection show main"), @r"
    exit 0
    --- stdout
    connection main
      kind         ews
      url          https://mail.example.org/EWS/Exchange.asmx
      user         EXAMPLE\backup
      certificate  checked against the system's authorities
      owner        root
      jobs         nightly
    ");
    assert_snapshot!(run(&daemon("GET /v1/connections/lab", sample::connection_insecure()), "connection show lab"), @"
    exit 0
    --- stdout
    connection lab
      kind         ews
      url          http://10.0.0.5/EWS/Exchange.asmx
      user         backup
      certificate  not checked (insecure)
      owner        anna
      jobs         none
      warning      certificates are not checked
    ");
}

#[test]
fn connection_check() {
    assert_snapshot!(run(&daemon("POST /v1/connections/main/check", sample::check_report(true)), "connection check main"), @"
    exit 0
    --- stdout
    ok       server       Exchange 2019 (15.2.1118.7) at mail.example.org
    warning  certificate  ends in 9 days
                          hint: renew it on the server
    ok       sign-in      backup is accepted
    connection main can be used
    ");
}

#[test]
fn connection_check_that_finds_trouble() {
    assert_snapshot!(run(&daemon("POST /v1/connections/main/check", sample::check_report(false)), "connection check main"), @"
    exit 5
    --- stdout
    ok       server       Exchange 2019 (15.2.1118.7) at mail.example.org
    warning  certificate  ends in 9 days
                          hint: renew it on the server
    error    sign-in      the server refused the password of backup
                          hint: give the right one: delete the connection and make it anew
    --- stderr
    error: connection main cannot be used
    ");
}

#[test]
fn connection_delete() {
    let script = [("GET /v1/connections/main", Answer::Json(200, sample::connection())), ("DELETE /v1/connections/main", Answer::Json(200, json!({})))];
    let daemon = Daemon::new(script);
    assert_snapshot!(run(&daemon, "connection delete main --yes"), @"
    exit 0
    --- stdout
    deleted connection main: its password is forgotten
    ");
    asked(&daemon, "DELETE /v1/connections/main", Value::Null);
}

#[test]
fn storage_create() {
    let mut empty = sample::storage();
    empty["items"] = json!(0);
    empty["versions"] = json!(0);
    let daemon = daemon("POST /v1/storages", empty);
    assert_snapshot!(run(&daemon, "storage create archive --path new/./archive"), @"
    exit 0
    --- stdout
    made storage archive in /srv/backup/archive, not sealed
    ");
    asked(&daemon, "POST /v1/storages", json!({ "name": "archive", "path": daemon.dir().join("new/archive") }));
}

#[test]
fn storage_create_attaches_what_is_there() {
    assert_snapshot!(run(&daemon("POST /v1/storages", sample::storage()), "storage create archive --path /srv/backup/archive"), @"
    exit 0
    --- stdout
    attached storage archive in /srv/backup/archive, not sealed: 3 mailboxes, 12,345 items
    ");
}

#[test]
fn storage_list() {
    let daemon = daemon("GET /v1/storages", json!([sample::storage(), sample::storage_broken()]));
    assert_snapshot!(run(&daemon, "storage list"), @"
    exit 0
    --- stdout
    STORAGE  PATH                 STATE                                SEAL        MAILBOXES   ITEMS     MAIL  ON DISK       FREE  LAST COMMIT          JOBS
    archive  /srv/backup/archive  ok                                   not sealed          3  12,345  5.0 GiB  1.5 GiB  100.0 GiB  2026-11-21 22:15:07  nightly
    old      /srv/backup/old      format 7 is newer than this program  -                   0       0      0 B      0 B    1.0 KiB  -                    -
    ");
}

#[test]
fn storage_show() {
    assert_snapshot!(run(&daemon("GET /v1/storages/archive", sample::storage()), "storage show archive"), @"
    exit 0
    --- stdout
    storage archive
      path         /srv/backup/archive
      state        ok
      seal         not sealed: who can read the folder can read the mail
      holds        3 mailboxes, 12,345 items, 12,400 versions
      mail         5.0 GiB when every version is counted whole
      on disk      1.5 GiB; mail 3.3 : 1
      last commit  2026-11-21 22:15:07
      verified     not every byte yet
      retention    everything is kept
      free space   100.0 GiB, 1.0 GiB of it in reserve
      jobs         nightly
      identity     9f1c6e6e-6c0f-4a53-9a38-3a3f4d2f7c11, format 2
    ");
    assert_snapshot!(run(&daemon("GET /v1/storages/old", sample::storage_broken()), "storage show old"), @"
    exit 0
    --- stdout
    storage old
      path        /srv/backup/old
      state       format 7 is newer than this program
      free space  1.0 KiB
      jobs        none
    ");
}

#[test]
fn storage_check() {
    let lines = vec![sample::progress(0), sample::progress(4), sample::check_done(false)];
    let daemon = Daemon::new([("POST /v1/storages/archive/check", Answer::Lines(lines))]);
    assert_snapshot!(run(&daemon, "storage check archive"), @"
    exit 0
    --- stdout
    looked at 4 packs, 12,345 items, 12,400 versions (structure only; --read-data reads every byte)
    storage archive is whole
    ");
    asked(&daemon, "POST /v1/storages/archive/check", json!({ "read-data": false }));
    run(&daemon, "storage check archive --read-data");
    asked(&daemon, "POST /v1/storages/archive/check", json!({ "read-data": true }));
}

#[test]
fn storage_check_that_finds_damage() {
    let daemon = Daemon::new([("POST /v1/storages/archive/check", Answer::Lines(vec![sample::progress(4), sample::check_done(true)]))]);
    assert_snapshot!(run(&daemon, "storage check archive --read-data"), @"
    exit 1
    --- stdout
    MAILBOX            FOLDER  SUBJECT     DATE                 KEY     DAMAGE
    alice@example.org  Inbox   Re: budget  2026-03-01 08:00:00  k3f9c2  pack 3f2a at byte 4711: checksum differs
    -                  -       -           -                    -       pack 77aa: footer is missing
    looked at 4 packs, 12,345 items, 12,400 versions (every byte read: 1.5 GiB)
    --- stderr
    error: storage archive is damaged in 2 places, which touches 1 item
    hint: what is not listed is whole and can be read; look at the disk (`dmesg`, `smartctl -a`) before you write to it again, then `c2bctl storage repair archive`
    ");
}

#[test]
fn storage_rebuild() {
    let daemon = Daemon::new([("POST /v1/storages/archive/rebuild", Answer::Lines(vec![sample::progress(2), sample::rebuild_done(json!([]))]))]);
    assert_snapshot!(run(&daemon, "storage rebuild archive"), @"
    exit 0
    --- stdout
    made the index of storage archive anew: 4 packs read, 12,345 items in 12,400 versions
    ");
}

#[test]
fn storage_rebuild_that_leaves_something_out() {
    let done = sample::rebuild_done(json!(["pack 77aa: footer is missing"]));
    let daemon = Daemon::new([("POST /v1/storages/archive/rebuild", Answer::Lines(vec![done]))]);
    assert_snapshot!(run(&daemon, "storage rebuild archive"), @"
    exit 3
    --- stdout
    made the index of storage archive anew: 4 packs read, 12,345 items in 12,400 versions
      pack 77aa: footer is missing
    --- stderr
    warning: 1 place could not be used
    hint: see whose mail it is with `c2bctl storage check archive --read-data`
    ");
}

#[test]
fn storage_delete() {
    let script = [("GET /v1/storages/archive", Answer::Json(200, sample::storage())), ("DELETE /v1/storages/archive", Answer::Json(200, json!({})))];
    assert_snapshot!(run(&Daemon::new(script), "storage delete archive -y"), @"
    exit 0
    --- stdout
    deleted storage archive: its files stay where they are
    ");
}

#[test]
fn job_create() {
    let daemon = daemon("POST /v1/jobs", sample::job_new());
    assert_snapshot!(run(&daemon, "job create nightly --connection main --storage archive --all-except --one-time"), @"
    exit 0
    --- stdout
    made job nightly; it does not run yet: start it with `c2bctl job start nightly`
    ");
    let table = [
        ("--mailbox a@x --mailbox b@x --one-time", json!({ "only": ["a@x", "b@x"] }), json!("one-time")),
        ("--mailbox a@x b@x --continuous", json!({ "only": ["a@x", "b@x"] }), json!({ "continuous": { "idle": "00:01:00" } })),
        ("--all-except --continuous --idle 00:15:00", json!({ "all-except": [] }), json!({ "continuous": { "idle": "00:15:00" } })),
        ("--one-time --all-except a@x b@x", json!({ "all-except": ["a@x", "b@x"] }), json!("one-time")),
    ];
    for (flags, source, continuity) in table {
        let run = run(&daemon, &format!("job create nightly --connection main --storage archive {flags}"));
        assert_eq!(run.exit, 0, "{run}");
        let body = json!({ "name": "nightly", "connection": "main", "storage": "archive", "source": source, "continuity": continuity });
        asked(&daemon, "POST /v1/jobs", body);
    }
}

#[test]
fn job_list() {
    let mut weekly = sample::job_ended("finished-with-warnings", "", 2, json!([]));
    weekly["definition"]["name"] = json!("weekly");
    weekly["definition"]["continuity"] = json!({ "continuous": { "idle": "00:10:00" } });
    weekly["next-run"] = json!("2026-11-22T00:00:00Z");
    let daemon = daemon("GET /v1/jobs", json!([sample::job_running(500), weekly, sample::job_new()]));
    assert_snapshot!(run(&daemon, "job list"), @"
    exit 0
    --- stdout
    JOB      TYPE        STATE                   STORAGE  SCANNED  STORED  FAILED     BYTES      SPEED  LAST SUCCESS         NEXT RUN             DETAIL
    nightly  one-time    active                  archive      500     500       0   9.5 MiB  1.0 MiB/s  -                    -                    running
    weekly   continuous  finished with warnings  archive      998     998       2  19.0 MiB  1.0 MiB/s  2026-11-21 22:12:05  2026-11-22 00:00:00  -
    nightly  one-time    inactive                archive        0       0       0       0 B          -  -                    -                    -
    ");
}

#[test]
fn job_show() {
    assert_snapshot!(run(&daemon("GET /v1/jobs/nightly", sample::job_new()), "job show nightly"), @"
    exit 0
    --- stdout
    job nightly
      connection    main
      storage       archive
      mailboxes     all that the connection lists
      type          one-time
      items         of any age
      state         inactive
      last success  -
      next run      -
      failed items  none
    ");
    let problems = json!([sample::problem("carol@example.org", "no-mailbox", "there is no such mailbox", "correct the address with `c2bctl job edit`")]);
    let mut job = sample::job_ended("finished-with-warnings", "", 2, problems);
    job["run"]["throttled-secs"] = json!(61);
    assert_snapshot!(run(&daemon("GET /v1/jobs/nightly", job), "job show nightly"), @"
    exit 0
    --- stdout
    job nightly
      connection    main
      storage       archive
      mailboxes     all that the connection lists
      type          one-time
      items         of any age
      state         finished with warnings
      last success  2026-11-21 22:12:05
      next run      -
      failed items  2 (`c2bctl job failures nightly` lists them)

    run of 2026-11-21 22:10:00, cycle 1
      ended      2026-11-21 22:12:05 (took 2 min 05 s)
      scanned    998 items
      stored     998 items, 19.0 MiB
      failed     2 items
      deleted    0 items at the source
      new        6.7 MiB that the storage did not hold, before compression
      speed      1.0 MiB/s, 51.5 items/s
      throttled  1 min 01 s at the server's request

    MAILBOX            PHASE  KNOWN  STORED  UNCHANGED  EXCLUDED  FAILED  LEFT     BYTES
    alice@example.org  done   1,000     998          0         0       2     0  19.0 MiB
    bob@example.org    done       0       0          0         0       0     0       0 B

    problems
      carol@example.org: there is no such mailbox (no-mailbox)
        hint: correct the address with `c2bctl job edit`
    ");
}

#[test]
fn job_start() {
    let daemon = daemon("POST /v1/jobs/nightly/start", sample::job_running(0));
    assert_snapshot!(run(&daemon, "job start nightly"), @"
    exit 0
    --- stdout
    started job nightly; see how it goes with `c2bctl job watch nightly`
    ");
    asked(&daemon, "POST /v1/jobs/nightly/start", json!({}));
}

#[test]
fn job_start_outside_of_its_periods() {
    let mut armed = sample::job_ended("inactive", "starts at 2026-11-22 22:00 +01:00", 0, json!([]));
    armed["definition"]["activity"] = json!({"daily": {"from": "22:00", "to": "06:00"}});
    armed["next-run"] = json!("2026-11-22T21:00:00Z");
    let daemon = daemon("POST /v1/jobs/nightly/start", armed);
    assert_snapshot!(run(&daemon, "job start nightly --now"), @"
    exit 0
    --- stdout
    job nightly follows its activity periods again: it starts at 2026-11-22 22:00 +01:00
    ");
    asked(&daemon, "POST /v1/jobs/nightly/start", json!({"now": true}));
}

#[test]
fn job_schedule() {
    let daemon = daemon("GET /v1/jobs/nightly/schedule?n=2", sample::schedule());
    assert_snapshot!(run(&daemon, "job schedule nightly -n 2"), @"
    exit 0
    --- stdout
    activity periods of job nightly in Europe/Warsaw
    BEGINS                       ENDS                         LASTS       BEGINS (UTC)      ENDS (UTC)
    Fri 2026-03-27 22:00 +01:00  Sat 2026-03-28 06:00 +01:00  8 h 00 min  2026-03-27 21:00  2026-03-28 05:00
    Sat 2026-03-28 22:00 +01:00  Sun 2026-03-29 06:00 +02:00  7 h 00 min  2026-03-28 21:00  2026-03-29 04:00
    ");
}

#[test]
fn job_create_with_activity_periods() {
    for (flags, activity) in [
        ("--daily", json!({"daily": {}})),
        (
            "--daily --every 3 --first-day 2026-12-01 --between 22:00-06:00",
            json!({"daily": {"every": 3, "from": "22:00", "to": "06:00", "start": "2026-12-01"}}),
        ),
        ("--weekly mon,friday --rearm", json!({"rearm": true, "weekly": {"on": ["monday", "friday"]}})),
        ("--monthly 15 last --last-day 2027-01-31", json!({"monthly": {"on": [15, "last"], "end": "2027-01-31"}})),
        (
            "--custom 2026-12-24T18:00/2026-12-27T06:00 --time-zone Europe/Warsaw --catch-up",
            json!({
                "time-zone": "Europe/Warsaw", "catch-up": true, "custom": [{"from": "2026-12-24T18:00", "to": "2026-12-27T06:00"}]
            }),
        ),
    ] {
        let daemon = daemon("POST /v1/jobs", sample::job_new());
        let said = run(&daemon, &format!("job create nightly --connection main --storage archive --all-except --one-time {flags}")).to_string();
        assert!(said.contains("exit 0"), "{said}");
        assert_eq!(daemon.requests().last().unwrap().body["activity"], activity, "{flags}");
    }
    for (flags, complaint) in [
        ("--daily --every 2", "give start"),
        ("--rearm", "give --daily, --weekly, --monthly or --custom"),
        ("--daily --weekly mon", "cannot be used with"),
        ("--daily --between 22-6", "expected hh:mm"),
        ("--monthly 32", "expected 1 to 31"),
        ("--custom 2026-12-27T06:00/2026-12-24T18:00", "ends before it begins"),
    ] {
        let daemon = daemon("POST /v1/jobs", sample::job_new());
        let said = run(&daemon, &format!("job create nightly --connection main --storage archive --all-except --one-time {flags}")).to_string();
        assert!(said.contains("exit 2") && said.contains(complaint), "{flags}: {said}");
    }
}

#[test]
fn job_history() {
    let daemon = daemon("GET /v1/jobs/nightly/history?n=2", sample::history());
    assert_snapshot!(run(&daemon, "job history nightly -n 2"), @"
    exit 0
    --- stdout
    STARTED                    TOOK  END       SCANNED  STORED  FAILED  DELETED    BYTES       NEW  DETAIL
    2026-11-21 21:00:00         5 s  failed          0       0       0        2  1.4 MiB  19.5 KiB  the server refused the password
    2026-11-20 21:00:00  1 h 30 min  finished    1,000     250       0        2  1.4 MiB  19.5 KiB  -
    ");
}

#[test]
fn job_show_toml() {
    let daemon = daemon("GET /v1/jobs/nightly/definition", json!({"text": "name = \"nightly\"\ncontinuity = \"one-time\"\n"}));
    assert_eq!(run(&daemon, "job show nightly --toml").stdout, "name = \"nightly\"\ncontinuity = \"one-time\"\n");
}

#[test]
fn job_apply() {
    let applied = json!([{"name": "one", "outcome": "created"}, {"name": "two", "outcome": "changed"}, {"name": "three", "outcome": "unchanged"}]);
    let daemon = daemon("POST /v1/apply", applied);
    let file = daemon.dir().join("jobs.toml");
    std::fs::write(&file, "[[job]]\n").unwrap();
    assert_snapshot!(run(&daemon, &format!("job apply -f {} --stop", file.display())), @"
    exit 0
    --- stdout
    made job one
    changed job two
    job three is like that already
    ");
    asked(&daemon, "POST /v1/apply", json!({"text": "[[job]]\n", "file": file, "stop": true}));
    let missing = run(&daemon, "job apply -f /nowhere/jobs.toml");
    assert!(missing.exit == 1 && missing.stderr.contains("failed to read /nowhere/jobs.toml"), "{missing}");
}

#[test]
fn job_failures_are_csv_that_a_spreadsheet_takes() {
    let mut failures = sample::failures();
    failures[0]["subject"] = json!("=HYPERLINK(\"x\"), now");
    let daemon = daemon("GET /v1/jobs/nightly/failures", failures);
    let csv = run(&daemon, "job failures nightly --csv").stdout;
    assert!(csv.starts_with("mailbox,folder,item,subject,date,size,code,message,attempts,first-seen,last-seen,next-try,job\n"), "{csv}");
    assert!(csv.contains(",\"'=HYPERLINK(\"\"x\"\"), now\","), "{csv}");
}

#[test]
fn config_check() {
    let daemon = daemon("GET /v1/status", sample::status());
    let etc = daemon.dir().join("etc");
    std::fs::create_dir_all(etc.join("jobs")).unwrap();
    let check = |text: &str| {
        std::fs::write(etc.join("jobs/nightly.toml"), text).unwrap();
        run(&daemon, &format!("config check {}", etc.join("jobs/nightly.toml").display()))
    };
    let good = "connection = \"main\"\nstorage = \"archive\"\ncontinuity = \"one-time\"\nsource = { all-except = [] }\n";
    let found = check(good);
    if found.stderr.contains("failed to start") {
        // The daemon's program is not built where this package's tests run alone.
        return;
    }
    assert_eq!((found.exit, found.stdout.as_str()), (0, "1 definition reads well\n"), "{found}");
    let found = check(&good.replace("storage", "storrage"));
    assert!(
        found.exit == 4 && found.stderr.contains("nightly.toml:2: unknown field `storrage`") && found.stderr.contains("did you mean `storage`?"),
        "{found}"
    );
    assert!(daemon.requests().is_empty(), "the daemon was asked");
}

#[test]
fn alert_list() {
    let daemon = daemon("GET /v1/alerts", sample::alerts());
    assert_snapshot!(run(&daemon, "alert list"), @"
    exit 0
    --- stdout
    KIND     WHERE        SINCE                WHAT                             WHAT TO DO
    failure  job nightly  2026-11-21 20:00:00  the server refused the password  give another one

    TOLD BY  TO                   LAST WORKED          WAITING  PROBLEM
    mail     ann@example.org      2026-11-21 20:00:05        0  -
    hook     /usr/local/bin/tell  -                          1  it ended with exit status: 3
    ");
}

#[test]
fn alert_test_says_which_way_does_not_work() {
    let tests =
        json!([{"channel": "mail", "to": "ann@example.org"}, {"channel": "hook", "to": "/bin/tell", "error": "/bin/tell ended with exit status: 3: no"}]);
    let daemon = daemon("POST /v1/alerts/test", tests);
    let said = run(&daemon, "alert test");
    assert!(said.exit == 1 && said.stdout.contains("mail to ann@example.org: handed over") && said.stderr.contains("exit status: 3"), "{said}");
}

#[test]
fn job_stop() {
    let daemon = daemon("POST /v1/jobs/nightly/stop", sample::job_ended("inactive", "stopped by root", 0, json!([])));
    assert_snapshot!(run(&daemon, "job stop nightly"), @"
    exit 0
    --- stdout
    stopped job nightly; what was fetched is kept, and the next start goes on from there
    ");
}

#[test]
fn job_edit() {
    let daemon = daemon("PUT /v1/jobs/nightly", sample::job_new());
    assert_snapshot!(run(&daemon, "job edit nightly --connection other --stop"), @"
    exit 0
    --- stdout
    changed job nightly; see it with `c2bctl job show nightly`
    ");
    asked(&daemon, "PUT /v1/jobs/nightly", json!({ "connection": "other", "stop": true }));
    run(&daemon, "job edit nightly --all-except a@x --continuous --idle 01:00:00");
    asked(
        &daemon,
        "PUT /v1/jobs/nightly",
        json!({ "source": { "all-except": ["a@x"] }, "continuity": { "continuous": { "idle": "01:00:00" } }, "stop": false }),
    );
}

#[test]
fn job_delete() {
    let script = [("GET /v1/jobs/nightly", Answer::Json(200, sample::job_new())), ("DELETE /v1/jobs/nightly", Answer::Json(200, json!({})))];
    assert_snapshot!(run(&Daemon::new(script), "job delete nightly --yes"), @"
    exit 0
    --- stdout
    deleted job nightly: what it backed up stays in its storage
    ");
}

#[test]
fn job_failures() {
    assert_snapshot!(run(&daemon("GET /v1/jobs/nightly/failures", sample::failures()), "job failures nightly"), @"
    exit 0
    --- stdout
    MAILBOX            FOLDER          SUBJECT              DATE                      SIZE  CODE               WHY                              TRIES  NEXT TRY
    alice@example.org  Inbox/Projekte  Re: �[2Jbudget 2027  2026-03-01 08:00:00  150.0 MiB  ErrorItemCorrupt   the server cannot read the item      3  2026-11-21 23:00:00
    bob@example.org    Calendar        -                    -                            -  ErrorAccessDenied  no rights                            1  not again
    ");
}

#[test]
fn job_coverage() {
    let daemon = daemon("GET /v1/jobs/nightly/coverage", sample::coverage());
    assert_snapshot!(run(&daemon, "job coverage nightly"), @"
    exit 0
    --- stdout
    MAILBOX            PART      STATE                      WHY
    alice@example.org  archive   not available              Access is denied (ErrorAccessDenied)
    alice@example.org  calendar  excluded by configuration  the job leaves it out
    bob@example.org    archive   not available              the mailbox has none
    ");
    assert_snapshot!(run(&daemon, "job coverage nightly --all"), @"
    exit 0
    --- stdout
    MAILBOX            PART      STATE                      WHY
    alice@example.org  primary   included                   -
    alice@example.org  archive   not available              Access is denied (ErrorAccessDenied)
    alice@example.org  calendar  excluded by configuration  the job leaves it out
    bob@example.org    archive   not available              the mailbox has none
    ");
}

#[test]
fn mailbox_list() {
    let mailboxes = json!([
        { "address": "alice@example.org", "display-name": "Alice Żółć", "kind": "user", "archive": true },
        { "address": "room1@example.org", "display-name": "Room 1", "kind": "room", "archive": false },
        { "address": "system@example.org", "display-name": "System", "kind": "system", "skipped": "the server keeps it for itself" }
    ]);
    assert_snapshot!(run(&daemon("GET /v1/connections/main/mailboxes", mailboxes), "mailbox list main"), @"
    exit 0
    --- stdout
    ADDRESS             NAME        KIND    ARCHIVE  NOT BACKED UP
    alice@example.org   Alice Żółć  user    yes      -
    room1@example.org   Room 1      room    no       -
    system@example.org  System      system  -        the server keeps it for itself
    --- stderr
    1 of 3 are not backed up by \"all except\"
    ");
}

#[test]
fn an_empty_list_leaves_standard_output_empty() {
    let script = ["GET /v1/connections", "GET /v1/storages", "GET /v1/jobs", "GET /v1/jobs/nightly/failures", "GET /v1/connections/main/mailboxes"];
    let daemon = Daemon::new(script.map(|line| (line, Answer::Json(200, json!([])))));
    let mut notes = String::new();
    for args in ["connection list", "storage list", "job list", "job failures nightly", "mailbox list --connection main", "job watch"] {
        let seen = run(&daemon, args);
        assert_eq!((seen.exit, seen.stdout.as_str()), (0, ""), "{args}");
        notes += &seen.stderr;
        let quiet = run(&daemon, &format!("{args} --quiet"));
        assert_eq!((quiet.exit, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""), "{args}");
    }
    assert_snapshot!(notes, @"
    there is no connection yet: make one with `c2bctl connection create`
    there is no storage yet: make one with `c2bctl storage create`
    there is no job yet: make one with `c2bctl job create`
    no item of job nightly has failed
    the server lists no mailboxes: name them with --mailbox, or see `c2bctl connection check main`
    no job runs now
    ");
}

#[test]
fn quiet_says_nothing_of_what_was_done() {
    let script = [
        ("POST /v1/jobs/nightly/start", Answer::Json(200, sample::job_running(0))),
        ("GET /v1/jobs/nightly/watch", Answer::Lines(vec![sample::job_running(10), sample::job_finished()])),
        ("GET /v1/jobs/nightly", Answer::Json(200, sample::job_new())),
        ("DELETE /v1/jobs/nightly", Answer::Json(200, json!({}))),
        ("POST /v1/storages/archive/check", Answer::Lines(vec![sample::check_done(false)])),
    ];
    let daemon = Daemon::new(script);
    for args in ["job start nightly", "job start nightly --wait", "job delete nightly --yes", "storage check archive"] {
        let run = run(&daemon, &format!("--quiet {args}"));
        assert_eq!((run.exit, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""), "{args}");
    }
}

#[test]
fn a_name_with_odd_letters_is_asked_for_as_it_is() {
    let daemon = daemon("GET /v1/jobs/B%C3%BCro%3F%23%25", sample::job_new());
    assert_eq!(run(&daemon, "job show Büro?#%").exit, 0);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let daemon = daemon("GET /v1/jobs", Value::Array(vec![sample::job_running(500); 2000]));
    let script = format!("{} --socket {} job list | head -n 1; echo ${{PIPESTATUS[0]}}", crate::run::PROGRAM, daemon.socket().display());
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((text.lines().count(), text.lines().last(), output.stderr.as_slice()), (2, Some("0"), &b""[..]), "{text}");
}
