//! From contents to chunks: where to cut, so that what is equal becomes equal chunks.
//!
//! MIME is cut at its part boundaries and base64 and quoted-printable parts are kept decoded, where
//! encoding them again gives the same bytes. Export streams lose their frames and are cut around the
//! large values inside. Everything else is one stretch. The recipe that comes out gives back exactly
//! the bytes that went in. Nothing found inside a content is trusted; a hint that was wrong costs only deduplication.
//!
//! Why the bytes come back: the steps of a recipe tile the content. Skeleton and raw parts are its bytes;
//! quoted-printable is encoded again and compared; base64 is accepted only in the one form that encodes so
//! (see `base64`). The bytes that were cut have the content's id: of a content in memory they were
//! hashed, of a large one what the recipe will give is hashed while it is cut, and where that is something else, the content becomes one stretch.
//!
//! Memory is bounded whatever a content's size: up to [`MEMORY_BYTES_MAX`] it is read once and cut
//! from there, beyond it is read twice more through a window.

mod base64;
mod chunker;
pub(crate) mod export;
mod knife;
mod mime;
#[cfg(any(test, fuzzing))]
pub(crate) mod proof;
pub(crate) mod quoted;
mod source;

use crate::format::recipe::{ChunkRef, RecipeRecord};
use crate::{ChunkId, ContentId, Error};
use c2b_mailbox::Content;
use export::{Framing, Unframed};
use knife::{Knife, Pieces};
use source::{Memory, Source, Stream, WINDOW_BYTES};
use std::io::{self, Read, Seek, SeekFrom};

pub(crate) use self::base64::{Encoder, Lines, STANDARD, STANDARD_NO_PAD};

/// Shortest part that gets chunks of its own, in bytes; shorter ones stay with the headers: naming a chunk costs some 60 bytes, text of this length 150.
const PART_BYTES_MIN: u64 = 512;
/// Longest content that is read as a whole, in bytes: nearly all mail, and with its decoded and its unframed form 24 MiB for each thread that cuts.
const MEMORY_BYTES_MAX: u64 = 8 << 20;
/// Buffer for reading contents, in bytes.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// What a content is, as far as that helps to cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An internet message.
    Mime,
    /// An export stream.
    Export,
    /// Anything else.
    Plain,
}

/// Identifies and cuts contents, one after the other.
#[derive(Default)]
pub(crate) struct Cutter {
    /// The bytes of the content whose id is `held`.
    bytes: Vec<u8>,
    held: Option<(ContentId, usize)>,
    data: Vec<u8>,
    scratch: quoted::Scratch,
}

/// Takes chunks as they are cut.
pub(crate) trait Sink {
    /// Takes a chunk and says where it is; the same may come again.
    fn chunk(&mut self, id: ChunkId, bytes: &[u8]) -> Result<ChunkRef, Error>;
}

/// Why a content could not be cut.
#[derive(Debug)]
pub(crate) enum CutError {
    /// It could not be read.
    Read(io::Error),
    /// A chunk could not be stored.
    Sink(Error),
}

/// A stretch of a content that becomes a part, in bytes of the content without frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) coding: Hint,
}

/// How a stretch claims to be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Raw,
    Base64,
    Quoted,
}

impl Cutter {
    /// Returns the id of a content.
    pub(crate) fn identify(&mut self, content: &mut Content) -> io::Result<ContentId> {
        self.held = None;
        content.seek(SeekFrom::Start(0))?;
        let Some(len) = usize::try_from(content.len()).ok().filter(|_| content.len() <= MEMORY_BYTES_MAX) else { return identify_large(content) };
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        let bytes = self.bytes.get_mut(..len).unwrap_or_default();
        content.read_exact(bytes)?;
        let id = ContentId::of(bytes);
        self.held = Some((id, len));
        Ok(id)
    }

    /// Cuts a content whose id is known. What was identified last is not read again.
    pub(crate) fn cut(&mut self, content: &mut Content, id: ContentId, kind: Kind, sink: &mut dyn Sink) -> Result<RecipeRecord, CutError> {
        if content.len() > MEMORY_BYTES_MAX {
            return cut_large(content, id, kind, sink, &mut self.scratch, WINDOW_BYTES);
        }
        if self.held.is_none_or(|(held, _)| held != id) && self.identify(content)? != id {
            return Err(changed());
        }
        let Self { bytes, held, data, scratch } = self;
        let bytes = held.and_then(|(_, len)| bytes.get(..len)).unwrap_or_default();
        let frames = if kind == Kind::Export { export::frames(&mut Memory(bytes))? } else { Vec::new() };
        let mut source = Memory(bytes);
        if !frames.is_empty() {
            data.clear();
            export::unframe(bytes, &frames, data);
            source = Memory(data);
        }
        let stretches = find(kind, !frames.is_empty(), &mut source)?;
        let Pieces { ops, skeleton, .. } = Knife::new(sink, scratch, None).run(&mut source, &stretches)?;
        Ok(RecipeRecord { id: id.0, len: bytes.len() as u64, skeleton, ops, frames })
    }
}

