#!/usr/bin/env python3
"""Reads a c2b storage: an independent reader, written from doc/format.md alone.

Usage: c2b_read.py STORAGE [--password-file FILE | --recovery-key-file FILE | --machine-key-file FILE] COMMAND

  list            one line for each item: mailbox, folder, file name, size, version, live or deleted
  list --json     the same as JSON lines, with every version that can be shown
  extract DIR     writes what is shown of every live item to DIR/mailbox/folder/file name
                  --exports: its export stream, too, with .fts behind the name
                  --versions: deleted and past versions, too, to DIR/mailbox/versions/key/number
  verify          proves every frame, block, recipe and content; names what is damaged
                  --json: the damaged versions as JSON lines

It uses no index, only storage.toml, keys/ and packs/. Exit status: 0 when all could be read, 1 when
something is damaged or lost (the rest is done all the same), 2 when nothing can be done.

Needs Python 3.11, and from PyPI: zstandard, blake3, cbor2, cryptography (44 or newer).
Where the comments say "format", they mean a section of doc/format.md.
"""

import argparse
import io
import json
import os
import pathlib
import re
import struct
import sys
import tomllib
import uuid
from collections import Counter, OrderedDict, namedtuple

import blake3
import cbor2
import zstandard

import c2b_codings
from c2b_keys import KeyDestroyed, Keys, NotAuthentic

FORMAT = 2
FEATURES = {"waiting"}
FRAME_LIMIT = 1 << 28
BLOCK, RECORDS, DIRECTORY = 1, 2, 3
PACK_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]{4}|[1-9a-f][0-9a-f]{4,7})-([0-9a-f]{8})\.pack")
BLOCKS_KEPT = 64


class Refused(Exception):
    """Nothing can be done with this storage."""


class Damage(Exception):
    """Something is not what was written."""


def checksum(*parts):
    """Format, Terms: the first 16 bytes of a BLAKE3 hash."""
    return blake3.blake3(b"".join(parts)).digest()[:16]


# ---- packs -----------------------------------------------------------------------------------------

Frame = namedtuple("Frame", "kind codec keygen mailbox n seq stored raw nonce checksum head pack offset")


def frame_header(head, pack, offset):
    """Format, Frame: the fields of a header, or None when this is none."""
    magic, kind, codec, keygen, mailbox, n, seq, stored, raw, nonce, zero, check = struct.unpack("<4sBBHIIQII12sI16s", head)
    if magic != b"c2bf" or kind not in (1, 2, 3) or codec not in (0, 1) or zero or stored > FRAME_LIMIT or raw > FRAME_LIMIT:
        return None
    return Frame(kind, codec, keygen, mailbox, n, seq, stored, raw, nonce, check, head[:48], pack, offset)


