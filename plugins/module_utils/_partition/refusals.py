# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plans of virtiofs_partition refuse alike, and how they tell a filesystem of ours. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Image
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import KINDS, TAKEN
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition


def is_ours(item: WantedPartition, content: Content) -> bool:
    """Whether this is the filesystem that is asked for."""
    return (
        content.label == item.label
        and len(content.types) == 1
        and content.fstype in TAKEN
        and item.fstype in (None, content.fstype)
    )


def other_size(item: WantedPartition, place: str, size: int, there: int) -> str:
    """The warning about a size that differs from the wanted one and stays."""
    hint = ", grow: true enlarges it" if size > there else ", and nothing is ever made smaller"
    return f"{at(item.label)}it has {in_words(there)} on {place}, not {in_words(size)}{hint}"


def refuse_smaller(item: WantedPartition, place: str, size: int, there: int) -> None:
    if size < there and item.grow:
        raise VirtiofsError(
            f"{at(item.label, 'size')}{in_words(size)} is less than the {in_words(there)} that it has on {place}, "
            "and nothing is ever made smaller"
        )


def refuse_unusable(item: WantedPartition, option: str, device: Device) -> None:
    name = item.disk or item.device
    if device.readonly:
        raise VirtiofsError(f"{at(item.label, option)}{name} is read-only")
    if device.size < 2 * MIB:
        raise VirtiofsError(f"{at(item.label, option)}{name} has only {device.size} bytes")


def refuse_too_small(item: WantedPartition, option: str, place: str, size: int) -> None:
    """mkfs would say so when a table was written, and what was there erased."""
    least = KINDS[item.new_fstype].least
    if size < least:
        raise VirtiofsError(
            f"{at(item.label, option)}{place} has {in_words(size)}, and {item.new_fstype} needs at least "
            f"{in_words(least)}"
        )


def refuse_table_change(item: WantedPartition, disk: Disk) -> None:
    """The table belongs to the whole disk: to who has all of it, and to a second table that must agree with it."""
    refuse_other_users(item, disk)
    if disk.device.uses:
        raise VirtiofsError(f"{at(item.label, 'disk')}{disk.name} is {disk.device.uses[0]}")
    taken = sorted(disk.taken, key=lambda extent: extent.start)
    if any(one.end > other.start for one, other in zip(taken, taken[1:])):
        raise VirtiofsError(
            f"{at(item.label, 'disk')}{disk.name} has partitions that overlap, and sfdisk writes no such table"
        )
    if disk.hybrid:
        raise VirtiofsError(f"{at(item.label, 'disk')}{disk.name} has a hybrid MBR that a change of its GPT loses")


def refuse_other_users(item: WantedPartition, disk: Disk) -> None:
    """Partitions that the kernel knows otherwise than the table, and that somebody uses as the kernel knows them."""
    if disk.other_users:
        raise VirtiofsError(f"{at(item.label, 'disk')}{disk.name} is in use: {disk.other_users[0]}")


def refuse_other_loops(item: WantedPartition, image: Image) -> None:
    """Somebody else has attached it, and uses what they see in it."""
    if len(image.loops) > 1:
        raise VirtiofsError(
            f"{at(item.label, 'image')}{image.path} is attached more than once: {', '.join(image.loops)}"
        )
    if image.partial:
        raise VirtiofsError(f"{at(item.label, 'image')}{image.path} is attached as {image.partial[0]} only in part")
