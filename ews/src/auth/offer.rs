//! What a server offers in `WWW-Authenticate`: schemes, in one header or several, each with a token or parameters.

use super::Scheme;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, WWW_AUTHENTICATE};

/// Returns the schemes that are offered, in the server's words, each once.
pub(crate) fn schemes(headers: &HeaderMap) -> Vec<String> {
    let mut schemes: Vec<String> = Vec::new();
    for offer in offers(headers) {
        let name = offer.split_whitespace().next().unwrap_or_default();
        if !schemes.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            schemes.push(name.to_owned());
        }
    }
    schemes
}

/// Returns the token that the server hands out for the next leg of a scheme.
pub(crate) fn token(headers: &HeaderMap, scheme: Scheme) -> Option<Vec<u8>> {
    offers(headers).find_map(|offer| {
        let (name, token) = offer.split_once(' ')?;
        name.eq_ignore_ascii_case(scheme.word()).then(|| STANDARD.decode(token.trim()).ok())?.filter(|token| !token.is_empty())
    })
}

/// Cuts the headers into offers. A comma separates offers, but also the parameters of one: what follows it begins a
/// new offer only when its first word is no `name=value`.
fn offers(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| {
        let mut offers: Vec<String> = Vec::new();
        for part in value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let first = part.split_whitespace().next().unwrap_or_default();
            let is_parameter = first.trim_end_matches('=').contains('=');
            match offers.last_mut() {
                Some(last) if is_parameter => {
                    last.push(',');
                    last.push_str(part);
                }
                _ => offers.push(part.to_owned()),
            }
        }
        offers
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn schemes_are_told_from_their_parameters() {
        let several = headers(&["Negotiate", "NTLM", "Basic realm=\"mail.example.org\""]);
        assert_eq!(schemes(&several), ["Negotiate", "NTLM", "Basic"]);
        let one = headers(&["Negotiate, NTLM, Basic realm=\"x\", charset=\"UTF-8\", Bearer client_id=\"a\", trusted_issuers=\"b\"", "ntlm"]);
        assert_eq!(schemes(&one), ["Negotiate", "NTLM", "Basic", "Bearer"]);
    }

    #[test]
    fn the_token_of_a_scheme_is_found() {
        let offered = headers(&["Negotiate", "NTLM TlRMTVNTUAA="]);
        assert_eq!(token(&offered, Scheme::Ntlm).as_deref(), Some(b"NTLMSSP\0".as_slice()));
        assert_eq!(token(&offered, Scheme::Negotiate), None);
        assert_eq!(token(&headers(&["NTLM ???"]), Scheme::Ntlm), None);
    }
}