class Pack:
    """One pack file: its frames and the times of its commits."""

    def __init__(self, path, storage):
        self.path, self.frames, self.times, self.damages = path, [], {}, []
        self.first, self.last, self.generation, self.check = name_of(path)
        self.file = open(path, "rb")
        self.size = os.fstat(self.file.fileno()).st_size
        self.use = self.read_header(storage)

    def read_header(self, storage):
        head = self.at(0, 64)
        if len(head) < 64 or checksum(head[:48]) != head[48:]:
            self.damages.append("the header is damaged")
            return True
        magic, version, _, generation, owner, first, last = struct.unpack("<8sHHI16sQQ", head[:48])
        if magic != b"c2bpack\0" or version != 2:
            raise Refused(f"{self.path} is a pack of version {version}")
        if owner != storage.bytes or (first, last, generation) != (self.first, self.last, self.generation):
            self.damages.append("the pack belongs elsewhere and is not used")
            return False
        return True

    def at(self, offset, length):
        self.file.seek(offset)
        return self.file.read(length)

    def load(self):
        """Finds the frames: by the directory, or without one by looking for them."""
        try:
            self.load_directory()
        except Damage as err:
            self.damages.append(str(err))
            self.scan()

    def load_directory(self):
        tail = self.at(max(self.size - 32, 0), 32)
        if len(tail) < 32 or tail[:8] != b"c2btail\0" or checksum(tail[:16]) != tail[16:]:
            raise Damage("the trailer is damaged")
        (offset,) = struct.unpack("<Q", tail[8:16])
        head = self.at(offset, 64)
        frame = frame_header(head, self, offset) if len(head) == 64 else None
        if frame is None or frame.kind != DIRECTORY or offset + 64 + frame.stored != self.size - 32:
            raise Damage("the trailer points at no directory")
        if frame.checksum[:4] != self.check:
            raise Damage("the directory is not the one that the name tells of")
        raw = decompress(frame, self.stored(frame))
        commits, raw = struct.unpack_from("<I", raw)[0], memoryview(raw)[4:]
        for _ in range(commits):
            seq, time, _ = struct.unpack_from("<QqI", raw)
            self.times[seq], raw = time, raw[20:]
        count, raw = struct.unpack_from("<I", raw)[0], raw[4:]
        if len(raw) != 72 * count:
            raise Damage("the directory has the wrong length")
        for place in range(0, len(raw), 72):
            (offset,) = struct.unpack_from("<Q", raw, place)
            entry = frame_header(bytes(raw[place + 8 : place + 72]), self, offset)
            if entry is None:
                raise Damage("the directory names a frame that is none")
            self.frames.append(entry)

    def scan(self):
        """Format, Damaged packs."""
        self.frames, self.times, seen = [], {}, set()
        data, place = self.at(0, self.size), 64

        def header(place):
            return frame_header(data[place : place + 64], self, place) if place + 64 <= len(data) else None

        def whole(place):
            frame = header(place)
            fits = frame is not None and place + 64 + frame.stored <= len(data)
            return frame if fits and checksum(frame.head, data[place + 64 : place + 64 + frame.stored]) == frame.checksum else None

        while 0 <= place < len(data):
            if frame := whole(place):
                if frame.kind != DIRECTORY and self.first <= frame.seq <= self.last and (frame.seq, frame.n) not in seen:
                    seen.add((frame.seq, frame.n))
                    self.frames.append(frame)
                place += 64 + frame.stored
            elif (damaged := header(place)) and whole(place + 64 + damaged.stored):
                place += 64 + damaged.stored
            else:
                place = data.find(b"c2bf", place + 1)

    def stored(self, frame):
        """The stored bytes of a frame, proven by the checksum. The header before them may be damaged: the directory has it, too."""
        stored = self.at(frame.offset + 64, frame.stored)
        if checksum(frame.head, stored) != frame.checksum:
            raise Damage(f"frame {frame.seq}.{frame.n} in {self.path.name} at {frame.offset} is damaged")
        return stored


def name_of(path):
    """Format, Pack name."""
    match = PACK_NAME.fullmatch(path.name)
    return (*(int(digits, 16) for digits in match.groups()[:3]), bytes.fromhex(match[4]))


def decompress(frame, data):
    """Format, Frame, step 3."""
    if frame.codec == 1:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as stream:
            data = stream.read(frame.raw + 1)
    if len(data) != frame.raw:
        raise Damage(f"frame {frame.seq}.{frame.n} has the wrong length")
    return data


def holding(paths):
    """Format, Which packs hold: those that no other replaces; what is wrong with the ranges."""
    packs, damages = sorted((name_of(path)[:3], path) for path in paths), []

    def replaced(pack):
        (first, last, generation), _ = pack
        return any(f <= first and last <= l and g > generation for (f, l, g), _ in packs)

    held = [pack for pack in packs if not replaced(pack)]
    expected = 1
    for (first, last, _), path in held:
        if first > expected:
            damages.append(f"commits {expected} to {first - 1} are missing")
        elif first < expected:
            damages.append(f"{path.name} meets another pack")
        expected = max(expected, last + 1)
    return [path for _, path in held], damages


# ---- catalogue -------------------------------------------------------------------------------------

Content = namedtuple("Content", "id length")


