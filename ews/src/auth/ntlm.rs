//! NTLM as MS-NLMP says, version 2 only, from the client's side.
//!
//! Every answer carries the message integrity code, the target's name and the binding to the TLS channel, as
//! servers with Extended Protection ask. LM and NTLM version 1 are not spoken.

mod message;
mod response;

use super::{Account, Challenge, Dialogue, Leg, SignInError};
use message::{Authenticate, ServerChallenge};
use response::{Client, Random, Response};

pub(super) use response::Session;

/// A dialogue of NTLM: our greeting, the server's challenge, our answer.
pub(super) struct Ntlm {
    account: Account,
    /// The service: `HTTP/host`.
    target: String,
    channel_binding: Option<Vec<u8>>,
    greeting: Option<Vec<u8>>,
    session: Option<Session>,
}

impl Ntlm {
    /// Prepares to sign in at a service over a channel.
    pub(super) fn new(account: Account, target: String, channel_binding: Option<Vec<u8>>) -> Self {
        Self { account, target, channel_binding, greeting: None, session: None }
    }

    /// Returns the keys that were agreed on, once the answer is made.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    fn answer(&mut self, greeting: &[u8], challenge: &Challenge) -> Result<Vec<u8>, SignInError> {
        let server = ServerChallenge::parse(&challenge.token).ok_or(SignInError::Challenge)?;
        let (domain, user) = self.account.split();
        let client = Client {
            domain,
            user,
            password: &self.account.password,
            target: &self.target,
            channel_binding: self.channel_binding.as_deref(),
            filetime: challenge.filetime(),
            random: Random::new().map_err(SignInError::Random)?,
        };
        let response = Response::new(&server, &client);
        let message = Authenticate { domain, user, response: &response, flags: server.flags & message::FLAGS };
        let message = message.write(greeting, &challenge.token);
        self.session = Some(response.session);
        Ok(message)
    }
}

impl Dialogue for Ntlm {
    fn next(&mut self, challenge: &Challenge) -> Result<Leg, SignInError> {
        match self.greeting.take() {
            None => {
                let greeting = message::negotiate();
                self.greeting = Some(greeting.clone());
                Ok(Leg { token: greeting, is_last: false })
            }
            Some(greeting) => Ok(Leg { token: self.answer(&greeting, challenge)?, is_last: true }),
        }
    }
}
