//! One file for each operation of EWS: its request, and how its answer is read.

pub(crate) mod expand_dl;
pub(crate) mod export_items;
pub(crate) mod find_folder;
pub(crate) mod find_item;
#[cfg(test)]
mod fuzz;
pub(crate) mod get_attachment;
pub(crate) mod get_folder;
pub(crate) mod get_item;
pub(crate) mod get_permissions;
pub(crate) mod get_rights;
pub(crate) mod get_searchable_mailboxes;
pub(crate) mod get_streaming_events;
pub(crate) mod listed_item;
pub(crate) mod resolve_names;
pub(crate) mod subscribe;
pub(crate) mod sync_folder_hierarchy;
pub(crate) mod sync_folder_items;
pub(crate) mod unsubscribe;
pub(crate) mod upload_items;

use crate::xml::XmlWriter;
use c2b_mailbox::{Address, FolderId, ItemId};

/// A folder named in a request: EWS `FolderId` or `DistinguishedFolderId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FolderName {
    /// By its id.
    Id(FolderId),
    /// By its well-known word, in the mailbox given or else that of the caller.
    WellKnown(&'static str, Option<Address>),
}

impl FolderName {
    fn write(&self, xml: &mut XmlWriter) {
        match self {
            Self::Id(id) => xml.empty("t:FolderId", &[("Id", id.as_str())]),
            Self::WellKnown(word, None) => xml.empty("t:DistinguishedFolderId", &[("Id", word)]),
            Self::WellKnown(word, Some(mailbox)) => xml.element("t:DistinguishedFolderId", &[("Id", word)], |xml| {
                xml.element("t:Mailbox", &[], |xml| xml.text("t:EmailAddress", mailbox.as_str()));
            }),
        }
    }
}

fn write_item_ids(xml: &mut XmlWriter, ids: &[ItemId]) {
    xml.element("m:ItemIds", &[], |xml| {
        for id in ids {
            xml.empty("t:ItemId", &[("Id", id.as_str())]);
        }
    });
}

/// Writes a `GetFolder` that asks for these properties and nothing else.
fn write_get_folder(xml: &mut XmlWriter, uris: &[&str], folders: impl IntoIterator<Item = FolderName>) {
    xml.element("m:GetFolder", &[], |xml| {
        xml.element("m:FolderShape", &[], |xml| {
            xml.text("t:BaseShape", "IdOnly");
            xml.element("t:AdditionalProperties", &[], |xml| write_fields(xml, uris));
        });
        xml.element("m:FolderIds", &[], |xml| folders.into_iter().for_each(|folder| folder.write(xml)));
    });
}

fn write_fields(xml: &mut XmlWriter, uris: &[&str]) {
    for uri in uris {
        xml.empty("t:FieldURI", &[("FieldURI", uri)]);
    }
}

#[cfg(test)]
mod tests {
    //! Every request is what Microsoft's schema says.

    use super::expand_dl::ExpandDl;
    use super::export_items::ExportItems;
    use super::find_folder::{FindFolder, Traversal};
    use super::find_item::FindItem;
    use super::get_attachment::GetAttachment;
    use super::get_folder::GetFolder;
    use super::get_item::{GetItem, Shape};
    use super::get_permissions::GetPermissions;
    use super::get_rights::GetRights;
    use super::get_searchable_mailboxes::GetSearchableMailboxes;
    use super::get_streaming_events::GetStreamingEvents;
    use super::listed_item::ListingShape;
    use super::resolve_names::ResolveNames;
    use super::subscribe::Subscribe;
    use super::sync_folder_hierarchy::SyncFolderHierarchy;
    use super::sync_folder_items::SyncFolderItems;
    use super::unsubscribe::Unsubscribe;
    use super::upload_items::UploadItems;
    use super::*;
    use crate::soap::{self, Operation};
    use c2b_mailbox::{Content, Wishes};
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::{Arc, Mutex};

