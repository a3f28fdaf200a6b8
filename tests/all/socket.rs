//! The control socket under callers who know nothing, or mean harm: each gets an answer that says what is wrong, or loses its
//! connection; the daemon goes on, and so do its backups.

mod bodies;

use super::contract::Contract;
use super::letters::letter;
use bodies::Maker;
use c2b_tests::{Bench, Exchange, ask, until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ANNA: &str = "anna@example.org";

/// Callers at once.
const CALLERS: usize = 1000;

/// Longest wait for the daemon to end a connection.
const PATIENCE: Duration = Duration::from_secs(30);

fn socket(bench: &Bench) -> PathBuf {
    bench.path("c2bd.sock")
}

/// Asserts that the daemon is the one that was started, answers, and met no defect of its own.
fn is_well(bench: &Bench) {
    let status = ask(&socket(bench), "GET", "/v1/status", b"");
    assert_eq!(status.status, 200);
    let pid = serde_json::from_slice::<Value>(&status.answer).unwrap()["pid"].as_u64();
    assert_eq!(pid, Some(u64::from(bench.daemon.pid())));
    let log = bench.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Asserts that an answer is described, and that the daemon does not call it its own fault.
fn is_answered(contract: &Contract, exchange: &Exchange) {
    let told = || {
        format!("{} {} {:?} answered {:?}", exchange.method, exchange.path, String::from_utf8_lossy(&exchange.body), String::from_utf8_lossy(&exchange.answer))
    };
    assert!(exchange.status != 0 && exchange.status != 500, "{}", told());
    match contract.operation(&exchange.method, &exchange.path) {
        Some(_) => contract.holds(exchange),
        None => assert!([400, 404, 405].contains(&exchange.status), "{}", told()),
    }
}

#[test]
fn whatever_a_body_holds_is_answered_in_words() {
    let bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 100), &[]);
    let socket = socket(&bench);
    bench.job_all("all");
    let contract = Contract::of(&socket);
    let with_body: Vec<(String, String, Value)> = contract
        .operations()
        .filter(|operation| operation.says.get("requestBody").is_some())
        .map(|operation| {
            let schema = operation.says["requestBody"]["content"]["application/json"]["schema"].clone();
            (operation.method.to_uppercase(), operation.path.to_owned(), schema)
        })
        .collect();
    assert!(with_body.len() > 20);
    let maker = Maker::new(&contract.document, bench.path(""));
    for (method, path, schema) in &with_body {
        let object =
            [("connections", "lab"), ("storages", "main"), ("jobs", "all")].into_iter().find(|(noun, _)| path.contains(noun)).map_or("", |(_, name)| name);
        // What is there is left as it is, so that each body meets it: other names get the bodies that could change it.
        let path = path.replace("{name}", object);
        let bodies = any::<u64>().prop_map(|seed| maker.body(schema, seed));
        TestRunner::new(Config { cases: 14, failure_persistence: None, ..Config::default() })
            .run(&bodies, |body| {
                is_answered(&contract, &ask(&socket, method, &path, &body));
                Ok(())
            })
            .unwrap();
    }
    is_well(&bench);
}

#[test]
fn whatever_stands_in_a_path_is_answered_in_words() {
    let bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 100), &[]);
    let socket = socket(&bench);
    let contract = Contract::of(&socket);
    let long = "x".repeat(300);
    let names = ["..", ".", "%2e%2e", "%2e%2e%2fmain", "%00", "%ff", "%c3%28", "a%2fb", "a%0d%0ax", "%1b%5b2J", "%e2%80%aeX", long.as_str(), "%"];
    for operation in contract.operations().filter(|operation| operation.path.contains("{name}")) {
        for name in names {
            let path = operation.path.replace("{name}", name);
            is_answered(&contract, &ask(&socket, &operation.method.to_uppercase(), &path, b"{}"));
        }
    }
    for path in [
        "/",
        "//",
        "/v1",
        "/v1/",
        "/v1/jobs/",
        "/v1/../v1/status",
        "/v1/audit?limit=x",
        "/v1/audit?limit=-1",
        "/v1/audit?since=%ff",
        "/v1/jobs/x/history?n=99999999999999999999",
    ] {
        let answer = ask(&socket, "GET", path, b"");
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        let error: Value = serde_json::from_slice(&answer.answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer:?}"));
        assert!(error["code"].is_string() && !error["message"].as_str().unwrap().is_empty(), "{path}: {error}");
    }
    // A name that is nobody's must not have become a file.
    let etc: Vec<PathBuf> = c2b_tests::files(&bench.path("etc"));
    assert!(etc.iter().all(|path| ["lab.toml", "main.toml", "all.toml"].contains(&path.file_name().unwrap().to_str().unwrap())), "{etc:?}");
    is_well(&bench);
}

