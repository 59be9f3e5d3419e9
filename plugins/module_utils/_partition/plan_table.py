# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State of the machine and wanted filesystems -> plan. Pure.

This room is about partitions. Devices and images are in ``plan_device``, how filesystems are mounted in
``plan_mount``, how they go away in ``plan_removal``, and ``plan`` puts all of it together.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk, Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import (
    in_words,
    rounded_down,
    same_size,
    usable,
    wanted_size,
)
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.agenda import (
    Draft,
    Filesystem,
    is_ours,
    note_other_size,
    refuse_cut_off,
    refuse_other_loops,
    refuse_other_users,
    refuse_table_change,
    refuse_too_small,
    refuse_unusable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.placement import new_on
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_device import on_device, on_image
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition, Source, identity_for
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    GrowPartition,
    TellKernel,
    WriteTable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import FormatPartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item


def on_disks(items: Sequence[Item], state: State, draft: Draft) -> dict[str, Filesystem]:
    """Plan partitions and filesystems; returns what will be there for each label.

    :raises VirtiofsError: something would be destroyed that is not ours, or does not fit.
    """
    present = [item for item in items if item.state == "present"]
    _refuse_same_partition(items, state)
    for item in present:
        if item.image:
            refuse_other_loops(item, state.images[item.label])
        _refuse_cut_off(item, state)
        _refuse_taken_label(item, state)
    new_tables(present, state, draft)
    found = {}
    for item in present:
        if item.disk:
            found[item.label] = _on_partition(item, state.disks[state.disk_of[item.label]], state, draft)
        elif item.image:
            found[item.label] = on_image(item, state.images[item.label], state, draft)
        else:
            found[item.label] = on_device(item, state.devices[item.label], state, draft)
    return found


def new_tables(items: Sequence[Item], state: State, draft: Draft) -> None:
    for node, disk in state.disks.items():
        new = new_on(disk, tuple(item for item in items if state.disk_of.get(item.label) == node))
        if not new:
            continue
        first = new[0]
        refuse_unusable(first, "disk", disk.device)
        refuse_table_change(first, disk)
        partitions = tuple(NewPartition(item.label, state.gaps[item.label].extent) for item in new)
        if disk.partitions is not None:
            # sfdisk would write those that it has an entry for, and succeed.
            if len(disk.partitions) + len(new) > disk.slots:
                raise VirtiofsError(
                    f"{new[-1].label}, disk: {disk.name} has {len(disk.partitions)} partitions, and its table has "
                    f"entries for {disk.slots}"
                )
            for item in new:
                _refuse_full_gap(item, disk, state.gaps[item.label].content)
            draft.tables.append(WriteTable(node, partitions, disk.device.sector))
            continue
        for label, device in state.devices.items():
            if device.whole == node:
                raise VirtiofsError(
                    f"{first.label}, disk: {disk.name} would get a new partition table, and {label} is on {device.node}"
                )
        replaced = None
        if not disk.device.content.blank and not disk.half_written:
            replaced = disk.device.content.description
            for item in new:
                if not item.overwrite:
                    raise VirtiofsError(
                        f"{item.label}, disk: {disk.name} is not blank, it holds {replaced}: "
                        "give another disk, or overwrite: true to lose what is on it"
                    )
                # Its own data, most likely: overwrite is often left in a list after the first run.
                if item.label in disk.damaged:
                    raise VirtiofsError(
                        f"{item.label}, disk: {disk.name} has a damaged GPT with a partition of this name: repair it "
                        "with gdisk, or write zeros over the first and the last mebibyte of the disk yourself"
                    )
        elif not disk.half_written:
            for item in new:
                _refuse_full_gap(item, disk, state.gaps[item.label].content)
        draft.tables.append(WriteTable(node, partitions, disk.device.sector, new=True, replaced=replaced))


def partition_of(item: Item, disk: Disk) -> Partition | None:
    """By its name; one that somebody made under another name by the label of its filesystem."""
    partitions = disk.partitions or ()
    named = [partition for partition in partitions if partition.name == item.label]
    if len(named) > 1:
        raise VirtiofsError(f"{item.label}, label: {len(named)} partitions of {disk.name} have this name")
    labelled = [partition for partition in partitions if partition.content.label == item.label]
    return next(iter([*named, *labelled]), None)


def _refuse_same_partition(items: Sequence[Item], state: State) -> None:
    """A partition that one item has by its disk and name, and another one as a device."""
    ours = {}
    for item in items:
        if item.label in state.disk_of:
            partition = partition_of(item, state.disks[state.disk_of[item.label]])
            if partition is not None and partition.node is not None:
                ours[partition.node] = item.label
    for item in items:
        device = state.devices.get(item.label) if item.device else None
        if device is not None and device.node in ours:
            raise VirtiofsError(
                f"{item.label}, device: {item.device} is the partition of {device.whole} that {ours[device.node]} has"
            )


def _on_partition(item: Item, disk: Disk, state: State, draft: Draft) -> Filesystem:
    source = Source(item.label, disk=disk.device.node)
    partition = partition_of(item, disk)
    if partition is None:
        size = state.gaps[item.label].extent.size
        refuse_too_small(item, "size", f"its new partition of {disk.name}", size)
        draft.formats.append(FormatPartition(disk.device.node, item.new_filesystem))
        draft.settle.append(item.label)
        return Filesystem(source, item.new_fstype, size)
    refuse_unusable(item, "disk", disk.device)
    if partition.readonly:
        raise VirtiofsError(f"{item.label}, disk: its partition of {disk.name} is read-only")
    if partition.unknown_to_kernel:
        refuse_other_users(item, disk)
        if partition.node is None and partition.name != item.label:
            raise VirtiofsError(
                f"{item.label}, disk: {disk.name} has {partition.content.description} in a partition named "
                f"{partition.name!r} that the kernel does not know: tell it with partx --update {disk.name}"
            )
        draft.tables.append(TellKernel(disk.device.node))
        draft.settle.append(item.label)
    content = partition.content
    if not partition.unfinished and is_ours(item, content):
        if partition.name != item.label:
            source = Source(item.label, device=partition.node)
        grown = _grow_partition(item, disk, partition, state, draft)
        return Filesystem(
            source=source,
            fstype=content.fstype or "",
            size=grown or partition.extent.size,
            devnum=partition.devnum or None,
            node=partition.node,
            uuid=content.uuid,
            partuuid=partition.uuid,
            superblock=partition.superblock,
            grown=grown is not None,
        )
    if partition.name != item.label:
        raise VirtiofsError(
            f"{item.label}, fstype: {disk.name} has {content.description} in a partition named {partition.name!r}, "
            f"not {item.new_fstype}"
        )
    replaced = _replaced_in(item, disk, partition)
    if partition.uses:
        raise VirtiofsError(f"{item.label}, disk: its partition of {disk.name} is {partition.uses[0]}")
    refuse_table_change(item, disk)
    refuse_too_small(item, "disk", f"its partition of {disk.name}", partition.extent.size)
    _note_size(item, disk, partition, state, draft)
    draft.formats.append(FormatPartition(disk.device.node, item.new_filesystem, replaced))
    draft.settle.append(item.label)
    return Filesystem(source, item.new_fstype, partition.extent.size)


def _replaced_in(item: Item, disk: Disk, partition: Partition) -> str | None:
    """What formatting this partition destroys: None when nothing, or only what a killed run of ours left."""
    content = partition.content
    if partition.unfinished:
        if is_left_by_us(partition):
            return None
    elif content.blank:
        if partition.type != LINUX:
            raise VirtiofsError(
                f"{item.label}, disk: the partition of this name on {disk.name} has the type {partition.type}, "
                "which is not that of a Linux filesystem"
            )
        return None
    if item.overwrite:
        return content.description
    raise VirtiofsError(
        f"{item.label}, disk: the partition of this name on {disk.name} holds {content.description}: "
        "give another label, or overwrite: true to lose what is in it"
    )


def is_left_by_us(partition: Partition) -> bool:
    """Whether an unfinished partition holds no more than a killed run of ours can have left."""
    return not partition.content.types or partition.content.uuid == str(identity_for(partition.uuid))


def _grow_partition(item: Item, disk: Disk, partition: Partition, state: State, draft: Draft) -> int | None:
    """Plan to enlarge it, and return its new size; None when it stays."""
    size = _asked(item, disk, partition, state)
    if same_size(size, partition.extent.size):
        return None
    if size > partition.extent.size and item.grow:
        room = _room_for(disk, partition, state)
        if size > room:
            raise VirtiofsError(
                f"{item.label}, size: {in_words(size)} do not fit, the free space behind its partition of {disk.name} "
                f"allows {in_words(room)}"
            )
        refuse_table_change(item, disk)
        if partition.name != item.label:
            raise VirtiofsError(f"{item.label}, grow: its partition of {disk.name} is named {partition.name!r}")
        draft.tables.append(GrowPartition(disk.device.node, item.label, size, disk.device.sector))
        return size
    note_other_size(item, disk.name, size, partition.extent.size, draft)
    return None


def _asked(item: Item, disk: Disk, partition: Partition, state: State) -> int:
    if item.size is None:
        return partition.extent.size
    size = wanted_size(item.size, disk.device.size, disk.device.sector)
    return _room_for(disk, partition, state) if size is None else size


def _room_for(disk: Disk, partition: Partition, state: State) -> int:
    """How large it could be: up to the next partition, one that is new here too, or the end of the disk."""
    whole = usable(disk.device.size, disk.device.sector)
    new = [gap.extent for label, gap in state.gaps.items() if state.disk_of[label] == disk.device.node]
    starts = [other.start for other in (*disk.taken, *new) if other.start > partition.extent.start]
    end = rounded_down(min([*starts, whole.end]))
    return max(partition.extent.size, end - partition.extent.start)


def _note_size(item: Item, disk: Disk, partition: Partition, state: State, draft: Draft) -> None:
    size = _asked(item, disk, partition, state)
    if not same_size(size, partition.extent.size):
        note_other_size(item, disk.name, size, partition.extent.size, draft, complain=False)


def _refuse_full_gap(item: Item, disk: Disk, content: Content) -> None:
    if not content.blank and not item.overwrite:
        raise VirtiofsError(
            f"{item.label}, disk: the free space of {disk.name} holds {content.description}, left by a partition that "
            "was deleted: overwrite: true loses it"
        )


def _refuse_cut_off(item: Item, state: State) -> None:
    if item.disk:
        disk = state.disks[state.disk_of[item.label]]
        partition = partition_of(item, disk)
        if partition is not None and not partition.unfinished and is_ours(item, partition.content):
            place = f"its partition of {disk.name}"
            refuse_cut_off(item, place, partition.extent.size, partition.superblock)
    elif item.label in state.devices and is_ours(item, state.devices[item.label].content):
        device = state.devices[item.label]
        refuse_cut_off(item, item.device or item.image or "", device.size, device.superblock)


def _refuse_taken_label(item: Item, state: State) -> None:
    ours: set[str] = set()
    where = item.disk or item.device or item.image
    if item.disk:
        partition = partition_of(item, state.disks[state.disk_of[item.label]])
        ours = {partition.devnum} if partition is not None else set()
    elif item.label in state.devices:
        ours = {state.devices[item.label].devnum}
    for owner in state.owners.get(item.label, ()):
        if owner.devnum not in ours:
            what = "label" if owner.kind == "LABEL" else "partition name"
            raise VirtiofsError(
                f"{item.label}, label: {owner.node} has this {what} already, fstab could mount it instead of {where}; "
                "if device names have changed, name the disk by /dev/disk/by-id"
            )
