# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems in partitions: what is there, what is made, what grows. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk, Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import (
    in_words,
    rounded_down,
    same_size,
    usable,
    wanted_size,
)
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import Filesystem, ItemPlan, merged
from ansible_collections.virtio.fs.plugins.module_utils._partition.refusals import (
    is_ours,
    other_size,
    refuse_other_users,
    refuse_smaller,
    refuse_table_change,
    refuse_too_small,
    refuse_unusable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source, identity_for
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import GrowPartition, TellKernel
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import FormatPartition


def plan_partition(found: Found, disk: Disk, state: State) -> tuple[Filesystem, ItemPlan]:
    """The filesystem that will be in the item's partition of this disk, and how it comes there.

    :raises VirtiofsError: something would be lost that is not ours, or does not fit.
    """
    partition = found.partition
    if partition is None:
        return _in_new_partition(found, disk)
    item = found.item
    refuse_unusable(item, "disk", disk.device)
    if partition.readonly:
        raise VirtiofsError(f"{at(item.label, 'disk')}its partition of {disk.name} is read-only")
    first = _known_to_kernel(found, disk, partition)
    if not partition.unfinished and is_ours(item, partition.content):
        filesystem, rest = _as_it_is(found, disk, partition, state)
    else:
        filesystem, rest = _formatted(found, disk, partition, state)
    return filesystem, merged([first, rest])


def _in_new_partition(found: Found, disk: Disk) -> tuple[Filesystem, ItemPlan]:
    item = found.item
    size = found.new_gap.extent.size
    refuse_too_small(item, "size", f"its new partition of {disk.name}", size)
    plan = ItemPlan(formats=(FormatPartition(disk.device.node, item.new_filesystem),), waits=(item.label,))
    return Filesystem(Source(item.label, disk=disk.device.node), item.new_fstype, size), plan


def _known_to_kernel(found: Found, disk: Disk, partition: Partition) -> ItemPlan:
    if not partition.unknown_to_kernel:
        return ItemPlan()
    item = found.item
    refuse_other_users(item, disk)
    if partition.node is None and partition.name != item.label:
        raise VirtiofsError(
            f"{at(item.label, 'disk')}{disk.name} has {partition.content.description} in a partition named "
            f"{partition.name!r} that the kernel does not know: tell it with partx --update {disk.name}"
        )
    return ItemPlan(tables=(TellKernel(disk.device.node),), waits=(item.label,))


def _as_it_is(found: Found, disk: Disk, partition: Partition, state: State) -> tuple[Filesystem, ItemPlan]:
    label = found.item.label
    by_name = partition.name == label
    source = Source(label, disk=disk.device.node) if by_name else Source(label, device=partition.node)
    grown, plan = _grown(found, disk, partition, state)
    filesystem = Filesystem(
        source=source,
        fstype=partition.content.fstype or "",
        size=grown or partition.extent.size,
        devnum=partition.devnum or None,
        node=partition.node,
        uuid=partition.content.uuid,
        partuuid=partition.uuid,
        superblock=partition.superblock,
        grown=grown is not None,
    )
    return filesystem, plan


def _formatted(found: Found, disk: Disk, partition: Partition, state: State) -> tuple[Filesystem, ItemPlan]:
    item = found.item
    if partition.name != item.label:
        raise VirtiofsError(
            f"{at(item.label, 'fstype')}{disk.name} has {partition.content.description} in a partition named "
            f"{partition.name!r}, not {item.new_fstype}"
        )
    replaced = _replaced_in(found, disk, partition)
    if partition.uses:
        raise VirtiofsError(f"{at(item.label, 'disk')}its partition of {disk.name} is {partition.uses[0]}")
    refuse_table_change(item, disk)
    there = partition.extent.size
    refuse_too_small(item, "disk", f"its partition of {disk.name}", there)
    size = _size_wanted(found, disk, partition, state)
    plan = ItemPlan(
        formats=(FormatPartition(disk.device.node, item.new_filesystem, replaced),),
        waits=(item.label,),
        warnings=() if same_size(size, there) else (other_size(item, disk.name, size, there),),
    )
    return Filesystem(Source(item.label, disk=disk.device.node), item.new_fstype, there), plan


def _replaced_in(found: Found, disk: Disk, partition: Partition) -> str | None:
    """What formatting this partition destroys: None when nothing, or only what a killed run of ours left."""
    item, content = found.item, partition.content
    if partition.unfinished:
        if is_left_by_us(partition):
            return None
    elif content.blank:
        if partition.type != LINUX:
            raise VirtiofsError(
                f"{at(item.label, 'disk')}the partition of this name on {disk.name} has the type {partition.type}, "
                "which is not that of a Linux filesystem"
            )
        return None
    if item.overwrite:
        return content.description
    raise VirtiofsError(
        f"{at(item.label, 'disk')}the partition of this name on {disk.name} holds {content.description}: "
        "give another label, or overwrite: true to lose what is in it"
    )


def is_left_by_us(partition: Partition) -> bool:
    """Whether an unfinished partition holds no more than a killed run of ours can have left."""
    return not partition.content.types or partition.content.uuid == str(identity_for(partition.uuid))


def _grown(found: Found, disk: Disk, partition: Partition, state: State) -> tuple[int | None, ItemPlan]:
    """Its new size, None when it stays."""
    item = found.item
    size, there = _size_wanted(found, disk, partition, state), partition.extent.size
    if same_size(size, there):
        return None, ItemPlan()
    if size <= there or not item.grow:
        refuse_smaller(item, disk.name, size, there)
        return None, ItemPlan(warnings=(other_size(item, disk.name, size, there),))
    room = _room_for(disk, partition, state)
    if size > room:
        raise VirtiofsError(
            f"{at(item.label, 'size')}{in_words(size)} do not fit, the free space behind its partition of {disk.name} "
            f"allows {in_words(room)}"
        )
    refuse_table_change(item, disk)
    if partition.name != item.label:
        raise VirtiofsError(f"{at(item.label, 'grow')}its partition of {disk.name} is named {partition.name!r}")
    return size, ItemPlan(tables=(GrowPartition(disk.device.node, item.label, size, disk.device.sector),))


def _size_wanted(found: Found, disk: Disk, partition: Partition, state: State) -> int:
    if found.item.size is None:
        return partition.extent.size
    size = wanted_size(found.item.size, disk.device.size, disk.device.sector)
    return _room_for(disk, partition, state) if size is None else size


def _room_for(disk: Disk, partition: Partition, state: State) -> int:
    """How large it could be: up to the next partition, one that is new here too, or the end of the disk."""
    whole = usable(disk.device.size, disk.device.sector)
    new = [gap.extent for label, gap in state.gaps.items() if state.disk_of[label] == disk.device.node]
    starts = [other.start for other in (*disk.taken, *new) if other.start > partition.extent.start]
    end = rounded_down(min([*starts, whole.end]))
    return max(partition.extent.size, end - partition.extent.start)