#[test]
fn what_is_no_request_is_turned_away_at_each_of_its_bytes() {
    let bench = Bench::organisation(|org| letter(org, ANNA, 0, 1, 100), &[]);
    let socket = socket(&bench);
    bench.job_all("all");
    let before = files_open(&bench);
    let body = r#"{"name":"other","connection":"lab","storage":"main","source":{"only":["a@b.org"]},"continuity":"one-time"}"#;
    let whole = format!("POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for end in 0..whole.len() {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(&whole.as_bytes()[..end]).unwrap();
        if end % 2 == 0 {
            // Half of them still listen.
            stream.shutdown(Shutdown::Write).unwrap();
            let told = heard(&mut stream);
            assert!(!told.starts_with("HTTP/1.1 200"), "cut at {end}: {told}");
        }
    }
    let jobs = ask(&socket, "GET", "/v1/jobs", b"");
    assert_eq!(serde_json::from_slice::<Value>(&jobs.answer).unwrap().as_array().unwrap().len(), 1, "half a request was obeyed");
    let many_headers: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let garbage: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello in TLS".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\0\0\0\0\0\0\0\0\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /v1/status\r\n\r\n".to_vec(),
        b"GET /v1/status HTTP/9.9\r\n\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000)).into_bytes(),
        format!("GET /v1/status HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200_000)).into_bytes(),
        format!("GET /v1/status HTTP/1.1\r\nhost: x\r\n{many_headers}\r\n").into_bytes(),
        b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n{}".to_vec(),
        b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x".to_vec(),
        b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_vec(),
    ];
    for bytes in garbage {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // Who is refused early may not be read to the end.
        let _ = stream.write_all(&bytes);
        let told = heard(&mut stream);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{:?}: {told}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
    }
    // Several requests at once are answered in their order.
    let mut stream = UnixStream::connect(&socket).unwrap();
    let one = "GET /v1/alive HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(format!("{}GET /v1/alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", one.repeat(50)).as_bytes()).unwrap();
    assert_eq!(heard(&mut stream).matches("HTTP/1.1 200 OK").count(), 51);
    // Too much is told to be too much, however it comes.
    let long = vec![b' '; 2 * 1024 * 1024];
    let answer = ask(&socket, "POST", "/v1/jobs", &long);
    assert_eq!((answer.status, code(&answer.answer)), (413, "too-long".to_owned()));
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    for _ in 0..40 {
        let _ = stream.write_all(b"10000\r\n").and_then(|()| stream.write_all(&long[..0x10000])).and_then(|()| stream.write_all(b"\r\n"));
    }
    let _ = stream.write_all(b"0\r\n\r\n");
    assert!(heard(&mut stream).starts_with("HTTP/1.1 413"));
    until("all connections are closed", || (files_open(&bench) <= before).then_some(()));
    is_well(&bench);
}

#[test]
fn a_thousand_callers_of_all_kinds_leave_nothing_behind_and_a_backup_goes_on() {
    let hard = raise_files();
    let callers = CALLERS.min(usize::try_from(hard / 4).unwrap_or(CALLERS));
    let bench = Bench::organisation(|org| (0..60).for_each(|n| letter(org, ANNA, n, 1, 100_000)), &["--latency", "60"]);
    let socket = socket(&bench);
    bench.job_all("all");
    is_well(&bench);
    let (files, rest) = (files_open(&bench), memory(&bench));
    bench.ctl().ok(&["job", "start", "all"]);
    let mut silent = Vec::new();
    for n in 0..callers {
        let mut stream = UnixStream::connect(&socket).unwrap_or_else(|error| panic!("caller {n}: {error}"));
        let said: &[u8] = match n % 5 {
            // Never says anything; stops in its head; stops in its body; watches and never reads; keeps what it has answered.
            0 => b"",
            1 => b"GET /v1/status HTTP/1.1\r\nhost: x\r\nx-slow: ",
            2 => b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 500000\r\n\r\n{\"name\":",
            3 => b"GET /v1/jobs/all/watch HTTP/1.1\r\nhost: x\r\n\r\n",
            _ => b"GET /v1/alive HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        stream.write_all(said).unwrap();
        silent.push(stream);
    }
    // Others are served meanwhile, at once.
    is_well(&bench);
    let most = memory(&bench);
    assert!(most < rest + 150 * 1024 * 1024, "{callers} callers took {} MiB", (most - rest) / 1024 / 1024);
    let done = bench.ctl().run(&["job", "watch", "all"]);
    assert_eq!(done.code, 0, "{done:#?}");
    assert_eq!(bench.ctl().json(&["storage", "show", "main"])["items"], 60);
    bench.ctl().ok(&["storage", "check", "main", "--read-data"]);
    // Those that are slow lose their connection: while their bytes come one by one, too.
    let mut drip = UnixStream::connect(&socket).unwrap();
    drip.write_all(b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 500000\r\n\r\n").unwrap();
    let mut dripped = 0;
    until("a slow caller loses its connection", || {
        dripped += 1;
        let is_gone = drip.write_all(b" ").is_err();
        drip.set_nonblocking(true).unwrap();
        let told = drip.read(&mut [0; 4096]);
        drip.set_nonblocking(false).unwrap();
        (is_gone || told.is_ok() || told.is_err_and(|error| error.kind() != ErrorKind::WouldBlock)).then_some(())
    });
    assert!(dripped < 1400, "{dripped} bytes were waited for");
    for (n, stream) in silent.iter_mut().enumerate().filter(|(n, _)| n % 5 < 3) {
        let told = heard(stream);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "caller {n}: {told}");
    }
    drop(silent);
    drop(drip);
    until("all connections are closed", || (files_open(&bench) <= files + 8).then_some(()));
    let after = memory(&bench);
    assert!(after < rest + 100 * 1024 * 1024, "{} MiB stay", (after - rest) / 1024 / 1024);
    is_well(&bench);
}

/// Reads what is told until the connection ends.
fn heard(stream: &mut UnixStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
            panic!("the connection was left open after {:?}", String::from_utf8_lossy(&bytes))
        }
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

fn code(answer: &[u8]) -> String {
    serde_json::from_slice::<Value>(answer).unwrap()["code"].as_str().unwrap().to_owned()
}

fn files_open(bench: &Bench) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", bench.daemon.pid())).unwrap().count()
}

/// Memory that the daemon holds, in bytes.
fn memory(bench: &Bench) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(bench.daemon.pid().to_string()).join("status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Lets this process open as many files as it may; returns how many.
fn raise_files() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = hard.min(65_536);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).unwrap();
    wanted
}
