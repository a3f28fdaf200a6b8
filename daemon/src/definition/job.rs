//! A checked job.

use crate::definition::file::JobFile;
use crate::definition::{Defined, Wrong};
use crate::name::Name;
use c2b_api::job::{JobDefinition, Selection};
use c2b_mailbox::Address;

/// A job whose values make sense; whether its connection and storage exist is seen when it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: Name,
    /// The connection that it reads from.
    pub connection: Name,
    /// The storage that it writes to.
    pub storage: Name,
    /// The addresses that its selection names, in lower case, each once.
    pub addresses: Vec<Address>,
    /// What it is, with these names and addresses.
    pub definition: JobDefinition,
    /// The Unix user who made it.
    pub owner: String,
}

impl Defined for Job {
    const FOLDER: &'static str = "jobs";
    const NOUN: &'static str = "job";
    type File = JobFile;

    fn check(name: &Name, file: JobFile, owner: &str) -> Result<Self, Wrong> {
        let connection = file.connection.parse().map_err(|error| Wrong::new("connection", format!("{error}"), ""))?;
        let storage = file.storage.parse().map_err(|error| Wrong::new("storage", format!("{error}"), ""))?;
        let (Selection::Only(texts) | Selection::AllExcept(texts)) = &file.source;
        let addresses = addresses(texts)?;
        let texts = addresses.iter().map(|address| address.as_str().to_owned()).collect();
        let source = match &file.source {
            Selection::Only(_) if addresses.is_empty() => {
                return Err(Wrong::new("source", "no mailbox is named", "name at least one mailbox, or take all except some"));
            }
            Selection::Only(_) => Selection::Only(texts),
            Selection::AllExcept(_) => Selection::AllExcept(texts),
        };
        let definition = JobDefinition { name: name.to_string(), connection: file.connection, storage: file.storage, source, continuity: file.continuity };
        Ok(Self { name: name.clone(), connection, storage, addresses, definition, owner: file.owner.unwrap_or_else(|| owner.to_owned()) })
    }

    fn to_file(&self) -> JobFile {
        let JobDefinition { connection, storage, source, continuity, .. } = self.definition.clone();
        JobFile { owner: Some(self.owner.clone()), connection, storage, continuity, source }
    }
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, Wrong> {
    let mut addresses = Vec::with_capacity(texts.len());
    for text in texts {
        let address = Address::parse(text).map_err(|error| Wrong::new("source", error.to_string(), ""))?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_api::job::Continuity;

    fn file(source: Selection) -> JobFile {
        JobFile { owner: None, connection: "lab".into(), storage: "main".into(), continuity: Continuity::OneTime, source }
    }

    #[test]
    fn a_selection_names_each_mailbox_once_and_at_least_one() {
        let name: Name = "j".parse().unwrap();
        let job = Job::check(&name, file(Selection::Only(vec!["A@B".into(), "a@b".into()])), "root").unwrap();
        assert_eq!(job.definition.source, Selection::Only(vec!["a@b".into()]));
        assert!(Job::check(&name, file(Selection::Only(vec![])), "root").is_err());
        assert!(Job::check(&name, file(Selection::Only(vec!["alice".into()])), "root").is_err());
        assert!(Job::check(&name, file(Selection::AllExcept(vec![])), "root").is_ok());
    }
}