class Version:
    """One state of an item, from seq `since` until before seq `until`."""

    def __init__(self, fields, since):
        fields = list(fields) + [None] * (12 - len(fields))
        self.mailbox, self.folder, self.key, self.number, self.file_name, self.time, self.fidelity = fields[:7]
        self.shown = Content(*fields[7]) if fields[7] else None
        self.export = Content(*fields[10]) if fields[10] else None
        self.properties = fields[11]
        self.since, self.until, self.hidden, self.freed = since, None, False, False


class Mailbox:
    """What the records of one mailbox say."""

    def __init__(self, key):
        self.key, self.address = key, f"mailbox-{key}@lost.invalid"
        self.folders, self.versions, self.recipes, self.grants, self.lost, self.waiting = {}, {}, {}, {}, {}, {}

    def apply(self, number, fields, seq):
        """Format, Finding what holds, step 5."""
        if number == 1:
            self.address = fields[1]
        elif number == 2:
            self.end_folder(fields[1], seq)
            self.folders.setdefault(fields[1], []).append([seq, None, fields[4], fields[6]])
        elif number == 3:
            self.end_folder(fields[1], seq)
        elif number == 4:
            version = Version(fields, seq)
            self.end(version.key, seq)
            self.versions.setdefault(version.key, []).append(version)
        elif number == 5:
            self.end(fields[0], seq)
        elif number == 11:
            self.recipes[bytes(fields[0])] = fields
            self.lost.pop(bytes(fields[0]), None)
        elif number == 13:
            self.grants[(seq, fields[0])] = bytes(fields[1])
        elif number == 14:
            self.grants[(fields[0], fields[1])] = bytes(fields[2])
        elif number in (15, 16, 17):
            for version in self.versions.get(fields[0], []):
                if version.since == fields[1] and version.until is not None:
                    version.hidden = number != 16
                    version.freed = version.freed or number == 17
        elif number == 19:
            self.lost[bytes(fields[0])] = fields[1]
            self.recipes.pop(bytes(fields[0]), None)
        elif number == 21:
            fields = [*fields, *[None] * 6][:6]
            self.waiting.pop(fields[1], None)
            if fields[2] is not None:
                self.waiting[fields[1]] = fields

    def end(self, key, seq):
        versions = self.versions.get(key, [])
        if versions and versions[-1].until is None:
            versions[-1].until = seq
            if versions[-1].since == seq:
                versions.pop()

    def end_folder(self, key, seq):
        versions = self.folders.get(key, [])
        if versions and versions[-1][1] is None:
            versions[-1][1] = seq
            if versions[-1][0] == seq:
                versions.pop()

    def folder_at(self, key, moment):
        """The parent and the name of a folder at a moment (None: now)."""
        for since, until, parent, name in self.folders.get(key, []):
            if (until is None) if moment is None else since <= moment and (until is None or moment < until):
                return parent, name
        return None

    def path(self, version):
        """Format, Finding what holds, step 7: at the last moment at which the version was visible."""
        moment = None if version.until is None else version.until - 1
        names, seen, folder = [], set(), version.folder
        if self.folder_at(folder, moment) is None:
            return f"lost folder [{key_text(folder)}]"
        while folder not in seen and (found := self.folder_at(folder, moment)):
            seen.add(folder)
            folder, name = found
            names.insert(0, name)
        return "/".join(names)

    def shown(self):
        """Every version that can be shown, with whether it is the item's latest."""
        for versions in self.versions.values():
            for version in versions:
                if not version.hidden and not version.freed:
                    yield version, version is versions[-1]


