//! The items themselves: what people open, the export stream, and how much of the item that is.
//!
//! For small items two requests: `GetItem` (properties and MIME), then `ExportItems` in groups whose size stays
//! bounded. Only what has no usable MIME costs more: it is asked for again with all properties, and rendered.
//! Whatever passing trouble befalls a part makes the item fail for now, so that no fidelity is lost silently; only of an
//! item that is to be settled the parts that can be had are taken, and it is said what lacks.

use super::EwsSource;
use super::batch::Identified;
use super::mailbox::OpenMailbox;
use crate::capability::Ability;
use crate::error::Failure;
use crate::http::Target;
use crate::item::{RawAttachment, RawItem};
use crate::operation::export_items::{Export, ExportItems};
use crate::operation::get_attachment::GetAttachment;
use crate::operation::get_item::{GetItem, Shape};
use crate::xml::XmlError;
use c2b_mailbox::render::{self, Attachment, Properties};
use c2b_mailbox::{Address, Content, Fetched, Fidelity, Format, Item, ItemId, ItemMeta, ItemRef, Readable, Retry, Scope, SourceError, Trouble};
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes that one `ExportItems` answer is meant to hold at most.
const EXPORT_BATCH_BYTES: u64 = 16 * 1024 * 1024;
/// Taken for an item whose size the server does not tell, in bytes.
const ITEM_BYTES_GUESS: u64 = 1024 * 1024;
/// An id that no server has, to see whether it knows an operation at all.
const NO_ITEM: &str = "AAMk";

impl Identified for RawItem {
    fn id(&self) -> Option<&ItemId> {
        self.id.as_ref()
    }
}

impl Identified for Export {
    fn id(&self) -> Option<&ItemId> {
        self.id.as_ref()
    }
}

/// One item on its way.
struct Parcel {
    id: ItemId,
    meta: Option<ItemMeta>,
    /// Why the server gave no properties.
    refused: Option<Failure>,
    readable: Option<Readable>,
    /// An attachment is missing in the readable form.
    incomplete: bool,
    export: Option<Content>,
    /// Take what can be had.
    settle: bool,
    /// Passing trouble of a form, of an item that is to be settled.
    lacks: Option<Failure>,
    /// Passing trouble, or the item is gone: it fails as a whole.
    failed: Option<Failure>,
}

impl EwsSource {
    /// Fetches items, one result for each.
    pub(super) async fn fetch_items(&self, mailbox: &Address, items: &[ItemRef]) -> Result<Vec<Fetched>, SourceError> {
        let open = self.open(mailbox).await?;
        self.fetch_from(&open, items, Ability::Export, mailbox.as_str()).await
    }

    /// Fetches items that are there, in `place`; `export` is the ability to export from there.
    pub(super) async fn fetch_from(&self, open: &OpenMailbox, items: &[ItemRef], export: Ability, place: &str) -> Result<Vec<Fetched>, SourceError> {
        let operation = |id: &ItemId| format!("fetch item {id} of {place}");
        let mut parcels = self.fetch_readable(open, items).await;
        self.fetch_exports(&open.target, &mut parcels, export).await;
        let fetched: Vec<Fetched> = parcels
            .into_iter()
            .map(|mut parcel| {
                let id = parcel.id.clone();
                let lacks = parcel.lacks.take();
                let result = seal(parcel, lacks.as_ref()).map_err(|failure| failure.about(Scope::Item, operation(&id)));
                let lacks = lacks.filter(|_| result.is_ok()).map(|failure| failure.about(Scope::Item, operation(&id)));
                Fetched { id, result, lacks }
            })
            .collect();
        about_none(fetched)
    }

