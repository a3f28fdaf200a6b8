//! Who is at the other end of the control socket: the kernel says it (`SO_PEERCRED`).

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Uid, User};
use tokio::net::UnixListener;

/// The process that made a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user's name; `uid N` for a user without name or when the kernel does not tell.
    pub user: String,
    /// Its process id; none when the kernel does not tell.
    pub pid: Option<i32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        match stream.io().peer_cred() {
            Ok(credentials) => Self { user: user_name(credentials.uid()), pid: credentials.pid() },
            Err(_) => Self { user: "unknown".to_owned(), pid: None },
        }
    }
}

/// Returns a user's name; `uid N` when there is none.
pub fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("uid {uid}"), |user| user.name)
}
