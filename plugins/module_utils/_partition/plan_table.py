# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New partitions: what is added to the GPT of a disk, and which disk gets a new GPT. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import ItemPlan
from ansible_collections.virtio.fs.plugins.module_utils._partition.refusals import refuse_table_change, refuse_unusable
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import WriteTable


def plan_tables(found: Sequence[Found], state: State) -> ItemPlan:
    """The new partitions of all disks: a table is written once for all items of its disk.

    :raises VirtiofsError: something would be lost that is not ours, or the table has no room.
    """
    new = [one for one in found if one.is_new_on_disk]
    disks = [(disk, [one for one in new if one.disk is disk]) for disk in state.disks.values()]
    return ItemPlan(tables=tuple(_table(disk, here, state) for disk, here in disks if here))


def _table(disk: Disk, new: Sequence[Found], state: State) -> WriteTable:
    first = new[0].item
    refuse_unusable(first, "disk", disk.device)
    refuse_table_change(first, disk)
    partitions = tuple(NewPartition(one.item.label, one.new_gap.extent) for one in new)
    if disk.partitions is None:
        return _new_table(disk, new, partitions, state)
    # sfdisk would write those that it has an entry for, and succeed.
    if len(disk.partitions) + len(new) > disk.slots:
        raise VirtiofsError(
            f"{at(new[-1].item.label, 'disk')}{disk.name} has {len(disk.partitions)} partitions, and its table has "
            f"entries for {disk.slots}"
        )
    for one in new:
        _refuse_full_gap(one, disk)
    return WriteTable(disk.device.node, partitions, disk.device.sector)


def _new_table(disk: Disk, new: Sequence[Found], partitions: tuple[NewPartition, ...], state: State) -> WriteTable:
    node = disk.device.node
    for label, device in state.devices.items():
        if device.whole == node:
            raise VirtiofsError(
                f"{at(new[0].item.label, 'disk')}{disk.name} would get a new partition table, and {label} is on "
                f"{device.node}"
            )
    replaced = None
    if not disk.device.content.blank and not disk.half_written:
        replaced = disk.device.content.description
        for one in new:
            _refuse_content_of_disk(one, disk)
    elif not disk.half_written:
        for one in new:
            _refuse_full_gap(one, disk)
    return WriteTable(node, partitions, disk.device.sector, new=True, replaced=replaced)


def _refuse_content_of_disk(found: Found, disk: Disk) -> None:
    item = found.item
    if not item.overwrite:
        raise VirtiofsError(
            f"{at(item.label, 'disk')}{disk.name} is not blank, it holds {disk.device.content.description}: "
            "give another disk, or overwrite: true to lose what is on it"
        )
    # Its own data, most likely: overwrite is often left in a list after the first run.
    if item.label in disk.damaged:
        raise VirtiofsError(
            f"{at(item.label, 'disk')}{disk.name} has a damaged GPT with a partition of this name: repair it "
            "with gdisk, or write zeros over the first and the last mebibyte of the disk yourself"
        )


def _refuse_full_gap(found: Found, disk: Disk) -> None:
    content = found.new_gap.content
    if not content.blank and not found.item.overwrite:
        raise VirtiofsError(
            f"{at(found.item.label, 'disk')}the free space of {disk.name} holds {content.description}, left by a "
            "partition that was deleted: overwrite: true loses it"
        )
