//! Spoiled answers: real ones of a lab server (`tests/data/answers`), with bytes flipped, elements lost, doubled, swapped and
//! nested, numbers and texts replaced, and cut anywhere. Every operation's reader comes to an end with an error or a sound
//! value, makes no more of an answer than is in it, and never takes one for whole that was cut.
//!
//! `make test` tries some; `PROPTEST_CASES` says how many (`make soak` tries many).

use super::expand_dl::ExpandDl;
use super::export_items::ExportItems;
use super::find_folder::FindFolder;
use super::find_item::FindItem;
use super::get_attachment::GetAttachment;
use super::get_folder::GetFolder;
use super::get_item::GetItem;
use super::get_rights::GetRights;
use super::get_searchable_mailboxes::GetSearchableMailboxes;
use super::get_streaming_events::GetStreamingEvents;
use super::resolve_names::ResolveNames;
use super::subscribe::Subscribe;
use super::sync_folder_hierarchy::SyncFolderHierarchy;
use super::sync_folder_items::SyncFolderItems;
use super::unsubscribe::Unsubscribe;
use super::upload_items::UploadItems;
use crate::soap::{self, Operation};
use crate::xml::{Splitter, XmlReader};
use proptest::prelude::*;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What reading an answer came to.
#[derive(Debug)]
struct Outcome {
    /// Whether it was taken for whole.
    whole: bool,
    /// Response messages in it.
    messages: usize,
}

/// An operation's reader.
type Reader = fn(&[u8], &Path) -> Outcome;

fn read<O: Operation>(bytes: &[u8], dir: &Path) -> Outcome {
    let asked = Arc::new(AtomicUsize::new(0));
    let source = Counted { inner: Cursor::new(bytes.to_vec()), reads: Arc::clone(&asked) };
    let reply = soap::read::<O>(&mut XmlReader::new(Box::new(source)), dir);
    // It goes over the bytes once: no more reads than bytes, and a few at the end.
    assert!(asked.load(Ordering::Relaxed) <= bytes.len() + 8, "the reader runs in circles");
    match reply.answer {
        Ok(batch) => Outcome { whole: batch.broken.is_none(), messages: batch.answers.len() },
        Err(failure) => {
            assert!(!failure.code.is_empty(), "an error without a code");
            Outcome { whole: false, messages: 0 }
        }
    }
}

/// Gives a few hundred bytes at a time, and counts how often it is asked.
struct Counted {
    inner: Cursor<Vec<u8>>,
    reads: Arc<AtomicUsize>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let some = buffer.len().min(300);
        self.inner.read(buffer.get_mut(..some).unwrap_or_default())
    }
}

macro_rules! answers {
    ($($operation:ty, $file:literal;)*) => {
        [$((stringify!($operation), include_bytes!(concat!("../../tests/data/answers/", $file, ".xml")).as_slice(), read::<$operation> as Reader)),*]
    };
}

/// Every operation, what a lab server answers, and the reader.
const ANSWERS: [(&str, &[u8], Reader); 18] = answers![
    ExpandDl, "expand_dl";
    ExportItems, "export_items";
    FindFolder, "find_folder";
    FindItem, "find_item";
    GetAttachment, "get_attachment";
    GetFolder, "get_folder";
    GetItem, "get_item";
    GetItem, "get_item_mime";
    GetRights, "get_folder";
    GetSearchableMailboxes, "get_searchable_mailboxes";
    ResolveNames, "resolve_names";
    Subscribe, "subscribe";
    SyncFolderHierarchy, "sync_folder_hierarchy";
    SyncFolderItems, "sync_folder_items";
    Unsubscribe, "unsubscribe";
    UploadItems, "upload_items";
    GetItem, "fault";
    SyncFolderItems, "fault";
];

const STREAM: &[u8] = include_bytes!("../../tests/data/answers/get_streaming_events.xml");

/// A tag, or the text between two tags.
fn pieces(document: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = document;
    while !rest.is_empty() {
        let length = match rest.first() {
            Some(b'<') => rest.iter().position(|byte| *byte == b'>').map_or(rest.len(), |end| end + 1),
            _ => rest.iter().position(|byte| *byte == b'<').unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// What becomes of an answer on its way.
#[derive(Clone, Debug)]
enum Spoil {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Lose(usize, usize),
    Double(usize, usize),
    Swap(usize, usize),
    Replace(usize, &'static str),
    Nest(usize, usize),
}

const TEXTS: [&str; 12] = [
    "",
    "-1",
    "99999999999999999999999999",
    "9223372036854775807",
    "NaN",
    "true",
    "0001-01-01T00:00:00Z",
    "99999-99-99T99:99:99Z",
    "&#x0;&#xFFFF;&bomb;",
    "=== Truncated Data ===",
    "<!DOCTYPE b [<!ENTITY bomb \"bomb\">]>",
    "<![CDATA[ ]]>",
];

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<usize>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Spoil::Flip(at, byte)),
        (at(), proptest::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Spoil::Insert(at, bytes)),
        (at(), 1usize..6).prop_map(|(at, n)| Spoil::Lose(at, n)),
        (at(), 1usize..40).prop_map(|(at, n)| Spoil::Double(at, n)),
        (at(), at()).prop_map(|(one, other)| Spoil::Swap(one, other)),
        (at(), proptest::sample::select(TEXTS.as_slice())).prop_map(|(at, text)| Spoil::Replace(at, text)),
        (at(), 1usize..400).prop_map(|(at, n)| Spoil::Nest(at, n)),
    ]
}

/// Spoils a document; positions count pieces, or bytes, from the beginning as often as it takes.
fn spoiled(document: &[u8], spoils: &[Spoil]) -> Vec<u8> {
    let mut bytes = document.to_vec();
    for spoil in spoils {
        if bytes.is_empty() {
            break;
        }
        let whole = bytes.clone();
        let mut parts = pieces(&whole);
        let count = parts.len();
        match spoil {
            Spoil::Flip(at, byte) => {
                let at = at % bytes.len();
                bytes[at] ^= byte;
                continue;
            }
            Spoil::Insert(at, more) => {
                let at = at % bytes.len();
                bytes.splice(at..at, more.iter().copied());
                continue;
            }
            Spoil::Lose(at, n) => drop(parts.drain(at % count..(at % count + n).min(count))),
            Spoil::Double(at, n) => {
                let doubled: Vec<&[u8]> = parts[at % count..(at % count + n).min(count)].to_vec();
                parts.splice(at % count..at % count, doubled);
            }
            Spoil::Swap(one, other) => parts.swap(one % count, other % count),
            Spoil::Replace(at, text) => parts[at % count] = text.as_bytes(),
            Spoil::Nest(at, n) => {
                let piece = parts[at % count];
                parts.splice(at % count..at % count, std::iter::repeat_n(piece, *n));
            }
        }
        bytes = parts.concat();
    }
    bytes
}

#[test]
fn answers_as_they_are_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    for (name, document, read) in &ANSWERS[..16] {
        let outcome = read(document, dir.path());
        assert!(outcome.whole && outcome.messages > 0, "{name}: {outcome:?}");
    }
}

