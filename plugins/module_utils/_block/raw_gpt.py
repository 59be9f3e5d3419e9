# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes of a GPT, UEFI specification 5.3, where no tool reads it: half written, damaged or hybrid. Pure.

``first`` and ``last`` are the first and the last mebibyte of a disk.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED

_GPT_HEADER = b"EFI PART"


def is_half_written_gpt(first: bytes, last: bytes, sector: int, names: Collection[str]) -> bool:
    """Whether a disk without a readable table holds only what a killed run of ours can have left.

    ``first`` and ``last`` are the first and the last mebibyte. sfdisk writes the entries and the header at
    the end of the disk, then those at its beginning, then the protective MBR. So nothing but these may be
    there, and each partition in them must be unfinished and have one of our names. Pure.
    """
    near, far = _ends_of_tables(last, sector)
    if first[near:].count(0) != len(first) - near or last[:far].count(0) != far:
        return False
    found = False
    for header, entries in _tables(first, last, sector):
        if any(header) and not header.startswith(_GPT_HEADER):
            return False
        for kind, name in _entries(entries):
            if kind != UNFINISHED or name not in names:
                return False
            found = True
    return found and _is_bare_mbr(first[:sector])


def names_in_damaged_gpt(first: bytes, last: bytes, sector: int) -> frozenset[str]:
    """The names of partitions in what is left of a GPT, at the beginning of a disk or at its end. Pure."""
    return frozenset(
        name
        for header, entries in _tables(first, last, sector)
        if header.startswith(_GPT_HEADER)
        for _kind, name in _entries(entries)
    )


def is_hybrid(first: bytes) -> bool:
    """Whether the MBR of a GPT lists more than the one protective entry: two tables that must agree. Pure."""
    kinds = [first[446 + 16 * number + 4] for number in range(4)]
    return [kind for kind in kinds if kind] not in ([0xEE], [])


def _ends_of_tables(last: bytes, sector: int) -> tuple[int, int]:
    """Where the first table ends in the first mebibyte, and its copy begins in the last one."""
    entry_sectors = -(-128 * 128 // sector)
    return (2 + entry_sectors) * sector, len(last) - (1 + entry_sectors) * sector


def _tables(first: bytes, last: bytes, sector: int) -> tuple[tuple[bytes, bytes], ...]:
    """Header and entries of both copies."""
    near, far = _ends_of_tables(last, sector)
    return (first[sector : 2 * sector], first[2 * sector : near]), (last[-sector:], last[far:-sector])


def _entries(raw: bytes) -> Iterator[tuple[str, str]]:
    """Type and name of each partition, UEFI specification 5.3.3."""
    for at in range(0, 128 * 128, 128):
        entry = raw[at : at + 128]
        if any(entry):
            yield _guid(entry[:16]), entry[56:128].decode("utf-16-le", "replace").rstrip("\0")


def _is_bare_mbr(sector: bytes) -> bool:
    return not any(sector) or (not any(sector[:440]) and sector[510:512] == b"\x55\xaa" and not is_hybrid(sector))


def _guid(raw: bytes) -> str:
    one, two, three = struct.unpack("<IHH", raw[:8])
    return f"{one:08X}-{two:04X}-{three:04X}-{raw[8:10].hex()}-{raw[10:].hex()}".upper()
