//! An answer that does not end: SOAP documents one after the other, as the server has something to say.
//!
//! It has a connection of its own while it lasts. Only silence ends it from our side: the server gives signs of life.

use super::answer::Answer;
use super::{classify, judged};
use crate::error::Failure;
use crate::soap::{self, Batch, Operation};
use crate::xml::{SplitError, Splitter, XmlReader};
use c2b_mailbox::Trouble;
use std::io::Cursor;
use std::marker::PhantomData;
use std::path::PathBuf;

/// A row of answers to one request.
pub(crate) struct Stream<O> {
    answer: Answer,
    /// What the status line said, if it was no success.
    otherwise: Option<Failure>,
    splitter: Splitter,
    spool_dir: PathBuf,
    operation: PhantomData<O>,
}

impl<O: Operation> Stream<O> {
    pub(super) fn new(answer: Answer, spool_dir: PathBuf) -> Self {
        let otherwise = classify::status(&answer);
        Self { answer, otherwise, splitter: Splitter::new(), spool_dir, operation: PhantomData }
    }

    /// Returns the next answer; `None` when the server ended it after a whole one.
    pub(crate) async fn next(&mut self) -> Result<Option<Batch<O::Message>>, Failure> {
        loop {
            while let Some(document) = self.splitter.next().map_err(|err| self.judge(err.into()))? {
                match Part::of(&document) {
                    Part::Envelope => return self.read(document).map(Some),
                    // Microsoft prints documents whose envelope is missing.
                    Part::Body => return self.read([b"<Envelope>".as_slice(), &document, b"</Envelope>"].concat()).map(Some),
                    Part::Header => {}
                }
            }
            match self.answer.chunk().await.map_err(classify::sending)? {
                Some(bytes) => self.splitter.push(&bytes),
                None if self.splitter.is_inside() => {
                    return Err(self.judge(Failure::new(Trouble::Malformed, "answer", "the answer ends in the middle")));
                }
                None => return self.otherwise.take().map_or(Ok(None), Err),
            }
        }
    }

    fn read(&self, document: Vec<u8>) -> Result<Batch<O::Message>, Failure> {
        let reply = soap::read::<O>(&mut XmlReader::new(Box::new(Cursor::new(document))), &self.spool_dir);
        judged(reply.answer, self.otherwise.as_ref()).map_err(|failure| match failure.trouble {
            // Somebody on the way speaks in the server's place: that passes.
            Trouble::WrongUrl => Failure::new(Trouble::Malformed, failure.code, failure.message),
            _ => failure,
        })
    }

    fn judge(&self, failure: Failure) -> Failure {
        self.otherwise.clone().unwrap_or(failure)
    }
}

impl From<SplitError> for Failure {
    fn from(err: SplitError) -> Self {
        Self::new(Trouble::Malformed, "answer", err.to_string()).caused_by(err)
    }
}

/// What a document is, by the name of its outermost element.
enum Part {
    Envelope,
    Header,
    Body,
}

impl Part {
    fn of(document: &[u8]) -> Self {
        let name = document.get(1..).unwrap_or_default();
        let name = name.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/')).next().unwrap_or_default();
        match name.rsplit(|byte| *byte == b':').next().unwrap_or_default() {
            b"Header" => Self::Header,
            b"Body" => Self::Body,
            _ => Self::Envelope,
        }
    }
}