    /// Asks for properties and MIME, and renders what has none.
    async fn fetch_readable(&self, open: &OpenMailbox, items: &[ItemRef]) -> Vec<Parcel> {
        let target = &open.target;
        let mut parcels = Vec::with_capacity(items.len());
        let mut to_render = Vec::new();
        let ids: Vec<ItemId> = items.iter().map(|item| item.id.clone()).collect();
        let results = self.get_items(target, &ids).await;
        for (item, result) in items.iter().zip(results) {
            let mut parcel = Parcel::new(item);
            match result {
                Ok(raw) if raw.is_empty() => parcel.failed = Some(Failure::new(Trouble::Malformed, "answer", "the answer holds no item")),
                Ok(raw) => parcel.take(raw),
                Err(failure) if failure.rules_out_other_forms() => parcel.lack(failure),
                Err(failure) => parcel.refused = Some(failure),
            }
            if parcel.failed.is_none() && !parcel.is_readable_as_is() {
                to_render.push(parcels.len());
            }
            parcels.push(parcel);
        }
        let wanted: Vec<ItemId> = to_render.iter().filter_map(|n| ids.get(*n).cloned()).collect();
        let everything = self.ask_for_all(target, &wanted, |ids| GetItem { ids, shape: Shape::Everything }).await;
        for (n, result) in to_render.into_iter().zip(everything) {
            if let Some(parcel) = parcels.get_mut(n) {
                self.render(target, parcel, result).await;
            }
        }
        parcels
    }

    async fn get_items(&self, target: &Target, ids: &[ItemId]) -> Vec<Result<RawItem, Failure>> {
        if !self.capabilities.lacks(Ability::PropertyList) {
            let results = self.ask_for_all(target, ids, |ids| GetItem { ids, shape: Shape::Mime }).await;
            let unsupported = |result: &Result<RawItem, Failure>| result.as_ref().is_err_and(|failure| failure.trouble == Trouble::Unsupported);
            if results.iter().any(Result::is_ok) {
                self.capabilities.prove(Ability::PropertyList);
            }
            if self.capabilities.is_proved(Ability::PropertyList) || results.is_empty() || !results.iter().all(unsupported) {
                return results;
            }
        }
        let results = self.ask_for_all(target, ids, |ids| GetItem { ids, shape: Shape::PlainMime }).await;
        if results.iter().any(Result::is_ok) {
            self.capabilities.miss(Ability::PropertyList);
        }
        results
    }

    /// Makes the readable form from all properties; where even they fail, the bare ones name the item.
    async fn render(&self, target: &Target, parcel: &mut Parcel, result: Result<RawItem, Failure>) {
        let mut raw = match result {
            Ok(raw) if raw.is_empty() => {
                parcel.failed = Some(Failure::new(Trouble::Malformed, "answer", "the answer holds no item"));
                return;
            }
            Ok(raw) => raw,
            Err(failure) if failure.rules_out_other_forms() => {
                parcel.lack(failure);
                return;
            }
            Err(failure) => {
                parcel.refused.get_or_insert(failure);
                if parcel.meta.is_none() {
                    self.name(target, parcel).await;
                }
                return;
            }
        };
        if parcel.meta.is_none() {
            parcel.meta = Some(raw.meta(parcel.id.clone()));
        }
        raw.properties.key = parcel.id.as_str().to_owned();
        let attachments = std::mem::take(&mut raw.attachments);
        let embeds = render::format_of(&raw.properties.class) == Format::Eml;
        parcel.incomplete = !embeds && !attachments.is_empty();
        for attachment in attachments.into_iter().filter(|_| embeds) {
            match self.attachment(target, attachment).await {
                Ok(attachment) => raw.properties.attachments.push(attachment),
                Err(failure) if failure.trouble != Trouble::NotFound && failure.rules_out_other_forms() && !parcel.may_lack(&failure) => {
                    parcel.failed = Some(failure);
                    return;
                }
                Err(failure) => {
                    tracing::debug!(item = %parcel.id, code = failure.code, "attachment cannot be fetched");
                    parcel.incomplete = true;
                }
            }
        }
        match self.write_readable(raw.properties).await {
            Ok(readable) => parcel.readable = Some(readable),
            Err(failure) => parcel.failed = Some(failure),
        }
    }

    /// Renders on a thread that may wait for the disk.
    async fn write_readable(&self, mut properties: Properties) -> Result<Readable, Failure> {
        let spool_dir = self.config.spool_dir.clone();
        let failure = || Failure::new(Trouble::Local, "temporary file", "the readable form could not be kept");
        let rendered = tokio::task::spawn_blocking(move || render::render(&mut properties, &spool_dir)).await;
        rendered.map_err(|err| failure().caused_by(err))?.map_err(|err| failure().caused_by(err))
    }

