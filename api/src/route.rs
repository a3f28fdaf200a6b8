//! What there is on the socket: each route with who may use it, what it takes and what it answers.
//!
//! The one table from which the daemon makes its router and its rules, `c2bctl` its requests, and [`crate::openapi`]
//! the description.

pub mod alert;
pub mod connection;
pub mod daemon;
pub mod job;
pub mod storage;

use crate::ErrorCode;
use crate::access::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::collections::BTreeSet;

/// Where the names of objects are in paths.
const NAME: &str = "{name}";

/// One thing that can be done on the socket.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The HTTP method.
    pub verb: Verb,
    /// The path; `{name}` stands for the name of an object.
    pub path: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The least role.
    pub role: Role,
    /// What is done there, as the audit log calls it; none for what only shows states.
    pub action: Option<&'static str>,
    /// Whether the password of the connection that is meant must have been given, where it has one.
    pub asks_password: bool,
    /// What may stand behind a `?`.
    pub query: Option<SchemaOf>,
    /// The body.
    pub body: Option<SchemaOf>,
    /// What it answers.
    pub answer: Answer,
    /// What can go wrong besides what can go wrong everywhere.
    pub fails: &'static [ErrorCode],
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Asks, and changes nothing.
    Get,
    /// Does something.
    Post,
    /// Replaces something.
    Put,
    /// Removes something.
    Delete,
}

/// What a route answers when all is well.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// One value.
    Json(SchemaOf),
    /// One value a line, as they come.
    Lines(SchemaOf),
    /// Metrics for Prometheus.
    Metrics,
    /// The description of the socket, itself a JSON object.
    OpenApi,
}

/// Describes a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Describes a type, as a [`SchemaOf`].
pub fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The answer when there is nothing to say.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize, JsonSchema)]
pub struct Nothing {}

impl Route {
    const fn new(verb: Verb, path: &'static str, summary: &'static str, answer: Answer) -> Self {
        Self { verb, path, summary, role: Role::Viewer, action: None, asks_password: false, query: None, body: None, answer, fails: &[] }
    }

    const fn get(path: &'static str, summary: &'static str, answer: SchemaOf) -> Self {
        Self::new(Verb::Get, path, summary, Answer::Json(answer))
    }

    const fn post(path: &'static str, summary: &'static str, answer: SchemaOf) -> Self {
        Self::new(Verb::Post, path, summary, Answer::Json(answer))
    }

    const fn put(path: &'static str, summary: &'static str, answer: SchemaOf) -> Self {
        Self::new(Verb::Put, path, summary, Answer::Json(answer))
    }

    const fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new(Verb::Delete, path, summary, Answer::Json(of::<Nothing>))
    }

    /// Says that it shows what the role may see, and leaves no record.
    const fn see(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Says that it does something that is recorded.
    const fn act(self, role: Role, action: &'static str) -> Self {
        Self { role, action: Some(action), ..self }
    }

    /// Says that the connection's password is needed, too, for whoever is not its owner.
    const fn asks_password(self) -> Self {
        Self { asks_password: true, ..self }
    }

    const fn query(self, query: SchemaOf) -> Self {
        Self { query: Some(query), ..self }
    }

    const fn takes(self, body: SchemaOf) -> Self {
        Self { body: Some(body), ..self }
    }

    const fn fails(self, fails: &'static [ErrorCode]) -> Self {
        Self { fails, ..self }
    }

    /// Returns the path of an object, or of something below it: that of `/v1/jobs/{name}/start` for `a b` is `/v1/jobs/a%20b/start`.
    /// A name stays in its segment whatever is in it; `.` and `..` alone are steps to a URL, however written, and must not be given.
    pub fn of(&self, name: &str) -> String {
        self.path.replace(NAME, &encode(name))
    }

    /// Returns whether the path holds the name of an object.
    pub fn has_name(&self) -> bool {
        self.path.contains(NAME)
    }

    /// Returns the first word of the path: `jobs`.
    pub fn noun(&self) -> &'static str {
        self.path.split('/').nth(2).unwrap_or_default()
    }

    /// Returns all that can go wrong.
    pub fn errors(&self) -> BTreeSet<ErrorCode> {
        let everywhere = [ErrorCode::Invalid, ErrorCode::Forbidden, ErrorCode::TooLong, ErrorCode::TooSlow, ErrorCode::Busy, ErrorCode::Internal];
        let named = self.has_name().then_some(ErrorCode::NotFound);
        let guarded = self.asks_password.then_some(ErrorCode::Locked);
        everywhere.into_iter().chain(named).chain(guarded).chain(self.fails.iter().copied()).collect()
    }
}

impl Verb {
    /// Returns it as HTTP spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Returns all routes.
pub fn all() -> impl Iterator<Item = &'static Route> {
    [daemon::ALL, alert::ALL, connection::ALL, storage::ALL, job::ALL].into_iter().flatten()
}

/// Returns a path with wishes after it: `with_query("/v1/audit", &[("user", "a b")])` is `/v1/audit?user=a%20b`.
pub fn with_query(path: &str, wishes: &[(&str, String)]) -> String {
    let encoded: Vec<String> = wishes.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    if encoded.is_empty() { path.to_owned() } else { format!("{path}?{}", encoded.join("&")) }
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role::Operator;

    #[test]
    fn a_name_stays_in_its_segment() {
        assert_eq!(job::SHOW.of("nightly-2.x"), "/v1/jobs/nightly-2.x");
        assert_eq!(job::START.of("a b/../c?d#e"), "/v1/jobs/a%20b%2F..%2Fc%3Fd%23e/start");
        assert_eq!(storage::SHOW.of("zażółć"), "/v1/storages/za%C5%BC%C3%B3%C5%82%C4%87");
        assert_eq!(job::START.noun(), "jobs");
    }

    #[test]
    fn what_changes_something_is_recorded_and_no_viewers_work() {
        for route in all() {
            let asks_only = route.verb == Verb::Get;
            assert!(asks_only || (route.action.is_some() && route.role >= Operator), "{route:?}");
        }
        let words = |action: &str| action == "mount" || action.split(' ').count() >= 2;
        assert!(all().filter_map(|route| route.action).all(words));
    }

    #[test]
    fn no_route_is_there_twice() {
        let keys: BTreeSet<(Verb, &str)> = all().map(|route| (route.verb, route.path)).collect();
        assert_eq!(keys.len(), all().count());
    }
}
