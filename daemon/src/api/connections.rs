//! `/v1/connections`.

use super::answer::{Answer, Nothing, Refusal};
use super::body::Body;
use super::stream;
use crate::daemon::Daemon;
use crate::definition::file::ConnectionFile;
use crate::failure;
use crate::name::Name;
use crate::peer::Peer;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::Response;
use c2b_api::Secret;
use c2b_api::connection::{
    CheckReport, CheckRequest, ConnectionInfo, ConnectionKind, KerberosDefinition, LdapDefinition, MailboxInfo, MailboxPlace, OAuthDefinition, SignInKind,
};
use c2b_mailbox::Address;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

/// `c2b_api::connection::ConnectionCreate` flat, so that unknown keys are errors.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Create {
    name: String,
    kind: ConnectionKind,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    autodiscover: Option<String>,
    #[serde(default)]
    autodiscover_url: Option<String>,
    #[serde(default)]
    autodiscover_root_domain: bool,
    #[serde(default)]
    approved_hosts: Vec<String>,
    #[serde(default)]
    mailboxes: Vec<MailboxPlace>,
    #[serde(default)]
    sign_in: SignInKind,
    #[serde(default)]
    user: String,
    #[serde(default)]
    oauth: Option<OAuthDefinition>,
    #[serde(default)]
    kerberos: Option<KerberosDefinition>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    ldap: Option<LdapDefinition>,
    #[serde(default)]
    ldap_password: Option<Secret>,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    insecure: bool,
}

pub(super) async fn list(State(daemon): State<Arc<Daemon>>) -> Answer<Vec<ConnectionInfo>> {
    Ok(Json(daemon.connections.list()))
}

pub(super) async fn create(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Body(body): Body<Create>) -> Answer<ConnectionInfo> {
    let name: Name = body.name.parse().map_err(|error| failure::bad_name(&error))?;
    let file = ConnectionFile {
        owner: None,
        kind: body.kind,
        url: body.url,
        autodiscover: body.autodiscover,
        autodiscover_url: body.autodiscover_url,
        autodiscover_root_domain: body.autodiscover_root_domain,
        approved_hosts: body.approved_hosts,
        mailboxes: body.mailboxes,
        sign_in: body.sign_in,
        user: body.user,
        oauth: body.oauth,
        kerberos: body.kerberos,
        ca_file: body.ca_file,
        insecure: body.insecure,
        ldap: body.ldap,
    };
    let ldap_password = body.ldap_password.as_ref().map(Secret::expose);
    Ok(Json(daemon.connections.create(&name, file, body.password.as_ref().map(Secret::expose), ldap_password, &peer.user).await?))
}

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<ConnectionInfo> {
    let connection = daemon.connections.get(&daemon.connection_name(&name)?)?;
    Ok(Json(daemon.connections.info(&connection)))
}

pub(super) async fn delete(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<Nothing> {
    daemon.connections.delete(&daemon.connection_name(&name)?, &peer.user).await?;
    Ok(Json(Nothing {}))
}

pub(super) async fn check(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>, Body(body): Body<CheckRequest>) -> Answer<CheckReport> {
    let mailboxes = body.mailboxes.iter().map(|text| Address::parse(text)).collect::<Result<Vec<_>, _>>();
    let mailboxes = mailboxes.map_err(|error| failure::invalid(error.to_string(), ""))?;
    Ok(Json(daemon.connections.check(&daemon.connection_name(&name)?, &mailboxes).await?))
}

pub(super) async fn mailboxes(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<Vec<MailboxInfo>> {
    Ok(Json(daemon.connections.mailboxes(&daemon.connection_name(&name)?).await?))
}

pub(super) async fn sign_in(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let events = daemon.connections.sign_in(&daemon.connection_name(&name)?).await?;
    Ok(stream::lines(stream::received(events)))
}
