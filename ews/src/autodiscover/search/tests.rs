//! The search against a scripted network: every place, every rule.

use super::*;
use crate::Secret;
use crate::body::Body;
use crate::error::Failure;
use async_trait::async_trait;
use std::sync::Mutex;

/// A network that answers by what the script says for `ask URL` and `peek URL`; nothing else is there.
struct Net<F> {
    script: F,
    log: Mutex<Vec<String>>,
    services: Vec<Service>,
}

impl<F: Fn(&str) -> Option<Reply> + Send + Sync> Net<F> {
    fn answer(&self, request: String) -> Result<Reply, Failure> {
        let reply = (self.script)(&request);
        self.log.lock().unwrap().push(request);
        reply.ok_or_else(|| Failure::new(Trouble::Unreachable, "DNS", "the server's name cannot be resolved"))
    }
}

#[async_trait]
impl<F: Fn(&str) -> Option<Reply> + Send + Sync> Web for Net<F> {
    async fn ask(&self, url: &Url, body: Body) -> Result<Reply, Failure> {
        let body = String::from_utf8(body.as_text().unwrap().to_vec()).unwrap();
        let (_, rest) = body.split_once("<a:Mailbox>").or_else(|| body.split_once("<EMailAddress>")).unwrap();
        self.answer(format!("ask {url} for {}", rest.split('<').next().unwrap()))
    }
    async fn peek(&self, url: &Url) -> Result<Reply, Failure> {
        self.answer(format!("peek {url}"))
    }
}

#[async_trait]
impl<F: Fn(&str) -> Option<Reply> + Send + Sync> Names for Net<F> {
    async fn services(&self, name: &str) -> Result<Vec<Service>, String> {
        self.log.lock().unwrap().push(format!("srv {name}"));
        Ok(self.services.clone())
    }
}

struct Outcome {
    result: Result<Settings, DiscoveryError>,
    log: Vec<String>,
    steps: Vec<Step>,
}

async fn search(discovery: Discovery, services: Vec<Service>, script: impl Fn(&str) -> Option<Reply> + Send + Sync) -> Outcome {
    let net = Net { script, log: Mutex::default(), services };
    let config = EwsConfig::new(Url::parse("https://unused/").unwrap(), "admin", Secret::new("pw"), "/nowhere");
    let mut search = Search::new(&discovery, &config, &net, &net);
    let result = search.run().await;
    Outcome { result, steps: search.into_steps(), log: net.log.into_inner().unwrap() }
}

fn anna() -> Discovery {
    Discovery::new(Address::parse("anna@example.org").unwrap())
}

fn status(status: u16) -> Option<Reply> {
    Some(Reply { status, ..Reply::default() })
}

fn to(status: u16, location: &str) -> Option<Reply> {
    Some(Reply { status, location: Some(location.to_owned()), ..Reply::default() })
}

fn pox(account: &str) -> Option<Reply> {
    let body = format!("<Autodiscover><Response><Account>{account}</Account></Response></Autodiscover>");
    Some(Reply { status: 200, body: body.into_bytes(), ..Reply::default() })
}

fn settings() -> Option<Reply> {
    pox("<Action>settings</Action><Protocol><Type>EXPR</Type><EwsUrl>https://mail.example.org/EWS/Exchange.asmx</EwsUrl></Protocol>")
}

fn service(host: &str, port: u16, priority: u16, weight: u16) -> Service {
    Service { host: host.to_owned(), port, priority, weight }
}

const DOMAIN: &str = "ask https://autodiscover.example.org/autodiscover/autodiscover";

#[tokio::test]
async fn the_places_are_asked_in_the_documented_order() {
    let discovery = Discovery { root_domain: true, ..anna() };
    let outcome =
        search(discovery, vec![service("b.else.org", 443, 20, 9), service("a.else.org", 443, 10, 1), service("c.else.org", 80, 1, 1)], |_| None).await;
    let expected = [
        "ask https://example.org/autodiscover/autodiscover.svc for anna@example.org",
        "ask https://autodiscover.example.org/autodiscover/autodiscover.svc for anna@example.org",
        "peek http://autodiscover.example.org/autodiscover/autodiscover.xml",
        "srv _autodiscover._tcp.example.org",
    ];
    assert_eq!(outcome.log, expected);
    let Err(DiscoveryError::Unapproved { host }) = outcome.result else { panic!("{:?}", outcome.result) };
    assert_eq!(host, "a.else.org");
    assert!(outcome.steps.iter().any(|step| step.text.contains("a.else.org") && step.text.contains("approved")), "{:?}", outcome.steps);
}

