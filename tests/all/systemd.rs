//! The units: systemd finds nothing to say about them.

use std::path::Path;
use std::process::Command;

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: no systemd-analyze on this machine");
        return;
    }
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
    let root = tempfile::tempdir().unwrap();
    let unit_dir = root.path().join("etc/systemd/system");
    std::fs::create_dir_all(&unit_dir).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&units).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        // The programs are not installed here: systemd is to look at everything else.
        let text = std::fs::read_to_string(entry.path())
            .unwrap()
            .replace("/usr/sbin/c2bd", "/bin/true")
            .replace("/usr/sbin/mount.c2b", "/bin/true")
            .replace("/usr/bin/c2bctl", "/bin/true");
        let installed = name.replace("@.", "@main.");
        std::fs::write(unit_dir.join(&installed), text).unwrap();
        names.push(unit_dir.join(installed));
    }
    assert!(names.len() >= 2, "the units are missing");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&names).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("c2b")).collect();
    assert!(about_ours.is_empty() && output.status.success(), "{said}");
}

#[test]
fn the_daemon_is_shut_in() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/c2bd.service");
    let Ok(output) = Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=20"]).arg(unit).output() else {
        eprintln!("skipped: no systemd-analyze on this machine");
        return;
    };
    assert!(output.status.success(), "exposure above 2.0:\n{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn make_installs_and_uninstalls() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for target in ["install", "uninstall"] {
        let Ok(output) = Command::new("make").args(["--no-print-directory", "--dry-run", target]).current_dir(&root).output() else {
            eprintln!("skipped: no make on this machine");
            return;
        };
        let recipe = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(recipe.trim_end().ends_with(&format!("scripts/install.sh {target}")), "{recipe}");
    }
}
