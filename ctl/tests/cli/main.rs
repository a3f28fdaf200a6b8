//! What a user sees: the real binary against a scripted daemon on a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world fails")]

mod api;
mod completions;
mod daemon;
mod errors;
mod help;
mod hostile;
mod json;
mod monitor;
mod mount;
mod nouns;
mod password;
mod run;
mod sample;
mod storage;
mod terminal;
mod watch;
