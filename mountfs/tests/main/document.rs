//! The examples of `doc/semantics.md` are carried out: every `console` block, in the mount that the document describes.

use crate::bench::{Bench, mail, usable};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The storage that the examples show.
fn example() -> Bench {
    let mut bench = Bench::new();
    let inbox = bench.folder("inbox", None, "Inbox");
    let projects = bench.folder("projects", Some("inbox"), "A/B");
    let mut budget = mail("budget", "Re: budget 2027?", b"Subject: Re: budget 2027?\r\n\r\nYes.\r\n");
    budget.meta.received = Some("2025-03-14T09:22:31Z".parse().unwrap());
    budget.meta.recipients.truncate(1);
    bench.put(inbox, budget);
    let mut plan = mail("plan", "plan", b"Subject: plan\r\n\r\nfirst\r\n");
    plan.meta.received = Some("2025-03-13T16:00:00Z".parse().unwrap());
    bench.put(projects, plan);
    bench.commit_at("2025-03-14T10:30:00Z".parse().unwrap());
    let mut news = mail("news", "news", b"Subject: news\r\n\r\n");
    news.meta.received = Some("2025-03-14T10:59:00Z".parse().unwrap());
    bench.put(inbox, news);
    bench.commit_at("2025-03-14T11:00:00Z".parse().unwrap());
    bench
}

/// Commands (`$ …`) with the lines that they print.
fn examples(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (_, Some(command)) if inside => found.push((command.to_owned(), String::new())),
            (line, None) if inside => {
                if let Some((_, output)) = found.last_mut() {
                    output.push_str(line);
                    output.push('\n');
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_examples_of_the_document_are_true() {
    if !usable() {
        return;
    }
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../doc/semantics.md")).unwrap();
    let bench = example();
    let mounted = bench.mount("mnt", &[]);
    let examples = examples(&document);
    assert!(examples.len() >= 8, "{} examples", examples.len());
    for (command, expected) in examples {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir(&mounted.target)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "$ {command}");
    }
}
