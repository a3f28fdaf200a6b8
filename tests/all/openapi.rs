//! The description of the control socket is true: real commands against a real daemon and a real server, each request and each
//! answer held against it, and no route left out.

use super::contract::Contract;
use super::letters::letter;
use c2b_tests::{Bench, Ctl, Exchange, Tap, ask, in_a_session};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const ANNA: &str = "anna@example.org";

/// What a user does, with the exit code; `DIR` is the test's folder.
const COMMANDS: &[(&str, i32)] = &[
    ("status", 0),
    ("monitor", 1),
    ("metrics", 0),
    ("access show", 0),
    ("config show --effective", 0),
    ("alert list", 0),
    ("alert test", 2),
    ("alert password --password-file DIR/password", 0),
    ("connection list", 0),
    ("connection show lab", 0),
    ("connection show none", 1),
    ("connection check lab", 0),
    ("connection public-folders lab", 1),
    ("mailbox list lab", 0),
    ("connection edit lab --password-file DIR/password", 0),
    ("connection password set lab --password-file DIR/long-password", 0),
    ("connection lock lab", 0),
    ("connection unlock lab --password-file DIR/long-password", 0),
    ("connection unlock lab --password-file DIR/password", 5),
    ("connection password remove lab --yes", 0),
    ("connection create second --kind ews --url http://127.0.0.1:1/EWS/Exchange.asmx --user x --password-file DIR/password", 0),
    ("connection sign-in second", 1),
    ("connection check second", 1),
    ("connection delete second --yes", 0),
    ("job create all --connection lab --storage main --all-except nobody@example.org --one-time", 0),
    ("job create all --connection lab --storage main --all-except nobody@example.org --one-time", 1),
    ("job create other --connection lab --storage main --mailbox anna@example.org --continuous --idle 00:05:00 --daily --between 22:00-06:00", 0),
    ("job delete other --yes", 1),
    ("job edit other --stop --no-periods", 0),
    ("job stop other", 0),
    ("job delete other --yes", 0),
    ("job start all --wait", 3),
    ("job watch all", 3),
    ("job show all", 0),
    ("job show all --toml", 0),
    ("job list", 0),
    ("job history all", 0),
    ("job coverage all", 0),
    ("job failures all", 0),
    ("job failures all --retry", 0),
    ("job failures all --acknowledge", 0),
    ("job failures all --retry", 1),
    ("job stop all", 1),
    ("job copy all second", 0),
    ("job rename second third", 0),
    ("job edit third --weekly monday,friday --between 22:00-06:00 --rearm", 0),
    ("job edit third --monthly 1 last \"second tuesday\"", 0),
    ("job schedule third -n 3", 0),
    ("job edit third --not-older-than 6mo --leave-out junk", 0),
    ("job apply -f DIR/jobs.toml", 0),
    ("job apply -f DIR/jobs.toml --dry-run", 0),
    ("job disable third", 0),
    ("job start third", 1),
    ("job enable third", 0),
    ("job delete third --yes", 0),
    ("storage list", 0),
    ("storage show main", 0),
    ("storage check main --read-data", 0),
    ("storage check main --subset 1/3", 0),
    ("storage rebuild main", 0),
    ("storage repair main", 0),
    ("storage prune main", 1),
    ("storage retention set main --versions-max 1 --yes", 0),
    ("storage retention thaw main", 1),
    ("storage prune main --dry-run", 0),
    ("storage prune main", 0),
    ("storage unprune main", 0),
    ("storage free main", 0),
    ("storage copy main DIR/copy", 0),
    ("storage erase main anna@example.org --yes", 0),
    ("storage erased main", 0),
    ("storage allow main anna@example.org", 0),
    ("storage create sealed DIR/sealed --seal --password-file DIR/password", 0),
    ("storage show sealed", 0),
    ("storage password list sealed", 0),
    ("storage password add sealed --label ann --password-file DIR/long-password", 0),
    ("storage password remove sealed --label ann --yes", 0),
    ("storage recovery-key sealed --yes", 0),
    ("storage rotate-keys sealed --yes", 3),
    ("storage unlock sealed --password-file DIR/long-password", 5),
    ("storage rename sealed attic", 0),
    ("storage delete attic --yes", 0),
    ("storage delete main --yes", 1),
    ("audit show", 0),
    ("audit verify", 0),
];

const JOBS: &str = "[[job]]\nname = \"fourth\"\nconnection = \"lab\"\nstorage = \"main\"\ncontinuity = { continuous = { idle = \"01:00:00\" } }\nsource = { only = [\"anna@example.org\"] }\n";

/// What no command says as it is tried here.
fn rest(bench: &Bench) -> Vec<Exchange> {
    let socket = bench.path("c2bd.sock");
    let (put, mount) = (json!({"present": "secret", "password": "another one"}).to_string(), json!({"dir": "/mnt"}).to_string());
    [
        ("GET", "/v1/alive", String::new()),
        ("GET", "/v1/openapi.json", String::new()),
        ("POST", "/v1/storages/main/mount", mount.clone()),
        ("POST", "/v1/mounts", mount.clone()),
        ("POST", "/v1/mounts/readings", mount),
        ("POST", "/v1/storages/none/passwords/change", put),
        ("PATCH", "/v1/jobs", String::new()),
        ("GET", "/v1/nothing", String::new()),
    ]
    .map(|(method, path, body)| ask(&socket, method, path, body.as_bytes()))
    .into()
}

