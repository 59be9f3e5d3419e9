# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written on a device: filesystems, tables, members of something, or data that nobody knows.

Blank is what nobody knows anything about: not libblkid, not wipefs, and zero where anything would begin.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.command import run

# GPT types. The second one is ours alone: between writing the table and the end of mkfs a partition has it,
# so the next run knows what it may complete, and everybody else that there is nothing to mount yet.
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
UNFINISHED = "23C66744-549D-4C00-8FAE-58E95F8B679C"

_PROBE_SECONDS = 60

_GPT_HEADER = b"EFI PART"

# blkid(8): nothing found, and several signatures that contradict each other.
_BLKID_NOTHING = 2
_BLKID_AMBIVALENT = 8


@dataclass(frozen=True)
class Content:
    """What was found. ``types`` names every signature; ``data`` says that something is there without one."""

    types: tuple[str, ...] = ()
    fstype: str | None = None
    label: str | None = None
    uuid: str | None = None
    table: str | None = None
    data: bool = False

    @property
    def blank(self) -> bool:
        return not self.types and not self.data

    @property
    def description(self) -> str:
        if len(self.types) > 1:
            return "several signatures (" + ", ".join(self.types) + ")"
        if self.table is not None:
            return f"a partition table ({self.table})"
        if self.types:
            label = f" labelled {self.label}" if self.label else ""
            return f"{self.types[0]}{label}"
        return "data that no tool knows" if self.data else "nothing"


def probe(node: str, offset: int = 0, size: int | None = None) -> Content:
    """Look at a whole device, or at ``size`` bytes of it from ``offset`` on.

    :raises VirtiofsError: it cannot be read.
    """
    argv = ["blkid", "-p", "-o", "export"]
    if size is not None:
        argv += ["-O", str(offset), "-S", str(size)]
    found = run([*argv, node], timeout=_PROBE_SECONDS)
    if found.returncode not in (0, _BLKID_NOTHING, _BLKID_AMBIVALENT):
        raise VirtiofsError(f"cannot look at {node}: {found.message}")
    values = parse_export(found.stdout) if found.returncode == 0 else {}
    types = [value for value in (values.get("TYPE"), values.get("PTTYPE")) if value]
    if found.returncode == _BLKID_AMBIVALENT:
        types = ["two or more that contradict each other"]
    if size is None:
        types = merged(types, wipefs_types(node))
    return Content(
        types=tuple(types),
        fstype=values.get("TYPE"),
        label=values.get("LABEL"),
        uuid=values.get("UUID"),
        table=values.get("PTTYPE"),
        data=_has_data(node, offset, size),
    )


def parse_export(text: str) -> dict[str, str]:
    """``blkid -o export``: NAME=value lines, the value with backslashes before what a shell would touch."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: re.sub(r"\\(.)", r"\1", value) for name, equals, value in pairs if equals}


def wipefs_types(node: str) -> list[str]:
    """Every signature that wipefs would erase, without erasing one."""
    found = run(["wipefs", "--json", node], timeout=_PROBE_SECONDS)
    if found.returncode != 0:
        raise VirtiofsError(f"cannot look at {node}: {found.message}")
    if not found.stdout.strip():
        return []
    return sorted({str(signature["type"]) for signature in json.loads(found.stdout)["signatures"]})


def merged(blkid: list[str], wipefs: list[str]) -> list[str]:
    """One name for each thing: a GPT has three signatures, and one of them is called PMBR."""
    rest = [name for name in wipefs if not (name == "PMBR" and "gpt" in [*blkid, *wipefs])]
    # wipefs knows everything that made blkid give up.
    known = [name for name in blkid if name in rest or not rest]
    return known + [name for name in rest if name not in known]


def ends(node: str, offset: int = 0, size: int | None = None) -> tuple[bytes, bytes]:
    """The first and the last mebibyte of a device or of a stretch of it."""
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            length = os.lseek(descriptor, 0, os.SEEK_END) - offset if size is None else size
            part = min(MIB, length)
            return os.pread(descriptor, part, offset), os.pread(descriptor, part, offset + length - part)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot read {node}: {error.strerror}") from error


def _has_data(node: str, offset: int, size: int | None) -> bool:
    return any(part.count(0) != len(part) for part in ends(node, offset, size))


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


def is_hybrid(first: bytes) -> bool:
    """Whether the MBR of a GPT lists more than the one protective entry: two tables that must agree. Pure."""
    kinds = [first[446 + 16 * number + 4] for number in range(4)]
    return [kind for kind in kinds if kind] not in ([0xEE], [])


def _is_bare_mbr(sector: bytes) -> bool:
    return not any(sector) or (not any(sector[:440]) and sector[510:512] == b"\x55\xaa" and not is_hybrid(sector))


def _guid(raw: bytes) -> str:
    one, two, three = struct.unpack("<IHH", raw[:8])
    return f"{one:08X}-{two:04X}-{three:04X}-{raw[8:10].hex()}-{raw[10:].hex()}".upper()