/// Returns where a content is worth a cut.
fn find<S: Source>(kind: Kind, framed: bool, source: &mut S) -> Result<Vec<Stretch>, CutError> {
    match kind {
        Kind::Mime => mime::stretches(source),
        Kind::Export if framed => export::stretches(source),
        Kind::Export | Kind::Plain => Ok(Vec::new()),
    }
}

fn identify_large(content: &mut Content) -> io::Result<ContentId> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(content)?;
    Ok(ContentId(*hasher.finalize().as_bytes()))
}

/// Cuts a content that is read through a window, and proves what came of it.
fn cut_large(
    content: &mut Content,
    id: ContentId,
    kind: Kind,
    sink: &mut dyn Sink,
    scratch: &mut quoted::Scratch,
    window: usize,
) -> Result<RecipeRecord, CutError> {
    let len = content.len();
    let frames = if kind == Kind::Export { export::frames(&mut Stream::new(&mut *content, len, window))? } else { Vec::new() };
    let Pieces { ops, skeleton, proof } = if frames.is_empty() {
        let mut source = Stream::new(&mut *content, len, window);
        let stretches = find(kind, false, &mut source)?;
        Knife::new(sink, scratch, Some(Framing::new(&[]))).run(&mut source, &stretches)?
    } else {
        let data = Unframed::new(&mut *content, &frames);
        let data_len = data.len();
        let mut source = Stream::new(data, data_len, window);
        let stretches = find(kind, true, &mut source)?;
        Knife::new(sink, scratch, Some(Framing::new(&frames))).run(&mut source, &stretches)?
    };
    if proof == Some(id) {
        return Ok(RecipeRecord { id: id.0, len, skeleton, ops, frames });
    }
    let Pieces { ops, skeleton, proof } = Knife::new(sink, scratch, Some(Framing::new(&[]))).run(&mut Stream::new(content, len, window), &[])?;
    if proof != Some(id) {
        return Err(changed());
    }
    Ok(RecipeRecord { id: id.0, len, skeleton, ops, frames: Vec::new() })
}

fn changed() -> CutError {
    CutError::Read(io::Error::new(io::ErrorKind::InvalidData, "the bytes changed while they were read"))
}

impl From<io::Error> for CutError {
    fn from(err: io::Error) -> Self {
        Self::Read(err)
    }
}

#[cfg(test)]
mod tests {
    use super::proof::{Chunks, check};
    use super::*;
    use crate::format::recipe::{Coding, Op, Part};
    use proptest::prelude::*;
    use quoted::Quoted;

    fn noise(len: usize) -> Vec<u8> {
        let mut noise = vec![0; len];
        blake3::Hasher::new().update(b"stability").finalize_xof().fill(&mut noise);
        noise
    }

    fn encode(bytes: &[u8], line: usize, newline: &str) -> String {
        let encoded = ::base64::Engine::encode(&::base64::engine::general_purpose::STANDARD, bytes);
        encoded.as_bytes().chunks(line).map(|line| String::from_utf8_lossy(line).into_owned() + newline).collect()
    }

    fn parts(recipe: &RecipeRecord) -> Vec<&Part> {
        let parts = recipe.ops.iter().filter_map(|op| match op {
            Op::Part(part) => Some(part),
            Op::Skeleton(_) => None,
        });
        parts.collect()
    }

    /// Fails when a change would make new chunks out of old contents, and so store everything once more.
    #[test]
    fn contents_are_cut_where_they_always_were() {
        let message = format!("Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", encode(&noise(400_000), 76, "\r\n"));
        let (recipe, store) = check(message.as_bytes(), Kind::Mime);
        assert!(
            matches!(recipe.ops[..], [Op::Skeleton(49), Op::Part(Part { coding: Coding::Base64 { line: 76, .. }, .. }), Op::Skeleton(2)]),
            "{:?}",
            recipe.ops
        );
        let expected = [(95_752, "832c8b19"), (135_375, "9ac6f833"), (21_719, "77314cb2"), (80_896, "ab86ac90"), (66_258, "c0eb0a17"), (51, "cb013d0f")];
        let found: Vec<(u32, String)> = store
            .ids
            .iter()
            .zip(parts(&recipe)[0].chunks.iter().chain(&recipe.skeleton))
            .map(|(id, chunk)| (chunk.len, id.to_string()[..8].to_owned()))
            .collect();
        assert_eq!(found, expected.map(|(len, id)| (len, id.to_owned())));
    }

    #[test]
    fn a_large_content_is_cut_as_a_small_one() {
        let message = format!("Content-Transfer-Encoding: base64\n\n{}", encode(&noise(3_000_000), 73, "\n"));
        let (recipe, store) = check(message.as_bytes(), Kind::Mime);
        let (mut content, mut windowed) = (Content::from_bytes(message.as_bytes()).unwrap(), Chunks::default());
        let large = cut_large(&mut content, ContentId(recipe.id), Kind::Mime, &mut windowed, &mut quoted::Scratch::default(), WINDOW_BYTES).unwrap();
        assert!(large == recipe && windowed.ids == store.ids, "{large:?}");
    }

