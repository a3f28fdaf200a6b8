//! The one place where it is decided whether a caller may do what is asked, and where it is recorded.
//!
//! In this order: the role; the password of the connection, where the route asks for it; the audit log, which must hold the
//! deed before it is done. What does not pass is recorded as refused. Handlers are given the caller's [`Role`].

use super::answer::{Code, Refusal};
use super::routes::Rules;
use crate::audit::{AuditLog, Deed};
use crate::daemon::Daemon;
use crate::peer::Peer;
use axum::RequestExt;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use c2b_api::access::Role;
use c2b_api::route::Route;
use c2b_api::{ApiError, ErrorCode};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Longest end of a stream that is looked at for its outcome, in bytes: the last line is a report.
const TAIL_BYTES_MAX: usize = 256 * 1024;

/// Longest list of items in a record, in characters: `c2b_mountfs` tells no longer one.
const ITEMS_CHARS_MAX: usize = 4000;

/// How many mailboxes a record names.
const MAILBOXES_MAX: usize = 100;

/// What the gate decides by.
pub(super) struct Gate {
    pub(super) daemon: Arc<Daemon>,
    pub(super) rules: Rules,
}

/// What a body says about its objects; everything else in it, secrets too, is passed over unread.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Named {
    name: Value,
    connection: Value,
    mailbox: Value,
    mailboxes: Value,
    path: Value,
    label: Value,
    file: Value,
    dir: Value,
    reader: Value,
    items: Value,
    dry_run: Value,
}

/// Lets a request pass, or refuses it.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    let rule = gate.rule(&request);
    let (mut request, named) = match look(request).await {
        Ok(looked) => looked,
        Err(refusal) => return refusal.into_response(),
    };
    let object = match object(&mut request).await {
        Ok(object) => object,
        Err(refusal) => return refusal.into_response(),
    };
    let deed = deed(&request, rule, object.as_deref(), &named);
    let role = match gate.may(&peer, &request, rule, object.as_deref(), &named) {
        Ok(role) => role,
        Err(error) => {
            let (audit, why) = (gate.daemon.audit.clone(), error.message.clone());
            // The answer does not wait: it is the same whether or not this can be recorded.
            tokio::task::spawn_blocking(move || audit.refused(&peer, deed, &why));
            return Refusal::from(error).into_response();
        }
    };
    request.extensions_mut().insert(role);
    let Some(action) = rule.and_then(|rule| rule.action) else { return next.run(request).await };
    let audit = gate.daemon.audit.clone();
    let begun = tokio::task::spawn_blocking(move || audit.begin(&peer, deed)).await;
    match begun {
        Ok(Ok(seq)) => Ending { audit: gate.daemon.audit.clone(), seq, action, outcome: None, tail: Vec::new() }.of(next.run(request).await),
        Ok(Err(error)) => Refusal::from(error).into_response(),
        Err(_) => Refusal::new(ErrorCode::Internal, "the audit log hit a defect of c2bd; nothing was done", "").into_response(),
    }
}

impl Gate {
    /// Returns the rule of a route; none where there is no route.
    fn rule(&self, request: &Request) -> Option<&'static Route> {
        let path = request.extensions().get::<MatchedPath>()?.as_str();
        let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
        self.rules.iter().find(|((of, route), _)| *of == method && *route == path).map(|(_, rule)| *rule)
    }

    fn may(&self, peer: &Peer, request: &Request, rule: Option<&'static Route>, object: Option<&str>, named: &Named) -> Result<Role, ApiError> {
        let least = rule.map_or(Role::Viewer, |rule| rule.role);
        let role = self.daemon.access.role(peer).filter(|role| *role >= least).ok_or_else(|| self.forbidden(peer, least))?;
        if rule.is_some_and(|rule| rule.asks_password) {
            for connection in self.daemon.connections_meant(route(request), object, named.connection.as_str()) {
                self.daemon.connections.ask_password(&connection, peer)?;
            }
        }
        Ok(role)
    }

    fn forbidden(&self, peer: &Peer, least: Role) -> ApiError {
        let has = self.daemon.access.role(peer).map_or_else(|| "no role".to_owned(), |role| format!("the role {}", role.word()));
        let message = format!("{} has {has}; this needs {}", peer.user, least.word());
        ApiError::new(ErrorCode::Forbidden, message, "`c2bctl access show` shows who may do what; an administrator gives roles in access.toml")
    }
}

fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str)
}

/// Reads what the body names.
async fn look(request: Request) -> Result<(Request, Named), Refusal> {
    let (parts, body) = request.into_parts();
    let bytes: Bytes = to_bytes(body, usize::MAX).await.map_err(|_| Refusal::new(ErrorCode::Invalid, "the body was cut short", ""))?;
    // What is not understood here is not understood by the handler either.
    let named = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok((Request::from_parts(parts, Body::from(bytes)), named))
}

/// Returns the name in the path.
async fn object(request: &mut Request) -> Result<Option<String>, Refusal> {
    match request.extract_parts::<RawPathParams>().await {
        Ok(params) => Ok(params.iter().find(|(key, _)| *key == "name").map(|(_, value)| value.to_owned())),
        Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => {
            Err(Refusal::new(ErrorCode::Invalid, "the name in the path is not UTF-8", "write each byte of the name in UTF-8 as %XX"))
        }
        // There is no route.
        Err(_) => Ok(None),
    }
}

