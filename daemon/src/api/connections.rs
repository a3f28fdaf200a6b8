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
    CheckReport, CheckRequest, ConnectionInfo, ConnectionKind, ConnectionPassword, KerberosDefinition, LdapDefinition, MailboxInfo, MailboxPlace,
    OAuthDefinition, PublicFolderInfo, SignInKind,
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
    let (file, password, ldap_password) = body.apart();
    let (password, ldap_password) = (password.as_ref().map(Secret::expose), ldap_password.as_ref().map(Secret::expose));
    Ok(Json(daemon.connections.create(&name, file, password, ldap_password, &peer.user).await?))
}

pub(super) async fn edit(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<Create>,
) -> Answer<ConnectionInfo> {
    let name = daemon.connection_name(&name)?;
    if body.name != name.as_str() {
        return Err(failure::invalid("a connection keeps its name", "jobs name it").into());
    }
    let (file, password, ldap_password) = body.apart();
    Ok(Json(daemon.connections.edit(&name, file, password, ldap_password, &peer.user).await?))
}

pub(super) async fn set_password(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<ConnectionPassword>,
) -> Answer<ConnectionInfo> {
    let name = daemon.connection_name(&name)?;
    daemon.connections.set_password(&name, body.password, &peer).await?;
    info(&daemon, &name)
}

pub(super) async fn remove_password(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<Nothing> {
    daemon.connections.remove_password(&daemon.connection_name(&name)?, &peer).await?;
    Ok(Json(Nothing {}))
}

pub(super) async fn unlock(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Body(body): Body<ConnectionPassword>,
) -> Answer<ConnectionInfo> {
    let name = daemon.connection_name(&name)?;
    daemon.connections.unlock(&name, body.password, &peer).await?;
    info(&daemon, &name)
}

pub(super) async fn lock(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Path(name): Path<String>) -> Answer<ConnectionInfo> {
    let name = daemon.connection_name(&name)?;
    daemon.connections.lock_again(&name, &peer)?;
    info(&daemon, &name)
}

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<ConnectionInfo> {
    info(&daemon, &daemon.connection_name(&name)?)
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

pub(super) async fn public_folders(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Answer<Vec<PublicFolderInfo>> {
    Ok(Json(daemon.connections.public_folders(&daemon.connection_name(&name)?).await?))
}

pub(super) async fn sign_in(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let events = daemon.connections.sign_in(&daemon.connection_name(&name)?).await?;
    Ok(stream::lines(stream::received(events)))
}

fn info(daemon: &Daemon, name: &Name) -> Answer<ConnectionInfo> {
    let connection = daemon.connections.get(name)?;
    Ok(Json(daemon.connections.info(&connection)))
}

impl Create {
    /// Returns the definition, and the secrets apart from it.
    fn apart(self) -> (ConnectionFile, Option<Secret>, Option<Secret>) {
        let file = ConnectionFile {
            owner: None,
            kind: self.kind,
            url: self.url,
            autodiscover: self.autodiscover,
            autodiscover_url: self.autodiscover_url,
            autodiscover_root_domain: self.autodiscover_root_domain,
            approved_hosts: self.approved_hosts,
            mailboxes: self.mailboxes,
            sign_in: self.sign_in,
            user: self.user,
            oauth: self.oauth,
            kerberos: self.kerberos,
            ca_file: self.ca_file,
            insecure: self.insecure,
            ldap: self.ldap,
        };
        (file, self.password, self.ldap_password)
    }
}
