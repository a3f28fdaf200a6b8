//! A checked job.

use crate::definition::file::JobFile;
use crate::definition::{Defined, Wrong};
use crate::failure::chain;
use crate::name::Name;
use crate::schedule::Schedule;
use c2b_api::filter::{Age, Filter};
use c2b_api::job::{JobDefinition, PublicFolder, Selection};
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
        if let Some(other) = file.name.filter(|other| other != name.as_str()) {
            return Err(Wrong::new("name", format!("job {name} cannot have the name {other}"), "leave the name out; `c2bctl job rename` changes it"));
        }
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
        let definition = JobDefinition {
            name: name.to_string(),
            connection: file.connection,
            storage: file.storage,
            source,
            continuity: file.continuity,
            filter: sensible(file.filter)?,
            public_folders: public_folders(file.public_folders)?,
            activity: file.activity,
            disabled: file.disabled,
        };
        if let Some(activity) = &definition.activity {
            Schedule::of(activity).map_err(|error| Wrong::new("time-zone", chain(&error), ""))?;
        }
        Ok(Self { name: name.clone(), connection, storage, addresses, definition, owner: file.owner.unwrap_or_else(|| owner.to_owned()) })
    }

    fn to_file(&self) -> JobFile {
        let JobDefinition { connection, storage, source, continuity, filter, public_folders, activity, disabled, .. } = self.definition.clone();
        JobFile { name: None, owner: Some(self.owner.clone()), connection, storage, continuity, source, filter, public_folders, activity, disabled }
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

/// Refuses what nobody can mean; spec.md counts ages in days, weeks, months and years.
fn sensible(filter: Filter) -> Result<Filter, Wrong> {
    match filter.age {
        Age::OlderThan(span) | Age::NotOlderThan(span) if span.is_of_hours() => {
            Err(Wrong::new("filter", format!("an age of {span} is counted in hours"), "count in days, weeks, months or years, for instance 30d or 6mo"))
        }
        Age::Any if filter.contacts_always => {
            Err(Wrong::new("filter", "contacts are to be taken whatever their age, and so is everything else", "give an age too, or leave it out"))
        }
        _ => Ok(filter),
    }
}

/// Checks public folders; each path is written in one way, and named once.
fn public_folders(given: Vec<PublicFolder>) -> Result<Vec<PublicFolder>, Wrong> {
    let wrong = |path: &str, why: &str| {
        Wrong::new("public-folders", format!("{path:?} is no path of a public folder: {why}"), "see `c2bctl connection public-folders`")
    };
    let mut folders: Vec<PublicFolder> = Vec::with_capacity(given.len());
    for PublicFolder { path, subfolders } in given {
        let trimmed = path.trim_matches('/');
        if trimmed.split('/').any(|name| name.trim().is_empty()) && !trimmed.is_empty() {
            return Err(wrong(&path, "a name is empty"));
        }
        if path.trim().is_empty() || (trimmed.is_empty() && !subfolders) {
            return Err(wrong(&path, "the top itself holds no items"));
        }
        let path = if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() };
        match folders.iter_mut().find(|folder| folder.path.to_lowercase() == path.to_lowercase()) {
            Some(folder) => folder.subfolders |= subfolders,
            None => folders.push(PublicFolder { path, subfolders }),
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2b_api::job::Continuity;

    fn file(source: Selection) -> JobFile {
        JobFile {
            name: None,
            owner: None,
            connection: "lab".into(),
            storage: "main".into(),
            continuity: Continuity::OneTime,
            source,
            filter: Filter::default(),
            public_folders: Vec::new(),
            activity: None,
            disabled: false,
        }
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

    #[test]
    fn a_filter_that_nobody_can_mean_is_refused() {
        let check = |text: &str| {
            let file = JobFile { filter: toml::from_str(text).unwrap(), ..file(Selection::AllExcept(vec![])) };
            Job::check(&"j".parse().unwrap(), file, "root").map(|job| job.to_file().filter)
        };
        for fine in ["", "leave-out = [\"junk\"]", "age = { older-than = \"1y\" }\ncontacts-always = true"] {
            assert_eq!(check(fine).unwrap(), toml::from_str(fine).unwrap(), "{fine}");
        }
        for wrong in ["age = { older-than = \"5h\" }", "contacts-always = true"] {
            assert_eq!(check(wrong).unwrap_err().key, "filter", "{wrong}");
        }
    }

    #[test]
    fn public_folders_are_named_by_paths() {
        let check = |path: &str, subfolders: bool| {
            let public_folders = vec![PublicFolder { path: path.into(), subfolders }];
            let file = JobFile { public_folders, ..file(Selection::AllExcept(vec![])) };
            Job::check(&"j".parse().unwrap(), file, "root").map(|job| job.definition.public_folders[0].path.clone())
        };
        assert_eq!(check("/Sales/Customers/", false).unwrap(), "Sales/Customers");
        assert_eq!(check("/", true).unwrap(), "/");
        for (wrong, subfolders) in [("/", false), ("", true), ("A//B", true)] {
            assert_eq!(check(wrong, subfolders).unwrap_err().key, "public-folders", "{wrong}");
        }
    }
}
