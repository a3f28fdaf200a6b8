//! A request's body on its way: text at once, contents read by a thread that may wait for the disk.

use crate::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Bytes of one piece.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for the socket.
const PIECES_WAITING_MAX: usize = 4;

/// What hyper sends.
pub(super) enum Outgoing {
    Whole(Full<Bytes>),
    /// Pieces of a known whole.
    Pieces {
        inbox: mpsc::Receiver<io::Result<Bytes>>,
        left: u64,
    },
}

impl Outgoing {
    /// Begins to send a body.
    pub(super) fn new(body: &Body) -> Self {
        if let Some(text) = body.as_text() {
            return Self::Whole(Full::new(text));
        }
        let (pieces, inbox) = mpsc::channel(PIECES_WAITING_MAX);
        let (body, left) = (body.clone(), body.len());
        tokio::task::spawn_blocking(move || {
            let mut outbox = Outbox { pieces, piece: BytesMut::new() };
            if let Err(err) = body.write_to(&mut outbox).and_then(|()| outbox.send()) {
                // Nobody listens when the request was given up.
                drop(outbox.pieces.blocking_send(Err(err)));
            }
        });
        Self::Pieces { inbox, left }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context).map_err(|never: Infallible| match never {}),
            Self::Pieces { inbox, left } => inbox.poll_recv(context).map(|piece| {
                piece.map(|piece| {
                    piece.map(|piece| {
                        *left = left.saturating_sub(piece.len() as u64);
                        Frame::data(piece)
                    })
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Pieces { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces { left, .. } => SizeHint::with_exact(*left),
        }
    }
}

/// Collects what is written to pieces.
struct Outbox {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: BytesMut,
}

impl Outbox {
    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let given_up = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the request was given up");
        self.pieces.blocking_send(Ok(self.piece.split().freeze())).map_err(given_up)
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
