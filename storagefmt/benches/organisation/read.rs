//! Reading everything back.

use crate::measure::{Stopwatch, as_map, round};
use crate::{Read, corpus, source, storage};
use c2b_mailbox::ItemId;
use c2b_storagefmt::{Catalog, Contents, ItemRow, Moment};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a program that reads a mounted file asks for at once, in bytes.
const READ_BYTES: usize = 128 << 10;

/// Reads every live item whole, on one thread.
pub(crate) fn all(args: &Read) -> Map<String, Value> {
    let files = args.corpus.as_deref().map(files);
    let watch = Stopwatch::start();
    let writer = storage::open(&args.storage, args.sealed);
    let (catalog, contents) = (writer.catalog(), writer.contents());
    let (mut bytes, mut items, mut compared) = (0, 0, 0);
    let mut content = Vec::new();
    rows(&catalog, |row| {
        whole(&contents, row, &mut content);
        items += 1;
        bytes += content.len() as u64;
        if let Some(files) = &files {
            assert!(fs::read(&files[&row.meta.id]).unwrap() == content, "{} came back otherwise", files[&row.meta.id].display());
            compared += 1;
        }
    });
    let mut figures = watch.figures();
    let per_sec = |name: &str| round(megabytes(bytes) / figures[name].as_f64().unwrap());
    let rates = json!({ "mb_per_cpu_sec": per_sec("cpu_secs"), "mb_per_sec": per_sec("wall_secs"), "items": items, "read_bytes": bytes, "compared": compared });
    figures.extend(as_map(rates));
    figures
}

/// Calls `visit` with every live item.
pub(crate) fn rows(catalog: &Catalog, mut visit: impl FnMut(&ItemRow)) {
    for mailbox in catalog.mailboxes().unwrap() {
        for folder in catalog.folders(mailbox.key, Moment::Latest).unwrap() {
            for row in catalog.items(mailbox.key, folder.key, Moment::Latest).unwrap() {
                visit(&row.unwrap());
            }
        }
    }
}

/// Reads an item's content into `content`.
pub(crate) fn whole(contents: &Contents, row: &ItemRow, content: &mut Vec<u8>) {
    let file = contents.open(row.mailbox, &row.shown.unwrap()).unwrap();
    content.resize(usize::try_from(file.len()).unwrap(), 0);
    let mut done = 0;
    while done < content.len() {
        let end = content.len().min(done + READ_BYTES);
        let n = file.read_at(done as u64, &mut content[done..end]).unwrap();
        assert!(n > 0, "the content ends before its length");
        done += n;
    }
}

/// The corpus's files by item id.
fn files(corpus: &Path) -> HashMap<ItemId, PathBuf> {
    let mut files = HashMap::new();
    for address in corpus::addresses(corpus) {
        for folder in corpus::mailbox(corpus, &address).folders {
            for file in &folder.items {
                files.insert(source::item_id(&address, &folder.path, file), file.path.clone());
            }
        }
    }
    files
}

#[expect(clippy::cast_precision_loss, reason = "a rate is a rounded number")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
