//! FUSE: a thin adapter from the kernel's questions to the tree's answers.
//!
//! Files are immutable under their inode, so they are never opened here (ENOSYS makes the kernel open them by
//! itself) and their pages are kept. Folders are opened, since a listing has a place where it stands.

use crate::archive::Archive;
use crate::errno::{ViewError, errno};
use crate::looks::{Look, Looks};
use crate::node::Node;
use crate::options::Options;
use crate::tree::{Attr, Hold, Kind, Listing, Tree};
use crate::xattr;
use chrono::{DateTime, Utc};
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};
use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the kernel keeps what we will call back.
const TTL_LONG: Duration = Duration::from_secs(3600);

/// How long it keeps what nobody calls back: below the 5 s in which a new commit must be seen.
const TTL_BRIEF: Duration = Duration::from_secs(1);

/// Requests that the kernel may send ahead (read-ahead); its default of 16 starves four threads.
const BACKGROUND_MAX: u16 = 64;

/// Preferred size of a read, in bytes: what `cat` and `cp` take as their buffer.
const BLOCK_BYTES: u32 = 128 * 1024;

/// Sizes that `df` shows, answered from memory.
#[derive(Debug, Default)]
pub struct Usage {
    /// Bytes of all that the storage holds.
    pub bytes: AtomicU64,
    /// Items and folders.
    pub files: AtomicU64,
}

/// The adapter.
pub struct Adapter<A> {
    tree: Arc<Tree<A>>,
    usage: Arc<Usage>,
    looks: Looks,
    options: Options,
    listings: Mutex<HashMap<u64, Arc<Mutex<Listing>>>>,
    next_handle: AtomicU64,
}

impl<A: Archive> Adapter<A> {
    /// Puts the adapter before a tree.
    pub(crate) fn new(tree: Arc<Tree<A>>, usage: Arc<Usage>, looks: Looks, options: Options) -> Self {
        Self { tree, usage, looks, options, listings: Mutex::default(), next_handle: AtomicU64::new(1) }
    }

    fn node(&self, ino: INodeNo) -> Result<Node, ViewError> {
        self.tree.nodes.node(ino.0).ok_or(ViewError::Stale)
    }

    fn file_attr(&self, attr: &Attr) -> FileAttr {
        let modified = system_time(attr.modified);
        let (kind, permissions) = match attr.kind {
            Kind::Folder => (FileType::Directory, 0o555),
            Kind::File => (FileType::RegularFile, 0o444),
        };
        FileAttr {
            ino: INodeNo(self.tree.nodes.number(attr.node)),
            size: attr.size,
            blocks: attr.size.div_ceil(512),
            atime: modified,
            mtime: modified,
            ctime: system_time(attr.changed),
            crtime: modified,
            kind,
            perm: permissions & !self.options.umask,
            nlink: attr.links,
            uid: self.options.uid,
            gid: self.options.gid,
            rdev: 0,
            blksize: BLOCK_BYTES,
            flags: 0,
        }
    }

    fn note(&self, request: &Request, ino: INodeNo) {
        self.looks.note(Look { uid: request.uid(), pid: request.pid(), ino: ino.0 });
    }

    fn listing(&self, handle: FileHandle) -> Result<Arc<Mutex<Listing>>, ViewError> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).get(&handle.0).cloned().ok_or(ViewError::Stale)
    }

    /// Sends entries from an offset on until `add` says that it is full. Offsets 0 and 1 are `.` and `..`.
    fn fill(&self, node: Node, handle: FileHandle, offset: u64, mut add: impl FnMut(u64, &str, &Attr) -> bool) -> Result<(), ViewError> {
        let listing = self.listing(handle)?;
        let mut listing = listing.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.tree.head();
        let mut offset = offset;
        while let Some(name) = [".", ".."].get(usize::try_from(offset).unwrap_or(usize::MAX)) {
            let dots = if *name == "." { node } else { self.tree.parent(&head, node) };
            let mut attr = self.tree.attr(&head, Node::Root)?;
            attr.node = dots;
            offset += 1;
            if add(offset, name, &attr) {
                return Ok(());
            }
        }
        loop {
            let place = usize::try_from(offset - 2).unwrap_or(usize::MAX);
            let Some(entry) = listing.entry(&self.tree, place)? else { return Ok(()) };
            offset += 1;
            if add(offset, &entry.0, &entry.1) {
                listing.keep(place, entry);
                return Ok(());
            }
        }
    }
}

