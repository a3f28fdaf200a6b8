//! One frame: compressed and sealed on the way out, proven, opened and decoded on the way in.
//!
//! Nothing that is read is handed out before the frame's checksum and, where it is sealed, the seal were proven.

use crate::format::pack::{Codec, FRAME_BYTES, FrameHeader, FrameKind, TAG_BYTES};
use crate::seal::{Keys, Scope, SealError};
use crate::store::Store;
use crate::{Error, FrameKey};
use std::cell::RefCell;
use std::io;
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective};

/// zstd level: on an organisation's mail in groups of 512 KiB, level 3 leaves 440.7 MB of packs; 5 leaves 436.8 and 6 434.0 for a sixth more CPU of the whole ingest.
const ZSTD_LEVEL: i32 = 3;

/// What a frame is to hold.
pub(crate) struct FrameDraft {
    pub(crate) kind: FrameKind,
    pub(crate) mailbox: u32,
    pub(crate) key: FrameKey,
    /// BLAKE3 of the bytes of a block; other frames have none.
    pub(crate) hash: Option<[u8; 32]>,
    pub(crate) raw: Vec<u8>,
    /// Whether compressing is worth trying.
    pub(crate) compress: bool,
}

/// A frame ready to be written.
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    /// The header, and the stored bytes behind it.
    pub(crate) bytes: Vec<u8>,
}

/// Makes frames, and keeps zstd's memory from one to the next.
#[derive(Default)]
pub(crate) struct FrameMaker {
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl FrameMaker {
    /// Compresses and seals.
    pub(crate) fn make(&mut self, draft: FrameDraft, keys: &Keys) -> Result<Frame, Error> {
        let FrameDraft { kind, mailbox, key, hash, raw, compress } = draft;
        let raw_bytes = small(raw.len())?;
        let (codec, mut stored) = match if compress { self.compress(&raw)? } else { None } {
            Some(packed) => (Codec::Zstd, packed),
            None => (Codec::Raw, raw),
        };
        let keygen = if kind == FrameKind::Directory { 0 } else { keys.generation() };
        let stored_bytes = small(stored.len() + if keygen == 0 { 0 } else { TAG_BYTES })?;
        let mut header = FrameHeader { kind, codec, keygen, mailbox, key, stored: stored_bytes, raw: raw_bytes, nonce: [0; 12], checksum: [0; 16] };
        if keygen != 0 {
            keys.seal(scope(&header, hash.as_ref())?, &aad(keys, &header), &mut header.nonce, &mut stored)?;
            if keys.generation() != keygen {
                // Rotated in between: nobody knows with which of the two it was sealed.
                return Err(Error::BatchBroken);
            }
        }
        let header = header.proving(&stored);
        let mut bytes = Vec::with_capacity(FRAME_BYTES + stored.len());
        bytes.extend(header.encode());
        bytes.extend(stored);
        Ok(Frame { header, bytes })
    }

    /// Compresses; `None` when that is not worth it.
    fn compress(&mut self, raw: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let failed = |err| Error::file("compress", "a frame")(err);
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?),
        };
        let packed = zstd.compress(raw).map_err(failed)?;
        // A gain below 3 % is not worth decompressing for.
        Ok((packed.len() < raw.len() - raw.len() / 32).then_some(packed))
    }
}

/// Reads a frame and proves its checksum. A pack that is not there (any more) is [`Error::File`] with `NotFound`.
pub(crate) fn read_frame(store: &dyn Store, name: &str, offset: u64, stored: u32) -> Result<(FrameHeader, Vec<u8>), Error> {
    let mut bytes = vec![0; FRAME_BYTES + stored as usize];
    let n = store.read_at(name, offset, &mut bytes).map_err(Error::file("read", name))?;
    bytes.truncate(n);
    split_frame(bytes).map_err(|reason| Error::PackDamaged { path: name.to_owned(), offset, reason })
}

/// Takes a frame apart into its header and its stored bytes, and proves its checksum.
pub(crate) fn split_frame(mut bytes: Vec<u8>) -> Result<(FrameHeader, Vec<u8>), String> {
    let header = FrameHeader::decode(&bytes).ok_or("no frame header")?;
    bytes.drain(..FRAME_BYTES);
    if header.holds(&bytes) { Ok((header, bytes)) } else { Err("its checksum does not hold".to_owned()) }
}

