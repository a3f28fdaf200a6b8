//! Starting and ending.

use crate::stand::{Stand, wait};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::fs::PermissionsExt;

#[test]
fn it_starts_answers_and_ends() {
    let mut stand = Stand::started();
    let (status, body) = stand.get("/v1/status");
    assert_eq!((status, body["pid"].as_u64().unwrap()), (200, u64::from(stand.pid())));
    assert_eq!(body["bad-news"].as_array().unwrap().len(), 0, "{body}");
    assert_eq!(std::fs::metadata(stand.socket()).unwrap().permissions().mode() & 0o777, 0o660);
    stand.signal(Signal::SIGTERM);
    stand.wait_for_notification("STOPPING=1");
    assert!(stand.ended().success());
    assert!(!stand.socket().exists(), "the socket was left behind");
    stand.start();
    stand.signal(Signal::SIGINT);
    assert!(stand.ended().success());
}

#[test]
fn a_socket_left_by_a_kill_is_replaced() {
    let mut stand = Stand::started();
    stand.kill();
    assert!(stand.socket().exists());
    stand.start();
    assert_eq!(stand.get("/v1/status").0, 200);
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_with_the_pid_of_the_first() {
    let stand = Stand::started();
    let output = stand.command(&[]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(message.contains(&format!("pid {}", stand.pid())), "{message}");
    assert_eq!(stand.get("/v1/status").0, 200, "the first was disturbed");
}

#[test]
fn a_second_daemon_on_the_same_socket_is_refused_and_the_first_goes_on() {
    let stand = Stand::started();
    let output = stand.command_on("other").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("answers at"), "{output:?}");
    assert_eq!(stand.get("/v1/status").0, 200);
}

#[test]
fn in_the_background_it_writes_its_pid_and_answers() {
    let stand = Stand::new();
    let (pid_file, log) = (stand.path("c2bd.pid"), stand.path("background.log"));
    // A daemon that was killed left this.
    std::fs::write(&pid_file, "4194304999\n").unwrap();
    let options = ["--daemonize", "--pid-file", pid_file.to_str().unwrap(), "--log-file", log.to_str().unwrap()];
    let output = stand.command(&options).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let (_, body) = stand.get("/v1/status");
    let pid = i32::try_from(body["pid"].as_i64().unwrap()).unwrap();
    wait(|| (std::fs::read_to_string(&pid_file).ok()?.trim() == pid.to_string()).then_some(()));
    wait(|| std::fs::read_to_string(&log).ok()?.contains("daemon ready").then_some(()));

    let second = stand.command(&options).output().unwrap();
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && message.contains(&format!("pid {pid}")), "{second:?}");
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap().trim(), pid.to_string(), "the pid file is another's now");
    assert_eq!(stand.get("/v1/status").1["pid"], pid, "the first was disturbed");

    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    wait(|| (!stand.socket().exists() && !pid_file.exists()).then_some(()));
}

#[test]
fn a_pid_file_that_is_held_is_told_to_the_terminal() {
    let stand = Stand::new();
    let pid_file = stand.path("c2bd.pid");
    std::fs::write(&pid_file, "17\n").unwrap();
    let held = Flock::lock(std::fs::File::open(&pid_file).unwrap(), FlockArg::LockExclusive).unwrap();
    let output = stand.command(&["--daemonize", "--pid-file", pid_file.to_str().unwrap()]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another process (pid 17) holds the pid file"), "{output:?}");
    drop(held);
}

#[test]
fn the_watchdog_is_fed_while_the_daemon_answers_itself() {
    let mut stand = Stand::new();
    stand.start_with(&[("WATCHDOG_USEC", "200000")]);
    for _ in 0..3 {
        stand.wait_for_notification("WATCHDOG=1");
    }
    let (status, body) = stand.get("/v1/alive");
    assert_eq!((status, body), (200, serde_json::json!({})));
}

#[test]
fn what_fails_before_the_background_is_told_to_the_terminal() {
    let stand = Stand::new();
    std::fs::write(stand.socket(), "not a socket").unwrap();
    let output = stand.command(&["--daemonize"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a socket"), "{output:?}");
}
