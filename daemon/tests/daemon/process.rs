//! Starting and ending.

use crate::stand::{Stand, wait};
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
    let pid_file = stand.path("c2bd.pid");
    let output = stand.command(&["--daemonize", "--pid-file", pid_file.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let pid: i32 = wait(|| std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok());
    let (_, body) = stand.get("/v1/status");
    assert_eq!(body["pid"], pid);
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    wait(|| (!stand.socket().exists() && !pid_file.exists()).then_some(()));
}

#[test]
fn what_fails_before_the_background_is_told_to_the_terminal() {
    let stand = Stand::new();
    std::fs::write(stand.socket(), "not a socket").unwrap();
    let output = stand.command(&["--daemonize"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a socket"), "{output:?}");
}