class Storage:
    """A storage, opened for reading."""

    def __init__(self, path, secret=None):
        self.path, self.damages = pathlib.Path(path), []
        try:
            description = tomllib.loads((self.path / "storage.toml").read_text())
        except OSError as err:
            raise Refused(f"{path} is not a storage: {err}") from err
        if description["format"] != FORMAT:
            raise Refused(f"format {description['format']} is not known here" + (" (it was a preview)" if description["format"] == 1 else ""))
        if flags := set(description.get("features", {}).get("incompatible", [])) - FEATURES:
            raise Refused(f"unknown features: {sorted(flags)}")
        self.uuid = uuid.UUID(description["uuid"])
        self.sealed = description["sealed"]
        if secret and not self.sealed:
            raise Refused("a key was given, and the storage says that it is not sealed")
        self.keys = Keys.unlock(self.path, self.uuid, secret) if self.sealed else None
        self.frames, self.mailboxes, self.erased, self.times, self.blocks = {}, {}, {}, {}, OrderedDict()
        self.codings = Counter()
        self.load()

    def open_packs(self):
        """Format, Finding what holds, step 2. An open pack can be read to its end, also when it is replaced meanwhile."""
        while True:
            paths = [path for path in self.path.glob("packs/*/*.pack") if PACK_NAME.fullmatch(path.name)]
            held, damages = holding(paths)
            try:
                return [Pack(path, self.uuid) for path in held], damages
            except FileNotFoundError:
                continue

    def load(self):
        packs, damages = self.open_packs()
        self.damages += damages
        for pack in packs:
            path = pack.path
            if pack.use:
                pack.load()
            self.damages += [f"{path.name}: {damage}" for damage in pack.damages]
            self.times |= pack.times
            for frame in pack.frames:
                self.frames.setdefault((frame.seq, frame.n), frame)
        records = [frame for _, frame in sorted(self.frames.items()) if frame.kind == RECORDS]
        # The storage's own records first: they say which mailboxes are no more.
        for frame in sorted(records, key=lambda frame: frame.mailbox != 0):
            if frame.mailbox not in self.erased:
                self.apply(frame)

    def apply(self, frame):
        try:
            records = cbor_sequence(self.open(frame, frame.pack.stored(frame)))
        except KeyDestroyed:
            return
        except (Damage, NotAuthentic, cbor2.CBORDecodeError) as err:
            self.damages.append(f"records are lost: {err}")
            return
        for record in records:
            if record is None:
                continue
            number, (fields,) = record
            if frame.mailbox:
                mailbox = self.mailboxes.setdefault(frame.mailbox, Mailbox(frame.mailbox))
                mailbox.apply(number, fields, frame.seq)
            elif number == 12:
                self.times.setdefault(frame.seq, fields[0])
            elif number == 18:
                self.erased[fields[0]] = fields

    def open(self, frame, stored, capability=None):
        """Format, Frame: from stored to raw bytes."""
        if self.sealed:
            if not frame.keygen:
                raise Damage(f"frame {frame.seq}.{frame.n} is not sealed")
            stored = self.keys.open(frame, stored, capability)
        elif frame.keygen:
            raise Damage(f"frame {frame.seq}.{frame.n} is sealed, and the storage is not")
        return decompress(frame, stored)

    def block(self, mailbox, key):
        """The raw bytes of a block, as this mailbox may read it."""
        frame = self.frames.get(key)
        if frame is None or frame.kind != BLOCK:
            raise Damage(f"block {key[0]}.{key[1]} is missing")
        capability = mailbox.grants.get(key)
        if capability is None and self.sealed:
            raise Damage(f"block {key[0]}.{key[1]} was never granted to mailbox {mailbox.key}")
        if (held := self.blocks.get(key)) is not None:
            self.blocks.move_to_end(key)
            return held
        try:
            raw = self.open(frame, frame.pack.stored(frame), capability)
        except NotAuthentic as err:
            raise Damage(f"block {key[0]}.{key[1]}: {err}") from err
        if capability is not None and blake3.blake3(raw).digest() != capability:
            raise Damage(f"block {key[0]}.{key[1]} is not what it was")
        self.blocks[key] = raw
        if len(self.blocks) > BLOCKS_KEPT:
            self.blocks.popitem(last=False)
        return raw

    def content(self, mailbox, content):
        """Format, Recipes: all bytes of a content, proven by its hash."""
        if content.id in mailbox.lost:
            raise Damage(f"lost: {mailbox.lost[content.id]}")
        recipe = mailbox.recipes.get(content.id)
        if recipe is None:
            raise Damage("its recipe is missing")
        _, length, numbers, steps, frames = recipe[:5]
        self.codings.update(step[0] for step in steps if isinstance(step, list))
        data = io.BytesIO()
        try:
            skeleton, parts = c2b_codings.split(c2b_codings.references(numbers), steps)
            rest, parts = io.BytesIO(self.stretches(mailbox, skeleton)), iter(parts)
            for step in steps:
                if isinstance(step, list):
                    data.write(c2b_codings.encode_part(step, self.stretches(mailbox, next(parts))))
                else:
                    data.write(rest.read(step))
        except ValueError as err:
            raise Damage(str(err)) from err
        whole = with_frames(data.getvalue(), frames) if frames else data.getvalue()
        if len(whole) != length or length != content.length or blake3.blake3(whole).digest() != content.id:
            raise Damage("what comes out is not what went in")
        return whole

    def stretches(self, mailbox, references):
        """The bytes that chunk references name."""
        parts = []
        for seq, n, offset, length in references:
            raw = self.block(mailbox, (seq, n))
            if offset + length > len(raw):
                raise Damage(f"a reference leads behind the end of block {seq}.{n}")
            parts.append(raw[offset : offset + length])
        return b"".join(parts)


