//! One invocation's conversation with the daemon.

use crate::error::Error;
use crate::noun::Noun;
use crate::output::Output;
use crate::socket::SocketTrouble;
use c2b_api::client::Lines;
use c2b_api::route::{Nothing, Route, Verb, with_query};
use c2b_api::{ApiError, Client, ClientError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The daemon's client and the two output streams.
pub(crate) struct Session {
    client: Client,
    socket: PathBuf,
    /// Where answers go.
    pub(crate) output: Output,
}

impl Session {
    /// Prepares a conversation; connects with the first request.
    pub(crate) fn new(socket: &Path, output: Output) -> Result<Self, Error> {
        let client = Client::new(socket).map_err(Error::Answer)?;
        Ok(Self { client, socket: socket.to_owned(), output })
    }

    /// Returns where the daemon's socket is.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the same conversation with nothing said of it but errors.
    pub(crate) fn quietly(&self) -> Self {
        Self { client: self.client.clone(), socket: self.socket.clone(), output: Output::new(false, true) }
    }

    /// Asks for what has no name.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, route: &Route) -> Result<T, Error> {
        self.ask_with(route, &[]).await
    }

    /// Asks for what has no name, with wishes.
    pub(crate) async fn ask_with<T: DeserializeOwned>(&self, route: &Route, wishes: &[(&str, String)]) -> Result<T, Error> {
        self.client.call(route.verb, &with_query(route.path, wishes), no_body(route)).await.map_err(|e| self.error(e))
    }

    /// Asks for a text.
    pub(crate) async fn text(&self, route: &Route) -> Result<String, Error> {
        self.client.text(route.path).await.map_err(|e| self.error(e))
    }

    /// Sends a value to what has no name.
    pub(crate) async fn tell<B: Serialize + Sync, T: DeserializeOwned>(&self, route: &Route, body: &B) -> Result<T, Error> {
        self.client.call(route.verb, route.path, Some(body)).await.map_err(|e| self.error(e))
    }

    /// Asks an object for something, or to do something.
    pub(crate) async fn ask_of<T: DeserializeOwned>(&self, route: &Route, name: &str) -> Result<T, Error> {
        self.ask_of_with(route, name, &[]).await
    }

    /// Asks an object for something, with wishes.
    pub(crate) async fn ask_of_with<T: DeserializeOwned>(&self, route: &Route, name: &str, wishes: &[(&str, String)]) -> Result<T, Error> {
        let answer = self.client.call(route.verb, &with_query(&route.of(name), wishes), no_body(route)).await;
        self.named(route, name, answer).await
    }

    /// Sends a value to an object.
    pub(crate) async fn tell_of<B: Serialize + Sync, T: DeserializeOwned>(&self, route: &Route, name: &str, body: &B) -> Result<T, Error> {
        let answer = self.client.call(route.verb, &route.of(name), Some(body)).await;
        self.named(route, name, answer).await
    }

    /// Opens a stream of an object.
    pub(crate) async fn lines_of<B: Serialize + Sync>(&self, route: &Route, name: &str, body: Option<&B>) -> Result<Lines, Error> {
        let answer = self.client.lines(route.verb, &route.of(name), body).await;
        self.named(route, name, answer).await
    }

    /// Returns the names of all objects of a kind.
    pub(crate) async fn names(&self, noun: Noun) -> Result<Vec<String>, Error> {
        let objects: Vec<Value> = self.ask(noun.list()).await?;
        Ok(objects.iter().filter_map(|object| noun.name_in(object)).map(str::to_owned).collect())
    }

    /// Makes an error of what the client met.
    pub(crate) fn error(&self, error: ClientError) -> Error {
        match error {
            ClientError::Api(error) => Error::Api(error),
            ClientError::Unreachable { .. } => Error::Unreachable { socket: self.socket.clone(), trouble: SocketTrouble::of(&self.socket, &error) },
            ClientError::Read(_) => Error::WentAway,
            // The end of the stream in the middle of a line.
            ClientError::Understand(e) if e.is_eof() => Error::WentAway,
            ClientError::Understand(_) | ClientError::LineTooLong => Error::Answer(error),
        }
    }

    /// Adds the nearest existing name to "no such object", unless the daemon named it already.
    pub(crate) async fn add_nearest(&self, noun: Noun, name: &str, error: Error) -> Error {
        match error {
            Error::Api(error) if error.code == c2b_api::ErrorCode::NotFound => {
                let hint = match self.names(noun).await {
                    Ok(names) if !names.iter().any(|n| n == name) => noun.hint_not_found(name, &names),
                    Ok(_) | Err(_) => String::new(),
                };
                let told = hint.split('`').nth(1).is_some_and(|near| error.hint.contains(near));
                let hint = if hint.is_empty() || (told && !error.hint.is_empty()) { error.hint } else { hint };
                Error::Api(ApiError { hint, ..error })
            }
            error => error,
        }
    }

    async fn named<T>(&self, route: &Route, name: &str, answer: Result<T, ClientError>) -> Result<T, Error> {
        match (answer, Noun::of(route)) {
            (Ok(value), _) => Ok(value),
            (Err(error), Some(noun)) => Err(self.add_nearest(noun, name, self.error(error)).await),
            (Err(error), None) => Err(self.error(error)),
        }
    }
}

/// What goes with a request that says all with its path.
fn no_body(route: &Route) -> Option<&'static Nothing> {
    matches!(route.verb, Verb::Post | Verb::Put).then_some(&Nothing {})
}