    #[test]
    fn a_text_is_one_chunk_however_it_is_encoded() {
        let text = "Gr\u{fc}\u{df}e aus K\u{f6}ln = sch\u{f6}n.\r\n".repeat(2000);
        let habits = Quoted { line: 76, crlf: true, lower: false, escaped: crate::format::recipe::usually_escaped(), full: false };
        let quoted = String::from_utf8(habits.encode(text.as_bytes())).unwrap();
        let multipart = |coding: &str, body: &str| {
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: {coding}\r\n\r\n{body}\r\n--b--\r\n")
        };
        let chunk = |message: String| {
            let (recipe, store) = check(message.as_bytes(), Kind::Mime);
            assert!(parts(&recipe).len() == 1 && parts(&recipe)[0].chunks.len() == 1, "{recipe:?}");
            store.ids[0]
        };
        let expected = ChunkId::of(text.as_bytes());
        assert_eq!(chunk(multipart("8bit", &text)), expected);
        assert_eq!(chunk(multipart("quoted-printable", &quoted)), expected);
        assert_eq!(chunk(multipart("base64", &encode(text.as_bytes(), 60, "\r\n"))), expected);
        assert_eq!(chunk(multipart("7bit", &encode(text.as_bytes(), 76, "\r\n"))), expected, "base64 that does not say so");
    }

    #[test]
    fn base64_with_a_footer_or_a_gap_is_decoded_all_the_same() {
        let bytes = noise(3000);
        let head = "Content-Transfer-Encoding: base64\n\n";
        let (recipe, store) = check(format!("{head}{}-- \nThis list is moderated.\n", encode(&bytes, 76, "\n")).as_bytes(), Kind::Mime);
        assert_eq!(store.bytes(&parts(&recipe)[0].chunks), bytes);
        let (recipe, store) = check(format!("{head}\n{}\n \n{}", encode(&bytes, 76, " \n"), encode(&bytes, 64, "\n")).as_bytes(), Kind::Mime);
        assert_eq!(parts(&recipe).len(), 2);
        assert!(parts(&recipe).iter().all(|part| store.bytes(&part.chunks) == bytes));
        let unpadded = encode(&bytes[..2999], 76, "\n").replace('=', "");
        let (recipe, store) = check(format!("{head}{unpadded}").as_bytes(), Kind::Mime);
        assert_eq!(store.bytes(&parts(&recipe)[0].chunks), bytes[..2999]);
    }

    /// Nearly a message: parts of every kind, harmed.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let text = prop_oneof![prop::collection::vec(any::<u8>(), 0..1500), "([a-z =\u{e4}]{0,90}(\r\n|\n|=\r\n|=20\r\n)){0,30}".prop_map(String::into_bytes),];
        let coding = prop::sample::select(vec!["base64", "quoted-printable", "8bit", "x"]);
        let newline = prop::sample::select(vec!["\r\n", "\n", " \r\n", "\n\n"]);
        let body = (text, coding, prop::option::of((4usize..90, newline)));
        let part = body.prop_map(|(text, coding, encoded)| {
            let body = encoded.map_or(text.clone(), |(line, newline)| encode(&text, line, newline).into_bytes());
            [format!("\r\n--b\r\nContent-Transfer-Encoding: {coding}\r\n\r\n").into_bytes(), body].concat()
        });
        (prop::collection::vec(part, 0..4), harm()).prop_map(|(parts, harm)| {
            let head = b"Content-Type: multipart/mixed;\r\n boundary=\"b\"\r\n".to_vec();
            harmed([&[head], &parts[..], &[b"\r\n--b--\r\n".to_vec()]].concat().concat(), harm)
        })
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let values = prop::collection::vec((0usize..5, prop::collection::vec(any::<u8>(), 0..1200)), 0..4);
        (values, 1usize..900, harm()).prop_map(|(values, frame, harm)| {
            let tags = [0x3701_0102u32, 0x1013_0102, 0x1009_0102, 0x1000_84b0, 0x1000_001f];
            let values =
                values.into_iter().map(|(tag, value)| [&tags[tag].to_le_bytes()[..], &u32::try_from(value.len()).unwrap().to_le_bytes(), &value].concat());
            let data: Vec<u8> = values.flatten().collect();
            let frames = data.chunks(frame).flat_map(|piece| [&2u32.to_le_bytes()[..], &u32::try_from(piece.len()).unwrap().to_le_bytes(), piece].concat());
            harmed(frames.collect(), harm)
        })
    }

    fn harm() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, usize)>> {
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..50), 0..3)
    }

    fn harmed(mut bytes: Vec<u8>, harm: Vec<(prop::sample::Index, u8, usize)>) -> Vec<u8> {
        for (place, value, cut) in harm {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = value;
                let end = (place + cut).min(bytes.len());
                bytes.drain(place + 1..end.max(place + 1));
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn messages_come_back(message in message()) {
            check(&message, Kind::Mime);
        }

        #[test]
        fn streams_come_back(stream in stream()) {
            check(&stream, Kind::Export);
        }

        #[test]
        fn anything_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            for kind in [Kind::Mime, Kind::Export, Kind::Plain] {
                check(&bytes, kind);
            }
        }
    }
}
