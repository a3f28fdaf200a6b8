//! How a connection signs in: which keys each way needs, and which it does not know.

use crate::definition::Wrong;
use crate::definition::file::ConnectionFile;
use c2b_api::connection::{OAuthDefinition, SignInKind};
use url::Url;

/// Where Entra ID gives out tokens, before the tenant.
const ENTRA_ID: &str = "https://login.microsoftonline.com";

/// Refuses keys that are missing, or that the way to sign in does not know.
pub(super) fn check(file: &ConnectionFile) -> Result<(), Wrong> {
    let word = file.sign_in.word();
    if file.sign_in.is_oauth() {
        let Some(oauth) = &file.oauth else {
            return Err(Wrong::new("oauth", format!("sign-in {word} needs an application"), "give its id with --client-id, and --tenant or --token-url"));
        };
        if oauth.client_id.trim().is_empty() {
            return Err(Wrong::new("oauth", "the application's id is empty", "the token service shows it: a GUID at Entra ID"));
        }
        token_url(oauth)?;
    } else {
        if file.oauth.is_some() {
            return Err(Wrong::new("oauth", format!("sign-in {word} knows no application"), "set sign-in to oauth-secret, oauth-certificate or device-code"));
        }
        if file.user.trim().is_empty() {
            return Err(Wrong::new("user", "the user is empty", "give the account that signs in, for instance EXAMPLE\\backup or backup@example.org"));
        }
    }
    if file.kerberos.is_some() && file.sign_in != SignInKind::Negotiate {
        return Err(Wrong::new("kerberos", format!("sign-in {word} knows no Kerberos"), "set sign-in to negotiate"));
    }
    Ok(())
}

/// Returns where an application gets its tokens.
///
/// # Errors
/// When neither a tenant nor a URL is given, or the URL would give secrets away.
pub fn token_url(oauth: &OAuthDefinition) -> Result<Url, Wrong> {
    let text = match (&oauth.token_url, &oauth.tenant) {
        (Some(url), _) => url.clone(),
        (None, Some(tenant)) if tenant.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter)) && !tenant.is_empty() => {
            format!("{ENTRA_ID}/{tenant}/oauth2/v2.0/token")
        }
        (None, Some(tenant)) => {
            return Err(Wrong::new("oauth", format!("{tenant:?} is no tenant"), "give its id or its domain, for instance example.onmicrosoft.com"));
        }
        (None, None) => {
            return Err(Wrong::new(
                "oauth",
                "neither a tenant nor a token service is given",
                "give --tenant, or --token-url for another service than Entra ID",
            ));
        }
    };
    let url = Url::parse(&text).map_err(|error| Wrong::new("oauth", format!("{text:?} is not a URL: {error}"), ""))?;
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && super::is_loopback(&url);
    if is_safe {
        return Ok(url);
    }
    Err(Wrong::new("oauth", format!("{text:?} would send secrets unencrypted"), "token services are reached with https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(toml: &str) -> Option<String> {
        let file: ConnectionFile = toml::from_str(&format!("kind = \"ews\"\nurl = \"https://x\"\n{toml}")).unwrap();
        check(&file).err().map(|wrong| wrong.message)
    }

    #[test]
    fn each_way_to_sign_in_has_its_keys() {
        for good in [
            "user = \"a\"",
            "user = \"a\"\nsign-in = \"ntlm\"",
            "user = \"a\"\nsign-in = \"negotiate\"\n[kerberos]\nsystem-ticket = true",
            "sign-in = \"oauth-secret\"\n[oauth]\nclient-id = \"x\"\ntenant = \"example.org\"",
            "sign-in = \"device-code\"\n[oauth]\nclient-id = \"x\"\ntoken-url = \"http://127.0.0.1:1/token\"",
        ] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for (bad, message) in [
            ("sign-in = \"ntlm\"", "user is empty"),
            ("user = \"a\"\n[oauth]\nclient-id = \"x\"", "knows no application"),
            ("user = \"a\"\n[kerberos]\nsystem-ticket = true", "knows no Kerberos"),
            ("sign-in = \"oauth-secret\"", "needs an application"),
            ("sign-in = \"oauth-secret\"\n[oauth]\nclient-id = \"x\"", "neither a tenant"),
            ("sign-in = \"oauth-secret\"\n[oauth]\nclient-id = \"x\"\ntenant = \"a/b\"", "no tenant"),
            ("sign-in = \"oauth-secret\"\n[oauth]\nclient-id = \"x\"\ntoken-url = \"http://x/token\"", "unencrypted"),
        ] {
            assert!(wrong(bad).is_some_and(|said| said.contains(message)), "{bad}: {:?}", wrong(bad));
        }
    }
}
