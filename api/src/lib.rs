//! The control socket of `c2bd`: the types of its requests and answers, and a client for them.
//!
//! HTTP/1.1 with JSON over a Unix socket, so that `curl --unix-socket` works; live streams are
//! NDJSON (one JSON value a line); metrics are the text of Prometheus. What there is stands in [`route`], and [`openapi`] describes
//! it to other programs. An answer that is not 2xx carries an [`error::ApiError`]. Times are RFC 3339 in UTC, durations are seconds, sizes are bytes;
//! lengths of time that people choose are [`span::Span`]s.
//!
//! This crate uses none of our others: it is the contract between `c2bd` and `c2bctl`.

pub mod access;
pub mod activity;
pub mod alert;
pub mod audit;
pub mod client;
pub mod config;
pub mod connection;
pub mod coverage;
pub mod error;
pub mod filter;
pub mod idle;
pub mod job;
pub mod lifetime;
pub mod openapi;
pub mod route;
pub mod secret;
pub mod size;
pub mod slots;
pub mod span;
pub mod status;
pub mod storage;

pub use client::{Client, ClientError};
pub use error::{ApiError, ErrorCode};
pub use secret::Secret;
pub use size::Size;
pub use span::Span;
