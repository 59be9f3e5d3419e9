# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where new partitions of a disk would be. Pure, and asked by the reader too: what is written there has to be read."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent, allocate, wanted_size
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition


def extents_of_new(disk: Disk, items: Sequence[WantedPartition]) -> dict[str, Extent]:
    """Where the new partitions of these items of the disk would be, by label.

    :raises VirtiofsError: there is no room for one.
    """
    wants = [(item.label, item.size) for item in _new_on(disk, items) if item.size is not None]
    taken = [*disk.taken, *_growth(disk, items)]
    return allocate(disk.name, disk.device.size, disk.device.sector, taken, wants)


def _new_on(disk: Disk, items: Sequence[WantedPartition]) -> list[WantedPartition]:
    """The items of this disk that have no partition yet."""
    partitions = disk.partitions or ()
    return [
        item
        for item in items
        if item.state == "present"
        and not any(item.label in (partition.name, partition.content.label) for partition in partitions)
    ]


def _growth(disk: Disk, items: Sequence[WantedPartition]) -> list[Extent]:
    """What partitions that are there will take: space that nothing new can be put into."""
    extents = {partition.name: partition.extent for partition in disk.partitions or ()}
    grown = []
    for item in items:
        extent = extents.get(item.label)
        if extent is not None and item.size is not None and item.grow and item.state == "present":
            # The one with the rest gets what the new ones leave.
            size = wanted_size(item.size, disk.device.size, disk.device.sector) or 0
            grown.append(Extent(extent.start, max(extent.size, size)))
    return grown