#[tokio::test]
async fn the_older_language_follows_the_newer() {
    let outcome = search(anna(), Vec::new(), |request| match request {
        request if request.starts_with(&format!("{DOMAIN}.svc")) => status(404),
        request if request.starts_with(&format!("{DOMAIN}.xml")) => settings(),
        "peek https://mail.example.org/EWS/Exchange.asmx" => status(401),
        _ => None,
    })
    .await;
    let found = outcome.result.unwrap();
    assert_eq!(found.ews_urls[0].as_str(), "https://mail.example.org/EWS/Exchange.asmx");
    assert_eq!(found.endpoint.unwrap().path(), "/autodiscover/autodiscover.xml");
}

#[tokio::test]
async fn a_refused_sign_in_is_not_final_and_not_repeated_at_the_same_host() {
    let outcome = search(Discovery { root_domain: true, ..anna() }, Vec::new(), |request| match request {
        request if request.starts_with("ask https://example.org/") => status(401),
        request if request.starts_with(DOMAIN) => settings(),
        _ => None,
    })
    .await;
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.log.iter().filter(|request| request.starts_with("ask https://example.org/")).count(), 1);
    let outcome = search(anna(), Vec::new(), |request| if request.starts_with("ask") { status(401) } else { None }).await;
    assert!(matches!(outcome.result, Err(DiscoveryError::SignIn)), "{:?}", outcome.result);
}

#[tokio::test]
async fn a_password_follows_a_redirect_to_approved_hosts_only() {
    let script = |request: &str| match request {
        "peek http://autodiscover.example.org/autodiscover/autodiscover.xml" => to(302, "https://mail.hoster.net/autodiscover/autodiscover.xml"),
        request if request.starts_with("ask https://mail.hoster.net/") => settings(),
        _ => None,
    };
    let outcome = search(anna(), Vec::new(), script).await;
    assert!(matches!(&outcome.result, Err(DiscoveryError::Unapproved { host }) if host == "mail.hoster.net"), "{:?}", outcome.result);
    assert!(!outcome.log.iter().any(|request| request.contains("ask https://mail.hoster.net")), "{:?}", outcome.log);
    let approved = Discovery { approved_hosts: vec!["MAIL.hoster.net".to_owned()], ..anna() };
    assert!(search(approved.clone(), Vec::new(), script).await.result.is_ok());
    // The same for a redirect that an authenticated answer gives, to another place and to another address.
    for account in ["<RedirectUrl>https://mail.hoster.net/autodiscover/autodiscover.xml</RedirectUrl>", "<RedirectAddr>anna@hoster.net</RedirectAddr>"] {
        let script = |request: &str| match request {
            request if request.starts_with(&format!("{DOMAIN}.xml")) => pox(account),
            request if request.starts_with("ask https://mail.hoster.net/") || request.starts_with("ask https://autodiscover.hoster.net/") => settings(),
            request if request.starts_with("ask") => status(404),
            _ => None,
        };
        let outcome = search(anna(), Vec::new(), script).await;
        assert!(matches!(&outcome.result, Err(DiscoveryError::Unapproved { host }) if host.ends_with("hoster.net")), "{:?}", outcome.result);
        let approved = Discovery { approved_hosts: vec!["mail.hoster.net".to_owned(), "autodiscover.hoster.net".to_owned()], ..anna() };
        assert!(search(approved, Vec::new(), script).await.result.is_ok());
    }
}

