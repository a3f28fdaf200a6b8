//! From what a definition says about signing in, and a secret, to what the protocol's client takes.

use crate::clock::Clock;
use crate::definition::connection::sign_in::token_url;
use crate::failure;
use crate::name::Name;
use crate::secret::{Kind, SecretError, Secrets};
use c2b_api::connection::{ConnectionDefinition, Expiry, KerberosDefinition, SignInKind};
use c2b_api::{ApiError, ErrorCode};
use c2b_ews::auth::oauth::{Grant, Keeper, OAuth, WallClock};
use c2b_ews::auth::{Account, Negotiate, certificate_expiry};
use c2b_ews::{Secret, SignIn};
use std::fmt;
use std::io;
use std::sync::Arc;
use url::Url;

/// What is asked for at Exchange Online where the URL does not tell.
const EXCHANGE_ONLINE: &str = "https://outlook.office365.com";

/// Returns whether a connection has a secret that it is made with.
pub(super) fn needs_secret(definition: &ConnectionDefinition) -> bool {
    let has_ticket = definition.kerberos.as_ref().is_some_and(|kerberos| kerberos.system_ticket);
    definition.sign_in != SignInKind::DeviceCode && !has_ticket
}

/// Makes what signs in at a URL.
pub(super) fn sign_in(
    name: &Name,
    definition: &ConnectionDefinition,
    url: &Url,
    secret: Option<Secret>,
    secrets: &Secrets,
    clock: &Clock,
) -> Result<SignIn, ApiError> {
    let user = definition.user.clone();
    let missing = || ApiError::new(ErrorCode::Auth, format!("connection {name} has no password"), "");
    let grant = match definition.sign_in {
        SignInKind::Basic => return Ok(SignIn::Basic(Account { user, password: secret.ok_or_else(missing)? })),
        SignInKind::Ntlm => return Ok(SignIn::Ntlm(Account { user, password: secret.ok_or_else(missing)? })),
        SignInKind::Negotiate => {
            let KerberosDefinition { service, system_ticket } = definition.kerberos.clone().unwrap_or_default();
            let password = if system_ticket { None } else { Some(secret.ok_or_else(missing)?) };
            return Ok(SignIn::Negotiate(Negotiate { user, password, service }));
        }
        SignInKind::OauthSecret => Grant::Secret(secret.ok_or_else(missing)?),
        SignInKind::OauthCertificate => Grant::Certificate(secret.ok_or_else(missing)?),
        SignInKind::DeviceCode => Grant::Refresh(Arc::new(RefreshToken { name: name.clone(), secrets: secrets.clone() })),
    };
    let oauth = definition.oauth.as_ref().ok_or_else(|| failure::invalid("the connection names no application", ""))?;
    let clock = clock.clone();
    Ok(SignIn::OAuth(OAuth {
        token_url: token_url(oauth).map_err(failure::wrong)?,
        client_id: oauth.client_id.clone(),
        scope: oauth.scope.clone().unwrap_or_else(|| usual_scope(url)),
        grant,
        secret_expires: oauth.secret_expires,
        clock: WallClock::new(move || clock.now()),
    }))
}

/// All that an application may do at a server.
fn usual_scope(url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    let is_server = origin.starts_with("https://") && !origin.ends_with(".invalid");
    format!("{}/.default", if is_server { &origin } else { EXCHANGE_ONLINE })
}

/// Keeps the refresh token of a connection where the passwords of others are.
struct RefreshToken {
    name: Name,
    secrets: Secrets,
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({})", self.name)
    }
}

impl Keeper for RefreshToken {
    fn load(&self) -> io::Result<Option<Secret>> {
        match self.secrets.get(Kind::CONNECTION, &self.name) {
            Ok(token) => Ok(Some(token)),
            Err(SecretError::Missing { .. }) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn keep(&self, refresh_token: &Secret) -> io::Result<()> {
        self.secrets.put(Kind::CONNECTION, &self.name, refresh_token.expose()).map_err(io::Error::other)
    }
}

/// Returns when what a connection signs in with ends, where that is known.
pub(super) fn expiry(definition: &ConnectionDefinition, secret: Option<&Secret>) -> Option<Expiry> {
    let (what, time) = match definition.sign_in {
        SignInKind::OauthSecret => ("client secret", definition.oauth.as_ref()?.secret_expires?.and_hms_opt(23, 59, 59)?.and_utc()),
        SignInKind::OauthCertificate => ("client certificate", certificate_expiry(secret?)?),
        _ => return None,
    };
    Some(Expiry { what: what.to_owned(), since: None, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_asked_for_the_server_itself() {
        let of = |text: &str| usual_scope(&Url::parse(text).unwrap());
        assert_eq!(of("https://mail.example.org/EWS/Exchange.asmx"), "https://mail.example.org/.default");
        assert_eq!(of("https://outlook.office365.com/EWS/Exchange.asmx"), "https://outlook.office365.com/.default");
        assert_eq!(of("https://autodiscover.invalid/"), "https://outlook.office365.com/.default");
    }
}
