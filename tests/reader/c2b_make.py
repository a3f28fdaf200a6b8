#!/usr/bin/env python3
"""Writes a small c2b storage, from doc/format.md alone: what the tests give to both readers.

Usage: c2b_make.py DIR [--password-file FILE]

The storage has everything that a young one has not: packs that were made anew with holes, packs that
are replaced and still there, erased mailboxes (of one the frames are still there), marked and freed
versions, contents that are lost and one that came back, a folder that got another name, an item that came and
went in one commit, a shared block, and in a sealed one two generations of keys and what is left of a third. What must come out is printed as JSON lines:
mailbox, folder, file name, version, state, and the bytes in hexadecimal digits, null for what is lost.
"""

import argparse
import base64
import json
import os
import pathlib
import struct
import unicodedata
import uuid

import blake3
import cbor2
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

STORAGE = uuid.UUID("00000000-0000-4000-8000-00000000c2b2")
NOW = 1_795_000_000_000_000
BLOCK, RECORDS, DIRECTORY = 1, 2, 3
# Generations of keys.
GONE, OLD, NEW = 1, 2, 3


def checksum(*parts):
    return blake3.blake3(b"".join(parts)).digest()[:16]


def derive(context, material):
    return blake3.blake3(material, derive_key_context="c2b archive 2: " + context).digest()


class Keys:
    """Keys of an old and of the present generation."""

    def __init__(self, password, mailboxes, destroyed):
        self.password, self.mailboxes, self.destroyed = password, mailboxes, destroyed
        self.storage = {OLD: os.urandom(32), NEW: os.urandom(32)}
        self.mailbox = {(m, g): os.urandom(32) for m in mailboxes + destroyed for g in (OLD, NEW)}

    def seal(self, kind, generation, mailbox, header, plain, nonce):
        if kind == BLOCK:
            key = blake3.blake3(blake3.blake3(plain[0]).digest(), key=derive("base of block keys", self.storage[generation])).digest()
        elif mailbox == 0:
            key = derive("records of the storage", self.storage[generation])
        else:
            key = derive("records of a mailbox", self.mailbox[mailbox, generation])
        return AESGCM(key).encrypt(nonce, plain[1], STORAGE.bytes + header[:32] + bytes(12) + bytes(4))

    def file(self, edition):
        """The bytes of a keys file, without the destroyed mailboxes."""

        def sealed(key, aad, secret):
            nonce = os.urandom(12)
            return [nonce, AESGCM(key).encrypt(nonce, secret, aad)]

        salt = os.urandom(16)
        stretched = Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=64).derive(unicodedata.normalize("NFC", self.password).encode())
        aad = b"c2bwrap\0" + STORAGE.bytes + struct.pack("<BIHq", 1, 1, NEW, NOW) + "first".encode()
        wraps = [[1, 1, "first", NOW, [64, 1, 1, salt], *sealed(derive("wrap by password", stretched), aad, self.storage[NEW])]]
        file_key = {g: derive("keys in the key file", key) for g, key in self.storage.items()}
        older = [[OLD, NOW, *sealed(file_key[NEW], b"c2bolder" + STORAGE.bytes + struct.pack("<HHq", OLD, NEW, NOW), self.storage[OLD])]]
        kept = [(m, g) for m in self.mailboxes for g in (OLD, NEW)]
        mailbox = [[m, g, *sealed(file_key[g], b"c2bmail\0" + STORAGE.bytes + struct.pack("<IH", m, g), self.mailbox[m, g])] for m, g in kept]
        index = [GONE, *sealed(file_key[NEW], b"c2bindex" + STORAGE.bytes + struct.pack("<HH", GONE, NEW), os.urandom(32))]
        body = cbor2.dumps([STORAGE.bytes, NEW, NOW, wraps, older, mailbox, [[m, NOW] for m in self.destroyed], index])
        data = struct.pack("<8sIQI", b"c2bkeys\0", 1, edition, len(body)) + body
        data += blake3.blake3(data, key=derive("proof of the key file", self.storage[NEW])).digest()
        return data + blake3.blake3(data).digest()


