"""Codings of parts: from decoded bytes back to what was in the message (doc/format.md, Recipes)."""

import base64


def encode_part(coding, data):
    """Encodes the decoded bytes of a part."""
    number, fields = coding[0], coding[1] if len(coding) > 1 else []
    if number == 1:
        return data
    if number == 2:
        return encode_base64(data, *fields)
    if number == 3:
        return encode_quoted(data, *fields)
    raise ValueError(f"coding {number} is unknown")


def encode_base64(data, line, crlf):
    text = base64.b64encode(data)
    if not line:
        return text
    newline = b"\r\n" if crlf else b"\n"
    return newline.join(text[start : start + line] for start in range(0, len(text), line))


def encode_quoted(data, line, crlf, lower, escaped, full):
    newline = b"\r\n" if crlf else b"\n"
    digits = "=%02x" if lower else "=%02X"
    out, column, place = bytearray(), 0, 0
    while place < len(data):
        if data.startswith(newline, place):
            out += newline
            column, place = 0, place + len(newline)
            continue
        byte = data[place]
        ends = place + 1 == len(data) or data.startswith(newline, place + 1)
        is_escaped = escaped[byte // 8] >> (byte % 8) & 1 or (byte in b" \t" and ends)
        piece = (digits % byte).encode() if is_escaped else bytes([byte])
        room = line if full and ends else line - 1
        if line and column and column + len(piece) > room:
            out += b"=" + newline
            column = 0
        out += piece
        column, place = column + len(piece), place + 1
    return bytes(out)
