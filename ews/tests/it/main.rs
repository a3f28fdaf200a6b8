//! The client against scripted servers on real sockets, and by hand against a lab server.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![expect(clippy::print_stdout, reason = "a test says what it measured or skipped")]

mod answers;
mod associated;
mod checking;
mod directory;
mod fetching;
mod kerberos;
mod lab;
mod large;
mod listing;
mod oracle;
mod parts;
mod public;
mod rights;
mod server;
mod signing;
mod signing_lab;
mod slapd;
mod syncing;
mod tls;
mod trouble;
mod watching;
mod watching_lab;
