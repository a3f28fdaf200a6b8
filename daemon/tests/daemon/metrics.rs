//! Metrics beside the control socket.

use crate::stand::{Stand, wait};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn ask(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Some(answer)
}

fn settings(stand: &Stand, text: &str) {
    std::fs::create_dir_all(stand.path("etc")).unwrap();
    std::fs::write(stand.path("etc/c2bd.toml"), text).unwrap();
}

fn bad_news(stand: &Stand) -> String {
    stand.get("/v1/status").1["bad-news"].to_string()
}

#[test]
fn they_are_told_where_the_settings_say_and_a_reload_changes_it() {
    let mut stand = Stand::new();
    let (first, second) = (free_address(), free_address());
    let file = stand.path("c2b.prom");
    settings(&stand, &format!("[metrics]\nlisten = \"{first}\"\ntextfile = {file:?}\n"));
    stand.start();
    let answer = wait(|| ask(&first));
    assert!(answer.starts_with("HTTP/1.0 200") && answer.contains("text/plain; version=0.0.4") && answer.contains("c2b_build_info{"), "{answer}");
    wait(|| std::fs::read_to_string(&file).ok()?.contains("c2b_build_info{").then_some(()));

    settings(&stand, &format!("[metrics]\nlisten = \"{second}\"\n"));
    stand.reload();
    wait(|| ask(&second));
    wait(|| ask(&first).is_none().then_some(()));
    wait(|| (!file.exists()).then_some(()));

    // What is wrong changes nothing but the bad news.
    settings(&stand, "[metrics]\nlisten = \"0.0.0.0:9770\"\n");
    stand.reload();
    let news = bad_news(&stand);
    assert!(news.contains("c2bd.toml:2: 0.0.0.0:9770 is not a loopback address") && news.contains("stay in force"), "{news}");
    assert!(ask(&second).is_some());
}

#[test]
fn what_does_not_work_is_bad_news_until_it_works() {
    let mut stand = Stand::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = stand.path("prometheus");
    let text = format!("[metrics]\nlisten = \"{}\"\ntextfile = {:?}\n", taken.local_addr().unwrap(), Path::join(&folder, "c2b.prom"));
    settings(&stand, &text);
    stand.start();
    wait(|| Some(bad_news(&stand)).filter(|news| news.contains("failed to listen at 127.0.0.1") && news.contains("c2b.prom")));
    drop(taken);
    std::fs::create_dir(&folder).unwrap();
    settings(&stand, &format!("{text}\n# again\n"));
    stand.terminate();
    stand.start();
    wait(|| (bad_news(&stand) == "[]").then_some(()));
}
