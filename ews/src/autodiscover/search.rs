//! The way through the places of Autodiscover, and the rules that keep a password from strangers.

use super::names::{Names, Service};
use super::place::{self, Language};
use super::soap::Told;
use super::web::{Reply, Web};
use super::{Discovery, Settings, pox, soap};
use crate::EwsConfig;
use crate::config::is_loopback;
use crate::directory::ldap;
use c2b_mailbox::{Address, Trouble};
use std::collections::{HashSet, VecDeque};
use std::error::Error;
use url::Url;

/// Redirects that are followed in all; Microsoft's own client follows as many.
const HOPS_MAX: usize = 10;

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where: a URL, or what was asked of the directory or of DNS.
    pub place: String,
    /// Whether it led on.
    pub led_on: bool,
    /// What came of it.
    pub text: String,
}

/// Why no server was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Places that answer refuse the sign-in.
    #[error("autodiscover refuses the sign-in of the account")]
    SignIn,
    /// The next place is on a host that nobody has approved.
    #[error("autodiscover leads to {host}, which must be approved before it is given the password")]
    Unapproved {
        /// The host.
        host: String,
    },
    /// Redirects lead on and on.
    #[error("autodiscover was redirected more than {HOPS_MAX} times")]
    Hops,
    /// It took too long.
    #[error("autodiscover found nothing in time")]
    Time,
    /// No place knows the address.
    #[error("autodiscover found no server for {address}")]
    Nothing {
        /// The address.
        address: Address,
    },
    /// It cannot even be tried.
    #[error("autodiscover cannot be set up")]
    Setup(#[source] Box<dyn Error + Send + Sync>),
    /// The one place that was asked does not tell.
    #[error("autodiscover does not tell the mailbox: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
}

/// How a host came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It follows from the address, or the directory or the administrator named it.
    Known,
    /// A redirect or DNS named it.
    Hearsay,
}

/// A place to ask.
struct Place {
    url: Url,
    trust: Trust,
    /// Whether it was put to the end before because it was busy.
    again: bool,
}

/// Where a place led.
enum Led {
    Found(Box<Settings>),
    Address(Address),
    Url(Url),
    Busy,
    Nowhere,
}

