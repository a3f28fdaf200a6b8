//! Reading contents by range.
//!
//! Every byte handed out comes from a chunk whose hash was computed and compared after it was read
//! and decoded. Memory: the blocks in the cache, and one block for each read in progress.

use crate::catalog::Shared;
use crate::cut::export::{FrameMap, header};
use crate::cut::quoted::Quoted;
use crate::cut::{Encoder, Lines};
use crate::format::pack::ChunkSpan;
use crate::format::recipe::{ChunkRef, Coding, Op, Part, RecipeRecord, decode_list};
use crate::format::row::{ChunkPlace, Table};
use crate::pack::reader::read_block;
use crate::store::Store;
use crate::{ChunkId, CommitSeq, ContentId, Error};
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded blocks in memory, in bytes.
const CACHE_BYTES_MAX: usize = 32 << 20;

/// Reads contents by range; clones share one bounded cache.
#[derive(Clone)]
pub struct Contents {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: Arc<Shared>,
    store: Arc<dyn Store>,
    cache: Mutex<Cache>,
}

struct Cache {
    blocks: LruCache<(CommitSeq, u64), Arc<Block>>,
    bytes: usize,
}

/// A decoded block whose chunks are proven.
struct Block {
    raw: Vec<u8>,
    chunks: Vec<ChunkSpan>,
}

/// A content that is open for reading.
pub struct ContentFile {
    contents: Contents,
    recipe: RecipeRecord,
    /// Where each step of the recipe begins in the data, and in the skeleton for skeleton steps.
    starts: Vec<(u64, u64)>,
    frames: Option<FrameMap>,
    quoted: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

impl Contents {
    pub(crate) fn new(catalog: Arc<Shared>, store: Arc<dyn Store>) -> Self {
        let cache = Mutex::new(Cache { blocks: LruCache::unbounded(), bytes: 0 });
        Self { inner: Arc::new(Inner { catalog, store, cache }) }
    }

    /// Opens a content.
    ///
    /// # Errors
    /// When the archive does not know it, or its recipe is damaged.
    pub fn open(&self, id: &ContentId) -> Result<ContentFile, Error> {
        let recipe: Option<RecipeRecord> = self.inner.catalog.index().row(Table::Recipes, &id.0)?;
        self.open_recipe(recipe.ok_or(Error::NoSuchContent { content: *id })?)
    }

    /// Returns a recipe that names all its chunks itself.
    pub(crate) fn expand(&self, mut recipe: RecipeRecord) -> Result<RecipeRecord, Error> {
        for op in &mut recipe.ops {
            let Op::Part(part) = op else { continue };
            let Some(list) = part.list.take() else { continue };
            let (block, span) = self.chunk(list.chunk(), list.len)?;
            let bytes = &block.raw[span.offset as usize..(span.offset + span.len) as usize];
            part.chunks = decode_list(bytes)
                .ok_or_else(|| Error::ContentDamaged { content: ContentId(recipe.id), reason: "a list of chunks cannot be decoded".to_owned() })?;
        }
        Ok(recipe)
    }

    /// Opens a content whose recipe is at hand.
    pub(crate) fn open_recipe(&self, recipe: RecipeRecord) -> Result<ContentFile, Error> {
        let recipe = self.expand(recipe)?;
        let (mut data, mut skeleton, mut starts) = (0, 0, Vec::with_capacity(recipe.ops.len()));
        for op in &recipe.ops {
            starts.push((data, skeleton));
            match op {
                Op::Skeleton(len) => {
                    data += len;
                    skeleton += len;
                }
                Op::Part(part) => data += part.len,
            }
        }
        let held: u64 = recipe.skeleton.iter().map(|chunk| u64::from(chunk.len)).sum();
        let framing: u64 = recipe.frames.iter().map(|frame| u64::from(frame.count) * crate::cut::export::HEADER_BYTES).sum();
        if data + framing != recipe.len || held != skeleton {
            return Err(Error::ContentDamaged { content: ContentId(recipe.id), reason: "its recipe gives another length".to_owned() });
        }
        let frames = (!recipe.frames.is_empty()).then(|| FrameMap::new(&recipe.frames));
        Ok(ContentFile { contents: self.clone(), recipe, starts, frames, quoted: Mutex::new(None) })
    }

    /// Reads from the decoded bytes of a row of chunks.
    fn read_chunks(&self, chunks: &[ChunkRef], mut offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut done = 0;
        for chunk in chunks {
            let len = u64::from(chunk.len);
            if offset >= len {
                offset -= len;
                continue;
            }
            if done == buffer.len() {
                break;
            }
            let (block, span) = self.chunk(chunk.chunk(), chunk.len)?;
            let bytes = &block.raw[span.offset as usize..(span.offset + span.len) as usize];
            let bytes = &bytes[usize::try_from(offset).unwrap_or(bytes.len())..];
            let n = bytes.len().min(buffer.len() - done);
            buffer[done..done + n].copy_from_slice(&bytes[..n]);
            done += n;
            offset = 0;
        }
        Ok(done)
    }

    /// Returns a proven chunk: its block and where it is in it.
    fn chunk(&self, id: ChunkId, len: u32) -> Result<(Arc<Block>, ChunkSpan), Error> {
        let index = self.inner.catalog.index();
        let damaged = |reason: &str| Error::PackDamaged { path: format!("chunk {id}"), offset: 0, reason: reason.to_owned() };
        let place = index.get(Table::Chunks, &id.0)?.ok_or_else(|| damaged("the archive does not hold it"))?;
        let place = ChunkPlace::decode(&place).ok_or(Error::IndexRow { table: Table::Chunks.name() })?;
        let block = self.block(place)?;
        let span = block.chunks.iter().find(|span| span.offset == place.offset && span.id == id && span.len == len).copied();
        Ok((block, span.ok_or_else(|| damaged("its block holds something else"))?))
    }

