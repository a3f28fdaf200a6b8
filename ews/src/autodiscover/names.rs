//! What DNS says about where Autodiscover is.

use async_trait::async_trait;
use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use std::net::SocketAddr;
use std::time::Duration;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A server that DNS names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) priority: u16,
    pub(super) weight: u16,
}

/// Asks for `SRV` records.
#[async_trait]
pub(super) trait Names: Send + Sync {
    /// Returns the servers of a service, in any order; an error in plain words.
    async fn services(&self, name: &str) -> Result<Vec<Service>, String>;
}

/// The DNS.
pub(super) struct DnsNames {
    /// The name server; without it the system's.
    pub(super) server: Option<SocketAddr>,
}

#[async_trait]
impl Names for DnsNames {
    async fn services(&self, name: &str) -> Result<Vec<Service>, String> {
        let builder = match self.server {
            Some(server) => {
                let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
                    way.port = server.port();
                    way
                });
                let config = ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, ways.to_vec())]);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => Resolver::builder_tokio().map_err(|err| err.to_string())?,
        };
        let mut builder = builder;
        builder.options_mut().timeout = TIMEOUT;
        let resolver = builder.build().map_err(|err| err.to_string())?;
        // With its final point the name is whole: no search domain is tried.
        let found = resolver.srv_lookup(format!("{name}.")).await;
        let found = match found {
            Ok(found) => found,
            Err(err) if err.is_no_records_found() => return Ok(Vec::new()),
            Err(err) => return Err(err.to_string()),
        };
        let services = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(service) => Some(Service {
                host: service.target.to_ascii().trim_end_matches('.').to_lowercase(),
                port: service.port,
                priority: service.priority,
                weight: service.weight,
            }),
            _ => None,
        });
        Ok(services.filter(|service| !service.host.is_empty()).collect())
    }
}
