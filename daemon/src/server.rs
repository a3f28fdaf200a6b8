//! The control socket's server: who comes is let in, in bounded number, and must send and read in bounded time.
//!
//! A caller that sends nothing, sends slowly, or does not read loses its connection and nothing else: no job waits for one. When
//! there are too many, the next is told so; root and the daemon's own user (its watchdog) still get in.

mod seats;
mod stall;

use crate::peer::Peer;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seats::{Seat, Seats};
use stall::Stalling;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// Most connections; one takes about 20 KiB, and one file descriptor.
const CONNECTIONS_MAX: usize = 4096;

/// Connections beyond that for root and the daemon's own user, so that neither the watchdog nor who comes to help is locked out.
const CONNECTIONS_RESERVED: usize = 64;

/// File descriptors that the daemon asks for where it starts with fewer: storages keep up to a thousand files open each.
const FILES_WANTED: u64 = 65_536;

/// Files for everything but connections, where there are few.
const FILES_OWN_SHARE: u64 = 2;

/// For the head of a request, and between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For an answer that its caller does not read, since it last took some.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Most bytes of a request's head, and of an answer that waits to be read.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Most callers that are being told that there are too many; more are turned away without a word.
const REFUSALS_MAX: usize = 64;

/// For telling it.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two attempts when the system has no file descriptor or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What is told when there are too many.
const REFUSAL: &str = r#"{"code":"busy","message":"there are as many connections to c2bd as it takes","hint":"try again in a moment; if it stays so, a program opens connections and does not close them"}"#;

/// How much is let in, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections.
    pub connections_max: usize,
    /// For the head of a request, and between two requests.
    pub head_timeout: Duration,
    /// For an answer that its caller does not read, since it last took some.
    pub stall_timeout: Duration,
}

impl Limits {
    /// Returns the limits of a daemon, after asking the system for as many file descriptors as are wanted.
    pub fn of_this_process() -> Self {
        let files = raise_files();
        let connections_max = usize::try_from(files / FILES_OWN_SHARE).unwrap_or(usize::MAX).min(CONNECTIONS_MAX);
        Self { connections_max, head_timeout: HEAD_TIMEOUT, stall_timeout: STALL_TIMEOUT }
    }
}

/// Serves a socket until the end, and then what was asked before it.
pub async fn serve(listener: UnixListener, router: Router, limits: Limits, end: CancellationToken) {
    let (tasks, refusals) = (TaskTracker::new(), Arc::new(Semaphore::new(REFUSALS_MAX)));
    let seats = Seats::new(limits.connections_max, CONNECTIONS_RESERVED);
    loop {
        let accepted = tokio::select! {
            () = end.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
        if let Some(seat) = seats.take(uid) {
            tasks.spawn(talk(stream, router.clone(), limits, seat, end.clone()));
        } else if let Ok(permit) = refusals.clone().try_acquire_owned() {
            debug!(?uid, "too many connections");
            tasks.spawn(async move {
                let _permit = permit;
                let _unheard = tokio::time::timeout(REFUSAL_TIMEOUT, refuse(stream)).await;
            });
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Serves one connection until it ends.
async fn talk(stream: UnixStream, router: Router, limits: Limits, seat: Seat, end: CancellationToken) {
    let _seat = seat;
    let peer = Peer::of(&stream);
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer.clone()));
        inner.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(BUFFER_BYTES_MAX);
    let connection = http.serve_connection(TokioIo::new(Stalling::new(stream, limits.stall_timeout)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = crate::failure::chain(&error), "connection ended early");
    }
}

/// Tells a caller that there are too many, once it has asked for something.
async fn refuse(mut stream: UnixStream) -> std::io::Result<()> {
    let mut asked = [0; 1024];
    let _ = stream.read(&mut asked).await?;
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n",
        REFUSAL.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(REFUSAL.as_bytes()).await?;
    stream.shutdown().await
}

/// Raises the soft limit of file descriptors as far as is wanted and allowed; returns what it is.
fn raise_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let wanted = hard.min(FILES_WANTED).max(soft);
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use futures_util::StreamExt;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Serves a router at a socket of its own.
    fn served(router: Router, limits: Limits) -> (tempfile::TempDir, std::path::PathBuf, CancellationToken) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        let (listener, end) = (UnixListener::bind(&path).unwrap(), CancellationToken::new());
        tokio::spawn(serve(listener, router, limits, end.clone()));
        (dir, path, end)
    }

    fn limits(connections_max: usize) -> Limits {
        Limits { connections_max, head_timeout: Duration::from_millis(300), stall_timeout: Duration::from_millis(300) }
    }

    async fn rest(stream: &mut UnixStream) -> String {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn who_does_not_send_or_read_loses_the_connection() {
        let sent = Arc::new(AtomicU64::new(0));
        let counted = sent.clone();
        let endless = move || {
            let counted = counted.clone();
            async move {
                let parts = futures_util::stream::repeat_with(move || {
                    counted.fetch_add(1024, Ordering::Relaxed);
                    Ok::<_, std::io::Error>(vec![b'x'; 1024])
                });
                Body::from_stream(parts.boxed())
            }
        };
        let (_dir, path, _end) = served(Router::new().route("/endless", get(endless)), limits(8));
        let mut silent = UnixStream::connect(&path).await.unwrap();
        let mut slow = UnixStream::connect(&path).await.unwrap();
        slow.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        let mut deaf = UnixStream::connect(&path).await.unwrap();
        deaf.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert_eq!(rest(&mut silent).await, "");
        let told = rest(&mut slow).await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
        // Until the server gives up, what it makes stays in its buffer and the kernel's.
        let mut made = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let now = sent.load(Ordering::Relaxed);
            if now == made {
                break;
            }
            made = now;
        }
        assert!(made < 4 * 1024 * 1024, "{made} bytes were made for a caller who does not read");
        assert!(rest(&mut deaf).await.starts_with("HTTP/1.1 200"));
        assert_eq!(sent.load(Ordering::Relaxed), made, "the connection lived on");
    }

    #[tokio::test]
    async fn who_comes_when_it_is_full_is_told_and_gets_in_later() {
        let (_dir, path, _end) = served(Router::new().route("/", get(|| async { "here" })), limits(0));
        // Root and the daemon's user have reserved seats, and these tests run as both.
        let mut inside = Vec::new();
        for _ in 0..CONNECTIONS_RESERVED {
            inside.push(UnixStream::connect(&path).await.unwrap());
        }
        let ask = async |path: &std::path::Path| {
            let mut stream = UnixStream::connect(path).await.unwrap();
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            rest(&mut stream).await
        };
        let told = ask(&path).await;
        assert!(told.starts_with("HTTP/1.1 503") && told.ends_with(REFUSAL), "{told}");
        assert_eq!(serde_json::from_str::<c2b_api::ApiError>(REFUSAL).unwrap().code, c2b_api::ErrorCode::Busy);
        drop(inside);
        loop {
            let told = ask(&path).await;
            if told.starts_with("HTTP/1.0 200") {
                break;
            }
        }
    }
}