fn deed(request: &Request, rule: Option<&'static Route>, object: Option<&str>, named: &Named) -> Deed {
    let cut = |value: &Value, max| value.as_str().unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(max).collect::<String>();
    let text = |value: &Value| cut(value, 300);
    let action = rule.and_then(|rule| rule.action).map_or_else(|| format!("{} {}", request.method(), request.uri().path()), str::to_owned);
    let several = named.mailboxes.as_array().into_iter().flatten();
    let mailboxes = [&named.mailbox].into_iter().chain(several).map(text).filter(|mailbox| !mailbox.is_empty()).take(MAILBOXES_MAX).collect();
    let more =
        [("connection", &named.connection), ("path", &named.path), ("at", &named.dir), ("by", &named.reader), ("label", &named.label), ("file", &named.file)];
    let mut detail: Vec<String> =
        more.iter().map(|(key, value)| (key, text(value))).filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key} {value}")).collect();
    if object.is_some() && !text(&named.name).is_empty() {
        detail.push(format!("name {}", text(&named.name)));
    }
    let items = cut(&named.items, ITEMS_CHARS_MAX);
    if !items.is_empty() {
        detail.push(format!("items {items}"));
    }
    if named.dry_run == Value::Bool(true) {
        detail.push("dry run".to_owned());
    }
    Deed { action, object: object.map_or_else(|| text(&named.name), str::to_owned), mailboxes, detail: detail.join(", ") }
}

/// Records how a deed ended, at the latest when its answer is dropped.
struct Ending {
    audit: Arc<AuditLog>,
    seq: u64,
    action: &'static str,
    outcome: Option<String>,
    /// The last line of a stream.
    tail: Vec<u8>,
}

impl Ending {
    /// Watches an answer; that of a stream is known at its end.
    fn of(mut self, response: Response) -> Response {
        let is_stream = response.headers().get("content-type").is_some_and(|kind| kind == "application/x-ndjson");
        if response.status() != StatusCode::OK || !is_stream {
            let code = response.extensions().get::<Code>().map(|code| format!(": {}", code.0));
            let is_good = response.status().is_success();
            self.outcome = Some(if is_good { "done".to_owned() } else { format!("failed{}", code.unwrap_or_default()) });
            return response;
        }
        let (parts, body) = response.into_parts();
        let mut ending = self;
        let watched = body.into_data_stream().map(Some).chain(futures_util::stream::iter([None])).filter_map(move |part| {
            // All of it, not its field only: it ends with the stream.
            let ending = &mut ending;
            match &part {
                Some(Ok(bytes)) => keep_tail(&mut ending.tail, bytes),
                Some(Err(_)) => {}
                None => ending.outcome = Some(stream_outcome(&ending.tail)),
            }
            std::future::ready(part)
        });
        Response::from_parts(parts, Body::from_stream(watched))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (audit, seq, action) = (self.audit.clone(), self.seq, self.action);
        // Who has read the last line need not wait for the end behind it.
        let outcome = self.outcome.take().or_else(|| last_word(&self.tail)).unwrap_or_else(|| "the caller went away".to_owned());
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || audit.end(seq, action, outcome))),
            Err(_) => audit.end(seq, action, outcome),
        }
    }
}

/// Keeps the last line of what went by.
fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    let end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    match end.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => *tail = bytes.get(at + 1..).unwrap_or_default().to_vec(),
        None if tail.ends_with(b"\n") => *tail = bytes.to_vec(),
        None => tail.extend_from_slice(bytes),
    }
    tail.truncate(TAIL_BYTES_MAX);
}

/// Returns how a stream ended whose last line this is. One that tells of no events has no last word, and is done when it ends.
fn stream_outcome(tail: &[u8]) -> String {
    let tells_events = || serde_json::from_slice(tail).is_ok_and(|line: Value| line["event"].is_string());
    last_word(tail).unwrap_or_else(|| if tells_events() { "ended before it was done" } else { "done" }.to_owned())
}

/// Returns what a line says about the outcome, if it says it.
fn last_word(line: &[u8]) -> Option<String> {
    let line: Value = serde_json::from_slice(line).ok()?;
    match (line["event"].as_str(), line["error"]["code"].as_str()) {
        (Some("failed"), code) => Some(format!("failed: {}", code.unwrap_or("internal"))),
        (Some("done"), _) => Some("done".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_of_a_stream_is_in_its_last_line_however_it_is_cut() {
        let text = b"{\"event\":\"progress\",\"done\":1}\n{\"event\":\"failed\",\"error\":{\"code\":\"low-space\"}}\n";
        for at in 0..text.len() {
            let mut tail = Vec::new();
            for part in [&text[..at], &text[at..]] {
                keep_tail(&mut tail, part);
            }
            assert_eq!(stream_outcome(&tail), "failed: low-space", "cut at {at}");
        }
        assert_eq!(stream_outcome(b"{\"event\":\"progress\"}\n"), "ended before it was done");
        assert_eq!((stream_outcome(b"{\"name\":\"nightly\"}\n").as_str(), last_word(b"{\"name\":\"nightly\"}\n")), ("done", None));
    }
}
