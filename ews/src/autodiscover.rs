//! Autodiscover: from an address to the server that holds its mailbox.
//!
//! [`discover`] asks the places that Microsoft documents, in that order, by SOAP and by the older XML, and keeps a record of each step.
//! Promises:
//! * A password goes only to hosts that follow from the address itself, that the directory names or that an administrator gave or
//!   approved, and only after their certificate was verified. A host first seen in a redirect or in DNS is named, not asked.
//! * It ends: at most ten hops, each place once, within a total time.
//! * It never goes up to a parent domain. The bare domain of the address, often somebody else's web server, is asked on request only.
//!
//! `place` is the order, `search` the way through it, `soap` and `pox` the two languages, `web` and `names` the network.

mod names;
mod place;
mod pox;
mod search;
mod soap;
pub(crate) mod web;

pub use search::{DiscoveryError, Step};

use crate::{EwsConfig, EwsError};
use c2b_mailbox::Address;
use names::DnsNames;
use search::Search;
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;
use web::HttpWeb;

/// How long all steps together may take.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(90);

/// What to look for, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// An address of the organisation.
    pub address: Address,
    /// Where Autodiscover is, when the administrator knows; asked before all others.
    pub url: Option<Url>,
    /// Whether to ask the bare domain of the address, too.
    pub root_domain: bool,
    /// Hosts that may be given the password though a redirect or DNS named them.
    pub approved_hosts: Vec<String>,
    /// The name server to ask; without it the system's.
    pub name_server: Option<SocketAddr>,
    /// How long all steps together may take.
    pub total_timeout: Duration,
}

impl Discovery {
    /// Looks for the server of an address, with nothing else known.
    pub fn new(address: Address) -> Self {
        Self { address, url: None, root_domain: false, approved_hosts: Vec::new(), name_server: None, total_timeout: TOTAL_TIMEOUT }
    }
}

/// What came of looking.
#[derive(Debug)]
pub struct Discovered {
    /// What was tried, in that order.
    pub steps: Vec<Step>,
    /// What was found, or why nothing was.
    pub result: Result<Settings, DiscoveryError>,
}

/// What Autodiscover tells about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where EWS is, the place first that answers from here.
    pub ews_urls: Vec<Url>,
    /// The place that told all this.
    pub endpoint: Option<Url>,
    /// The primary address of the mailbox.
    pub address: Option<String>,
    /// The name people see.
    pub display_name: Option<String>,
    /// Which mailboxes are served together (for notifications).
    pub grouping: Option<String>,
    /// The address of the mailbox with the tree of public folders.
    pub public_folders: Option<String>,
    /// The server's name as `X-PublicFolderMailbox` wants it.
    pub rpc_server: Option<String>,
    /// Other mailboxes that belong to this one: its archive, those that it may open.
    pub alternate: Vec<AlternateMailbox>,
    /// The server's build, as `15.2.1118.7`.
    pub version: Option<String>,
}

/// A mailbox beside that of the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlternateMailbox {
    /// `Archive`, `Delegate` or `TeamMailbox`.
    pub kind: String,
    /// The name people see.
    pub display_name: String,
    /// Its address, where it has one.
    pub smtp_address: String,
    /// Its internal name, where it has no address.
    pub legacy_dn: String,
}

/// Looks for the server of an address, in the name of the configuration's user. The configuration's URL is of no matter.
///
/// # Errors
/// [`EwsError`] when the configuration cannot work. That nothing was found is in the answer, with all steps.
pub async fn discover(config: &EwsConfig, discovery: &Discovery) -> Result<Discovered, EwsError> {
    let web = HttpWeb::new(config)?;
    let names = DnsNames { server: discovery.name_server };
    let mut search = Search::new(discovery, config, &web, &names);
    let result = match tokio::time::timeout(discovery.total_timeout, search.run()).await {
        Ok(result) => result,
        Err(_) => Err(DiscoveryError::Time),
    };
    let steps = search.into_steps();
    tracing::info!(address = %discovery.address, steps = steps.len(), found = result.is_ok(), "autodiscover ended");
    Ok(Discovered { steps, result })
}

/// Asks which address a public-folder content mailbox has, by its GUID; `endpoint` is where [`Settings`] came from.
///
/// # Errors
/// [`DiscoveryError`] when it is not told; redirects are not followed here.
pub async fn content_mailbox(config: &EwsConfig, endpoint: &Url, guid: &str, domain: &str) -> Result<Address, DiscoveryError> {
    let web = HttpWeb::new(config).map_err(|err| DiscoveryError::Setup(Box::new(err)))?;
    search::content_mailbox(&web, endpoint, &format!("{guid}@{domain}")).await
}
