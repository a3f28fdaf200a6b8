//! Why a server did not let the user in, as far as it tells, and what an administrator can do about it.

use super::{Scheme, offer};
use hyper::header::HeaderMap;

/// A sign-in that was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    scheme: Scheme,
    offers: Vec<String>,
    /// What Exchange says about a token: `x-ms-diagnostics`.
    reason: Option<String>,
}

impl Refusal {
    /// Reads the headers of a 401.
    pub(crate) fn of(headers: &HeaderMap, scheme: Scheme) -> Self {
        let diagnostics = headers.get("x-ms-diagnostics").and_then(|value| value.to_str().ok());
        Self { scheme, offers: offer::schemes(headers), reason: diagnostics.map(reason_in) }
    }

    /// Says what happened.
    pub(crate) fn message(&self) -> String {
        if !self.offers.is_empty() && !self.is_offered(self.scheme) {
            return format!("the server does not accept {} sign-in, only {}", self.scheme.word(), self.offers.join(", "));
        }
        let what = match self.scheme {
            Scheme::Basic => "the server refused the user name or password",
            Scheme::Ntlm | Scheme::Negotiate => "the server refused the sign-in: the user name, the password, or this connection",
            Scheme::Bearer => "the server refused the access token",
        };
        match &self.reason {
            Some(reason) => format!("{what}: {reason}"),
            None => what.to_owned(),
        }
    }

    /// Says what to do.
    pub(crate) fn hint(&self) -> String {
        if !self.offers.is_empty() && !self.is_offered(self.scheme) {
            let possible: Vec<&str> = [Scheme::Negotiate, Scheme::Ntlm, Scheme::Basic, Scheme::Bearer]
                .into_iter()
                .filter(|scheme| self.is_offered(*scheme))
                .map(Scheme::setting)
                .collect();
            if possible.is_empty() {
                return "no way to sign in that the server offers is known here; allow Negotiate, NTLM or Basic for EWS on the server".to_owned();
            }
            return format!("set sign-in to {}", possible.join(" or "));
        }
        let hint = match self.scheme {
            Scheme::Basic => "check the user name (name@domain or DOMAIN\\name) and the password; Basic sign-in must be enabled for EWS on the server",
            Scheme::Ntlm | Scheme::Negotiate => {
                "check the user name (name@domain or DOMAIN\\name) and the password; if they are right, Extended Protection may be in the way: it refuses connections whose TLS ends at a proxy or load balancer, and every NTLM over plain http: give the URL of the Exchange server itself"
            }
            Scheme::Bearer => {
                "check that the application has the permission full_access_as_app (with consent), that EWS is allowed for it, and that scope and tenant are those of this server"
            }
        };
        hint.to_owned()
    }

    fn is_offered(&self, scheme: Scheme) -> bool {
        self.offers.iter().any(|offer| offer.eq_ignore_ascii_case(scheme.word()))
    }
}

/// Takes the reason out of `2000003;reason="The hostname component ... is invalid";error_category="invalid_resource"`.
fn reason_in(diagnostics: &str) -> String {
    let reason = diagnostics.split_once("reason=\"").and_then(|(_, rest)| rest.split('"').next());
    reason.unwrap_or(diagnostics).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderValue, WWW_AUTHENTICATE};

    fn refused(offers: &[&'static str], scheme: Scheme) -> Refusal {
        let headers = offers.iter().map(|offer| (WWW_AUTHENTICATE, HeaderValue::from_static(offer))).collect();
        Refusal::of(&headers, scheme)
    }

    #[test]
    fn another_scheme_is_named_where_ours_is_not_offered() {
        let refusal = refused(&["Negotiate", "NTLM"], Scheme::Basic);
        assert_eq!(refusal.message(), "the server does not accept Basic sign-in, only Negotiate, NTLM");
        assert_eq!(refusal.hint(), "set sign-in to negotiate or ntlm");
        assert!(refused(&["Digest realm=\"x\""], Scheme::Ntlm).hint().contains("no way to sign in"));
    }

    #[test]
    fn extended_protection_is_named_where_ntlm_is_refused() {
        let refusal = refused(&["NTLM"], Scheme::Ntlm);
        assert!(refusal.message().contains("refused the sign-in") && refusal.hint().contains("Extended Protection"));
    }

    #[test]
    fn exchange_says_why_it_refused_a_token() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-diagnostics", HeaderValue::from_static("2000003;reason=\"The token has expired.\";error_category=\"x\""));
        assert_eq!(Refusal::of(&headers, Scheme::Bearer).message(), "the server refused the access token: The token has expired.");
    }
}
