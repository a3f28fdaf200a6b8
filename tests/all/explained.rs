//! Every code that a person can meet is explained by `c2bctl explain`: this looks for them in the sources.

use c2b_api::ErrorCode;
use c2b_tests::{files, program};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the code of a source file without its tests.
fn source(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// Returns all sources of a crate, with their paths.
fn sources(of: &str) -> Vec<(PathBuf, String)> {
    let dir = root().join(of).join("src");
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") && !path.ends_with("fuzz.rs");
    files(&dir).into_iter().filter(is_source).map(|path| (path.clone(), source(&dir.join(path)))).collect()
}

/// Returns the literals that stand behind a beginning, with at most `between` in between.
fn literals(text: &str, beginning: &str, between: &str) -> Vec<String> {
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let behind = flat.split(beginning).skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let rest = if between.is_empty() { rest } else { rest.split_once(between)?.1.trim_start() };
        rest.strip_prefix('"')?.split('"').next()
    });
    behind.map(str::to_owned).collect()
}

#[test]
fn every_code_of_the_sources_is_explained() {
    let output = Command::new(program("c2bctl")).args(["explain", "--json"]).output().unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let explained: BTreeSet<&str> = listed.iter().map(|entry| entry["code"].as_str().unwrap()).collect();
    let mut codes: BTreeSet<String> = ErrorCode::ALL.iter().map(|code| code.word().to_owned()).collect();
    let mut found = |from: &str, more: Vec<String>, least: usize| {
        assert!(more.len() >= least, "of {from} only {more:?} were found: is this test out of date?");
        codes.extend(more);
    };
    let daemon = sources("daemon");
    let of_daemon = |beginning: &str| daemon.iter().flat_map(|(_, text)| literals(text, beginning, "")).collect::<Vec<_>>();
    found("problems of jobs", of_daemon("whole("), 8);
    found("other problems", of_daemon(" code: "), 4);
    let trouble = daemon.iter().find(|(path, _)| path.ends_with("engine/problem.rs")).unwrap();
    let words = trouble.1.split("fn code(").nth(1).unwrap().split("fn hint(").next().unwrap();
    found("troubles of a source", literals(words, "Trouble::", "=>"), 15);
    let ews = sources("ews");
    found("failures of EWS", ews.iter().flat_map(|(_, text)| literals(text, "Failure::new(Trouble::", ",")).collect(), 30);
    found(
        "names of failures of EWS",
        ews.iter().flat_map(|(_, text)| ["SHORT: &str =", "TIMED_OUT: &str ="].map(|name| literals(text, name, ""))).flatten().collect(),
        2,
    );
    let errors = ews.iter().find(|(path, _)| path.ends_with("error.rs") && path.components().count() == 1).unwrap();
    let meaning = errors.1.split("fn meaning(").nth(1).unwrap();
    found("codes of Exchange", meaning.split('"').filter(|word| word.starts_with("Error")).map(str::to_owned).collect(), 60);
    let alerts = source(&root().join("api/src/alert.rs"));
    found("alerts", literals(alerts.split("fn word(").nth(1).unwrap().split("\n}").next().unwrap(), "Self::", "=>"), 9);
    let ctl = source(&root().join("ctl/src/error.rs"));
    found("failures of c2bctl", literals(ctl.split("fn code(").nth(1).unwrap().split("fn sentence(").next().unwrap(), "=>", ""), 5);
    let missing: Vec<&String> = codes.iter().filter(|code| !explained.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "`c2bctl explain` does not know {missing:?}");
}
