//! Kerberos by the system's MIT libraries: `krb5.conf`, `KRB5_CONFIG`, ticket caches and keytabs mean what they mean
//! everywhere on the host.
//!
//! With a password the ticket lives in memory only. Without one it comes from the ticket cache (`KRB5CCNAME`) or the
//! client keytab (`KRB5_CLIENT_KTNAME`) of the process. Blocks: it asks the realm's own server.

use super::{Negotiate, SignInError};
use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A ticket that ends sooner is replaced before it is used.
const LIFE_LEFT_MIN: Duration = Duration::from_secs(300);

/// The tickets got so far, shared by all connections.
#[derive(Default)]
pub(crate) struct Tickets {
    held: Mutex<Option<Cred>>,
}

impl Tickets {
    /// Returns the token that proves the user to a service (`HTTP/host`) over a channel.
    pub(super) fn token(&self, user: &Negotiate, service: &str, channel_binding: Option<&[u8]>) -> Result<Vec<u8>, SignInError> {
        let cred = self.cred(user)?;
        let target = service_name(service).map_err(|err| failed(&err))?;
        let mut context = ClientCtx::new(Some(cred), target, CtxFlags::GSS_C_INTEG_FLAG, Some(GSS_MECH_KRB5));
        let token = context.step(None, channel_binding).map_err(|err| {
            self.forget();
            failed(&err)
        })?;
        token.map(|token| token.to_vec()).ok_or_else(|| SignInError::Kerberos("no ticket for the service".to_owned()))
    }

    /// Forgets the tickets, so that the next sign-in gets new ones.
    pub(super) fn forget(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn cred(&self, user: &Negotiate) -> Result<Cred, SignInError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cred) = held.as_ref().filter(|cred| cred.lifetime().is_ok_and(|left| left > LIFE_LEFT_MIN)) {
            return Ok(cred.clone());
        }
        let cred = acquire(user).map_err(|err| failed(&err))?;
        *held = Some(cred.clone());
        Ok(cred)
    }
}

fn acquire(user: &Negotiate) -> Result<Cred, Error> {
    let mechanism = OidSet::singleton(GSS_MECH_KRB5)?;
    let name = Name::new(principal(&user.user).as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))?;
    match &user.password {
        Some(password) => {
            let password = std::str::from_utf8(password.expose()).unwrap_or_default();
            Cred::acquire_with_password(Some(&name), password, None, CredUsage::Initiate, Some(&mechanism))
        }
        None => Cred::acquire(Some(&name), None, CredUsage::Initiate, Some(&mechanism)),
    }
}

/// Returns the principal of a user: realms are written in capitals, and a domain in front of the name is left to
/// the default realm.
fn principal(user: &str) -> String {
    if let Some((_, name)) = user.split_once('\\') {
        return name.to_owned();
    }
    match user.rsplit_once('@') {
        Some((name, realm)) => format!("{name}@{}", realm.to_uppercase()),
        None => user.to_owned(),
    }
}

/// Returns the name of a service: a principal when it names its realm, else a service on a host.
fn service_name(service: &str) -> Result<Name, Error> {
    match service.split_once('/') {
        Some((kind, host)) if !host.contains('@') => Name::new(format!("{kind}@{host}").as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)),
        _ => Name::new(service.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)),
    }
}

/// Takes from the library's words the part that tells most.
fn failed(err: &Error) -> SignInError {
    SignInError::Kerberos(err.to_string().replace('\n', " ").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realms_are_written_in_capitals() {
        assert_eq!(principal("backup@example.org"), "backup@EXAMPLE.ORG");
        assert_eq!(principal("EXAMPLE\\backup"), "backup");
        assert_eq!(principal("backup"), "backup");
    }
}