#[test]
fn an_answer_that_is_cut_anywhere_is_never_whole() {
    let dir = tempfile::tempdir().unwrap();
    for (name, document, read) in ANSWERS {
        let step = (document.len() / 400).max(1);
        let last = document.len() - b"</s:Envelope>".len();
        for cut in (0..last).step_by(step).chain(last.saturating_sub(40)..document.len()) {
            let outcome = read(&document[..cut], dir.path());
            assert!(!outcome.whole, "{name} cut at {cut} of {} is taken for whole", document.len());
        }
    }
}

#[test]
fn bombs_and_endless_answers_are_survived() {
    let dir = tempfile::tempdir().unwrap();
    let entities: String = (1..30).map(|n| format!("<!ENTITY e{n} \"&e{0};&e{0};&e{0};&e{0};\">", n - 1)).collect();
    let body = |inside: &str| format!("<s:Envelope><s:Body><m:R><m:ResponseMessages>{inside}</m:ResponseMessages></m:R></s:Body></s:Envelope>");
    let bombs = [
        format!("<!DOCTYPE s:Envelope [<!ENTITY e0 \"boom\">{entities}]>{}", body("<m:M ResponseClass='Success'><m:SyncState>&e29;</m:SyncState></m:M>")),
        body(&"<m:M>".repeat(100_000)),
        body(&format!("<m:M ResponseClass='Success' {}/>", "a='1' ".repeat(200_000))),
        body(&format!("<m:M ResponseClass='Success'>{}</m:M>", "<t:Unknown/>".repeat(200_000))),
        body(&format!("<m:M ResponseClass='Success'><m:ResponseCode>{}</m:ResponseCode></m:M>", "x".repeat(6_000_000))),
        format!("<s:Envelope><s:Header>{}", "<a b='".repeat(300_000)),
    ];
    for (name, _, read) in ANSWERS {
        for bomb in &bombs {
            // A million of answers would be one for each of a million of questions.
            assert!(read(bomb.as_bytes(), dir.path()).messages <= 1, "{name}");
        }
    }
}

/// Reads a stream's documents in pieces of any length; returns how many came.
fn documents(bytes: &[u8], piece: usize, dir: &Path) -> (usize, bool) {
    let mut splitter = Splitter::new();
    let mut count = 0;
    for piece in bytes.chunks(piece) {
        splitter.push(piece);
        loop {
            match splitter.next() {
                Ok(Some(document)) => {
                    read::<GetStreamingEvents>(&document, dir);
                    count += 1;
                }
                Ok(None) => break,
                Err(_) => return (count, true),
            }
        }
    }
    (count, splitter.is_inside())
}

proptest! {
    #[test]
    fn a_spoiled_answer_is_read_to_some_end(answer in 0..ANSWERS.len(), spoils in proptest::collection::vec(spoil(), 1..6), cut in proptest::option::of(any::<usize>())) {
        let dir = tempfile::tempdir().unwrap();
        let (name, document, read) = ANSWERS[answer];
        let mut bytes = spoiled(document, &spoils);
        if let Some(cut) = cut {
            bytes.truncate(cut % (bytes.len() + 1));
        }
        let outcome = read(&bytes, dir.path());
        let tags = bytes.iter().filter(|byte| **byte == b'<').count();
        prop_assert!(outcome.messages <= tags, "{} made {} messages of {} tags", name, outcome.messages, tags);
        let ends = bytes.windows(b"Envelope".len()).filter(|window| *window == b"Envelope").count();
        prop_assert!(!outcome.whole || ends >= 2, "{} is taken for whole without its end", name);
    }

    #[test]
    fn a_spoiled_stream_is_read_to_some_end(spoils in proptest::collection::vec(spoil(), 0..6), piece in 1usize..500) {
        let dir = tempfile::tempdir().unwrap();
        let bytes = spoiled(STREAM, &spoils);
        prop_assert_eq!(documents(&bytes, piece, dir.path()), documents(&bytes, bytes.len().max(1), dir.path()));
    }
}
