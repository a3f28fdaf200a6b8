//! Live streams: one JSON value a line, sent as soon as it is there.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use std::convert::Infallible;
use tokio::sync::mpsc::Receiver;

/// Answers with a stream of values.
pub(super) fn lines<T: Serialize + 'static>(values: impl Stream<Item = T> + Send + 'static) -> Response {
    let lines = values.map(|value| {
        let mut line = serde_json::to_vec(&value).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, Infallible>(line)
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Returns what arrives in a channel until it is closed.
pub(super) fn received<T: Send + 'static>(receiver: Receiver<T>) -> impl Stream<Item = T> + Send + 'static {
    futures_util::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|value| (value, receiver)) })
}
