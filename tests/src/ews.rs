//! A client that changes mail in the lab through EWS, as any mail program would.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::future::Future;

/// Speaks EWS as the lab's administrator, for one mailbox.
pub struct Ews {
    url: String,
    mailbox: String,
}

impl Ews {
    /// Prepares a client.
    pub fn new(url: &str, mailbox: &str) -> Self {
        Self { url: url.to_owned(), mailbox: mailbox.to_owned() }
    }

    /// Puts a message into a well-known folder; returns its item id.
    pub fn create(&self, folder: &str, mime: &[u8]) -> String {
        let mime = STANDARD.encode(mime);
        let answer = self.ask(&format!(
            r#"<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="{folder}"/></m:SavedItemFolderId>
            <m:Items><t:Message><t:MimeContent>{mime}</t:MimeContent></t:Message></m:Items></m:CreateItem>"#
        ));
        attribute(&answer, "ItemId", "Id")
    }

    /// Deletes an item for good.
    pub fn delete(&self, id: &str) {
        self.ask(&format!(r#"<m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="{id}"/></m:ItemIds></m:DeleteItem>"#));
    }

    /// Moves an item into a well-known folder.
    pub fn move_item(&self, id: &str, folder: &str) {
        self.ask(&format!(
            r#"<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="{folder}"/></m:ToFolderId><m:ItemIds><t:ItemId Id="{id}"/></m:ItemIds></m:MoveItem>"#
        ));
    }

    /// Sets an item's read state.
    pub fn set_read(&self, id: &str, read: bool) {
        self.ask(&format!(
            r#"<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly" SuppressReadReceipts="true"><m:ItemChanges><t:ItemChange><t:ItemId Id="{id}"/>
            <t:Updates><t:SetItemField><t:FieldURI FieldURI="message:IsRead"/><t:Message><t:IsRead>{read}</t:IsRead></t:Message></t:SetItemField></t:Updates>
            </t:ItemChange></m:ItemChanges></m:UpdateItem>"#
        ));
    }

    /// Sets the read state of many items.
    pub fn set_read_all(&self, ids: &[String], read: bool) {
        self.update_all(ids, "message:IsRead", &format!("<t:IsRead>{read}</t:IsRead>"));
    }

    /// Gives many items one category.
    pub fn categorise_all(&self, ids: &[String], category: &str) {
        self.update_all(ids, "item:Categories", &format!("<t:Categories><t:String>{category}</t:String></t:Categories>"));
    }

    /// Moves many items into a well-known folder.
    pub fn move_all(&self, ids: &[String], folder: &str) {
        self.move_to(ids, &format!(r#"<t:DistinguishedFolderId Id="{folder}"/>"#));
    }

    /// Moves many items into the folder with an id.
    pub fn move_all_into(&self, ids: &[String], folder: &str) {
        self.move_to(ids, &format!(r#"<t:FolderId Id="{folder}"/>"#));
    }

    fn move_to(&self, ids: &[String], folder: &str) {
        for ids in ids.chunks(100) {
            let ids: String = ids.iter().map(|id| format!(r#"<t:ItemId Id="{id}"/>"#)).collect();
            self.ask(&format!(r"<m:MoveItem><m:ToFolderId>{folder}</m:ToFolderId><m:ItemIds>{ids}</m:ItemIds></m:MoveItem>"));
        }
    }

    /// Renames a folder.
    pub fn rename_folder(&self, id: &str, name: &str) {
        self.ask(&format!(
            r#"<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:FolderId Id="{id}"/><t:Updates><t:SetFolderField><t:FieldURI FieldURI="folder:DisplayName"/>
            <t:Folder><t:DisplayName>{name}</t:DisplayName></t:Folder></t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"#
        ));
    }

    fn update_all(&self, ids: &[String], field: &str, value: &str) {
        for ids in ids.chunks(100) {
            let change = |id: &String| {
                format!(
                    r#"<t:ItemChange><t:ItemId Id="{id}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="{field}"/><t:Message>{value}</t:Message></t:SetItemField></t:Updates></t:ItemChange>"#
                )
            };
            let changes: String = ids.iter().map(change).collect();
            self.ask(&format!(
                r#"<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly" SuppressReadReceipts="true"><m:ItemChanges>{changes}</m:ItemChanges></m:UpdateItem>"#
            ));
        }
    }

    /// Makes a folder under a well-known one; returns its id.
    pub fn create_folder(&self, parent: &str, name: &str) -> String {
        let name = name.replace('&', "&amp;").replace('<', "&lt;");
        let answer = self.ask(&format!(
            r#"<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="{parent}"/></m:ParentFolderId>
            <m:Folders><t:Folder><t:DisplayName>{name}</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"#
        ));
        attribute(&answer, "FolderId", "Id")
    }

    /// Deletes a folder with all that is in it.
    pub fn delete_folder(&self, id: &str) {
        self.ask(&format!(r#"<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds><t:FolderId Id="{id}"/></m:FolderIds></m:DeleteFolder>"#));
    }

    fn ask(&self, body: &str) -> String {
        let envelope = format!(
            r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Header><t:RequestServerVersion Version="Exchange2013_SP1"/><t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header><s:Body>{body}</s:Body></s:Envelope>"#,
            self.mailbox
        );
        let request =
            reqwest::Client::new().post(&self.url).basic_auth("admin", Some("secret")).header("content-type", "text/xml; charset=utf-8").body(envelope);
        let answer = block_on(async { request.send().await?.text().await }).expect("the lab answers");
        assert!(answer.contains(r#"ResponseClass="Success""#), "the lab refused: {answer}");
        answer
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts").block_on(future)
}

/// Returns an attribute of the first element of a name.
fn attribute(xml: &str, element: &str, name: &str) -> String {
    let found = xml.split('<').find(|tag| tag.split([' ', '>', '/']).next().is_some_and(|tag| tag.rsplit(':').next() == Some(element)));
    let value = found.and_then(|tag| tag.split(&format!(" {name}=\"")).nth(1)).and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no {element} with {name} in {xml}")).to_owned()
}
