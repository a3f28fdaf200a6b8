//! Each way to fail: the message, the hint, the exit code.

use crate::daemon::{Answer, Daemon};
use crate::run::{Run, command, run};
use crate::sample;
use insta::assert_snapshot;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

fn run_at(dir: &Path, socket: &Path) -> Run {
    Run::of(&command(dir).arg("--socket").arg(socket).arg("status").output().unwrap(), dir)
}

#[test]
fn each_code_of_the_daemon_has_its_exit_code() {
    let table = [
        ("invalid", 400, 2),
        ("forbidden", 403, 5),
        ("not-found", 404, 1),
        ("exists", 409, 1),
        ("state", 409, 1),
        ("config", 422, 4),
        ("auth", 502, 5),
        ("server", 502, 1),
        ("storage", 500, 1),
        ("low-space", 507, 7),
        ("internal", 500, 1),
    ];
    for (code, status, exit) in table {
        let daemon = Daemon::new([("GET /v1/status", Answer::Json(status, sample::error(code, "it went wrong", "do better")))]);
        let words = run(&daemon, "status");
        assert_eq!((words.exit, words.stdout.as_str(), words.stderr.as_str()), (exit, "", "error: it went wrong\nhint: do better\n"), "{code}");
        let json = run(&daemon, "status --json");
        let expected = json!({ "error": { "code": code, "message": "it went wrong", "hint": "do better", "exit": exit } });
        assert_eq!((json.exit, json.values(), json.stderr), (exit, vec![expected], words.stderr), "{code}");
    }
}