class Commit:
    """The frames of one commit, by n."""

    def __init__(self, seq, keys, generation=OLD):
        self.seq, self.keys, self.generation, self.frames, self.time = seq, keys, generation if keys else 0, [], NOW + seq * 60_000_000

    def frame(self, kind, mailbox, raw, codec=1):
        n = len(self.frames)
        self.frames.append(make_frame(self.keys, self.generation, kind, mailbox, self.seq, n, raw, codec))
        return n

    def block(self, mailbox, chunks, codec=1):
        raw = b"".join(chunks)
        n = self.frame(BLOCK, mailbox, raw, codec)
        return n, [13, [[n, blake3.blake3(raw).digest(), [[blake3.blake3(chunk).digest()[:20], len(chunk)] for chunk in chunks]]]]

    def records(self, mailbox, records):
        if mailbox == 0:
            records = records + [[12, [[self.time]]]]
        return self.frame(RECORDS, mailbox, b"".join(cbor2.dumps(record) for record in records))


def make_frame(keys, generation, kind, mailbox, seq, n, raw, codec=1):
    plain = zstandard.compress(raw) if codec else raw
    nonce = os.urandom(12) if generation else bytes(12)
    stored = len(plain) + (16 if generation else 0)
    header = struct.pack("<4sBBHIIQII12sI", b"c2bf", kind, codec, generation, mailbox, n, seq, stored, len(raw), nonce, 0)
    sealed = keys.seal(kind, generation, mailbox, header, (raw, plain), nonce) if generation else plain
    return header + checksum(header, sealed) + sealed


def write_pack(folder, generation, commits):
    """Writes a pack over these commits; frames that are None are holes."""
    first, last = commits[0].seq, commits[-1].seq
    header = struct.pack("<8sHHI16sQQ", b"c2bpack\0", 2, 0, generation, STORAGE.bytes, first, last)
    data, entries = bytearray(header + checksum(header)), []
    for commit in commits:
        for frame in filter(None, commit.frames):
            entries.append(struct.pack("<Q", len(data)) + frame[:64])
            data += frame
    directory = struct.pack("<I", len(commits)) + b"".join(struct.pack("<QqI", c.seq, c.time, len(c.frames)) for c in commits)
    directory += struct.pack("<I", len(entries)) + b"".join(entries)
    frame = make_frame(None, 0, DIRECTORY, 0, last, 0xFFFFFFFF, directory)
    trailer = b"c2btail\0" + struct.pack("<Q", len(data))
    data += frame + trailer + checksum(trailer)
    path = folder / "packs" / f"{first & 0xFF:02x}" / f"{first:016x}-{last:016x}-{generation:04x}-{frame[48:52].hex()}.pack"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def mailbox(key, address):
    return [1, [[key, address, 1]]]


def folder(mailbox, key, name, parent=None, created=1):
    return [2, [[mailbox, key, f"F-{key}", f"F-{parent}" if parent else None, parent, name, name, "IPF.Note", None, created]]]


def item(mailbox, folder, key, version, name, content):
    shown = [blake3.blake3(content).digest(), len(content)]
    properties = [f"I-{key}", None, "IPM.Note", name, "", [], None, NOW, None, None, None, None, None, None, True, None, None, [], False]
    return [4, [[mailbox, folder, key, version, f"{name}.eml", NOW, 2, shown, 0, False, None, properties]]]


def recipe(content, skeleton, steps, parts=(), frames=()):
    """References are (seq, n, offset, length); `parts` has those of each part."""
    numbers, seq, n, end = [], 0, 0, 0
    for reference in [*skeleton, *(reference for part in parts for reference in part)]:
        from_offset = end if reference[:2] == (seq, n) else 0
        numbers += [reference[0] - seq, reference[1] - n, reference[2] - from_offset, reference[3]]
        seq, n, end = *reference[:2], reference[2] + reference[3]
    return [11, [[blake3.blake3(content).digest(), len(content), numbers, steps, list(frames)]]]


