"""Keys of a sealed storage (doc/format.md, Sealing)."""

import struct
import unicodedata

import blake3
import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
WRAP_KINDS = {"password": 1, "recovery_key": 2, "machine_key": 3}
WRAP_WORDS = {1: "password", 2: "recovery key", 3: "machine key"}
BLOCK = 1


class NotAuthentic(Exception):
    """A seal does not hold: the wrong secret, or bytes that nobody with the key wrote."""


class KeyDestroyed(Exception):
    """The key of a mailbox is gone: it was erased."""


def derive(context, material):
    """D in the document."""
    return blake3.blake3(material, derive_key_context="c2b archive 2: " + context).digest()


def keyed(key, data):
    """K in the document."""
    return blake3.blake3(data, key=key).digest()


def unseal(key, nonce, sealed, aad):
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise NotAuthentic("the seal does not hold") from None


class Keys:
    """The unlocked keys."""

    def __init__(self, storage):
        self.storage, self.storage_keys, self.mailbox_keys, self.destroyed = storage, {}, {}, set()

    @classmethod
    def unlock(cls, path, storage, secret):
        """Unlocks with (kind, bytes of the file that holds the secret)."""
        if secret is None:
            raise NotAuthentic("the storage is sealed: a password, recovery key or machine key is needed")
        data, body = newest_copy(path / "keys", storage.bytes)
        keys = cls(storage.bytes)
        # Field 7 is of use to the index only; later ones are not known here.
        _, generation, _, wraps, older, mailboxes, destroyed = (body + [[]] * 7)[:7]
        current = unwrap(wraps, *secret, storage.bytes, generation)
        if keyed(derive("proof of the key file", current), data[:-64]) != data[-64:-32]:
            raise NotAuthentic("the keys file was forged")
        keys.storage_keys[generation] = current
        for number, made, nonce, sealed, *_ in older:
            aad = b"c2bolder" + storage.bytes + struct.pack("<HHq", number, generation, made)
            keys.storage_keys[number] = unseal(derive("keys in the key file", current), nonce, sealed, aad)
        for mailbox, number, nonce, sealed, *_ in mailboxes:
            aad = b"c2bmail\0" + storage.bytes + struct.pack("<IH", mailbox, number)
            keys.mailbox_keys[mailbox, number] = unseal(derive("keys in the key file", keys.storage_keys[number]), nonce, sealed, aad)
        keys.destroyed = {mailbox for mailbox, *_ in destroyed}
        return keys

    def open(self, frame, stored, capability):
        """Opens the seal of a frame; blocks need the capability."""
        aad = self.storage + frame.head[:32] + bytes(12) + frame.head[44:48]
        return unseal(self.frame_key(frame, capability), frame.nonce, stored, aad)

    def frame_key(self, frame, capability):
        if frame.mailbox in self.destroyed and frame.kind != BLOCK:
            raise KeyDestroyed(frame.mailbox)
        storage_key = self.storage_keys.get(frame.keygen)
        if storage_key is None:
            raise NotAuthentic(f"there is no storage key of generation {frame.keygen}")
        if frame.kind == BLOCK:
            return keyed(derive("base of block keys", storage_key), capability)
        if frame.mailbox == 0:
            return derive("records of the storage", storage_key)
        mailbox_key = self.mailbox_keys.get((frame.mailbox, frame.keygen))
        if mailbox_key is None:
            raise NotAuthentic(f"there is no key of generation {frame.keygen} for mailbox {frame.mailbox}")
        return derive("records of a mailbox", mailbox_key)


def newest_copy(folder, storage):
    """The bytes and the body of the whole copy with the highest edition."""
    copies = []
    for name in ("a", "b"):
        try:
            data = (folder / name).read_bytes()
            magic, version, edition, length = struct.unpack_from("<8sIQI", data)
            if magic != b"c2bkeys\0" or len(data) != 88 + length or blake3.blake3(data[:-32]).digest() != data[-32:]:
                continue
            if version != 1:
                raise NotAuthentic(f"keys files of version {version} are not known here")
            body = cbor2.loads(data[24 : 24 + length])
            if body[0] == storage and body[1] > 0 and all(0 < entry[0] < body[1] for entry in body[4]):
                copies.append((edition, data, body))
        except (OSError, struct.error, cbor2.CBORDecodeError, LookupError, TypeError):
            continue
    if not copies:
        raise NotAuthentic("no copy of the keys file is whole")
    return max(copies, key=lambda copy: copy[0])[1:]


def unwrap(wraps, kind, secret, storage, generation):
    """The present storage key, from whichever wrap the secret opens."""
    kind = WRAP_KINDS[kind]
    if kind == 2:
        secret = recovery_key(secret.decode())
    if kind == 3 and len(secret) > 32:
        secret = bytes.fromhex(secret.decode().strip())
    for number, wrap_kind, label, made, argon2, nonce, sealed, *_ in wraps:
        if wrap_kind != kind:
            continue
        stretched = stretch(secret, argon2) if kind == 1 else secret
        aad = b"c2bwrap\0" + storage + struct.pack("<BIHq", kind, number, generation, made) + label.encode()
        try:
            return unseal(derive("wrap by " + WRAP_WORDS[kind], stretched), nonce, sealed, aad)
        except NotAuthentic:
            continue
    raise NotAuthentic(f"no {WRAP_WORDS[kind]} of the storage is this one")


def stretch(password, argon2):
    memory, passes, lanes, salt = argon2[:4]
    if memory > 1 << 20 or passes not in range(1, 17) or lanes not in range(1, 17) or memory < 8 * lanes:
        raise NotAuthentic("the parameters of the password are out of bounds")
    text = unicodedata.normalize("NFC", password.decode().rstrip("\r\n"))
    return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(text.encode())


def recovery_key(text):
    """The 32 bytes of a recovery key that somebody typed."""
    number, digits = 0, 0
    dashes = dict.fromkeys([ord("-"), *range(0x2010, 0x2016)])
    for digit in "".join(text.split()).translate(dashes).upper().translate(str.maketrans("OIL", "011")):
        if digit not in DIGITS:
            raise NotAuthentic(f"{digit!r} is no digit of a recovery key")
        number, digits = number * 32 + DIGITS.index(digit), digits + 1
    if digits != 56:
        raise NotAuthentic(f"a recovery key has 56 digits, this has {digits}")
    key = number.to_bytes(35, "big")
    if derive("check digits of a recovery key", key[:32])[:3] != key[32:]:
        raise NotAuthentic("the recovery key was not typed as it was printed")
    return key[:32]
