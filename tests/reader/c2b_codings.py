"""Recipes: references, steps and codings (doc/format.md, Recipes)."""

import base64

USUALLY_ESCAPED = frozenset(byte for byte in range(256) if byte == ord("=") or (byte not in b"\t\n\r" and not 32 <= byte < 127))


def references(numbers):
    """Decodes references to (seq, n, offset, length) each."""
    found, seq, n, end = [], 0, 0, 0
    for place in range(0, len(numbers), 4):
        step_seq, step_n, offset, length = numbers[place : place + 4]
        if step_seq == 0 and step_n == 0:
            offset += end
        seq, n, end = seq + step_seq, n + step_n, offset + length
        found.append((seq, n, offset, length))
    return found


def split(found, steps):
    """Splits references into those of the skeleton and, for each part, its own."""
    counts = [step[1] for step in steps if isinstance(step, list)]
    place = len(found) - sum(counts)
    if place < 0:
        raise ValueError("parts have more references than there are")
    skeleton, parts = found[:place], []
    for count in counts:
        parts.append(found[place : place + count])
        place += count
    return skeleton, parts


def encode_part(part, data):
    """Encodes the decoded bytes of a part."""
    match part:
        case [1, _]:
            return data
        case [2, _, line, newline] | [2, _, line, newline, False]:
            return encode_base64(data, line, newline)
        case [2, _, line, newline, True]:
            return encode_base64(data, line, newline, unpadded=True)
        case [3, _, length, line, flags, differences] if flags < 8:
            return encode_quoted(data, length, line, flags, differences)
    raise ValueError(f"coding {part[0]} is not known in this form")


def encode_base64(data, line, newline, unpadded=False):
    text = base64.b64encode(data)
    if unpadded:
        text = text.rstrip(b"=")
    return newline.join(text[start : start + line] for start in range(0, len(text), line)) if line else text


def encode_quoted(data, length, line, flags, differences):
    newline, digits, full = b"\r\n" if flags & 1 else b"\n", "=%02x" if flags & 2 else "=%02X", flags & 4
    escaped = USUALLY_ESCAPED ^ frozenset(differences)
    out, column, place = bytearray(), 0, 0
    while place < len(data):
        if data.startswith(newline, place):
            out += newline
            column, place = 0, place + len(newline)
            continue
        byte = data[place]
        ends = place + 1 == len(data) or data.startswith(newline, place + 1)
        piece = (digits % byte).encode() if byte in escaped or (byte in b" \t" and ends) else bytes([byte])
        room = line if full and ends else line - 1
        if line and column and column + len(piece) > room:
            out += b"=" + newline
            column = 0
        out += piece
        column, place = column + len(piece), place + 1
    if len(out) != length:
        raise ValueError("a quoted-printable part has the wrong length")
    return bytes(out)
