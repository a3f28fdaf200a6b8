//! Completion as a real bash asks for it, and the manual pages.

use crate::daemon::{Answer, Daemon};
use crate::run::{PROGRAM, command};
use crate::sample;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Returns what bash offers for the last of some words.
fn offered(socket: &Path, words: &str) -> Vec<String> {
    let script = r#"
        PATH=$1:$PATH
        source <(c2bctl completions bash)
        COMP_WORDS=($2); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_TYPE=9
        [ "${2: -1}" != " " ] || { COMP_WORDS+=(""); COMP_CWORD=$((COMP_CWORD + 1)); }
        _clap_complete_c2bctl c2bctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>&1
        printf '%s\n' "${COMPREPLY[@]}""#;
    let folder = Path::new(PROGRAM).parent().unwrap();
    let output = Command::new("bash").args(["-c", script, "bash"]).arg(folder).arg(words).env("C2B_SOCKET", socket).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn names_come_from_the_daemon() {
    let daemon = Daemon::new([
        ("GET /v1/jobs", Answer::Json(200, json!([sample::job_running(10)]))),
        ("GET /v1/storages", Answer::Json(200, json!([sample::storage(), sample::storage_sealed()]))),
        ("GET /v1/connections", Answer::Json(200, json!([sample::connection(), sample::connection_insecure()]))),
    ]);
    for (words, expected) in [
        ("c2bctl job start ", "nightly"),
        ("c2bctl job show ni", "nightly"),
        ("c2bctl storage show va", "vault"),
        ("c2bctl connection check l", "lab"),
        ("c2bctl job create x --storage ar", "archive"),
        ("c2bctl monitor --job n", "nightly"),
        ("c2bctl storage erase archive ali", "alice@example.org"),
        ("c2bctl mount va", "vault"),
        ("c2bctl sta", "status"),
        ("c2bctl job li", "list"),
        ("c2bctl job start nightly --wa", "--wait"),
    ] {
        let offered = offered(&daemon.socket(), words);
        assert!(offered.iter().any(|word| word == expected), "{words:?}: {offered:?}");
    }
    let new = offered(&daemon.socket(), "c2bctl job create ni");
    assert!(!new.contains(&"nightly".to_owned()), "a name that is taken is offered for a new job: {new:?}");
}

#[test]
fn without_a_daemon_nothing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let offered = offered(&dir.path().join("missing.sock"), "c2bctl job start ni");
    assert!(offered.iter().all(|word| !word.contains("error")) && !offered.contains(&"nightly".to_owned()), "{offered:?}");
}

#[test]
fn each_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).args(["man", "."]).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    for page in ["c2bctl.1", "c2bctl-job.1", "c2bctl-job-create.1", "c2bctl-storage-password-add.1", "c2bctl-monitor.1"] {
        let text = std::fs::read_to_string(dir.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH \"SEE ALSO\"") || text.contains(".SH SEE ALSO"), "{page}:\n{text}");
    }
    let text = std::fs::read_to_string(dir.path().join("c2bctl-job-start.1")).unwrap();
    assert!(text.contains(".SH EXAMPLES\n.nf\n  c2bctl job start nightly\n"), "{text}");
    assert!(std::fs::read_to_string(dir.path().join("c2bctl.1")).unwrap().contains(".SH EXIT CODES"));
    assert!(!dir.path().join("c2bctl-man.1").exists());
    if Command::new("man").arg("--version").output().is_err() {
        return;
    }
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let output = Command::new("man").args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).arg(&path).env("MANROFFSEQ", "").output().unwrap();
        assert!(output.stderr.is_empty(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    }
}