    async fn attachment(&self, target: &Target, mut raw: RawAttachment) -> Result<Attachment, Failure> {
        if raw.content.is_none() && !raw.id.is_empty() {
            let answer = self.transport.call(GetAttachment { id: raw.id.clone() }, target).await?.single()?;
            raw.content = answer.attachment.and_then(|attachment| attachment.content);
        }
        let content = raw.content.ok_or_else(|| Failure::new(Trouble::NotFound, "attachment", "the server gives no bytes of an attachment"))?;
        let content_type = if raw.item { "message/rfc822".to_owned() } else { raw.content_type };
        Ok(Attachment { name: raw.name, content_type, content_id: raw.content_id, inline: raw.inline, content })
    }

    /// Asks for nothing but the properties of a listing, for an item of which nothing else can be had.
    async fn name(&self, target: &Target, parcel: &mut Parcel) {
        let asked = [parcel.id.clone()];
        match self.ask_for_all(target, &asked, |ids| GetItem { ids, shape: Shape::Listing }).await.pop() {
            Some(Ok(raw)) => parcel.meta = Some(raw.meta(parcel.id.clone())),
            Some(Err(failure)) if failure.rules_out_other_forms() => parcel.lack(failure),
            _ => {}
        }
    }

    /// Fetches the export streams of what has not failed.
    async fn fetch_exports(&self, target: &Target, parcels: &mut [Parcel], ability: Ability) {
        for group in export_groups(parcels) {
            if self.capabilities.lacks(ability) {
                return;
            }
            let ids: Vec<ItemId> = group.iter().filter_map(|n| parcels.get(*n).map(|parcel| parcel.id.clone())).collect();
            let results = self.ask_for_all(target, &ids, |ids| ExportItems { ids }).await;
            if results.iter().any(|result| result.as_ref().is_ok_and(|export| export.data.is_some())) {
                self.capabilities.prove(ability);
            } else if results.iter().all(refused_export) && (ability == Ability::ExportPublic || !self.can_export(target).await) {
                self.capabilities.miss(ability);
                return;
            }
            for (n, result) in group.into_iter().zip(results) {
                let Some(parcel) = parcels.get_mut(n) else { continue };
                match result {
                    Ok(export) => parcel.export = export.data,
                    Err(failure) if failure.rules_out_other_forms() => parcel.lack(failure),
                    Err(failure) => tracing::debug!(item = %parcel.id, code = failure.code, "item cannot be exported"),
                }
            }
        }
    }

    /// Finds out, without touching an item, whether the server knows `ExportItems`.
    pub(super) async fn can_export(&self, target: &Target) -> bool {
        if self.capabilities.is_proved(Ability::Export) {
            return true;
        }
        match self.transport.call(ExportItems { ids: vec![ItemId::new(NO_ITEM)] }, target).await {
            Ok(batch) => match batch.single() {
                Ok(export) => export.data.is_some(),
                Err(failure) => failure.trouble != Trouble::Unsupported,
            },
            Err(failure) => failure.retry != Retry::No || failure.trouble == Trouble::NotFound || failure.code.starts_with("ErrorInvalidId"),
        }
    }
}

impl Parcel {
    fn new(item: &ItemRef) -> Self {
        let (id, settle) = (item.id.clone(), item.settle);
        Self { id, meta: None, refused: None, readable: None, incomplete: false, export: None, settle, lacks: None, failed: None }
    }

    /// Returns whether a form may be missing for this.
    fn may_lack(&self, failure: &Failure) -> bool {
        self.settle && failure.is_own()
    }

    /// Goes on without a form where that is allowed; else the item fails.
    fn lack(&mut self, failure: Failure) {
        if self.may_lack(&failure) {
            self.lacks = Some(failure);
        } else {
            self.failed = Some(failure);
        }
    }

    /// Takes what the first request gave.
    fn take(&mut self, mut raw: RawItem) {
        match raw.mime.take() {
            Some(Ok(mut content)) if !content.is_empty() => match sniff(&mut content) {
                Ok(format) => self.readable = Some(Readable { format, rendered: false, content }),
                Err(err) => {
                    self.failed = Some(Failure::new(Trouble::Local, "temporary file", "the item's MIME could not be read back").caused_by(XmlError::Keep(err)));
                }
            },
            Some(Err(failure)) => self.lack(failure),
            _ => {}
        }
        self.meta = Some(raw.meta(self.id.clone()));
    }