#[test]
fn no_socket() {
    let dir = tempfile::tempdir().unwrap();
    assert_snapshot!(run_at(dir.path(), &dir.path().join("c2bd.sock")), @"
    exit 6
    --- stderr
    error: failed to reach c2bd at DIR/c2bd.sock: there is no such socket
    hint: start the daemon with `systemctl start c2bd`; if it listens elsewhere, name its socket with --socket or C2B_SOCKET
    ");
}

#[test]
fn nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("c2bd.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert_snapshot!(run_at(dir.path(), &socket), @"
    exit 6
    --- stderr
    error: failed to reach c2bd at DIR/c2bd.sock: the socket exists, but nobody listens
    hint: start the daemon with `systemctl start c2bd`; if it listens elsewhere, name its socket with --socket or C2B_SOCKET
    ");
}

#[test]
fn not_a_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("c2bd.sock");
    std::fs::write(&socket, "").unwrap();
    assert_snapshot!(run_at(dir.path(), &socket), @"
    exit 6
    --- stderr
    error: failed to reach c2bd at DIR/c2bd.sock: it is not a socket
    hint: name the daemon's socket with --socket or C2B_SOCKET
    ");
}

#[test]
fn no_permission() {
    // Root may open everything: the binary runs as nobody, where it can become nobody.
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("c2bd.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o660)).unwrap();
    let program = Path::new("/usr/bin/setpriv");
    let copy = dir.path().join("c2bctl");
    std::fs::copy(crate::run::PROGRAM, &copy).unwrap();
    if !nix::unistd::Uid::effective().is_root() || !program.exists() {
        eprintln!("skipped: needs root and setpriv");
        return;
    }
    let mut command = std::process::Command::new(program);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy).arg("--socket").arg(&socket).arg("status").env_clear();
    assert_snapshot!(Run::of(&command.output().unwrap(), dir.path()), @"
    exit 6
    --- stderr
    error: failed to reach c2bd at DIR/c2bd.sock: permission denied
    hint: only the daemon's own user and the members of its group may speak to it
    ");
}

#[test]
fn the_environment_names_the_socket_and_the_flag_wins() {
    let daemon = Daemon::new([("GET /v1/jobs", Answer::Json(200, json!([])))]);
    let by_environment = command(daemon.dir()).env("C2B_SOCKET", daemon.socket()).args(["job", "list"]).output().unwrap();
    assert_eq!(by_environment.status.code(), Some(0));
    let by_flag = command(daemon.dir()).env("C2B_SOCKET", "/nowhere").args(["job", "list", "--socket"]).arg(daemon.socket()).output().unwrap();
    assert_eq!(by_flag.status.code(), Some(0));
    let wrong = Run::of(&command(daemon.dir()).env("C2B_SOCKET", "/nowhere/c2bd.sock").args(["job", "list"]).output().unwrap(), daemon.dir());
    assert_eq!(wrong.exit, 6);
    assert!(wrong.stderr.contains("/nowhere/c2bd.sock: there is no such socket"), "{wrong}");
}

#[test]
fn the_daemon_hangs_up() {
    assert_snapshot!(run(&Daemon::new([("GET /v1/status", Answer::Raw(b""))]), "status"), @"
    exit 6
    --- stderr
    error: failed to reach c2bd at DIR/c2bd.sock: it closed the connection without an answer
    hint: see what happened to the daemon with `journalctl -u c2bd -n 50`
    ");
}

#[test]
fn the_daemon_hangs_up_in_its_answer() {
    let daemon = Daemon::new([("GET /v1/status", Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"version\":"))]);
    assert_snapshot!(run(&daemon, "status"), @"
    exit 6
    --- stderr
    error: c2bd went away in the middle of its answer
    hint: see what happened to the daemon with `journalctl -u c2bd -n 50`
    ");
}

#[test]
fn the_answer_is_of_another_version() {
    let daemon = Daemon::new([("GET /v1/status", Answer::Json(200, json!({ "version": "9" })))]);
    assert_snapshot!(run(&daemon, "status"), @"
    exit 1
    --- stderr
    error: failed to understand the daemon's answer: missing field `now` at line 1 column 15
    hint: c2bctl and c2bd may be of different versions: restart the daemon after an upgrade with `systemctl restart c2bd`
    ");
}

#[test]
fn the_daemon_answers_without_json() {
    let daemon = Daemon::new([("GET /v1/status", Answer::Raw(b"HTTP/1.1 500 X\r\ncontent-length: 5\r\nconnection: close\r\n\r\npanic"))]);
    assert_snapshot!(run(&daemon, "status"), @"
    exit 1
    --- stderr
    error: c2bd answered HTTP 500 Internal Server Error
    hint: see what happened to the daemon with `journalctl -u c2bd -n 50`
    ");
}

#[test]
fn a_mistyped_name_is_told_the_nearest() {
    let daemon = Daemon::new([
        ("GET /v1/jobs", Answer::Json(200, json!([sample::job_new()]))),
        ("GET /v1/storages", Answer::Json(200, json!([sample::storage()]))),
        ("GET /v1/connections", Answer::Json(200, json!([]))),
        ("GET /v1/jobs/nigthly", Answer::Json(404, sample::error("not-found", "there is no job nigthly", ""))),
        ("POST /v1/jobs/nigthly/start", Answer::Json(404, sample::error("not-found", "there is no job nigthly", ""))),
        ("GET /v1/jobs/xyz", Answer::Json(404, sample::error("not-found", "there is no job xyz", ""))),
        ("POST /v1/storages/archiv/mount", Answer::Json(404, sample::error("not-found", "there is no storage archiv", "did you mean archive?"))),
        ("GET /v1/storages/archiv", Answer::Json(404, sample::error("not-found", "there is no storage archiv", "did you mean archive?"))),
        ("GET /v1/connections/main", Answer::Json(404, sample::error("not-found", "there is no connection main", ""))),
        ("POST /v1/jobs", Answer::Json(404, sample::error("not-found", "there is no storage archvie", ""))),
    ]);
    let mut said = String::new();
    for args in [
        "job show nigthly",
        "job start nigthly --wait",
        "job delete nigthly --yes",
        "job show xyz",
        "storage show archiv",
        "mount archiv /mnt",
        "connection show main",
        "job create x --connection main --storage archvie --mailbox a@x --one-time",
    ] {
        let run = run(&daemon, args);
        assert_eq!((run.exit, run.stdout.as_str()), (1, ""), "{args}");
        said += &format!("$ {args}\n{}", run.stderr);
    }
    assert_snapshot!(said, @"
    $ job show nigthly
    error: there is no job nigthly
    hint: did you mean `nightly`? `c2bctl job list` shows all
    $ job start nigthly --wait
    error: there is no job nigthly
    hint: did you mean `nightly`? `c2bctl job list` shows all
    $ job delete nigthly --yes
    error: there is no job nigthly
    hint: did you mean `nightly`? `c2bctl job list` shows all
    $ job show xyz
    error: there is no job xyz
    hint: `c2bctl job list` shows all
    $ storage show archiv
    error: there is no storage archiv
    hint: did you mean archive?
    $ mount archiv /mnt
    error: there is no storage archiv
    hint: did you mean archive?
    $ connection show main
    error: there is no connection main
    hint: there is no connection yet: make one with `c2bctl connection create`
    $ job create x --connection main --storage archvie --mailbox a@x --one-time
    error: there is no storage archvie
    hint: did you mean `archive`? `c2bctl storage list` shows all
    ");
}

#[test]
fn wrong_usage() {
    let daemon = Daemon::new([]);
    let mut said = String::new();
    for args in [
        "stauts",
        "job lst",
        "job show",
        "job show a/b",
        "job start nightly --wiat",
        "job create x --connection c --storage s --mailbox a",
        "job create x --connection c --storage s --one-time",
        "job create x --connection c --storage s --mailbox a --all-except --one-time",
        "job create x --connection c --storage s --mailbox a --one-time --continuous",
        "job create x --connection c --storage s --mailbox a --one-time --idle 00:01:00",
        "job create x --connection c --storage s --mailbox a --continuous --idle 90s",
        "job edit nightly",
        "job edit nightly --stop",
        "connection create x --kind imap --url u --user u",
        "completions tcsh",
    ] {
        let words = run(&daemon, args);
        assert_eq!((words.exit, words.stdout.as_str()), (2, ""), "{args}: {words}");
        let first = words.stderr.split("\nUsage:").next().unwrap().split("\nFor more").next().unwrap().trim_end();
        said += &format!("$ {args}\n{first}\n");
        let json = run(&daemon, &format!("{args} --json"));
        assert_eq!((json.exit, json.values().len()), (2, 1), "{args}: {json}");
        assert_eq!(json.values()[0]["error"]["exit"], 2, "{args}");
    }
    assert!(daemon.requests().is_empty());
    assert_snapshot!(said, @r#"
    $ stauts
    error: unrecognized subcommand 'stauts'

      tip: some similar subcommands exist: 'audit', 'status'
    $ job lst
    error: unrecognized subcommand 'lst'

      tip: some similar subcommands exist: 'stop', 'list'
    $ job show
    error: the following required arguments were not provided:
      <NAME>
    $ job show a/b
    error: invalid value 'a/b' for '<NAME>': a name is not empty, has no `/` and is neither `.` nor `..`
    $ job start nightly --wiat
    error: unexpected argument '--wiat' found

      tip: a similar argument exists: '--wait'
    $ job create x --connection c --storage s --mailbox a
    error: the following required arguments were not provided:
      <--one-time|--continuous|--idle <HH:MM:SS>>
    $ job create x --connection c --storage s --one-time
    error: the following required arguments were not provided:
      <--mailbox <ADDRESS>...|--all-except [<ADDRESS>...]>
    $ job create x --connection c --storage s --mailbox a --all-except --one-time
    error: the argument '--mailbox <ADDRESS>...' cannot be used with '--all-except [<ADDRESS>...]'
    $ job create x --connection c --storage s --mailbox a --one-time --continuous
    error: the argument '--one-time' cannot be used with '--continuous'
    $ job create x --connection c --storage s --mailbox a --one-time --idle 00:01:00
    error: the argument '--one-time' cannot be used with '--idle <HH:MM:SS>'
    $ job create x --connection c --storage s --mailbox a --continuous --idle 90s
    error: invalid value '90s' for '--idle <HH:MM:SS>': "90s" is not a time: expected hh:mm:ss, for instance 00:01:00
    $ job edit nightly
    error: nothing is to be changed, and there is no terminal for an editor
    hint: see `c2bctl job edit --help` for what can be changed
    $ job edit nightly --stop
    error: nothing is to be changed, and there is no terminal for an editor
    hint: see `c2bctl job edit --help` for what can be changed
    $ connection create x --kind imap --url u --user u
    error: invalid value 'imap' for '--kind <KIND>'
      [possible values: ews]
    $ completions tcsh
    error: invalid value 'tcsh' for '<SHELL>'
      [possible values: bash, zsh, fish]

      tip: a similar value exists: 'zsh'
    "#);
}

#[test]
fn deleting_needs_yes_where_nobody_can_be_asked() {
    let daemon = Daemon::new([("GET /v1/storages/archive", Answer::Json(200, sample::storage()))]);
    assert_snapshot!(run(&daemon, "storage delete archive"), @"
    exit 2
    --- stderr
    error: deleting storage archive needs --yes where nobody can be asked
    hint: say --yes if that is wanted; its files stay where they are
    ");
    assert_eq!(daemon.requests().len(), 1, "nothing is deleted");
}

#[test]
fn text_of_the_daemon_cannot_steer_the_terminal() {
    let daemon = Daemon::new([("GET /v1/status", Answer::Json(502, sample::error("server", "the server said \u{1b}]0;x\u{7}\nhello", "\u{9b}2J")))]);
    let run = run(&daemon, "status");
    assert_eq!(run.stderr, "error: the server said \u{fffd}]0;x\u{fffd} hello\nhint: \u{fffd}2J\n");
}
