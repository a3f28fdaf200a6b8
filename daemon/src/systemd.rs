//! What systemd is told: ready, reloading, stopping, still alive. Without systemd nothing happens.

use sd_notify::NotifyState;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Tells that requests are answered.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells that the definitions are being read again; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "reload not told to systemd"),
    }
}

/// Tells that the daemon ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("committing what was fetched")]);
}

/// Tells twice per watchdog interval that the runtime lives, until the end.
pub async fn keep_alive(end: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()) else { return };
    let mut ticks = tokio::time::interval(interval.div_f64(2.0).max(Duration::from_millis(10)));
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = ticks.tick() => tell(&[NotifyState::Watchdog]),
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd not told");
    }
}