def key_text(key):
    """Format, File names: a key as people see it."""
    digits = next(n for n in range(6, 14) if key < 1 << 5 * n or n == 13)
    width = min(5 * digits, 64)
    mask, spread = (1 << width) - 1, 0x9E3779B97F4A7C15
    mixed = key * spread & mask
    mixed = (mixed ^ mixed >> (width + 1) // 2) * spread & mask
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[mixed >> 5 * place & 31] for place in reversed(range(digits)))


def cbor_sequence(raw):
    """Format, Records: all records of a frame; nulls stand for dropped ones."""
    stream, records = io.BytesIO(raw), []
    while stream.tell() < len(raw):
        records.append(cbor2.load(stream))
    return records


def with_frames(data, frames):
    """Format, Recipes: puts the frame headers of an export stream back."""
    out, place = io.BytesIO(), 0
    for run in range(0, len(frames), 3):
        opcode, length, count = frames[run : run + 3]
        for _ in range(count):
            out.write(struct.pack("<II", opcode, length) + data[place : place + length])
            place += length
    if place != len(data):
        raise Damage("frames and data do not fit")
    return out.getvalue()


# ---- commands --------------------------------------------------------------------------------------


def rows(storage):
    """Every version that can be shown, mailbox by mailbox."""
    for mailbox in sorted(storage.mailboxes.values(), key=lambda mailbox: mailbox.address):
        if mailbox.key in storage.erased:
            continue
        for version, latest in sorted(mailbox.shown(), key=lambda row: (mailbox.path(row[0]), row[0].file_name, row[0].number)):
            yield mailbox, version, latest


def command_list(storage, as_json):
    for mailbox, version, latest in rows(storage):
        state = "live" if version.until is None else "deleted" if latest else "past"
        size = version.shown.length if version.shown else 0
        if as_json:
            row = {
                "mailbox": mailbox.address,
                "folder": mailbox.path(version),
                "file_name": version.file_name,
                "key": version.key,
                "version": version.number,
                "state": state,
                "from": version.since,
                "until": version.until,
                "time": version.time,
                "subject": version.properties[3],
                "shown": version.shown and {"id": version.shown.id.hex(), "length": size},
                "export": version.export and {"id": version.export.id.hex(), "length": version.export.length},
            }
            print(json.dumps(row, ensure_ascii=False))
        elif state != "past":
            print(mailbox.address, mailbox.path(version), version.file_name, size, version.number, state, sep="\t")