    fn block(&self, place: ChunkPlace) -> Result<Arc<Block>, Error> {
        let key = (place.seq, place.block);
        if let Some(block) = self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner).blocks.get(&key) {
            return Ok(Arc::clone(block));
        }
        let name = self.inner.catalog.pack(place.seq)?;
        let (raw, chunks) = read_block(self.inner.store.as_ref(), &name, place.block, place.stored)?;
        let block = Arc::new(Block { raw, chunks });
        let mut cache = self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.bytes += block.raw.len();
        if let Some((_, replaced)) = cache.blocks.push(key, Arc::clone(&block)) {
            cache.bytes -= replaced.raw.len();
        }
        while cache.bytes > CACHE_BYTES_MAX {
            let Some((_, oldest)) = cache.blocks.pop_lru() else { break };
            cache.bytes -= oldest.raw.len();
        }
        Ok(block)
    }
}

impl ContentFile {
    /// Returns the length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a content is a file: its length is asked for, not whether it is empty")]
    pub fn len(&self) -> u64 {
        self.recipe.len
    }

    /// Reads from `offset` into `buffer` and returns how many bytes that were; fewer only at the end.
    ///
    /// # Errors
    /// When a part of it is damaged: never wrong bytes, never zeros.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let Some(frames) = &self.frames else { return self.read_data(offset, buffer) };
        let mut done = 0;
        while done < buffer.len() {
            done += match frames.inner(offset + done as u64) {
                None => break,
                Some(Err((frame, within))) => copy(&header(frame)[usize::try_from(within).unwrap_or(0)..], &mut buffer[done..]),
                Some(Ok((inner, left))) => {
                    let want = (buffer.len() - done).min(usize::try_from(left).unwrap_or(usize::MAX));
                    let n = self.read_data(inner, &mut buffer[done..done + want])?;
                    if n < want {
                        return Err(self.short());
                    }
                    n
                }
            };
        }
        Ok(done)
    }

    /// Reads from the content without frame headers.
    fn read_data(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut done = 0;
        let mut step = self.starts.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        while done < buffer.len() {
            let (Some((start, skeleton)), Some(op)) = (self.starts.get(step), self.recipe.ops.get(step)) else { break };
            let within = offset + done as u64 - start;
            let len = match op {
                Op::Skeleton(len) => *len,
                Op::Part(part) => part.len,
            };
            let want = (buffer.len() - done).min(usize::try_from(len.saturating_sub(within)).unwrap_or(usize::MAX));
            let piece = &mut buffer[done..done + want];
            let n = match op {
                Op::Skeleton(_) => self.contents.read_chunks(&self.recipe.skeleton, skeleton + within, piece)?,
                Op::Part(part) => self.read_part(step, part, within, piece)?,
            };
            if n < want {
                return Err(self.short());
            }
            done += n;
            step += 1;
        }
        Ok(done)
    }

    fn read_part(&self, step: usize, part: &Part, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        match part.coding {
            Coding::Raw => self.contents.read_chunks(&part.chunks, offset, buffer),
            Coding::Base64 { line, crlf } => self.read_base64(part, Lines { line, crlf }, offset, buffer),
            Coding::Quoted { .. } => {
                let encoded = self.quoted(step, part)?;
                Ok(copy(encoded.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default(), buffer))
            }
        }
    }

    fn read_base64(&self, part: &Part, lines: Lines, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let (decoded_offset, begins) = lines.quantum_at(offset);
        let skip = usize::try_from(offset - begins).unwrap_or(0);
        // Three bytes for four characters; line breaks only make it less. One quantum more for what is skipped at each end.
        let mut decoded = vec![0; (buffer.len() + skip) / 4 * 3 + 6];
        let n = self.contents.read_chunks(&part.chunks, decoded_offset, &mut decoded)?;
        decoded.truncate(n);
        let mut encoder = Encoder::at(lines, begins);
        let mut encoded = encoder.push(&decoded);
        encoded.extend(encoder.finish());
        Ok(copy(encoded.get(skip..).unwrap_or_default(), buffer))
    }

    /// Returns a quoted-printable part, encoded; the last one asked for is remembered.
    fn quoted(&self, step: usize, part: &Part) -> Result<Arc<Vec<u8>>, Error> {
        let mut memory = self.quoted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, encoded)) = memory.as_ref().filter(|(remembered, _)| *remembered == step) {
            return Ok(Arc::clone(encoded));
        }
        let len: u64 = part.chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
        let quoted = Quoted::of(&part.coding).filter(|_| len <= part.len).ok_or_else(|| self.short())?;
        let mut decoded = vec![0; usize::try_from(len).map_err(|_| self.short())?];
        if self.contents.read_chunks(&part.chunks, 0, &mut decoded)? < decoded.len() {
            return Err(self.short());
        }
        let encoded = Arc::new(quoted.encode(&decoded));
        *memory = Some((step, Arc::clone(&encoded)));
        Ok(encoded)
    }

    fn short(&self) -> Error {
        Error::ContentDamaged { content: ContentId(self.recipe.id), reason: "its recipe gives fewer bytes than it says".to_owned() }
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    to[..n].copy_from_slice(&from[..n]);
    n
}
