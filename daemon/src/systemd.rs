//! What systemd is told: ready, reloading, stopping, still alive. Without systemd nothing happens.

use c2b_api::route;
use sd_notify::NotifyState;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

/// As much of an answer as is read: it has two lines.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

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

/// Tells twice per watchdog interval that the daemon works, until the end: whenever it answers on its own socket.
/// What hangs (the runtime, the threads for blocking work, definitions, jobs) hangs that answer too, and systemd
/// starts the daemon anew.
pub async fn keep_alive(socket: PathBuf, end: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()) else { return };
    feed(interval, || answers(&socket), || tell(&[NotifyState::Watchdog]), end).await;
}

/// Calls `tell` twice per interval, as long as `works` says yes within a quarter of it.
async fn feed<F: Future<Output = bool>>(interval: Duration, works: impl Fn() -> F, tell: impl Fn(), end: CancellationToken) {
    let mut ticks = tokio::time::interval(interval.div_f64(2.0).max(Duration::from_millis(10)));
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if tokio::time::timeout(interval.div_f64(4.0), works()).await.unwrap_or(false) {
            tell();
        } else {
            error!("daemon does not answer itself, systemd is not told that it works");
        }
    }
}

/// Returns whether the daemon answers a request.
async fn answers(socket: &Path) -> bool {
    let ask = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("GET {} HTTP/1.0\r\n\r\n", route::daemon::ALIVE.path).as_bytes()).await?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
        io::Result::Ok(answer.split(' ').nth(1).is_some_and(|status| !status.starts_with('5')))
    };
    ask.await.unwrap_or(false)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn only_what_works_is_told_to_live() {
        let (works, fed) = (Cell::new(Some(true)), Cell::new(0));
        let end = CancellationToken::new();
        let probe = || {
            let works = works.get();
            async move {
                match works {
                    Some(works) => works,
                    None => std::future::pending().await,
                }
            }
        };
        let script = async {
            for (state, expected) in [(Some(true), 10), (Some(false), 10), (None, 10), (Some(true), 20)] {
                works.set(state);
                tokio::time::sleep(Duration::from_secs(100)).await;
                assert!((expected - 1..=expected + 1).contains(&fed.get()), "{state:?}: fed {} times", fed.get());
            }
            end.cancel();
        };
        tokio::join!(feed(Duration::from_secs(20), probe, || fed.set(fed.get() + 1), end.clone()), script);
    }
}