def command_waiting(storage):
    for mailbox in sorted(storage.mailboxes.values(), key=lambda mailbox: mailbox.address):
        for _, name, since, folder, change_key, size in sorted(mailbox.waiting.values()):
            if mailbox.key not in storage.erased:
                print(json.dumps({"mailbox": mailbox.address, "id": name, "since": since, "folder": folder, "change_key": change_key, "size": size}))


def command_extract(storage, target, exports, versions):
    for mailbox, version, _ in rows(storage):
        if version.until is None:
            folder, name = pathlib.Path(target, *map(plain, [mailbox.address, *mailbox.path(version).split("/")])), plain(version.file_name)
        elif versions:
            folder, name = pathlib.Path(target, plain(mailbox.address), "versions", key_text(version.key)), str(version.number)
        else:
            continue
        wanted = [(version.shown, name), (version.export if exports else None, name + ".fts")]
        for content, name in wanted:
            if content is None:
                continue
            try:
                data = storage.content(mailbox, content)
            except Damage as err:
                storage.damages.append(f"{mailbox.address}: {mailbox.path(version)}/{version.file_name}: {err}")
                continue
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


def plain(name):
    """A name that stays inside its folder, whatever the storage says."""
    return name.replace("/", "-").replace("\0", "-") if name not in ("", ".", "..") else "-"


def command_verify(storage, as_json):
    for key, frame in sorted(storage.frames.items()):
        try:
            frame.pack.stored(frame)
            if frame.pack.at(frame.offset, 64) != frame.head + frame.checksum:
                raise Damage(f"the header of frame {key[0]}.{key[1]} in {frame.pack.path.name} is damaged")
        except Damage as err:
            storage.damages.append(str(err))
    proven = contents = 0
    seen = set()
    for mailbox, version, _ in rows(storage):
        for content in filter(None, (version.shown, version.export)):
            try:
                if (mailbox.key, content.id) not in seen:
                    size = len(storage.content(mailbox, content))
                    seen.add((mailbox.key, content.id))
                    contents, proven = contents + 1, proven + size
            except Damage as err:
                storage.damages.append(f"{mailbox.address}: {mailbox.path(version)}/{version.file_name}, version {version.number}: {err}")
                if as_json:
                    print(json.dumps({"mailbox": mailbox.address, "key": version.key, "version": version.number, "reason": str(err)}))
    if not as_json:
        raw, base64, quoted = (storage.codings[coding] for coding in (1, 2, 3))
        print(f"{len(storage.frames)} frames, {contents} contents, {proven} bytes; parts: {raw} raw, {base64} base64, {quoted} quoted-printable")


def main():
    parser = argparse.ArgumentParser(description="Reads a c2b storage with no index.")
    parser.add_argument("storage")
    secrets = parser.add_mutually_exclusive_group()
    for kind in ("password", "recovery-key", "machine-key"):
        secrets.add_argument(f"--{kind}-file", metavar="FILE")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list").add_argument("--json", action="store_true")
    extract = commands.add_parser("extract")
    extract.add_argument("dir")
    extract.add_argument("--exports", action="store_true")
    extract.add_argument("--versions", action="store_true")
    commands.add_parser("waiting")
    commands.add_parser("verify").add_argument("--json", action="store_true")
    args = parser.parse_args()
    given = [(kind, file) for kind in ("password", "recovery_key", "machine_key") if (file := getattr(args, f"{kind}_file"))]
    secret = (given[0][0], pathlib.Path(given[0][1]).read_bytes()) if given else None
    try:
        storage = Storage(args.storage, secret)
    except (Refused, NotAuthentic) as err:
        print(f"c2b_read: {err}", file=sys.stderr)
        return 2
    if args.command == "list":
        command_list(storage, args.json)
    elif args.command == "waiting":
        command_waiting(storage)
    elif args.command == "extract":
        command_extract(storage, args.dir, args.exports, args.versions)
    else:
        command_verify(storage, args.json)
    for damage in storage.damages:
        print(f"damaged: {damage}", file=sys.stderr)
    return 1 if storage.damages else 0


if __name__ == "__main__":
    sys.exit(main())
