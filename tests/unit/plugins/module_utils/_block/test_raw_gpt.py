# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a half-written GPT of ours looks like, and what does not."""

from __future__ import annotations

import struct
import uuid

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX, UNFINISHED
from ansible_collections.virtio.fs.plugins.module_utils._block.raw_gpt import is_half_written_gpt, is_hybrid
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB


def entry(kind: str, name: str) -> bytes:
    place = struct.pack("<QQQ", 2048, 4095, 0)
    return uuid.UUID(kind).bytes_le + bytes(16) + place + name.encode("utf-16-le").ljust(72, b"\0")


def disk(
    sector: int, entries: bytes, *, header: bool = True, primary: bool = False, mbr: bool = False
) -> tuple[bytes, bytes]:
    first, last = bytearray(MIB), bytearray(MIB)
    table = entries.ljust(16384, b"\0")
    last[-sector - 16384 : -sector] = table
    if header:
        last[-sector : -sector + 8] = b"EFI PART"
    if primary:
        first[sector : sector + 8] = b"EFI PART"
        first[2 * sector : 2 * sector + 16384] = table
    if mbr:
        first[450] = 0xEE
        first[510:512] = b"\x55\xaa"
    return bytes(first), bytes(last)


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize(
    "stage",
    [{"header": False}, {"header": True}, {"header": True, "primary": True}, {"primary": True, "mbr": True}],
)
def test_each_stage_of_our_own_write_is_recognised(sector: int, stage: dict[str, bool]) -> None:
    first, last = disk(sector, entry(UNFINISHED, "data"), **stage)
    assert is_half_written_gpt(first, last, sector, ["data"])
    assert not is_half_written_gpt(first, last, sector, ["other"])


@pytest.mark.parametrize("sector", [512, 4096])
def test_what_others_made_is_not(sector: int) -> None:
    theirs = disk(sector, entry(LINUX, "data"))
    assert not is_half_written_gpt(*theirs, sector, ["data"])
    both = disk(sector, entry(UNFINISHED, "data") + entry(LINUX, "theirs"))
    assert not is_half_written_gpt(*both, sector, ["data", "theirs"])
    blank = (bytes(MIB), bytes(MIB))
    assert not is_half_written_gpt(*blank, sector, ["data"])
    first, last = disk(sector, entry(UNFINISHED, "data"))
    data = bytearray(first)
    data[900_000] = 1
    assert not is_half_written_gpt(bytes(data), last, sector, ["data"])
    loader = bytearray(first)
    loader[10] = 1
    assert not is_half_written_gpt(bytes(loader), last, sector, ["data"])


def test_a_hybrid_mbr() -> None:
    first, _last = disk(512, b"", mbr=True)
    assert not is_hybrid(first)
    hybrid = bytearray(first)
    hybrid[466] = 0x83
    assert is_hybrid(bytes(hybrid))
