//! Metrics beside the control socket: at a loopback port, and in a file for Prometheus' node exporter.

use super::{CONTENT_TYPE, text};
use crate::atomic;
use crate::daemon::Daemon;
use crate::failure::chain;
use crate::settings::MetricsSettings;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE as CONTENT_TYPE_HEADER;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// How often the file is written, and what connections counted is: twice in the usual interval of a look, a minute.
const WRITE_INTERVAL: Duration = Duration::from_secs(30);

/// What is wrong with metrics beside the socket.
#[derive(Debug, Default)]
pub struct Exports {
    wrong: Mutex<BTreeMap<&'static str, String>>,
}

impl Exports {
    /// Returns what is wrong, for `status`.
    pub fn news(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).values().map(|wrong| format!("metrics: {wrong}")).collect()
    }

    /// Notes how something went; tells the log when that is new.
    fn note(&self, what: &'static str, went: Result<(), String>) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match went {
            Ok(()) => drop(wrong.remove(what)),
            Err(reason) => {
                if wrong.get(what) != Some(&reason) {
                    error!(what, reason, "metrics cannot be told");
                }
                wrong.insert(what, reason);
            }
        }
    }
}

/// Does what the settings say, as they change, until the end; then writes what connections counted once more.
pub async fn keep_up(daemon: Arc<Daemon>, end: CancellationToken) {
    let mut settings = daemon.settings.subscribe();
    let mut ticks = tokio::time::interval(WRITE_INTERVAL);
    let mut server: Option<Server> = None;
    let mut written: Option<PathBuf> = None;
    while !end.is_cancelled() {
        let MetricsSettings { listen, textfile } = settings.borrow_and_update().metrics.clone();
        if server.as_ref().map(|server| server.address) != listen {
            drop(server.take());
            let started = match listen {
                Some(address) => Server::start(&daemon, address).await.map(Some),
                None => Ok(None),
            };
            daemon.exports.note("listen", started.map(|started| server = started));
        }
        if let Some(before) = written.take().filter(|before| Some(before) != textfile.as_ref()) {
            // Old numbers would look like a backup that hangs.
            let _ = std::fs::remove_file(before);
        }
        let wrote = match &textfile {
            Some(path) => write(&daemon, path).await.map(|()| written = Some(path.clone())),
            None => Ok(()),
        };
        daemon.exports.note("textfile", wrote);
        daemon.exports.note("counters", keep_counters(&daemon));
        tokio::select! {
            () = end.cancelled() => {}
            _ = ticks.tick() => {}
            _ = settings.changed() => {}
        }
    }
    daemon.exports.note("counters", keep_counters(&daemon));
}

/// Serves metrics until it is dropped.
struct Server {
    address: SocketAddr,
    end: CancellationToken,
}

impl Server {
    async fn start(daemon: &Arc<Daemon>, address: SocketAddr) -> Result<Self, String> {
        let listener = TcpListener::bind(address).await.map_err(|error| format!("failed to listen at {address}: {error}"))?;
        let service = Router::new().route("/metrics", get(show)).with_state(daemon.clone());
        let end = CancellationToken::new();
        tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(end.clone().cancelled_owned()).into_future());
        info!(%address, "metrics told");
        Ok(Self { address, end })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn show(State(daemon): State<Arc<Daemon>>) -> Response {
    ([(CONTENT_TYPE_HEADER, CONTENT_TYPE)], text(&daemon.status().await, &daemon.tally)).into_response()
}

async fn write(daemon: &Daemon, path: &Path) -> Result<(), String> {
    let text = text(&daemon.status().await, &daemon.tally);
    // The node exporter is another user.
    atomic::write(path, text.as_bytes(), 0o644).map_err(|error| chain(&error))
}

fn keep_counters(daemon: &Daemon) -> Result<(), String> {
    let connections = daemon.connections.list();
    for connection in &connections {
        daemon.tally.count(&connection.name, connection.slots);
    }
    let names: Vec<String> = connections.into_iter().map(|connection| connection.name).collect();
    daemon.tally.write(&names).map_err(|error| chain(&error))
}
