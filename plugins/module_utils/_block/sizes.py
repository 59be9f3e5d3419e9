# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes as people write them, and extents on a disk. Pure; everything is in bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at

MIB = 1024 * 1024

_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_ABSOLUTE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP])(?:iB)?", re.IGNORECASE)
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")

# Linux counts the bytes of both in 63 bits.
_LARGEST = 2**63 - MIB

# A GPT keeps 128 entries of 128 bytes, UEFI specification 5.3: at both ends of the disk, and a header each.
_GPT_ENTRIES = 128 * 128


@dataclass(frozen=True)
class Size:
    """Exactly one of the three: so many bytes, a share of the disk, or all that is left of it."""

    absolute: int | None = None
    percent: Fraction | None = None
    rest: bool = False


@dataclass(frozen=True)
class Extent:
    """A stretch of a disk, in bytes."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def parse(text: str) -> Size:
    """``100GiB`` (also ``100G``), ``25%`` or ``rest``.

    :raises VirtiofsError: it is none of them, as the end of a sentence that begins with the option's name.
    """
    plain = text.strip()
    if plain.lower() == "rest":
        return Size(rest=True)
    match = _PERCENT.fullmatch(plain)
    if match:
        percent = Fraction(match.group(1))
        if not 0 < percent <= 100:
            raise VirtiofsError(f"{text!r} is not more than 0% and at most 100%")
        return Size(percent=percent)
    match = _ABSOLUTE.fullmatch(plain)
    if match is None:
        raise VirtiofsError(f"{text!r} is not a size: write 100GiB, 512MiB, 25% or rest")
    size = int(Fraction(match.group(1)) * 1024 ** _UNITS[match.group(2).upper()])
    if size <= 0:
        raise VirtiofsError(f"{text!r} is not more than zero")
    if size > _LARGEST:
        raise VirtiofsError(f"{text!r} is more than any file or disk can have")
    return Size(absolute=rounded_up(size))


def rounded_up(size: int) -> int:
    return -(-size // MIB) * MIB


def rounded_down(size: int) -> int:
    return size // MIB * MIB


def in_words(size: int) -> str:
    """The largest binary unit that leaves at most two decimals, as ``1.5 GiB``."""
    for unit, power in reversed(list(_UNITS.items())):
        if size >= 1024**power:
            return f"{size / 1024**power:.2f}".rstrip("0").rstrip(".") + f" {unit}iB"
    return f"{size} bytes"


def usable(disk_size: int, sector: int) -> Extent:
    """What partitions can use of a disk with a GPT: from 1 MiB on, whole mebibytes, up to the table's copy.

    One mebibyte is a multiple of every sector size, and of what drives and RAID stripes like.
    """
    tail = sector + -(-_GPT_ENTRIES // sector) * sector
    return Extent(MIB, max(0, rounded_down(disk_size - tail) - MIB))


def free(disk_size: int, sector: int, taken: Iterable[Extent]) -> list[Extent]:
    """The gaps between the taken extents, aligned to whole mebibytes, in the order of the disk."""
    whole = usable(disk_size, sector)
    gaps = []
    start = whole.start
    for extent in sorted(taken, key=lambda extent: extent.start):
        end = rounded_down(min(extent.start, whole.end))
        if end > start:
            gaps.append(Extent(start, end - start))
        start = max(start, rounded_up(extent.end))
    if whole.end > start:
        gaps.append(Extent(start, whole.end - start))
    return gaps


def wanted_size(size: Size, disk_size: int, sector: int) -> int | None:
    """The bytes that are asked for, or None for the rest."""
    if size.absolute is not None:
        return size.absolute
    if size.percent is not None:
        # Of what is usable, so that four times 25% fit.
        return max(MIB, rounded_down(int(usable(disk_size, sector).size * size.percent / 100)))
    return None


def allocate(
    disk: str, disk_size: int, sector: int, taken: Sequence[Extent], wants: Sequence[tuple[str, Size]]
) -> dict[str, Extent]:
    """A place for each wanted partition, in the first gap that has room.

    :raises VirtiofsError: one does not fit; the sentence has the numbers.
    """
    placed: dict[str, Extent] = {}
    for label, size in wants:
        gaps = free(disk_size, sector, [*taken, *placed.values()])
        largest = max(gaps, key=lambda gap: gap.size, default=Extent(0, 0))
        need = wanted_size(size, disk_size, sector)
        if need is None:
            if not largest.size:
                raise VirtiofsError(f"{at(label, 'size')}{disk} has no free space left")
            placed[label] = largest
            continue
        fitting = [gap for gap in gaps if gap.size >= need]
        if not fitting:
            raise VirtiofsError(
                f"{at(label, 'size')}{disk} has no room for {in_words(need)}: "
                f"its largest free space is {in_words(largest.size)}, the disk has {in_words(disk_size)}"
            )
        placed[label] = Extent(fitting[0].start, need)
    return placed


def same_size(one: int, other: int) -> bool:
    """Whether two sizes differ by no more than alignment."""
    return abs(one - other) <= MIB