#[tokio::test]
async fn only_a_302_to_https_counts_in_the_clear() {
    for reply in [to(301, "https://mail.hoster.net/a.xml"), to(302, "http://mail.hoster.net/a.xml"), status(200), to(302, "nonsense")] {
        let script = |request: &str| if request.starts_with("peek") { reply.clone() } else { None };
        let discovery = Discovery { approved_hosts: vec!["mail.hoster.net".to_owned()], ..anna() };
        let outcome = search(discovery, Vec::new(), script).await;
        assert!(!outcome.log.iter().any(|request| request.contains("hoster.net")), "{reply:?}: {:?}", outcome.log);
    }
    let outcome = search(anna(), Vec::new(), |request| if request.starts_with(DOMAIN) { to(302, "http://autodiscover.example.org/x.xml") } else { None }).await;
    assert!(!outcome.log.iter().any(|request| request.starts_with("ask http://")), "{:?}", outcome.log);
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let outcome = search(anna(), Vec::new(), |request| match request {
        request if request.starts_with(DOMAIN) => to(302, "https://autodiscover.example.org/b.svc"),
        request if request.starts_with("ask https://autodiscover.example.org/b") => to(302, "https://autodiscover.example.org/autodiscover/autodiscover.svc"),
        _ => None,
    })
    .await;
    assert!(outcome.result.is_err() && outcome.log.len() < 12, "{:?}", outcome.log);
    let count = std::sync::atomic::AtomicUsize::new(0);
    let outcome = search(anna(), Vec::new(), |request| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if request.starts_with("ask") { to(302, &format!("https://autodiscover.example.org/{n}.svc")) } else { None }
    })
    .await;
    assert!(matches!(outcome.result, Err(DiscoveryError::Hops)), "{:?}", outcome.result);
    assert_eq!(outcome.log.len(), HOPS_MAX + 1);
}

#[tokio::test]
async fn the_same_address_again_is_no_redirect_and_another_one_starts_anew() {
    let outcome =
        search(anna(), Vec::new(), |request| if request.starts_with(DOMAIN) { pox("<RedirectAddr>Anna@example.org</RedirectAddr>") } else { None }).await;
    assert!(matches!(outcome.result, Err(DiscoveryError::Nothing { .. })), "{:?}", outcome.result);
    let outcome = search(anna(), Vec::new(), |request| match request {
        request if request.starts_with(DOMAIN) && request.ends_with("for anna@example.org") => pox("<RedirectAddr>anna.doe@example.org</RedirectAddr>"),
        request if request.starts_with(DOMAIN) && request.ends_with("for anna.doe@example.org") => settings(),
        _ => None,
    })
    .await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.steps);
}

#[tokio::test]
async fn a_place_given_by_hand_comes_first_and_wrong_answers_lead_on() {
    let given = Discovery { url: Some(Url::parse("https://ex1.corp/autodiscover/autodiscover.xml").unwrap()), ..anna() };
    for wrong in [
        status(500),
        status(200),
        pox("<Action>settings</Action>"),
        to(302, ""),
        Some(Reply { status: 200, body: b"<html>Hello</html>".to_vec(), ..Reply::default() }),
    ] {
        let outcome = search(given.clone(), Vec::new(), |request| match request {
            request if request.starts_with("ask https://ex1.corp/") => wrong.clone(),
            request if request.starts_with(DOMAIN) => settings(),
            _ => None,
        })
        .await;
        assert!(outcome.log[0].starts_with("ask https://ex1.corp/autodiscover/autodiscover.xml"), "{:?}", outcome.log);
        assert!(outcome.result.is_ok(), "{wrong:?}: {:?}", outcome.steps);
    }
}

#[tokio::test]
async fn a_content_mailbox_is_asked_for_by_its_guid() {
    let endpoint = Url::parse("https://autodiscover.example.org/autodiscover/autodiscover.svc").unwrap();
    let ask = async |reply: Option<Reply>| {
        let net = Net { script: move |_: &str| reply.clone(), log: Mutex::default(), services: Vec::new() };
        let result = content_mailbox(&net, &endpoint, "0a9f4b3e-6f5a-4a0c-9d0e-1b2c3d4e5f60@example.org").await;
        (result, net.log.into_inner().unwrap())
    };
    let body = "<Autodiscover><Response><User><AutoDiscoverSMTPAddress>PF1@example.org</AutoDiscoverSMTPAddress></User><Account><Action>settings</Action></Account></Response></Autodiscover>";
    let (found, log) = ask(Some(Reply { status: 200, body: body.as_bytes().to_vec(), ..Reply::default() })).await;
    assert_eq!(found.unwrap().as_str(), "pf1@example.org");
    assert_eq!(log, ["ask https://autodiscover.example.org/autodiscover/autodiscover.xml for 0a9f4b3e-6f5a-4a0c-9d0e-1b2c3d4e5f60@example.org"]);
    assert!(matches!(ask(status(401)).await.0, Err(DiscoveryError::SignIn)));
    assert!(matches!(ask(None).await.0, Err(DiscoveryError::Refused { .. })));
}