def make(target, keys):
    """Writes the packs; returns what must come out."""
    ann, bob, eve, zoe = 1, 2, 3, 4
    attachment = bytes(range(256)) * 40
    encoded = base64.encodebytes(attachment).rstrip(b"\n").replace(b"\n", b"\r\n")
    head, tail = b"Subject: one\r\n\r\n", b"\r\n--end\r\n"
    one = head + encoded + tail
    quoted_raw, quoted = b"caf\xc3\xa9 \r\n" * 3, b"caf=C3=A9=20\r\n" * 3
    two, past, marked, freed, gone, secret, broken = (f"Subject: {name}\r\n\r\n".encode() for name in ("two", "past", "marked", "freed", "gone", "secret", "broken"))

    # Commit 1: ann's mails; a block of its own for the attachment, a group for the rest; eve's secret mail shares the attachment.
    c1 = Commit(1, keys)
    big, big_record = c1.block(ann, [attachment], codec=0)
    group, group_record = c1.block(ann, [head, tail, two, past, marked, freed, quoted_raw])
    at = dict(zip("head tail two past marked freed quoted".split(), starts([head, tail, two, past, marked, freed, quoted_raw])))
    ref = {name: (1, group, start, length) for name, (start, length) in at.items()}
    steps, halves = [len(head), [2, 2, 76, b"\r\n"], len(tail)], [(1, big, 0, 5000), (1, big, 5000, len(attachment) - 5000)]
    c1.records(ann, [mailbox(ann, "ann@example.org"), folder(ann, 1, "Inbox"), item(ann, 1, 1, 1, "one", one), item(ann, 1, 2, 1, "two", past), item(ann, 1, 3, 1, "three", marked)])
    c1.records(ann, [recipe(one, [ref["head"], ref["tail"]], steps, [halves]), recipe(past, [ref["past"]], [len(past)]), recipe(marked, [ref["marked"]], [len(marked)]), big_record, group_record])
    eves, eves_record = c1.block(eve, [secret])
    c1.records(eve, [mailbox(eve, "eve@example.org"), folder(eve, 2, "Inbox"), item(eve, 2, 9, 1, "secret", secret), recipe(secret, [(1, eves, 0, len(secret))], [len(secret)]), eves_record])
    c1.records(0, [])

    # Commit 2: new versions, an item that goes, and bob, who shares the attachment and has a quoted-printable part.
    c2 = Commit(2, keys)
    later = two + quoted
    later_recipe = recipe(later, [ref["two"]], [len(two), [3, 1, len(quoted), 76, 1, b""]], [[ref["quoted"]]])
    c2.records(ann, [mailbox(ann, "ann@example.org"), folder(ann, 3, "Größe", 1, 2), item(ann, 3, 2, 2, "two", later), item(ann, 1, 3, 2, "three", freed), [5, [[1]]]])
    c2.records(ann, [later_recipe, recipe(freed, [ref["freed"]], [len(freed)])])
    framed = b"".join(struct.pack("<II", 7, 100) + attachment[start : start + 100] for start in range(0, 10200, 100)) + struct.pack("<II", 8, 40) + attachment[10200:]
    c2.records(bob, [mailbox(bob, "bob@example.org"), folder(bob, 4, "Inbox", None, 2), item(bob, 4, 4, 1, "framed", framed), item(bob, 4, 5, 1, "gone", gone), item(bob, 4, 6, 1, "broken", broken)])
    bobs, bobs_record = c2.block(bob, [gone, broken])
    c2.records(bob, [recipe(framed, [], [[1, 1]], [[(1, big, 0, len(attachment))]], [7, 100, 102, 8, 40, 1]), [14, [[1, big, blake3.blake3(attachment).digest()]]]])
    c2.records(bob, [recipe(gone, [(2, bobs, 0, len(gone))], [len(gone)]), recipe(broken, [(2, bobs, len(gone), len(broken))], [len(broken)]), bobs_record])
    c2.records(0, [])

    # Commit 3, sealed by new keys: a third version of "three"; retention marks its first, frees its second; a mark is taken back; eve is erased;
    # bob's folder gets another name, and two contents are lost. A mark on a version that is present does nothing.
    c3 = Commit(3, keys, NEW)
    third = b"Subject: three, at last\r\n\r\n"
    thirds, thirds_record = c3.block(ann, [third])
    c3.records(ann, [mailbox(ann, "ann@example.org"), item(ann, 1, 3, 3, "three", third), recipe(third, [(3, thirds, 0, len(third))], [len(third)]), thirds_record])
    c3.records(ann, [[15, [[3, 1, 2]]], [15, [[3, 2, 0]]], [17, [[3, 2]]], [15, [[2, 1, 0]]], [16, [[2, 1]]]])
    lost = [[19, [[blake3.blake3(content).digest(), "a bad disk", NOW]]] for content in (broken, gone)]
    c3.records(bob, [mailbox(bob, "bob@example.org"), folder(bob, 4, "Eingang", None, 2), [5, [[5]]], [15, [[4, 2, 0]]], *lost])
    c3.records(bob, [[21, [[bob, f"W-{n}", NOW - n, 4, "1", 70]]] for n in (1, 2)])
    zoes, zoes_record = c3.block(zoe, [secret + third])
    c3.records(zoe, [mailbox(zoe, "zoe@example.org"), folder(zoe, 5, "Inbox", None, 3), item(zoe, 5, 10, 1, "zoe", secret), recipe(secret, [(3, zoes, 0, len(secret))], [len(secret)]), zoes_record])
    c3.records(0, [[18, [[eve, "eve@example.org", NOW, "root", 1, 1, 5, 10, []]]]])

    # Commit 4: zoe is erased, and nothing was made anew since. One of the lost contents is there again, and an item comes and goes.
    c4 = Commit(4, keys, NEW)
    again, again_record = c4.block(bob, [gone])
    fleeting = [folder(bob, 6, "fleeting", None, 4), item(bob, 6, 11, 1, "fleeting", gone), [5, [[11]]], [3, [[bob, 6]]]]
    c4.records(bob, [mailbox(bob, "bob@example.org"), recipe(gone, [(4, again, 0, len(gone))], [len(gone)]), again_record, *fleeting])
    # One item waits no more, another since another time; of a third nobody knows the state.
    c4.records(bob, [[21, [[bob, "W-1"]]], [21, [[bob, "W-2", NOW - 9, 4, "2"]]], [21, [[bob, "W-3", NOW, 4, None, 7, "?"]]]])
    c4.records(0, [[18, [[zoe, "zoe@example.org", NOW, "root", 1, 1]]]])

    # Commit 1 as it was, replaced but still there; then 1 and 2 made anew: eve's frames are holes, a freed recipe is a null.
    write_pack(target, 0, [c1])
    c1.frames[eves] = c1.frames[eves + 1] = None
    records = [later_recipe, None]
    c2.frames[1] = make_frame(keys, NEW if keys else 0, RECORDS, ann, 2, 1, b"".join(cbor2.dumps(record) for record in records))
    write_pack(target, 1, [c1, c2])
    write_pack(target, 0, [c3])
    write_pack(target, 0, [c4])

    return [
        ("ann@example.org", "Inbox", "one.eml", 1, "deleted", one),
        ("ann@example.org", "Inbox", "two.eml", 1, "past", past),
        ("ann@example.org", "Inbox/Größe", "two.eml", 2, "live", later),
        ("ann@example.org", "Inbox", "three.eml", 3, "live", third),
        ("bob@example.org", "Eingang", "framed.eml", 1, "live", framed),
        ("bob@example.org", "Inbox", "gone.eml", 1, "deleted", gone),
        ("bob@example.org", "Eingang", "broken.eml", 1, "live", None),
    ]


