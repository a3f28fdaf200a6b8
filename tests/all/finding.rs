//! A server that Autodiscover finds, and mailboxes that a group lists.

use c2b_tests::Bench;
use std::path::Path;

fn organisation(org: &Path) {
    for name in ["alice", "bob", "carol"] {
        let inbox = org.join(format!("{name}@example.localhost/Inbox"));
        std::fs::create_dir_all(&inbox).unwrap();
        std::fs::write(inbox.join("1.eml"), format!("From: {name}@example.localhost\r\nSubject: of {name}\r\n\r\nHello\r\n")).unwrap();
    }
    groups(org, "\"alice@example.localhost\", \"more@example.localhost\", \"guest@else.org\"", "\"bob@example.localhost\", \"all@example.localhost\"");
    let script = "[[answer]]\naddress = \"old@example.localhost\"\nredirect_address = \"alice@example.localhost\"\n\
                  [[answer]]\naddress = \"moved@example.localhost\"\nredirect_url = \"https://mail.hoster.invalid/autodiscover/autodiscover.svc\"\n";
    std::fs::write(org.join(".autodiscover.toml"), script).unwrap();
}

fn groups(org: &Path, all: &str, more: &str) {
    let text =
        format!("[[group]]\naddress = \"all@example.localhost\"\nmembers = [{all}]\n[[group]]\naddress = \"more@example.localhost\"\nmembers = [{more}]\n");
    std::fs::write(org.join(".groups.toml"), text).unwrap();
}

#[test]
fn a_server_is_found_from_an_address_and_its_mailboxes_from_a_group() {
    let bench = Bench::organisation(organisation, &[]);
    let ctl = bench.ctl();
    let (place, password) = (format!("{}/autodiscover/autodiscover.svc", bench.lab.base()), bench.text("password"));
    let create = |name: &str, address: &str| {
        let args = ["connection", "create", name, "--kind", "ews", "--user", "admin", "--password-file", &password, "--autodiscover", address];
        ctl.run(&[&args[..], &["--autodiscover-url", &place, "--mailboxes", "group:all@example.localhost"]].concat())
    };
    let made = create("found", "old@example.localhost");
    assert_eq!(made.code, 0, "{made:#?}");
    assert!(made.stderr.contains(&bench.lab.url), "{made:#?}");
    let shown = ctl.json(&["connection", "show", "found"]);
    assert_eq!((shown["found"]["url"].as_str(), shown["url"].as_str()), (Some(bench.lab.url.as_str()), None));
    // The check tells each step, and opens some of the listed mailboxes.
    let checked = ctl.ok(&["connection", "check", "found"]);
    for words in ["says to look for alice@example.localhost", "EWS is at", "3 are listed", "of 2 mailboxes tried: 2 by impersonation"] {
        assert!(checked.contains(words), "{words:?} is not in {checked}");
    }
    let listed = ctl.json(&["mailbox", "list", "found"]);
    let listed: Vec<(&str, bool)> = listed.as_array().unwrap().iter().map(|row| (row["address"].as_str().unwrap(), row["skipped"].is_null())).collect();
    assert_eq!(listed, [("alice@example.localhost", true), ("bob@example.localhost", true), ("guest@else.org", false)]);
    ctl.ok(&["job", "create", "all", "--connection", "found", "--storage", "main", "--all-except", "--one-time"]);
    ctl.ok(&["job", "start", "all", "--wait"]);
    let job = ctl.json(&["job", "show", "all"]);
    let covered: Vec<&str> = job["run"]["mailboxes"].as_array().unwrap().iter().map(|row| row["address"].as_str().unwrap()).collect();
    assert_eq!(covered, ["alice@example.localhost", "bob@example.localhost"]);
    // A place on a host that nobody approved is named, and given nothing.
    let refused = create("elsewhere", "moved@example.localhost");
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("mail.hoster.invalid") && refused.stderr.contains("--approve-host"), "{refused:#?}");
}
