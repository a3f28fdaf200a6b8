//! One invocation's conversation with the daemon.

use crate::error::Error;
use crate::noun::Noun;
use crate::output::Output;
use crate::socket::SocketTrouble;
use c2b_api::client::{Lines, Method};
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

/// The body of a request that says all with its path.
#[derive(Serialize)]
pub(crate) struct Nothing {}

impl Session {
    /// Prepares a conversation; connects with the first request.
    pub(crate) fn new(socket: &Path, output: Output) -> Result<Self, Error> {
        let client = Client::new(socket).map_err(Error::Answer)?;
        Ok(Self { client, socket: socket.to_owned(), output })
    }

    /// Returns the same conversation with nothing said of it but errors.
    pub(crate) fn quietly(&self) -> Self {
        Self { client: self.client.clone(), socket: self.socket.clone(), output: Output::new(false, true) }
    }

    /// Gets a value that has no name.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.client.get(path).await.map_err(|e| self.error(e))
    }

    /// Gets a text.
    pub(crate) async fn text(&self, path: &str) -> Result<String, Error> {
        self.client.text(path).await.map_err(|e| self.error(e))
    }

    /// Makes an object.
    pub(crate) async fn create<B: Serialize + Sync, T: DeserializeOwned>(&self, noun: Noun, body: &B) -> Result<T, Error> {
        self.client.post(noun.collection(), body).await.map_err(|e| self.error(e))
    }

    /// Gets an object, or something below it.
    pub(crate) async fn get_object<T: DeserializeOwned>(&self, noun: Noun, name: &str, below: &str) -> Result<T, Error> {
        let answer = self.client.get(&noun.path(name, below)).await;
        self.named(noun, name, answer).await
    }

    /// Asks an object to do something.
    pub(crate) async fn post_object<T: DeserializeOwned>(&self, noun: Noun, name: &str, below: &str) -> Result<T, Error> {
        let answer = self.client.post(&noun.path(name, below), &Nothing {}).await;
        self.named(noun, name, answer).await
    }

    /// Asks an object to do something, and says what.
    pub(crate) async fn send_object<B: Serialize + Sync, T: DeserializeOwned>(&self, noun: Noun, name: &str, below: &str, body: &B) -> Result<T, Error> {
        let answer = self.client.post(&noun.path(name, below), body).await;
        self.named(noun, name, answer).await
    }

    /// Replaces an object.
    pub(crate) async fn put_object<B: Serialize + Sync, T: DeserializeOwned>(&self, noun: Noun, name: &str, body: &B) -> Result<T, Error> {
        let answer = self.client.put(&noun.path(name, ""), body).await;
        self.named(noun, name, answer).await
    }

    /// Deletes an object.
    pub(crate) async fn delete_object(&self, noun: Noun, name: &str) -> Result<(), Error> {
        let answer = self.client.delete(&noun.path(name, "")).await;
        self.named(noun, name, answer).await
    }

    /// Opens a stream of an object.
    pub(crate) async fn object_lines<B: Serialize + Sync>(
        &self,
        method: Method,
        noun: Noun,
        name: &str,
        below: &str,
        body: Option<&B>,
    ) -> Result<Lines, Error> {
        let answer = self.client.lines(method, &noun.path(name, below), body).await;
        self.named(noun, name, answer).await
    }

    /// Returns the names of all objects of a kind.
    pub(crate) async fn names(&self, noun: Noun) -> Result<Vec<String>, Error> {
        let objects: Vec<Value> = self.get(noun.collection()).await?;
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

    async fn named<T>(&self, noun: Noun, name: &str, answer: Result<T, ClientError>) -> Result<T, Error> {
        match answer {
            Ok(value) => Ok(value),
            Err(error) => Err(self.add_nearest(noun, name, self.error(error)).await),
        }
    }
}