#[test]
fn what_is_asked_and_answered_is_as_described_and_no_route_is_left_out() {
    if !in_a_session("all::openapi::what_is_asked_and_answered_is_as_described_and_no_route_is_left_out") {
        return;
    }
    let faults = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(faults.path(), "[[fault]]\nitem_subject = 'letter 1'\naction = 'item-error'\ncode = 'ErrorItemCorrupt'\n").unwrap();
    let bench = Bench::organisation(|org| (0..4).for_each(|n| letter(org, ANNA, n, 1, 3000)), &["--faults", faults.path().to_str().unwrap()]);
    let contract = Contract::of(&bench.path("c2bd.sock"));
    let long = bench.path("long-password");
    std::fs::write(&long, "correct horse battery").unwrap();
    std::fs::set_permissions(&long, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(bench.path("jobs.toml"), JOBS).unwrap();
    let tap = Tap::new(&bench.path("tap.sock"), &bench.path("c2bd.sock"));
    let ctl = Ctl::new(tap.path());
    for (command, code) in COMMANDS {
        let command = command.replace("DIR", bench.path("").to_str().unwrap().trim_end_matches('/'));
        let words: Vec<String> = split(&command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let outcome = ctl.run(&words);
        assert_eq!(outcome.code, *code, "{command}: {outcome:#?}");
    }
    let asked = tap.kept();
    for exchange in &asked {
        contract.is_well_asked(exchange);
    }
    let others = rest(&bench);
    let mut seen = BTreeSet::new();
    for exchange in asked.iter().chain(&others) {
        match contract.operation(&exchange.method, &exchange.path) {
            Some(operation) => {
                contract.holds(exchange);
                seen.insert((operation.method.to_owned(), operation.path.to_owned()));
            }
            None => assert!([404, 405].contains(&exchange.status), "{exchange:?}"),
        }
    }
    let all: BTreeSet<(String, String)> = contract.operations().map(|operation| (operation.method.to_owned(), operation.path.to_owned())).collect();
    let missed: Vec<_> = all.difference(&seen).collect();
    assert!(missed.is_empty(), "nobody asked for {missed:?}");
}

/// What a body may hold is what is described: the daemon itself lists its keys when it is given another one.
#[test]
fn every_body_takes_the_keys_that_are_described_and_no_others() {
    let bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 10), &[]);
    let socket = bench.path("c2bd.sock");
    bench.job_all("all");
    let contract = Contract::of(&socket);
    let mut looked = 0;
    for operation in contract.operations() {
        let schema = &operation.says["requestBody"]["content"]["application/json"]["schema"];
        let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) else { continue };
        let described: BTreeSet<String> = contract.document["components"]["schemas"][name]["properties"].as_object().unwrap().keys().cloned().collect();
        let object = [("connections", "lab"), ("storages", "main"), ("jobs", "all")].into_iter().find(|(noun, _)| operation.path.contains(noun));
        let path = operation.path.replace("{name}", object.map_or("", |(_, name)| name));
        let answer = ask(&socket, &operation.method.to_uppercase(), &path, br#"{"no-such-key":1}"#);
        let error: Value = serde_json::from_slice(&answer.answer).unwrap();
        let text = error["message"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 400, "{path}: {error}");
        // "unknown field `x`, expected `a` or `b`", or "expected one of `a`, `b`".
        let taken: BTreeSet<String> =
            text.split("expected").nth(1).unwrap_or_else(|| panic!("{path}: {text}")).split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let hidden = BTreeSet::from(["owner".to_owned()]);
        assert_eq!(taken.difference(&hidden).cloned().collect::<BTreeSet<_>>(), described, "{path}: {text}");
        looked += 1;
    }
    assert!(looked > 20, "{looked}");
}

/// What `doc/control-api.md` says to type works.
#[test]
fn the_examples_of_the_document_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl on this machine");
        return;
    }
    let bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 10), &[]);
    bench.job_all("nightly");
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../doc/control-api.md")).unwrap();
    let examples: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("    curl ")).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let line = format!("curl -sS --fail-with-body {example}").replace("/run/c2b/c2bd.sock", &bench.text("c2bd.sock"));
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert!(output.status.success() && output.stdout.starts_with(b"{"), "{line}: {output:?}");
        if example.contains("/start") {
            bench.ctl().ok(&["job", "watch", "nightly"]);
        }
    }
}

/// Asks somebody who knows OpenAPI better, where one can be had.
#[test]
fn others_understand_the_description() {
    let checker = std::env::var_os("C2B_OPENAPI_VALIDATOR").unwrap_or_else(|| "openapi-spec-validator".into());
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/../doc/openapi.json");
    match Command::new(&checker).arg(copy).output() {
        Err(error) => eprintln!("skipped: {} (PyPI: openapi-spec-validator) cannot be started: {error}", checker.display()),
        Ok(output) => assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    }
}

/// Splits a line at its spaces, but for those in quotation marks.
fn split(line: &str) -> Vec<String> {
    line.split('"')
        .enumerate()
        .flat_map(|(n, part)| if n % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() })
        .collect()
}
