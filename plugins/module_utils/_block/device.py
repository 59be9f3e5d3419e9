# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Block devices as values: disks, their partitions, devices that are used whole, image files. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent


@dataclass(frozen=True)
class Device:
    """A block device. ``devnum`` is major:minor, sizes are bytes, ``uses`` is who holds it, in words."""

    node: str
    devnum: str
    size: int
    sector: int
    readonly: bool
    content: Content
    uses: tuple[str, ...] = ()
    superblock: Superblock | None = None
    partuuid: str | None = None
    identity: str = ""
    whole: str = ""  # the disk that it is a partition of, or itself
    writers: tuple[str, ...] = ()  # programs among them that have it open for writing


@dataclass(frozen=True)
class Partition:
    """An entry of a GPT. ``node`` is None as long as the kernel does not know it as it is in the table.

    ``smaller_in_kernel`` is the one difference that leaves it the same partition: a run that was killed while it grew
    has written the larger entry, and the kernel, which may have it mounted, still knows the smaller one.
    """

    number: int
    extent: Extent
    type: str
    uuid: str
    name: str
    content: Content
    node: str | None = None
    devnum: str = ""
    uses: tuple[str, ...] = ()
    superblock: Superblock | None = None
    smaller_in_kernel: bool = False
    readonly: bool = False

    @property
    def unknown_to_kernel(self) -> bool:
        """Whether the kernel has yet to take it over from the table as it is."""
        return self.node is None or self.smaller_in_kernel

    @property
    def unfinished(self) -> bool:
        return self.type == UNFINISHED


@dataclass(frozen=True)
class Disk:
    """A whole disk. ``partitions`` is None where there is no GPT."""

    name: str  # as the user calls it
    device: Device
    partitions: tuple[Partition, ...] | None = None
    slots: int = 128  # how many entries the GPT can have
    half_written: bool = False
    damaged: frozenset[str] = frozenset()  # names of partitions in what is left of a GPT that nobody can use
    hybrid: bool = False
    other_users: tuple[str, ...] = ()  # of partitions that the kernel knows otherwise than the GPT does

    @property
    def taken(self) -> tuple[Extent, ...]:
        return tuple(partition.extent for partition in self.partitions or ())


@dataclass(frozen=True)
class Owner:
    """Something on this machine that has a label. ``kind`` is LABEL or PARTLABEL."""

    kind: str
    node: str
    devnum: str
    uuid: str | None = None
    partuuid: str | None = None


@dataclass(frozen=True)
class Image:
    """A file, and the loop devices that it is attached to."""

    path: str
    real: str = ""  # without the links in it
    inode: tuple[int, int] | None = None
    exists: bool = False
    size: int = 0
    content: Content = field(default_factory=Content)
    loops: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()  # those among them that show only a part of it
    room: int = 0  # bytes that the filesystem under it has free
    uses: tuple[str, ...] = ()  # who writes to it other than through a loop device, in words
