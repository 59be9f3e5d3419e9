# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which colours a PNG has, and how often. Only the kind that a browser's screenshot is: 8 bits, not interlaced."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}


def colours(picture: Path, first_column: int = 0) -> Counter[str]:
    """The colours as ``#rrggbb``, each with its number of pixels, from a column to the right edge."""
    data = picture.read_bytes()
    assert data.startswith(_SIGNATURE), f"{picture} is no PNG"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8
    channels = _CHANNELS[kind]
    rows = _rows(zlib.decompress(b"".join(_chunks(data, b"IDAT"))), width * channels, height, channels)
    pixels: Counter[bytes] = Counter()
    for row in rows:
        pixels.update(row[at : at + 3] for at in range(first_column * channels, len(row), channels))
    return Counter({f"#{colour.hex()}": count for colour, count in pixels.items()})


def _chunks(data: bytes, wanted: bytes) -> list[bytes]:
    found = []
    at = len(_SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == wanted:
            found.append(data[at + 8 : at + 8 + length])
        at += length + 12
    return found


def _rows(raw: bytes, stride: int, height: int, channels: int) -> list[bytes]:
    """Undo the filter of each line, as the PNG specification has it in its chapter 9."""
    rows = []
    above = bytearray(stride)
    for number in range(height):
        start = number * (stride + 1)
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for at in range(stride):
            left = line[at - channels] if at >= channels else 0
            corner = above[at - channels] if at >= channels else 0
            line[at] = (line[at] + _predicted(kind, left, above[at], corner)) & 255
        rows.append(bytes(line))
        above = line
    return rows


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        base = left + up - corner
        return min((left, up, corner), key=lambda one: abs(base - one))
    return (0, left, up, (left + up) // 2)[kind]
