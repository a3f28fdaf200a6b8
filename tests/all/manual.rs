//! Manual pages that are written by hand: they name all options, and the formatter has nothing to say.

use c2b_tests::program;
use std::path::{Path, PathBuf};
use std::process::Command;

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../doc/man").join(name)
}

#[test]
fn each_option_is_in_the_manual() {
    for (name, manual) in [("c2bd", "c2bd.8"), ("mount.c2b", "mount.c2b.8")] {
        let help = Command::new(program(name)).arg("--help").output().unwrap();
        let text = std::fs::read_to_string(page(manual)).unwrap().replace("\\-", "-");
        let help = String::from_utf8(help.stdout).unwrap();
        let long = help.split_whitespace().filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches([',', '.', ';']));
        for option in long.filter(|option| !["--help", "--version", "--options"].contains(option)) {
            assert!(text.contains(option), "{option} is not in {manual}");
        }
        let own = help.split_whitespace().filter_map(|word| word.split_once('=')).map(|(option, _)| option);
        for option in own.filter(|option| option.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
            assert!(text.contains(&format!("{option}=")), "{option}= is not in {manual}");
        }
    }
}

#[test]
fn the_formatter_has_nothing_to_say() {
    if Command::new("man").arg("--version").output().is_err() {
        eprintln!("skipped: no man on this machine");
        return;
    }
    for name in ["c2b.7", "c2b-job.5", "c2bd.8", "mount.c2b.8"] {
        let output = Command::new("man").args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).arg(page(name)).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The example is what the daemon takes.
#[test]
fn the_example_of_a_job_is_right() {
    let text = std::fs::read_to_string(page("c2b-job.5")).unwrap();
    let example = text.split(".nf\n").nth(1).unwrap().split(".fi").next().unwrap().replace("\\-", "-");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs/example.toml");
    std::fs::create_dir(dir.path().join("jobs")).unwrap();
    std::fs::write(&path, example).unwrap();
    let output = Command::new(program("c2bctl")).args(["config", "check"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