/// A search under way.
pub(super) struct Search<'a> {
    discovery: &'a Discovery,
    config: &'a EwsConfig,
    web: &'a dyn Web,
    names: &'a dyn Names,
    steps: Vec<Step>,
    /// Places that were asked for an address; none is asked twice.
    asked: HashSet<(Address, Url)>,
    /// Hosts that refused the sign-in; none is asked twice, lest the account be locked.
    refused: HashSet<String>,
    /// The first host that would have to be approved.
    unapproved: Option<String>,
    hops: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(discovery: &'a Discovery, config: &'a EwsConfig, web: &'a dyn Web, names: &'a dyn Names) -> Self {
        let (asked, refused) = (HashSet::new(), HashSet::new());
        Self { discovery, config, web, names, steps: Vec::new(), asked, refused, unapproved: None, hops: 0 }
    }

    /// Returns what was tried.
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// Searches until something is found or there is nowhere left to ask.
    pub(super) async fn run(&mut self) -> Result<Settings, DiscoveryError> {
        let mut address = self.discovery.address.clone();
        loop {
            match self.search_for(&address).await? {
                Led::Found(mut settings) => {
                    self.try_services(&mut settings).await;
                    return Ok(*settings);
                }
                Led::Address(next) => {
                    self.hop()?;
                    address = next;
                }
                _ => break,
            }
        }
        Err(match self.unapproved.take() {
            Some(host) => DiscoveryError::Unapproved { host },
            None if !self.refused.is_empty() => DiscoveryError::SignIn,
            None => DiscoveryError::Nothing { address: self.discovery.address.clone() },
        })
    }

    /// Asks all places of an address, in the documented order.
    async fn search_for(&mut self, address: &Address) -> Result<Led, DiscoveryError> {
        let domain = place::domain(address).to_owned();
        let is_first = *address == self.discovery.address;
        let trust = if domain == place::domain(&self.discovery.address) { Trust::Known } else { Trust::Hearsay };
        let mut places = VecDeque::new();
        // The administrator named this place: it may be asked for whatever address it sends on to.
        if let Some(url) = self.discovery.url.clone() {
            places.push_back(Place { url, trust: Trust::Known, again: false });
        }
        if is_first {
            places.extend(self.service_points().await);
        }
        let hosts = place::hosts(&domain, self.discovery.root_domain);
        places.extend(hosts.iter().filter_map(|host| place::on_host(host, None)).map(|url| Place { url, trust, again: false }));
        if let Some(led) = self.ask_all(address, places).await? {
            return Ok(led);
        }
        if let Some(url) = self.redirect_of(&domain).await {
            self.hop()?;
            let place = Place { url, trust: Trust::Hearsay, again: false };
            if let Some(led) = self.ask_all(address, VecDeque::from([place])).await? {
                return Ok(led);
            }
        }
        let places = self.services_of(&domain).await;
        Ok(self.ask_all(address, places).await?.unwrap_or(Led::Nowhere))
    }

    /// Asks places one after the other, and those that they send on to at once.
    async fn ask_all(&mut self, address: &Address, mut places: VecDeque<Place>) -> Result<Option<Led>, DiscoveryError> {
        while let Some(place) = places.pop_front() {
            match self.ask(address, &place).await {
                Led::Url(url) => {
                    self.hop()?;
                    places.push_front(Place { url, trust: Trust::Hearsay, again: false });
                }
                Led::Busy if !place.again => places.push_back(Place { again: true, ..place }),
                Led::Busy | Led::Nowhere => {}
                led => return Ok(Some(led)),
            }
        }
        Ok(None)
    }

    /// Asks one place, in both languages.
    async fn ask(&mut self, address: &Address, place: &Place) -> Led {
        let host = place.url.host_str().unwrap_or_default().to_lowercase();
        let safe = place.url.scheme() == "https" || (place.trust == Trust::Known && (self.config.insecure || is_loopback(&place.url)));
        if !safe {
            return self.nowhere(&place.url, "not asked: it is not https");
        }
        if !self.may_ask(&host, place.trust) {
            self.unapproved.get_or_insert_with(|| host.clone());
            return self.nowhere(&place.url, format!("not asked: {host} is known from a redirect or DNS only and must be approved first"));
        }
        for (language, url) in place::ways(&place.url) {
            if self.refused.contains(&host) {
                return self.nowhere(&url, "not asked: the host has refused the sign-in already");
            }
            if !self.asked.insert((address.clone(), url.clone())) && !place.again {
                self.nowhere(&url, "not asked a second time");
                continue;
            }
            let answer = self.send(address, language, &url).await;
            match answer {
                // What failed on the way to the host, fails for its other language, too.
                Err(failure) => return self.nowhere(&url, format!("{} ({})", failure.message, failure.code)),
                Ok(reply) => match self.judge(address, language, &url, &host, reply) {
                    Led::Nowhere => {}
                    led => return led,
                },
            }
        }
        Led::Nowhere
    }

    async fn send(&self, address: &Address, language: Language, url: &Url) -> Result<Reply, crate::error::Failure> {
        match language {
            Language::Soap => self.web.ask(url, soap::write(address.as_str(), url)).await,
            Language::Pox => self.web.ask(url, pox::write(address.as_str())).await,
        }
    }

    fn judge(&mut self, address: &Address, language: Language, url: &Url, host: &str, reply: Reply) -> Led {
        match reply.status {
            200 => {}
            301 | 302 | 303 | 307 | 308 => {
                let to = reply.location.and_then(|to| url.join(&to).ok());
                return match to {
                    Some(to) => self.on(url, format!("sends on to {to}"), Led::Url(to)),
                    None => self.nowhere(url, "sends on to nowhere"),
                };
            }
            401 => {
                self.refused.insert(host.to_owned());
                let offers = if reply.offers.is_empty() { String::new() } else { format!("; it offers {}", reply.offers.join(", ")) };
                return self.nowhere(url, format!("refuses the sign-in (HTTP 401){offers}"));
            }
            status => return self.nowhere(url, format!("is no place of autodiscover (HTTP {status})")),
        }
        let told = if language == Language::Soap { soap::read(reply.body) } else { pox::read(reply.body) };
        match told {
            None => self.nowhere(url, "answers something else than autodiscover"),
            Some(Told::Refused(reason)) => self.nowhere(url, format!("knows nothing: {reason}")),
            Some(Told::Busy) => {
                let text = "is busy";
                self.note(url, false, text);
                Led::Busy
            }
            Some(Told::Url(to)) => match Url::parse(&to) {
                Ok(to) => self.on(url, format!("sends on to {to}"), Led::Url(to)),
                Err(_) => self.nowhere(url, "sends on to what is no URL"),
            },
            Some(Told::Address(to)) => match Address::parse(&to) {
                Ok(to) if to == *address => self.nowhere(url, "sends on to the same address"),
                Ok(to) => self.on(url, format!("says to look for {to}"), Led::Address(to)),
                Err(_) => self.nowhere(url, "sends on to what is no address"),
            },
            Some(Told::Settings(mut settings)) => {
                settings.ews_urls.retain(|ews| ews.scheme() == "https" || is_loopback(ews) || self.config.insecure);
                if settings.ews_urls.is_empty() {
                    return self.nowhere(url, "knows the address, and no EWS for it");
                }
                settings.endpoint = Some(url.clone());
                self.on(url, format!("knows the address: EWS is at {}", urls(&settings.ews_urls)), Led::Found(settings))
            }
        }
    }

    /// Puts the EWS first that answers from here.
    async fn try_services(&mut self, settings: &mut Settings) {
        for place in 0..settings.ews_urls.len() {
            let Some(url) = settings.ews_urls.get(place).cloned() else { continue };
            match self.web.peek(&url).await {
                Ok(_) => {
                    self.note(&url, true, "answers from here");
                    settings.ews_urls.swap(0, place);
                    return;
                }
                Err(failure) => self.note(&url, false, format!("{} ({})", failure.message, failure.code)),
            }
        }
    }

    /// Asks the directory, where there is one.
    async fn service_points(&mut self) -> Vec<Place> {
        let Some(config) = &self.config.ldap else { return Vec::new() };
        let directory = config.url.clone();
        match ldap::service_points(config).await {
            Err(err) => {
                self.note(&directory, false, ldap::words(&err));
                Vec::new()
            }
            Ok(points) => {
                let found: Vec<Url> =
                    points.iter().filter_map(|point| Url::parse(&point.url).ok()).filter(|url| matches!(url.scheme(), "https" | "http")).collect();
                let text = if found.is_empty() { "the directory names no place".to_owned() } else { format!("the directory names {}", urls(&found)) };
                self.note(&directory, !found.is_empty(), text);
                found.into_iter().map(|url| Place { url, trust: Trust::Known, again: false }).collect()
            }
        }
    }

    /// Asks in the clear and in nobody's name for a redirect.
    async fn redirect_of(&mut self, domain: &str) -> Option<Url> {
        let url = place::unencrypted(domain)?;
        let reply = match self.web.peek(&url).await {
            Ok(reply) => reply,
            Err(failure) => {
                self.note(&url, false, format!("{} ({})", failure.message, failure.code));
                return None;
            }
        };
        let to = reply.location.filter(|_| reply.status == 302).and_then(|to| Url::parse(&to).ok());
        match to.filter(|to| to.scheme() == "https") {
            Some(to) => {
                self.note(&url, true, format!("sends on to {to}"));
                Some(to)
            }
            None => {
                self.note(&url, false, format!("does not send on to a place with https (HTTP {})", reply.status));
                None
            }
        }
    }

    /// Asks DNS.
    async fn services_of(&mut self, domain: &str) -> VecDeque<Place> {
        let name = format!("_autodiscover._tcp.{domain}");
        let mut services = match self.names.services(&name).await {
            Ok(services) => services,
            Err(reason) => {
                self.steps.push(Step { place: name, led_on: false, text: format!("DNS does not answer: {reason}") });
                return VecDeque::new();
            }
        };
        services.retain(|service| service.port != 80);
        services.sort_by_key(|service| (service.priority, std::cmp::Reverse(service.weight)));
        let best = services.first();
        let text = best.map_or_else(|| "DNS names no server".to_owned(), |service| format!("DNS names {}:{}", service.host, service.port));
        self.steps.push(Step { place: name, led_on: best.is_some(), text });
        let url = |service: &Service| place::on_host(&service.host, Some(service.port));
        best.and_then(url).map(|url| Place { url, trust: Trust::Hearsay, again: false }).into_iter().collect()
    }

    fn may_ask(&self, host: &str, trust: Trust) -> bool {
        let known = place::hosts(place::domain(&self.discovery.address), self.discovery.root_domain);
        let given = self.discovery.url.as_ref().and_then(Url::host_str);
        trust == Trust::Known
            || known.iter().any(|known| known == host)
            || given.is_some_and(|given| given.eq_ignore_ascii_case(host))
            || self.discovery.approved_hosts.iter().any(|approved| approved.eq_ignore_ascii_case(host))
    }

    fn hop(&mut self) -> Result<(), DiscoveryError> {
        self.hops += 1;
        if self.hops > HOPS_MAX { Err(DiscoveryError::Hops) } else { Ok(()) }
    }

    fn note(&mut self, url: &Url, led_on: bool, text: impl Into<String>) {
        self.steps.push(Step { place: shown(url), led_on, text: text.into() });
    }

    fn nowhere(&mut self, url: &Url, text: impl Into<String>) -> Led {
        self.note(url, false, text);
        Led::Nowhere
    }

    fn on(&mut self, url: &Url, text: String, led: Led) -> Led {
        self.note(url, true, text);
        led
    }
}

