//! What Autodiscover tried and found, in the words of the control socket.

use crate::failure::chain;
use c2b_api::connection::{Finding, FoundServer, Level};
use c2b_api::{ApiError, ErrorCode};
use c2b_ews::autodiscover::{Discovered, Discovery, DiscoveryError, Settings, Step};
use c2b_mailbox::Address;

const SUBJECT: &str = "autodiscover";

/// Returns the server that was found, or what is to be told: what was tried, and what to do.
pub fn server(discovery: &Discovery, discovered: Discovered) -> Result<FoundServer, ApiError> {
    match discovered.result {
        Ok(settings) => found(&discovery.address, &settings).ok_or_else(|| ApiError::new(ErrorCode::Server, "autodiscover names no server", "")),
        Err(error) => {
            let tried: Vec<String> = discovered.steps.iter().map(|step| format!("{} {}", step.place, step.text)).collect();
            let tried = if tried.is_empty() { String::new() } else { format!("; tried: {}", tried.join("; ")) };
            Err(ApiError::new(code(&error), format!("{}{tried}", chain(&error)), hint(&error)))
        }
    }
}

/// Returns what was tried and found as findings.
pub fn findings(discovered: &Discovered) -> Vec<Finding> {
    let mut findings: Vec<Finding> = discovered.steps.iter().map(step).collect();
    findings.push(match &discovered.result {
        Ok(settings) => {
            let url = settings.ews_urls.first().map(ToString::to_string).unwrap_or_default();
            let version = settings.version.as_deref().map(|version| format!(", server version {version}")).unwrap_or_default();
            let archive = if settings.alternate.iter().any(|mailbox| mailbox.kind == "Archive") { ", with an archive" } else { "" };
            finding(Level::Ok, format!("EWS is at {url}{version}{archive}"), "")
        }
        Err(error) => finding(Level::Error, chain(error), hint(error)),
    });
    findings
}

/// Tells what kind of failure it is.
pub fn code(error: &DiscoveryError) -> ErrorCode {
    match error {
        DiscoveryError::SignIn => ErrorCode::Auth,
        DiscoveryError::Unapproved { .. } => ErrorCode::State,
        DiscoveryError::Setup(_) => ErrorCode::Invalid,
        _ => ErrorCode::Server,
    }
}

fn found(address: &Address, settings: &Settings) -> Option<FoundServer> {
    let url = settings.ews_urls.first()?.to_string();
    Some(FoundServer {
        address: address.to_string(),
        url,
        told_by: settings.endpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
        public_folders: settings.public_folders.clone(),
        public_folder_server: settings.rpc_server.clone(),
    })
}

/// A place that did not lead on is no fault as long as another one did.
fn step(step: &Step) -> Finding {
    finding(Level::Ok, format!("{} {}", step.place, step.text), "")
}

fn finding(level: Level, text: String, hint: impl Into<String>) -> Finding {
    Finding { subject: SUBJECT.to_owned(), level, text, hint: hint.into() }
}

fn hint(error: &DiscoveryError) -> String {
    match error {
        DiscoveryError::SignIn => "check user and password".to_owned(),
        DiscoveryError::Unapproved { host } => {
            format!("if {host} is your organisation's server, approve it: --approve-host {host}, or approved-hosts in the definition")
        }
        DiscoveryError::Hops | DiscoveryError::Time | DiscoveryError::Nothing { .. } => {
            "check the address, or give the server's URL: --url https://HOST/EWS/Exchange.asmx".to_owned()
        }
        DiscoveryError::Setup(_) | DiscoveryError::Refused { .. } => String::new(),
    }
}