impl<A: Archive> Filesystem for Adapter<A> {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = [InitFlags::FUSE_DO_READDIRPLUS, InitFlags::FUSE_PARALLEL_DIROPS, InitFlags::FUSE_NO_OPEN_SUPPORT, InitFlags::FUSE_EXPLICIT_INVAL_DATA];
        for capability in wanted {
            if config.add_capabilities(capability).is_err() {
                tracing::debug!(?capability, "the kernel lacks a capability");
            }
        }
        if let Err(nearest) = config.set_max_background(BACKGROUND_MAX) {
            tracing::debug!(nearest, "the kernel limits requests in flight");
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let head = self.tree.head();
        let found = self.node(parent).and_then(|parent| self.tree.lookup(&head, parent, name.to_str().ok_or(ViewError::Missing)?));
        match found {
            Ok(attr) => reply.entry(&ttl(attr.hold), &self.file_attr(&attr), Generation(0)),
            Err(error) => reply.error(report(&error)),
        }
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        let head = self.tree.head();
        match self.node(ino).and_then(|node| self.tree.attr(&head, node)) {
            Ok(attr) => reply.attr(&ttl(attr.hold), &self.file_attr(&attr)),
            Err(error) => reply.error(report(&error)),
        }
    }

    fn open(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.node(ino).and_then(|node| self.tree.read(node, offset, size as usize)) {
            Ok(bytes) => {
                self.note(request, ino);
                reply.data(&bytes);
            }
            Err(error) => reply.error(report(&error)),
        }
    }

    fn opendir(&self, request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let head = self.tree.head();
        let opened = self.node(ino).and_then(|node| Ok((self.tree.attr(&head, node)?.hold, self.tree.list(&head, node)?)));
        match opened {
            Ok((hold, listing)) => {
                self.note(request, ino);
                let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
                self.listings.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, Arc::new(Mutex::new(listing)));
                let keep = if hold == Hold::Long { FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR } else { FopenFlags::empty() };
                reply.opened(FileHandle(handle), keep);
            }
            Err(error) => reply.error(report(&error)),
        }
    }

    fn readdir(&self, _request: &Request, ino: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let add = |next: u64, name: &str, attr: &Attr| reply.add(INodeNo(self.tree.nodes.number(attr.node)), next, file_type(attr.kind), name);
        match self.node(ino).and_then(|node| self.fill(node, handle, offset, add)) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(report(&error)),
        }
    }

    fn readdirplus(&self, _request: &Request, ino: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let add = |next: u64, name: &str, attr: &Attr| {
            let file = self.file_attr(attr);
            reply.add(file.ino, next, name, &ttl(attr.hold), &file, Generation(0))
        };
        match self.node(ino).and_then(|node| self.fill(node, handle, offset, add)) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(report(&error)),
        }
    }

    fn releasedir(&self, _request: &Request, _ino: INodeNo, handle: FileHandle, _flags: OpenFlags, reply: ReplyEmpty) {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let blocks = self.usage.bytes.load(Ordering::Relaxed).div_ceil(4096);
        reply.statfs(blocks, 0, 0, self.usage.files.load(Ordering::Relaxed), 0, 4096, 255, 4096);
    }

    fn getxattr(&self, _request: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let head = self.tree.head();
        let value = xattr::ours(name).and_then(|name| {
            let pairs = self.tree.xattrs(&head, self.node(ino)?)?;
            xattr::value(&pairs, name).map(<[u8]>::to_vec)
        });
        answer(value, size, reply);
    }

    fn listxattr(&self, _request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let head = self.tree.head();
        let names = self.node(ino).and_then(|node| self.tree.xattrs(&head, node)).map(|pairs| xattr::names(&pairs));
        answer(names, size, reply);
    }
}

/// Answers with bytes, or with how many there are when the caller asks only that.
fn answer(bytes: Result<Vec<u8>, ViewError>, size: u32, reply: ReplyXattr) {
    let fitting = bytes.and_then(|bytes| match u32::try_from(bytes.len()) {
        Ok(len) if size == 0 || len <= size => Ok((len, bytes)),
        _ => Err(ViewError::Range),
    });
    match fitting {
        Ok((len, _)) if size == 0 => reply.size(len),
        Ok((_, bytes)) => reply.data(&bytes),
        Err(error) => reply.error(report(&error)),
    }
}

/// Logs what an administrator should know of an error, and returns its errno.
fn report(error: &ViewError) -> Errno {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    match error {
        ViewError::Damaged { item, mailbox, offset, .. } => tracing::error!(%item, %mailbox, offset, cause, "item is damaged"),
        ViewError::Short { item, mailbox, end, size } => tracing::error!(%item, %mailbox, end, size, "item is shorter than catalogued"),
        ViewError::Catalogue { what, .. } => tracing::error!(what, cause, "catalogue cannot be read"),
        _ => {}
    }
    errno(error)
}

fn ttl(hold: Hold) -> Duration {
    match hold {
        Hold::Long => TTL_LONG,
        Hold::Brief => TTL_BRIEF,
    }
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Folder => FileType::Directory,
        Kind::File => FileType::RegularFile,
    }
}

/// The kernel's form of a time; one before 1970 is counted backwards.
fn system_time(time: DateTime<Utc>) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    let whole = if time.timestamp() < 0 { UNIX_EPOCH - seconds } else { UNIX_EPOCH + seconds };
    whole + Duration::from_nanos(time.timestamp_subsec_nanos().min(999_999_999).into())
}
