//! Bad input: each mistake is named, says what to do, and loses nothing.

use c2b_tests::{Bench, Outcome, program};
use std::net::TcpListener;
use std::process::Command;

/// Asserts an exit code, that the message names the trouble, and that it says what to do.
#[track_caller]
fn refused(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, code, "{outcome:#?}");
    let said = (outcome.stdout.clone() + &outcome.stderr).to_lowercase();
    for word in words {
        assert!(said.contains(&word.to_lowercase()), "{word:?} is not in: {outcome:#?}");
    }
}

#[test]
fn each_way_not_to_reach_the_server_is_told_apart() {
    let bench = Bench::company(2, 20, &[]);
    let ctl = bench.ctl();
    let connect = |name: &str, url: &str, more: &[&str]| {
        let mut args = vec!["connection", "create", name, "--kind", "ews", "--url", url, "--user", "admin", "--password-file"];
        let password = bench.text("password");
        args.push(&password);
        args.extend(more);
        ctl.run(&args)
    };
    // Wrong password.
    bench.write_password("wrong");
    assert_eq!(connect("wrong-password", &bench.lab.url, &[]).code, 0);
    bench.write_password("secret");
    refused(&ctl.run(&["connection", "check", "wrong-password"]), 5, &["password"]);
    // Wrong URL: a server, but no EWS there.
    assert_eq!(connect("wrong-url", &format!("{}/nothing/here", bench.lab.base()), &[]).code, 0);
    refused(&ctl.run(&["connection", "check", "wrong-url"]), 1, &["url"]);
    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(connect("nobody", &format!("http://{free}/EWS/Exchange.asmx"), &[]).code, 0);
    refused(&ctl.run(&["connection", "check", "nobody"]), 1, &["reach"]);
    // A password in the clear over the network.
    refused(&connect("clear", "http://mail.example.org/EWS/Exchange.asmx", &[]), 2, &["https", "--insecure"]);
    // No such mailbox: the job fails and says so, and another job is untouched by it.
    for (job, connection, mailbox, code, words) in [
        ("a", "wrong-password", bench.lab.mailboxes()[0].as_str(), 5, "password"),
        ("b", "nobody", bench.lab.mailboxes()[0].as_str(), 1, "connection"),
        ("c", "lab", "no-such@example.org", 1, "no-such@example.org"),
        ("d", "wrong-url", bench.lab.mailboxes()[0].as_str(), 1, "url"),
    ] {
        ctl.ok(&["job", "create", job, "--connection", connection, "--storage", "main", "--mailbox", mailbox, "--one-time"]);
        let outcome = ctl.run(&["job", "start", job, "--wait"]);
        refused(&outcome, code, &[words]);
        assert_eq!(ctl.json(&["job", "show", job])["state"], "error", "a job that backed up nothing must not finish");
    }
}

#[test]
fn an_untrusted_certificate_is_named_and_a_given_authority_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let cert = dir.path().join("ca.pem");
    let bench = Bench::company(2, 20, &[]);
    let lab = c2b_tests::Lab::serve(&bench.lab.org, &["--tls", "--tls-cert-out", cert.to_str().unwrap()]);
    let ctl = bench.ctl();
    let password = bench.text("password");
    let base = ["--kind", "ews", "--url", &lab.url, "--user", "admin", "--password-file", &password];
    ctl.ok(&[&["connection", "create", "stranger"], &base[..]].concat());
    refused(&ctl.run(&["connection", "check", "stranger"]), 1, &["certificate", "--ca-file"]);
    ctl.ok(&[&["connection", "create", "known"], &base[..], &["--ca-file", cert.to_str().unwrap()]].concat());
    ctl.ok(&["connection", "check", "known"]);
}

#[test]
fn a_user_without_rights_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users");
    std::fs::write(&users, "admin:secret:impersonate\nplain:secret\n").unwrap();
    let bench = Bench::company(2, 20, &["--users", users.to_str().unwrap()]);
    let ctl = bench.ctl();
    let password = bench.text("password");
    ctl.ok(&["connection", "create", "plain", "--kind", "ews", "--url", &bench.lab.url, "--user", "plain", "--password-file", &password]);
    ctl.ok(&["job", "create", "plain", "--connection", "plain", "--storage", "main", "--mailbox", &bench.lab.mailboxes()[0], "--one-time"]);
    refused(&ctl.run(&["job", "start", "plain", "--wait"]), 5, &["impersonat"]);
}

#[test]
fn a_storage_path_that_will_not_do_is_refused_and_left_alone() {
    let bench = Bench::company(2, 20, &[]);
    let ctl = bench.ctl();
    std::fs::create_dir(bench.path("full")).unwrap();
    std::fs::write(bench.path("full/precious.txt"), "mine").unwrap();
    refused(&ctl.run(&["storage", "create", "other", "--path", &bench.text("full")]), 1, &["empty"]);
    assert_eq!(std::fs::read_to_string(bench.path("full/precious.txt")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(bench.path("full")).unwrap().count(), 1, "something was put there");
    // The same folder under a second name, and a storage that another daemon holds.
    refused(&ctl.run(&["storage", "create", "twin", "--path", &bench.text("storage")]), 1, &["main"]);
    bench.job_all("all");
    bench.run("all");
    let second = tempfile::tempdir().unwrap();
    let other = c2b_tests::Daemon::start(second.path());
    refused(&other.ctl().run(&["storage", "create", "main", "--path", &bench.text("storage")]), 1, &["use"]);
    // A newer format.
    let newer = bench.path("newer");
    assert!(Command::new("cp").arg("-r").arg(bench.storage()).arg(&newer).status().unwrap().success());
    let identity = std::fs::read_to_string(newer.join("storage.toml")).unwrap();
    let line = identity.lines().find(|line| line.starts_with("format = 2")).expect("the format's version is written down");
    std::fs::write(newer.join("storage.toml"), identity.replace(line, &line.replace('2', "9"))).unwrap();
    refused(&ctl.run(&["storage", "create", "newer", "--path", newer.to_str().unwrap()]), 1, &["newer"]);
}

#[test]
fn mistyped_words_get_the_nearest_match() {
    let bench = Bench::company(1, 10, &[]);
    let ctl = bench.ctl();
    refused(&ctl.run(&["job", "craete", "x"]), 2, &["create"]);
    refused(&ctl.run(&["job", "create", "x", "--conection", "lab"]), 2, &["--connection"]);
    refused(&ctl.run(&["storage", "show", "mian"]), 1, &["main"]);
    std::fs::create_dir_all(bench.path("etc/connections")).unwrap();
    std::fs::write(bench.path("etc/connections/hand.toml"), "kind = \"ews\"\nurl = \"https://mail.example.org/EWS/Exchange.asmx\"\nusre = \"x\"\n").unwrap();
    bench.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    c2b_tests::until("the bad file shows in the status", || {
        let status = ctl.run(&["status"]);
        let said = status.stdout + &status.stderr;
        (said.contains("hand.toml:3") && said.contains("user")).then_some(())
    });
}

#[test]
fn nobody_at_the_socket_says_where_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let ctl = c2b_tests::Ctl::new(&dir.path().join("none.sock"));
    refused(&ctl.run(&["status"]), 6, &["none.sock", "c2bd"]);
    let output = Command::new(program("c2bd")).arg("--frobnicate").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
