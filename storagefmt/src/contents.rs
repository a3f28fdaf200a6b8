//! Reading contents by range.
//!
//! Every byte handed out comes from a frame whose checksum, and seal where there is one, was proven after it
//! was read. Memory: the blocks in the cache ([`Contents::set_cache`]); for each open content one block and one encoded part;
//! for each read in progress one block as it is stored.

mod blocks;
mod lines;

use crate::catalog::Shared;
use crate::cut::Lines;
use crate::cut::export::{FrameMap, HEADER_BYTES, header};
use crate::cut::quoted::Quoted;
use crate::format::recipe::{ChunkRef, Coding, Op, RecipeRecord};
use crate::format::record::Record;
use crate::format::row::Table;
use crate::store::Store;
use crate::{ContentId, Error, FrameKey, MailboxKey, Place};
use blocks::{Block, Blocks};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads contents by range; clones share one bounded cache.
#[derive(Clone)]
pub struct Contents {
    blocks: Arc<Blocks>,
}

/// A content that is open for reading.
pub struct ContentFile {
    blocks: Arc<Blocks>,
    mailbox: MailboxKey,
    id: ContentId,
    len: u64,
    skeleton: Run,
    steps: Vec<Step>,
    frames: Option<FrameMap>,
    /// Up to where the content needs each of its blocks: whoever begins to read a content mostly reads all of it.
    ends: HashMap<FrameKey, u32>,
    last: Mutex<Option<(FrameKey, Arc<Block>)>>,
    quoted: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

/// A step of the recipe: where it begins in the data, and how many bytes it gives.
struct Step {
    start: u64,
    len: u64,
    source: Source,
}

/// Where a step's bytes come from.
enum Source {
    /// The skeleton, from this byte on.
    Skeleton(u64),
    /// A part.
    Part(Coding, Run),
}

/// Decoded bytes: stretches of blocks, one after the other.
#[derive(Default)]
struct Run {
    spans: Vec<Span>,
    len: u64,
}

/// A stretch of a block, and where it begins in its run.
struct Span {
    start: u64,
    frame: FrameKey,
    offset: u32,
    len: u32,
}

impl Contents {
    pub(crate) fn new(shared: Arc<Shared>, store: Arc<dyn Store>) -> Self {
        Self { blocks: Arc::new(Blocks::new(shared, store)) }
    }

    /// Sets how many bytes of decoded blocks are kept in memory for all clones together; 96 MiB by default.
    pub fn set_cache(&self, bytes: usize) {
        self.blocks.set_cache(bytes);
    }

    /// Opens a content of a mailbox.
    ///
    /// # Errors
    /// When the mailbox has no such content, or its recipe cannot be read.
    pub fn open(&self, mailbox: MailboxKey, id: &ContentId) -> Result<ContentFile, Error> {
        let index = self.blocks.shared().index();
        let unknown = || Error::NoSuchContent { content: *id };
        let place: Place = index.row(Table::Recipes, &index.content_key(mailbox, id))?.ok_or_else(unknown)?;
        match index.record(place)?.as_deref() {
            Some(Record::Recipe(recipe)) if recipe.id == id.0 => self.open_recipe(mailbox, recipe),
            _ => Err(unknown()),
        }
    }

