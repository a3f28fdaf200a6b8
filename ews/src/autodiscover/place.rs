//! Where Autodiscover may be for an address, in the documented order. Pure.

use c2b_mailbox::Address;
use url::Url;

/// The two languages of Autodiscover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Language {
    /// `autodiscover.svc`, `GetUserSettings`.
    Soap,
    /// `autodiscover.xml`.
    Pox,
}

/// Returns the domain of an address.
pub(super) fn domain(address: &Address) -> &str {
    address.as_str().rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Returns the hosts that follow from a domain: the domain itself where that is wished, and its `autodiscover`.
pub(super) fn hosts(domain: &str, root_domain: bool) -> Vec<String> {
    let root = root_domain.then(|| domain.to_owned());
    root.into_iter().chain([format!("autodiscover.{domain}")]).collect()
}

/// Returns the place on a host.
pub(super) fn on_host(host: &str, port: Option<u16>) -> Option<Url> {
    let port = port.filter(|port| *port != 443).map(|port| format!(":{port}")).unwrap_or_default();
    Url::parse(&format!("https://{host}{port}/autodiscover/autodiscover.svc")).ok()
}

/// Returns the place that is asked without a password for a redirect.
pub(super) fn unencrypted(domain: &str) -> Option<Url> {
    Url::parse(&format!("http://autodiscover.{domain}/autodiscover/autodiscover.xml")).ok()
}

/// Returns the ways to ask at a place: in the language that it names, then in the other one.
pub(super) fn ways(url: &Url) -> Vec<(Language, Url)> {
    let path = url.path().to_owned();
    let of = |language: Language| {
        let ending = if language == Language::Soap { "svc" } else { "xml" };
        let stem = path.rsplit_once('.').filter(|(_, old)| old.eq_ignore_ascii_case("svc") || old.eq_ignore_ascii_case("xml")).map(|(stem, _)| stem)?;
        let mut url = url.clone();
        url.set_path(&format!("{stem}.{ending}"));
        Some((language, url))
    };
    let is_pox = path.to_ascii_lowercase().ends_with(".xml");
    let order = if is_pox { [Language::Pox, Language::Soap] } else { [Language::Soap, Language::Pox] };
    let ways: Vec<_> = order.into_iter().filter_map(of).collect();
    // A place of another name can only be what is sent to places of no name: the older language.
    if ways.is_empty() { vec![(Language::Pox, url.clone())] } else { ways }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_domain_is_no_place_and_the_bare_one_only_on_request() {
        let address = Address::parse("a@mail.example.co.uk").unwrap();
        assert_eq!(hosts(domain(&address), false), ["autodiscover.mail.example.co.uk"]);
        assert_eq!(hosts(domain(&address), true), ["mail.example.co.uk", "autodiscover.mail.example.co.uk"]);
    }

    #[test]
    fn each_place_is_asked_in_its_own_language_first() {
        let of = |text: &str| ways(&Url::parse(text).unwrap()).into_iter().map(|(_, url)| url.path().to_owned()).collect::<Vec<_>>();
        assert_eq!(of("https://x/Autodiscover/Autodiscover.xml"), ["/Autodiscover/Autodiscover.xml", "/Autodiscover/Autodiscover.svc"]);
        assert_eq!(of("https://x/a.svc"), ["/a.svc", "/a.xml"]);
        assert_eq!(of("https://x/other"), ["/other"]);
    }
}
