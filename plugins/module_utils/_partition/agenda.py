# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plans of virtiofs_partition share: the draft that they add steps to, and what they look for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Image
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import KINDS, TAKEN, Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step


@dataclass(frozen=True)
class Filesystem:
    """One that is there, or will be when the steps before are done (then without a device number)."""

    source: Source
    fstype: str
    size: int
    devnum: str | None = None
    node: str | None = None
    uuid: str | None = None
    partuuid: str | None = None
    superblock: Superblock | None = None
    grown: bool = False

    @property
    def new(self) -> bool:
        return self.devnum is None


@dataclass
class Draft:
    """Steps in the order of their kind: whatever the item, tables come before filesystems, those before mounts.

    Lines of fstab are gathered, so that it is written once, and read once by systemd, for all items.
    """

    unmounts: list[Step[Any]] = field(default_factory=list)
    lines_gone: list[Entry] = field(default_factory=list)
    units_gone: list[Step[Any]] = field(default_factory=list)
    removals: list[Step[Any]] = field(default_factory=list)
    tables: list[Step[Any]] = field(default_factory=list)
    formats: list[Step[Any]] = field(default_factory=list)
    units: list[Step[Any]] = field(default_factory=list)
    root: list[Step[Any]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    mounts: list[Step[Any]] = field(default_factory=list)
    finishing: list[Step[Any]] = field(default_factory=list)
    settle: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def is_line_of(
    entry: Entry,
    label: str,
    devnums: Mapping[str, str],
    *,
    uuid: str | None,
    partuuid: str | None,
    node: str | None,
    devnum: str | None,
) -> bool:
    """Whether a line of fstab mounts this filesystem, however it names it."""
    name, value = entry.tag or ("", "")
    if name in ("LABEL", "PARTLABEL"):
        return value == label
    if name in ("UUID", "PARTUUID"):
        known = uuid if name == "UUID" else partuuid
        return known is not None and value.lower() == known.lower()
    if not entry.spec.startswith("/dev/"):
        return False
    return entry.spec == node or (devnum is not None and devnums.get(entry.spec) == devnum)


def is_ours(item: Item, content: Content) -> bool:
    """Whether this is the filesystem that is asked for."""
    return (
        content.label == item.label
        and len(content.types) == 1
        and content.fstype in TAKEN
        and item.fstype in (None, content.fstype)
    )


def note_other_size(item: Item, place: str, size: int, there: int, draft: Draft, *, complain: bool = True) -> None:
    if complain and size < there and item.grow:
        raise VirtiofsError(
            f"{item.label}, size: {in_words(size)} is less than the {in_words(there)} that it has on {place}, "
            "and nothing is ever made smaller"
        )
    hint = ", grow: true enlarges it" if size > there else ", and nothing is ever made smaller"
    draft.warnings.append(f"{item.label}: it has {in_words(there)} on {place}, not {in_words(size)}{hint}")


def refuse_unusable(item: Item, option: str, device: Device) -> None:
    name = item.disk or item.device
    if device.readonly:
        raise VirtiofsError(f"{item.label}, {option}: {name} is read-only")
    if device.size < 2 * MIB:
        raise VirtiofsError(f"{item.label}, {option}: {name} has only {device.size} bytes")


def refuse_too_small(item: Item, option: str, place: str, size: int) -> None:
    """mkfs would say so when a table was written, and what was there erased."""
    least = KINDS[item.new_fstype].least
    if size < least:
        raise VirtiofsError(
            f"{item.label}, {option}: {place} has {in_words(size)}, and {item.new_fstype} needs at least "
            f"{in_words(least)}"
        )


def refuse_table_change(item: Item, disk: Disk) -> None:
    """The table belongs to the whole disk: to who has all of it, and to a second table that must agree with it."""
    refuse_other_users(item, disk)
    if disk.device.uses:
        raise VirtiofsError(f"{item.label}, disk: {disk.name} is {disk.device.uses[0]}")
    taken = sorted(disk.taken, key=lambda extent: extent.start)
    if any(one.end > other.start for one, other in zip(taken, taken[1:])):
        raise VirtiofsError(
            f"{item.label}, disk: {disk.name} has partitions that overlap, and sfdisk writes no such table"
        )
    if disk.hybrid:
        raise VirtiofsError(f"{item.label}, disk: {disk.name} has a hybrid MBR that a change of its GPT loses")


def refuse_other_users(item: Item, disk: Disk) -> None:
    """Partitions that the kernel knows otherwise than the table, and that somebody uses as the kernel knows them."""
    if disk.other_users:
        raise VirtiofsError(f"{item.label}, disk: {disk.name} is in use: {disk.other_users[0]}")


def refuse_other_loops(item: Item, image: Image) -> None:
    """Somebody else has attached it, and uses what they see in it."""
    if len(image.loops) > 1:
        raise VirtiofsError(f"{item.label}, image: {image.path} is attached more than once: {', '.join(image.loops)}")
    if image.partial:
        raise VirtiofsError(f"{item.label}, image: {image.path} is attached as {image.partial[0]} only in part")


def refuse_cut_off(item: Item, place: str, size: int, found: Superblock | None) -> None:
    """A filesystem whose end is not there: the kernel does not mount it, and nothing of ours may make it worse."""
    if found is not None and found.size > size:
        raise VirtiofsError(
            f"{item.label}, size: {place} has {in_words(size)} only, and the filesystem in it {in_words(found.size)}: "
            f"somebody made it smaller, give it back its {in_words(found.size)}"
        )