    fn schema() -> Option<PathBuf> {
        let shared = std::env::var_os("C2B_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
        let schema = shared.join("ews-schema");
        let found = schema.join("messages.xsd").exists() && Command::new("xmllint").arg("--version").output().is_ok();
        if !found {
            println!("skipped: no EWS schema below C2B_SHARED, or no xmllint");
        }
        found.then_some(schema)
    }

    /// Requests written to files, to be validated all at once: reading the schema is what takes time.
    struct Requests {
        dir: tempfile::TempDir,
        schema: PathBuf,
        files: usize,
    }

    const NAMES: &str =
        "xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"";

    impl Requests {
        fn new(schema: PathBuf) -> Self {
            Self { dir: tempfile::tempdir().unwrap(), schema, files: 0 }
        }

        fn add<O: Operation>(&mut self, operation: &O) {
            let mailbox = Address::parse("a&b@example.org").unwrap();
            let mut envelope = Vec::new();
            soap::write(operation, Some(&mailbox)).write_to(&mut envelope).unwrap();
            let envelope = String::from_utf8(envelope).unwrap();
            let between = |name: &str| {
                let (_, rest) = envelope.split_once(&format!("<s:{name}>")).unwrap();
                rest.split_once(&format!("</s:{name}>")).unwrap().0.to_owned()
            };
            self.add_element("messages", &between("Body"));
            let header = between("Header");
            for name in ["t:RequestServerVersion", "t:ExchangeImpersonation", "t:TimeZoneContext"] {
                let (_, rest) = header.split_once(&format!("<{name}")).unwrap();
                let whole = rest
                    .split_once(&format!("</{name}>"))
                    .map_or_else(|| rest.split_once("/>").unwrap().0.to_owned() + "/>", |(inside, _)| format!("{inside}</{name}>"));
                self.add_element("types", &format!("<{name}{whole}"));
            }
        }

        /// Adds an element with the namespaces that it would inherit.
        fn add_element(&mut self, schema: &str, element: &str) {
            let at = element.find(['>', ' ']).unwrap();
            std::fs::write(self.dir.path().join(format!("{schema}-{}.xml", self.files)), format!("{} {NAMES}{}", &element[..at], &element[at..])).unwrap();
            self.files += 1;
        }

        fn validate(&self) -> Result<(), String> {
            for schema in ["messages", "types"] {
                let files = std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
                let files = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(schema));
                let output = Command::new("xmllint").args(["--noout", "--schema"]).arg(self.schema.join(format!("{schema}.xsd"))).args(files).output().unwrap();
                if !output.status.success() {
                    return Err(String::from_utf8_lossy(&output.stderr).lines().filter(|line| !line.ends_with("validates")).collect::<Vec<_>>().join("\n"));
                }
            }
            Ok(())
        }
    }

    #[test]
    fn every_request_is_valid_by_the_schema() {
        let Some(schema) = schema() else { return };
        let mut requests = Requests::new(schema);
        let mailbox = Address::parse("bob@example.org").unwrap();
        let folder = FolderId::new("AAMk<&\"=");
        let ids = vec![ItemId::new("AAMk=="), ItemId::new("AAMk2/+=")];
        let roots = [FolderName::WellKnown("msgfolderroot", None), FolderName::WellKnown("inbox", Some(mailbox.clone())), FolderName::Id(folder.clone())];
        requests.add(&GetFolder { folders: roots.to_vec(), with_counters: false });
        requests.add(&GetRights { folders: roots.to_vec() });
        requests.add(&GetPermissions { folders: vec![folder.clone()] });
        let parts = c2b_mailbox::Part::ALL.map(|part| FolderName::WellKnown(part.role_word(), Some(mailbox.clone())));
        requests.add(&FindFolder { roots: parts.to_vec(), offset: 0, with_counters: true, traversal: Traversal::Deep });
        requests.add(&FindFolder {
            roots: vec![FolderName::WellKnown("publicfoldersroot", None)],
            offset: 0,
            with_counters: false,
            traversal: Traversal::Public,
        });
        requests.add(&GetFolder { folders: vec![FolderName::Id(folder.clone())], with_counters: true });
        requests.add(&Subscribe { folders: roots.to_vec() });
        requests.add(&Subscribe { folders: Vec::new() });
        requests.add(&GetStreamingEvents { subscriptions: vec!["JgBi<&=".to_owned(), "AAAA".to_owned()], minutes: 30 });
        requests.add(&Unsubscribe { subscription: "JgBi<&=".to_owned() });
        for root in roots {
            for state in [None, Some("H4sIA<>".to_owned())] {
                requests.add(&SyncFolderHierarchy { root: root.clone(), state });
            }
            for with_counters in [false, true] {
                requests.add(&FindFolder { roots: vec![root.clone()], offset: 1000, with_counters, traversal: Traversal::Deep });
            }
        }
        let every = ListingShape { sizes: true, wishes: Wishes { read: true, facts: true, associated: true } };
        let shapes = [ListingShape::default(), ListingShape { sizes: true, ..ListingShape::default() }, every];
        for state in [None, Some("H4sIA==".to_owned())] {
            for shape in shapes {
                requests.add(&SyncFolderItems { folder: folder.clone(), state: state.clone(), changes_max: 512, shape });
            }
        }
        for shape in [Shape::Mime, Shape::PlainMime, Shape::Everything, Shape::Listing] {
            requests.add(&GetItem { ids: ids.clone(), shape });
        }
        requests.add(&ExportItems { ids });
        for associated in [false, true] {
            let data = Arc::new(Mutex::new(Content::from_bytes(&[0, 255, 7]).unwrap()));
            requests.add(&UploadItems { folder: folder.clone(), data, associated });
        }
        for (shape, associated) in shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
            requests.add(&FindItem { folder: folder.clone(), offset: 0, shape, associated });
        }
        requests.add(&GetAttachment { id: "AAMk=".to_owned() });
        requests.add(&ExpandDl { group: Address::parse("all@example.org").unwrap() });
        requests.add(&GetSearchableMailboxes);
        requests.add(&ResolveNames { beginning: "a. ".to_owned() });
        assert_eq!(requests.validate(), Ok(()));
    }

    #[test]
    fn the_validation_notices_a_wrong_request() {
        let Some(schema) = schema() else { return };
        let mut requests = Requests::new(schema);
        requests.add(&SyncFolderItems { folder: FolderId::new("A"), state: None, changes_max: 513, shape: ListingShape::default() });
        assert!(requests.validate().unwrap_err().contains("MaxChangesReturned"));
    }
}
