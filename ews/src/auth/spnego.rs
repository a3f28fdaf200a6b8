//! Negotiate: SPNEGO (RFC 4178, MS-SPNG) with Kerberos, and with NTLM where Kerberos is not to be had.
//!
//! Kerberos is tried first and travels in the first leg. NTLM is offered beside it, where there is a password, and
//! alone when Kerberos fails on our side: no realm, no server of it, no such service in it.

use super::der::{Elements, OCTETS, OID, SEQUENCE, context, element};
use super::kerberos::Tickets;
use super::ntlm::Ntlm;
use super::{Account, Challenge, Dialogue, Leg, Negotiate, SignInError};
use std::sync::Arc;

const SPNEGO: &[u8] = b"\x2b\x06\x01\x05\x05\x02";
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// Kerberos with the number that Windows 2000 wrote by mistake, and that its successors still offer.
const KERBEROS_OF_MICROSOFT: &[u8] = b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02";
const NTLM: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a";
/// Tag of the frame around the first token.
const FRAME: u8 = 0x60;

/// A dialogue of Negotiate.
pub(super) struct Spnego {
    user: Negotiate,
    tickets: Arc<Tickets>,
    service: String,
    channel_binding: Option<Vec<u8>>,
    ntlm: Option<Ntlm>,
    /// The mechanisms offered, in DER: NTLM's answer signs them.
    offered: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Kerberos' token is on its way.
    Kerberos,
    /// NTLM's greeting is on its way.
    Greeted,
    Done,
}

impl Spnego {
    /// Prepares to sign in at a service (`HTTP/host`) over a channel.
    pub(super) fn new(user: Negotiate, tickets: Arc<Tickets>, target: String, channel_binding: Option<Vec<u8>>) -> Self {
        let account = user.password.clone().map(|password| Account { user: user.user.clone(), password });
        let ntlm = account.map(|account| Ntlm::new(account, target.clone(), channel_binding.clone()));
        let service = user.service.clone().unwrap_or(target);
        Self { user, tickets, service, channel_binding, ntlm, offered: Vec::new(), state: State::New }
    }

    fn begin(&mut self) -> Result<Leg, SignInError> {
        match self.tickets.token(&self.user, &self.service, self.channel_binding.as_deref()) {
            Ok(token) => {
                let mut mechanisms = vec![KERBEROS, KERBEROS_OF_MICROSOFT];
                mechanisms.extend(self.ntlm.as_ref().map(|_| NTLM));
                self.state = State::Kerberos;
                Ok(Leg { token: self.offer(&mechanisms, &token), is_last: true })
            }
            Err(err) => {
                let ntlm = self.ntlm.as_mut().ok_or_else(|| SignInError::Kerberos(err.to_string().trim_start_matches("Kerberos: ").to_owned()))?;
                tracing::debug!(error = %err, "no Kerberos: NTLM instead");
                let greeting = ntlm.next(&Challenge::default())?.token;
                self.state = State::Greeted;
                Ok(Leg { token: self.offer(&[NTLM], &greeting), is_last: false })
            }
        }
    }

    fn offer(&mut self, mechanisms: &[&[u8]], token: &[u8]) -> Vec<u8> {
        let list: Vec<u8> = mechanisms.iter().flat_map(|mechanism| element(OID, mechanism)).collect();
        self.offered = element(SEQUENCE, &list);
        let init = [element(context(0), &self.offered), element(context(2), &element(OCTETS, token))].concat();
        let init = element(context(0), &element(SEQUENCE, &init));
        element(FRAME, &[element(OID, SPNEGO), init].concat())
    }

    /// Goes on with NTLM, which the server chose.
    fn greet(&mut self) -> Result<Leg, SignInError> {
        let greeting = self.ntlm.as_mut().ok_or(SignInError::Challenge)?.next(&Challenge::default())?.token;
        self.state = State::Greeted;
        Ok(Leg { token: response(&greeting, None), is_last: false })
    }

    fn answer(&mut self, challenge: Challenge) -> Result<Leg, SignInError> {
        let ntlm = self.ntlm.as_mut().ok_or(SignInError::Challenge)?;
        let answer = ntlm.next(&challenge)?.token;
        // Signed, so that nobody on the way can strike Kerberos from the list unnoticed.
        let signature = ntlm.session().map(|session| session.sign(&self.offered));
        self.state = State::Done;
        Ok(Leg { token: response(&answer, signature.as_deref()), is_last: true })
    }
}

impl Dialogue for Spnego {
    fn next(&mut self, challenge: &Challenge) -> Result<Leg, SignInError> {
        if self.state == State::New {
            return self.begin();
        }
        let said = Said::parse(&challenge.token).ok_or(SignInError::Challenge)?;
        match (self.state, said.token) {
            (State::Kerberos, None) if said.mechanism == Some(NTLM) => self.greet(),
            (State::Greeted, Some(token)) => self.answer(Challenge { token: token.to_vec(), date: challenge.date.clone() }),
            _ => {
                self.tickets.forget();
                Err(SignInError::Kerberos("the server does not accept the ticket".to_owned()))
            }
        }
    }
}

/// What the server answers: NegTokenResp.
struct Said<'a> {
    mechanism: Option<&'a [u8]>,
    token: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    fn parse(token: &'a [u8]) -> Option<Self> {
        // Some servers speak NTLM without the frame around it.
        if token.starts_with(b"NTLMSSP\0") {
            return Some(Self { mechanism: Some(NTLM), token: Some(token) });
        }
        let fields = Elements(Elements(Elements(token).expect(context(1))?).expect(SEQUENCE)?);
        let mechanism = fields.find(context(1)).and_then(|field| Elements(field).expect(OID));
        let token = fields.find(context(2)).and_then(|field| Elements(field).expect(OCTETS)).filter(|token| !token.is_empty());
        Some(Self { mechanism, token })
    }
}

/// Writes NegTokenResp.
fn response(token: &[u8], signature: Option<&[u8]>) -> Vec<u8> {
    let mut fields = element(context(2), &element(OCTETS, token));
    if let Some(signature) = signature {
        fields.extend(element(context(3), &element(OCTETS, signature)));
    }
    element(context(1), &element(SEQUENCE, &fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_we_write_can_be_read() {
        let written = response(b"token", Some(b"signature"));
        let said = Said::parse(&written).unwrap();
        assert_eq!((said.mechanism, said.token), (None, Some(b"token".as_slice())));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            Said::parse(&bytes);
        }
    }
}