/// Opens the seal and decompresses proven stored bytes. `hash` is needed for a sealed block; `upto` decodes
/// the first so many bytes only, which then are not compared with the frame's length.
pub(crate) fn decode_frame(header: &FrameHeader, mut stored: Vec<u8>, keys: &Keys, hash: Option<&[u8; 32]>, upto: Option<u32>) -> Result<Vec<u8>, Error> {
    let damaged = |reason: &str| Error::FrameDamaged { frame: header.key, reason: reason.to_owned() };
    if header.keygen == 0 && header.kind != FrameKind::Directory && keys.is_sealed() {
        // What claims not to be sealed was put there by somebody else.
        return Err(SealError::NotAuthentic.into());
    }
    if header.keygen != 0 {
        let scope = scope(header, hash)?;
        keys.open(header.keygen, scope, &aad(keys, header), &header.nonce, &mut stored)?;
    }
    let want = upto.map_or(header.raw, |upto| upto.min(header.raw)) as usize;
    let whole = want == header.raw as usize;
    let raw = match header.codec {
        Codec::Raw if stored.len() == header.raw as usize => {
            stored.truncate(want);
            stored
        }
        Codec::Raw => stored,
        Codec::Zstd => decompress(&stored, want, whole).ok_or_else(|| damaged("it cannot be decompressed"))?,
    };
    if raw.len() == want { Ok(raw) } else { Err(damaged("it decodes to another length")) }
}

thread_local! {
    /// What zstd needs to decompress, made once for each thread: 160 KB, and a window of at most one frame.
    static ZSTD: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// Decompresses the first `want` bytes: if these are not the whole, only as many stored bytes as that needs.
fn decompress(stored: &[u8], want: usize, whole: bool) -> Option<Vec<u8>> {
    ZSTD.with_borrow_mut(|zstd| {
        let zstd = match zstd {
            Some(zstd) => zstd,
            none => none.insert(DCtx::try_create()?),
        };
        zstd.reset(ResetDirective::SessionOnly).ok()?;
        if whole {
            let mut raw = Vec::with_capacity(want);
            return zstd.decompress(&mut raw, stored).ok().map(|_| raw);
        }
        let mut raw = vec![0; want];
        let (mut input, mut output) = (InBuffer::around(stored), OutBuffer::around(raw.as_mut_slice()));
        while output.pos() < want {
            let before = (input.pos(), output.pos());
            zstd.decompress_stream(&mut output, &mut input).ok()?;
            if before == (input.pos(), output.pos()) {
                return None;
            }
        }
        Some(raw)
    })
}

/// Returns which key seals a frame.
fn scope<'a>(header: &FrameHeader, hash: Option<&'a [u8; 32]>) -> Result<Scope<'a>, Error> {
    match (header.kind, hash) {
        (FrameKind::Block, Some(hash)) => Ok(Scope::Block(hash)),
        (FrameKind::Block, None) => Err(Error::FrameDamaged { frame: header.key, reason: "it is sealed, and nobody holds its hash".to_owned() }),
        (FrameKind::Records, _) if header.mailbox == 0 => Ok(Scope::Storage),
        (FrameKind::Records, _) => Ok(Scope::Mailbox(header.mailbox)),
        (FrameKind::Directory, _) => Err(Error::FrameDamaged { frame: header.key, reason: "a directory is never sealed".to_owned() }),
    }
}

/// Returns what the seal authenticates beside the bytes.
fn aad(keys: &Keys, header: &FrameHeader) -> [u8; 64] {
    let mut aad = [0; 64];
    aad[..16].copy_from_slice(keys.storage().as_bytes());
    aad[16..].copy_from_slice(&header.aad());
    aad
}

fn small(len: usize) -> Result<u32, Error> {
    let limit = crate::format::pack::FRAME_RAW_BYTES_MAX;
    let len = u32::try_from(len).ok().filter(|len| *len <= limit);
    len.ok_or_else(|| Error::file("encode", "a frame")(io::Error::from(io::ErrorKind::FileTooLarge)))
}