def starts(chunks):
    place = 0
    for chunk in chunks:
        yield place, len(chunk)
        place += len(chunk)


def main():
    parser = argparse.ArgumentParser(description="Writes a small c2b storage for tests.")
    parser.add_argument("dir")
    parser.add_argument("--password-file")
    args = parser.parse_args()
    target = pathlib.Path(args.dir)
    target.mkdir(parents=True)
    keys = Keys(pathlib.Path(args.password_file).read_text().strip(), [1, 2], [3, 4]) if args.password_file else None
    expected = make(target, keys)
    if keys:
        (target / "keys").mkdir()
        (target / "keys/a").write_bytes(keys.file(2))
        (target / "keys/b").write_bytes(keys.file(1))
    (target / "tmp").mkdir()
    (target / "storage.toml").write_text(
        f'format = 2\nuuid = "{STORAGE}"\ncreated = "2026-11-21T10:00:00.000000Z"\nsealed = {"true" if keys else "false"}\n\n'
        "[features]\ncompatible = []\nread_only = []\nincompatible = [\"waiting\"]\n"
    )
    for address, path, name, version, state, data in expected:
        print(json.dumps({"mailbox": address, "folder": path, "file_name": name, "version": version, "state": state, "data": data and data.hex()}, ensure_ascii=False))


if __name__ == "__main__":
    main()
