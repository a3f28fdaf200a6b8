//! A connection is changed. A running job takes it up with its next cycle.
//!
//! Nobody can read a secret back, not even by sending it elsewhere: whenever it would go to another place, or with less
//! protection, it must be given again.

use super::{Connections, Passwords, secret_error, sign_in};
use crate::definition::file::ConnectionFile;
use crate::definition::{Connection, Defined};
use crate::failure;
use crate::name::Name;
use crate::secret::Kind;
use c2b_api::connection::ConnectionInfo;
use c2b_api::{ApiError, Secret};
use tracing::info;

impl Connections {
    /// Puts another definition, and other secrets, in the place of a connection's. Its name and owner stay.
    ///
    /// # Errors
    /// When there is none, a value is not acceptable, or a secret must be given again.
    pub async fn edit(
        &self,
        name: &Name,
        file: ConnectionFile,
        password: Option<Secret>,
        ldap_password: Option<Secret>,
        user: &str,
    ) -> Result<ConnectionInfo, ApiError> {
        let before = self.get(name)?;
        let connection = Connection::check(name, ConnectionFile { owner: Some(before.owner.clone()), ..file }, user).map_err(failure::wrong)?;
        let passwords = Passwords {
            account: self.account_secret(&before, &connection, password.as_ref())?,
            ldap: self.ldap_secret(&before, &connection, ldap_password.as_ref())?,
        };
        let found = self.find_server(&connection, passwords).await?;
        let _changing = self.definitions.change().await;
        if self.get(name)? != before {
            return Err(failure::state(format!("connection {name} was changed by somebody else meanwhile"), "look at it, and try again"));
        }
        match &password {
            Some(password) => self.secrets.put(Kind::CONNECTION, name, password.expose().as_bytes()).map_err(|error| secret_error(&error))?,
            None if connection.definition.keeps_secret(&before.definition) => {}
            // A token that somebody signed in for is not shown to another service.
            None => self.secrets.remove(Kind::CONNECTION, name).map_err(|error| failure::file(&error))?,
        }
        match &ldap_password {
            Some(password) => self.secrets.put(Kind::DIRECTORY, name, password.expose().as_bytes()).map_err(|error| secret_error(&error))?,
            None if has_own_user(&connection) => {}
            None => self.secrets.remove(Kind::DIRECTORY, name).map_err(|error| failure::file(&error))?,
        }
        if let Some(found) = &found {
            self.found.put(name, found).map_err(|error| failure::file(&error))?;
        }
        let connection = self.definitions.put(name, connection).map_err(|error| failure::file(&error))?;
        self.lock_live().remove(name);
        info!(connection = %name, %user, "connection edited");
        Ok(self.info(&connection))
    }

    fn account_secret(&self, before: &Connection, after: &Connection, given: Option<&Secret>) -> Result<Option<c2b_ews::Secret>, ApiError> {
        let word = after.definition.sign_in.word();
        match given {
            Some(_) if !sign_in::needs_secret(&after.definition) => Err(failure::invalid(format!("sign-in {word} takes no password here"), "leave it out")),
            Some(given) if given.expose().is_empty() => Err(failure::invalid("the password is empty", "is the password file empty?")),
            Some(given) => Ok(Some(c2b_ews::Secret::new(given.expose()))),
            None if !sign_in::needs_secret(&after.definition) => Ok(None),
            None if after.definition.keeps_secret(&before.definition) => {
                self.secrets.get(Kind::CONNECTION, &after.name).map(Some).map_err(|error| secret_error(&error))
            }
            None => Err(again("the secret of the connection", "--password-file, or --certificate-file")),
        }
    }

    fn ldap_secret(&self, before: &Connection, after: &Connection, given: Option<&Secret>) -> Result<Option<c2b_ews::Secret>, ApiError> {
        match given {
            Some(given) if !has_own_user(after) || given.expose().is_empty() => {
                Err(failure::invalid("the directory's user and password belong together", "give both, --ldap-user and --ldap-password-file, or neither"))
            }
            Some(given) => Ok(Some(c2b_ews::Secret::new(given.expose()))),
            None if !has_own_user(after) => Ok(None),
            None if after.definition.keeps_directory_secret(&before.definition) => {
                self.secrets.get(Kind::DIRECTORY, &after.name).map(Some).map_err(|error| secret_error(&error))
            }
            None => Err(again("the password of the directory's user", "--ldap-password-file")),
        }
    }
}

fn has_own_user(connection: &Connection) -> bool {
    connection.definition.ldap.as_ref().is_some_and(|ldap| ldap.user.is_some())
}

fn again(what: &str, option: &str) -> ApiError {
    failure::invalid(format!("{what} must be given again, since it would go elsewhere or otherwise"), format!("give it with {option}"))
}
