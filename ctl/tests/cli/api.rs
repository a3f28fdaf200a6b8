//! The description of the daemon's socket.

use crate::run::command;
use serde_json::Value;
use std::path::Path;

/// The copy that people and other programs read.
const COPY: &str = "../doc/openapi.json";

#[test]
fn the_copy_in_the_documents_is_what_this_version_speaks() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).args(["api", "schema"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(COPY);
    let text = String::from_utf8(output.stdout).unwrap();
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    if text != copy && std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(&path, &text).unwrap();
        return;
    }
    assert!(text == copy, "doc/openapi.json is old: run this test with INSTA_UPDATE=always, and look whether the version must change");
    let json = command(dir.path()).args(["api", "schema", "--json"]).output().unwrap();
    let values: [Value; 2] = [serde_json::from_slice(&json.stdout).unwrap(), serde_json::from_str(&text).unwrap()];
    assert_eq!(values[0], values[1]);
}
