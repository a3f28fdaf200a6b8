//! Exchange Web Services as a mail source.
//!
//! [`EwsSource`] keeps the promises of [`c2b_mailbox::Source`] with Exchange 2013 SP1 and later, and with
//! other servers that speak a part of EWS. It uses `ExportItems` for full fidelity and `GetItem` for the
//! readable form, and falls back, per item and per server, to what the server can do.
//!
//! The way of a request: [`source`] decides what to ask; `operation::*` (one file each, named as Microsoft
//! names it) writes the request and reads the answer; `soap` is the envelope around both; `http` is the way to
//! the server; `xml` is the grammar. `error` says what a failure means, `capability` what this server has
//! proved unable to do. `auth` signs in. It keeps nothing on disk but temporary files, knows no archive,
//! makes each request once (only a failing batch is cut into smaller ones), and reads no clock.

pub mod auth;
pub mod autodiscover;
mod body;
mod capability;
mod config;
mod decoder;
pub mod directory;
mod error;
mod http;
mod item;
mod operation;
mod secret;
mod soap;
pub mod source;
mod xml;

pub use auth::SignIn;
pub use config::{EwsConfig, PublicFolderPlace};
pub use directory::{LdapConfig, MailboxList};
pub use error::EwsError;
pub use secret::Secret;
pub use source::EwsSource;
