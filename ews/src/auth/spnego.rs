//! Negotiate: SPNEGO (RFC 4178, MS-SPNG) with Kerberos, and with NTLM where Kerberos is not to be had.
//!
//! Kerberos is tried first and travels in the first leg. NTLM is offered beside it, where there is a password, and
//! alone when Kerberos fails on our side: no realm, no server of it, no such service in it.

use super::der::{Elements, OCTETS, OID, SEQUENCE, context, element};
use super::kerberos::Tickets;
use super::ntlm::{Ntlm, Session};
use super::{Account, Challenge, Dialogue, Leg, Negotiate, SignInError};
use std::sync::Arc;

const SPNEGO: &[u8] = b"\x2b\x06\x01\x05\x05\x02";
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// Kerberos with the number that Windows 2000 wrote by mistake, and that its successors still offer.
const KERBEROS_OF_MICROSOFT: &[u8] = b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02";
const NTLM: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a";
/// Tag of an ENUMERATED.
const ENUMERATED: u8 = 0x0a;
/// The state of a negotiation that the server refuses.
const REJECT: &[u8] = &[2];
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

    fn finish(&mut self, token: &[u8]) -> Result<(), SignInError> {
        // What is no NegTokenResp says nothing that could be judged.
        let Some(said) = Said::parse(token) else { return Ok(()) };
        let session = if self.state == State::Done { self.ntlm.as_mut().and_then(Ntlm::session) } else { None };
        judge(&said, session, &self.offered)
    }
}

/// Judges the server's last word: its signature of the mechanisms that we offered proves that nobody changed the list.
fn judge(said: &Said<'_>, session: Option<&mut Session>, offered: &[u8]) -> Result<(), SignInError> {
    let is_false = match (said.signature, session) {
        (Some(signature), Some(session)) => !session.verifies(offered, signature),
        // A ticket's signature is Kerberos' to judge.
        _ => false,
    };
    if is_false || said.state == Some(REJECT) { Err(SignInError::LastWord) } else { Ok(()) }
}

/// What the server answers: NegTokenResp.
struct Said<'a> {
    state: Option<&'a [u8]>,
    mechanism: Option<&'a [u8]>,
    token: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    fn parse(token: &'a [u8]) -> Option<Self> {
        // Some servers speak NTLM without the frame around it.
        if token.starts_with(b"NTLMSSP\0") {
            return Some(Self { state: None, mechanism: Some(NTLM), token: Some(token), signature: None });
        }
        let fields = Elements(Elements(Elements(token).expect(context(1))?).expect(SEQUENCE)?);
        let mechanism = fields.find(context(1)).and_then(|field| Elements(field).expect(OID));
        let token = fields.find(context(2)).and_then(|field| Elements(field).expect(OCTETS)).filter(|token| !token.is_empty());
        let state = fields.find(context(0)).and_then(|field| Elements(field).expect(ENUMERATED));
        let signature = fields.find(context(3)).and_then(|field| Elements(field).expect(OCTETS));
        Some(Self { state, mechanism, token, signature })
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

    #[test]
    fn a_negotiation_that_is_refused_at_the_end_is_told() {
        let state = |number: u8| element(context(1), &element(SEQUENCE, &element(context(0), &element(ENUMERATED, &[number]))));
        let judged = |token: &[u8]| judge(&Said::parse(token).unwrap(), None, b"list");
        assert!(judged(&state(0)).is_ok() && judged(&response(b"token", Some(b"signature"))).is_ok());
        assert!(matches!(judged(&state(2)), Err(SignInError::LastWord)));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            Said::parse(&bytes);
        }
    }
}