    /// Opens a content whose recipe is at hand.
    pub(crate) fn open_recipe(&self, mailbox: MailboxKey, recipe: &RecipeRecord) -> Result<ContentFile, Error> {
        let (mut data, mut held, mut steps) = (0u64, 0u64, Vec::with_capacity(recipe.ops.len()));
        for op in &recipe.ops {
            let (len, source) = match op {
                Op::Skeleton(len) => {
                    let source = Source::Skeleton(held);
                    held = held.saturating_add(*len);
                    (*len, source)
                }
                Op::Part(part) => (part.len, Source::Part(part.coding.clone(), Run::of(&part.chunks))),
            };
            steps.push(Step { start: data, len, source });
            data = data.saturating_add(len);
        }
        let skeleton = Run::of(&recipe.skeleton);
        let framing: u64 = recipe.frames.iter().map(|frame| u64::from(frame.count) * HEADER_BYTES).sum();
        let framed: u64 = recipe.frames.iter().map(|frame| u64::from(frame.len).saturating_mul(u64::from(frame.count))).fold(0, u64::saturating_add);
        if data.saturating_add(framing) != recipe.len || held != skeleton.len || !recipe.frames.is_empty() && framed != data {
            return Err(Error::ContentDamaged { content: ContentId(recipe.id), reason: "its recipe gives another length".to_owned() });
        }
        let mut ends = HashMap::new();
        let runs = steps.iter().filter_map(|step| if let Source::Part(_, run) = &step.source { Some(run) } else { None });
        for span in runs.chain([&skeleton]).flat_map(|run| &run.spans) {
            let end = ends.entry(span.frame).or_insert(0);
            *end = span.offset.saturating_add(span.len).max(*end);
        }
        Ok(ContentFile {
            blocks: Arc::clone(&self.blocks),
            mailbox,
            id: ContentId(recipe.id),
            len: recipe.len,
            skeleton,
            steps,
            frames: (!recipe.frames.is_empty()).then(|| FrameMap::new(&recipe.frames)),
            ends,
            last: Mutex::new(None),
            quoted: Mutex::new(None),
        })
    }
}

impl Run {
    /// Joins references to neighbouring stretches.
    fn of(chunks: &[ChunkRef]) -> Self {
        let mut run = Self { spans: Vec::with_capacity(chunks.len()), len: 0 };
        for chunk in chunks {
            match run.spans.last_mut() {
                Some(last)
                    if last.frame == chunk.frame() && last.offset.checked_add(last.len) == Some(chunk.offset) && last.len.checked_add(chunk.len).is_some() =>
                {
                    last.len += chunk.len;
                }
                _ => run.spans.push(Span { start: run.len, frame: chunk.frame(), offset: chunk.offset, len: chunk.len }),
            }
            run.len += u64::from(chunk.len);
        }
        run
    }
}

impl ContentFile {
    /// Returns the length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a content is a file: its length is asked for, not whether it is empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads from `offset` into `buffer` and returns how many bytes that were; fewer only at the end.
    ///
    /// # Errors
    /// When a part of it is damaged: never wrong bytes, never zeros.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        match self.read_framed(offset, buffer) {
            // The content may lie elsewhere by now: freeing puts together anew what little is wanted of.
            Err(Error::BlockMissing { .. }) => {
                self.blocks.shared().catch_up()?;
                let contents = Contents { blocks: Arc::clone(&self.blocks) };
                contents.open(self.mailbox, &self.id)?.read_framed(offset, buffer)
            }
            other => other,
        }
    }

    /// Reads from the content, frame headers included.
    fn read_framed(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        if offset >= self.len {
            return Ok(0);
        }
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
        let first = self.steps.partition_point(|step| step.start <= offset).saturating_sub(1);
        for (number, step) in self.steps.iter().enumerate().skip(first) {
            if done == buffer.len() {
                break;
            }
            let within = (offset + done as u64).saturating_sub(step.start);
            let want = (buffer.len() - done).min(usize::try_from(step.len.saturating_sub(within)).unwrap_or(usize::MAX));
            let piece = &mut buffer[done..done + want];
            let n = match &step.source {
                Source::Skeleton(start) => self.read_run(&self.skeleton, start + within, piece)?,
                Source::Part(coding, run) => self.read_part(number, step, coding, run, within, piece)?,
            };
            if n < want {
                return Err(self.short());
            }
            done += n;
        }
        Ok(done)
    }

    fn read_part(&self, number: usize, step: &Step, coding: &Coding, run: &Run, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        match *coding {
            Coding::Raw => self.read_run(run, offset, buffer),
            Coding::Base64 { .. } => {
                let lines = Lines::of(coding).ok_or_else(|| self.short())?;
                lines::encode(lines, run.len, offset, buffer, &mut |from, into| self.read_run(run, from, into))
            }
            Coding::Quoted { .. } => {
                let encoded = self.quoted(number, step, coding, run)?;
                Ok(copy(encoded.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default(), buffer))
            }
        }
    }

    /// Returns a quoted-printable part, encoded; the last one asked for is remembered.
    fn quoted(&self, number: usize, step: &Step, coding: &Coding, run: &Run) -> Result<Arc<Vec<u8>>, Error> {
        let mut memory = self.quoted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, encoded)) = memory.as_ref().filter(|(remembered, _)| *remembered == number) {
            return Ok(Arc::clone(encoded));
        }
        let quoted = Quoted::of(coding).filter(|_| run.len <= step.len).ok_or_else(|| self.short())?;
        let mut decoded = vec![0; usize::try_from(run.len).map_err(|_| self.short())?];
        if self.read_run(run, 0, &mut decoded)? < decoded.len() {
            return Err(self.short());
        }
        let encoded = Arc::new(quoted.encode(&decoded));
        *memory = Some((number, Arc::clone(&encoded)));
        Ok(encoded)
    }

    /// Reads decoded bytes.
    fn read_run(&self, run: &Run, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let first = run.spans.partition_point(|span| span.start <= offset).saturating_sub(1);
        let mut done = 0;
        for span in run.spans.iter().skip(first) {
            if done == buffer.len() {
                break;
            }
            let Ok(within) = u32::try_from((offset + done as u64).saturating_sub(span.start)) else { break };
            let len = span.len.saturating_sub(within).min(u32::try_from(buffer.len() - done).unwrap_or(u32::MAX));
            let outside = || Error::BlockMissing { block: span.frame };
            let begins = span.offset.checked_add(within).ok_or_else(outside)?;
            let block = self.block(span.frame, begins, begins.checked_add(len).ok_or_else(outside)?)?;
            done += copy(block.get(begins, len).ok_or_else(outside)?, &mut buffer[done..]);
        }
        Ok(done)
    }

    /// Returns a block; the last one is at hand without asking anybody.
    fn block(&self, key: FrameKey, begin: u32, end: u32) -> Result<Arc<Block>, Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, block)) = last.as_ref().filter(|(held, block)| *held == key && block.get(0, end).is_some()) {
            return Ok(Arc::clone(block));
        }
        let end = self.ends.get(&key).copied().unwrap_or_default().max(end);
        let block = self.blocks.get(self.mailbox, key, begin, end)?;
        *last = Some((key, Arc::clone(&block)));
        Ok(block)
    }

    fn short(&self) -> Error {
        Error::ContentDamaged { content: self.id, reason: "its recipe gives fewer bytes than it says".to_owned() }
    }
}

/// Copies as much as there is and as there is room for; returns how many bytes.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    to[..n].copy_from_slice(&from[..n]);
    n
}