    /// Returns whether the server's bytes are what people open: a task as an internet message is not.
    fn is_readable_as_is(&self) -> bool {
        let (Some(readable), Some(meta)) = (&self.readable, &self.meta) else { return false };
        readable.format != Format::Eml || render::format_of(&meta.class) == Format::Eml || render_keeps_less(&meta.class)
    }

    fn size_bytes(&self) -> u64 {
        let told = self.meta.as_ref().and_then(|meta| meta.size);
        told.or(self.readable.as_ref().map(|readable| readable.content.len())).unwrap_or(ITEM_BYTES_GUESS)
    }
}

/// Returns whether the server's message of such an item holds more than what we would render.
fn render_keeps_less(class: &str) -> bool {
    matches!(render::format_of(class), Format::Ics | Format::Vcf) && class.to_ascii_lowercase().starts_with("ipm.appointment")
}

/// Returns whether the server refused an export in a way that an unknown operation would.
fn refused_export(result: &Result<Export, Failure>) -> bool {
    match result {
        Ok(export) => export.data.is_none(),
        Err(failure) => matches!(failure.trouble, Trouble::Unsupported | Trouble::Refused | Trouble::WrongUrl),
    }
}

/// Groups what can be exported, each group below the bound unless one item alone exceeds it.
fn export_groups(parcels: &[Parcel]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for (n, parcel) in parcels.iter().enumerate().filter(|(_, parcel)| parcel.failed.is_none()) {
        let size = parcel.size_bytes();
        match groups.last_mut() {
            Some(group) if size <= room => {
                group.push(n);
                room -= size;
            }
            _ => {
                groups.push(vec![n]);
                room = EXPORT_BATCH_BYTES.saturating_sub(size);
            }
        }
    }
    groups
}

/// Tells the format by the first bytes, and rewinds.
fn sniff(content: &mut Content) -> io::Result<Format> {
    let mut start = Vec::new();
    content.seek(SeekFrom::Start(0))?;
    content.by_ref().take(64).read_to_end(&mut start)?;
    content.seek(SeekFrom::Start(0))?;
    let text = String::from_utf8_lossy(&start).trim_start_matches('\u{feff}').trim_start().to_ascii_uppercase();
    Ok(match text {
        text if text.starts_with("BEGIN:VCALENDAR") => Format::Ics,
        text if text.starts_with("BEGIN:VCARD") => Format::Vcf,
        _ => Format::Eml,
    })
}

/// Decides what came of an item.
fn seal(parcel: Parcel, lacks: Option<&Failure>) -> Result<Item, Failure> {
    let Parcel { id, meta, refused, readable, incomplete, export, failed, .. } = parcel;
    if let Some(failure) = failed {
        return Err(failure);
    }
    let fidelity = match (&export, &readable) {
        (Some(_), Some(_)) => Fidelity::Full,
        (Some(_), None) => Fidelity::ExportOnly,
        (None, Some(readable)) if !readable.rendered => Fidelity::Mime,
        (None, Some(_)) if incomplete => Fidelity::Partial,
        (None, Some(_)) => Fidelity::Properties,
        (None, None) => {
            return Err(lacks.cloned().or(refused).unwrap_or_else(|| Failure::new(Trouble::Corrupt, "no content", "the server gives nothing of the item")));
        }
    };
    Ok(Item { meta: meta.unwrap_or_else(|| ItemMeta::new(id, "IPM")), readable, export, fidelity })
}

/// Turns failures that are about more than items into one, when there is nothing else.
fn about_none(mut fetched: Vec<Fetched>) -> Result<Vec<Fetched>, SourceError> {
    let wider = |fetched: &Fetched| fetched.result.as_ref().is_err_and(|err| err.scope != Scope::Item);
    if !fetched.is_empty() && fetched.iter().all(wider) {
        fetched.swap_remove(0).result?;
    }
    Ok(fetched)
}
