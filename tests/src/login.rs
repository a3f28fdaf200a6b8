//! A login session for a test that needs one: the suite may run where the kernel knows none (a process whose session leader
//! has ended, a container entered from outside).

use std::process::Command;

/// Set in a test that runs in a session of its own.
const MARK: &str = "C2B_TEST_SESSION";

/// Runs a test once more, in a session of its own that lasts as long as the test: true there, where the test goes on; false
/// in the process that waited for it, where nothing is left to do. `test` is its whole name.
///
/// # Panics
/// When the test failed there, or `setsid` cannot be run.
pub fn in_a_session(test: &str) -> bool {
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("a test knows its program");
    let run = Command::new("setsid").arg("--wait").arg(this).args(["--exact", test]).env(MARK, "1").output().expect("setsid is there (util-linux)");
    let said = String::from_utf8_lossy(&run.stdout);
    // A name that no test has passes too, with nothing run.
    assert!(run.status.success() && said.contains("1 passed"), "in its session:\n{said}{}", String::from_utf8_lossy(&run.stderr));
    false
}