/// Asks one place, by the older language, which address a mailbox has.
pub(super) async fn content_mailbox(web: &dyn Web, endpoint: &Url, name: &str) -> Result<Address, DiscoveryError> {
    let refused = |reason: String| DiscoveryError::Refused { reason };
    let ways = place::ways(endpoint);
    let url = ways.iter().find(|(language, _)| *language == Language::Pox).map_or(endpoint, |(_, url)| url);
    let reply = web
        .ask(url, pox::write(name))
        .await
        .map_err(|failure| if failure.trouble == Trouble::SignIn { DiscoveryError::SignIn } else { refused(failure.message) })?;
    match reply.status {
        200 => {}
        401 => return Err(DiscoveryError::SignIn),
        status => return Err(refused(format!("HTTP {status}"))),
    }
    match pox::read(reply.body) {
        Some(Told::Settings(settings)) => {
            let address = settings.address.ok_or_else(|| refused("the answer holds no address".to_owned()))?;
            Address::parse(&address).map_err(|err| refused(err.to_string()))
        }
        Some(Told::Refused(reason)) => Err(refused(reason)),
        Some(_) => Err(refused("it is on another server".to_owned())),
        None => Err(refused("the answer is not one of autodiscover".to_owned())),
    }
}

/// A URL as it may be shown: without what it may hold of a password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails for URLs that cannot hold any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

fn urls(urls: &[Url]) -> String {
    urls.iter().map(shown).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests;
