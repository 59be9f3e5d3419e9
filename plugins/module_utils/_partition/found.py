# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One item and all that was read of it, gathered once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Image, Owner, Partition
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, on_path
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import line_of
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Gap, Place, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition


@dataclass(frozen=True)
class Found:
    """What there is of one item. None: there is none, or the item has nothing to do with it."""

    item: WantedPartition
    place: Place
    mounted: Mount | None = None  # what is mounted on its mount point, whatever it is
    entry: Entry | None = None  # the line of fstab for its mount point, or else for its label
    disk: Disk | None = None
    partition: Partition | None = None
    gap: Gap | None = None
    device: Device | None = None  # of an image: its loop device
    image: Image | None = None
    unit: str = ""  # the text of the unit that attaches the image
    owners: tuple[Owner, ...] = ()
    format_marker: Mapping[str, str] = field(default_factory=dict)
    sharing: tuple[str, ...] = ()  # running domains that share its mount point
    uid: int | None = None
    gid: int | None = None

    @property
    def labelled(self) -> tuple[Owner, ...]:
        """The filesystems with its label, not the partitions of its name."""
        return tuple(owner for owner in self.owners if owner.kind == "LABEL")

    @property
    def is_new_on_disk(self) -> bool:
        """Whether it gets a new partition."""
        return self.item.state == "present" and self.disk is not None and self.partition is None

    @property
    def new_gap(self) -> Gap:
        """Where its new partition will be."""
        if self.gap is None:
            raise AssertionError(f"{self.item.label} has no place for a new partition")
        return self.gap


def gathered(items: Sequence[WantedPartition], state: State) -> tuple[Found, ...]:
    """:raises VirtiofsError: it cannot be told which partition is the item's."""
    return tuple(_found(item, state) for item in items)


def _found(item: WantedPartition, state: State) -> Found:
    label = item.label
    disk = state.disks[state.disk_of[label]] if label in state.disk_of else None
    return Found(
        item=item,
        place=state.places[item.path],
        mounted=on_path(state.views.ours.mounts, item.path),
        entry=line_of(state.entries, label, item.path),
        disk=disk,
        partition=None if disk is None else partition_of(label, disk),
        gap=state.gaps.get(label),
        device=state.devices.get(label),
        image=state.images.get(label),
        unit=state.units.get(label, ""),
        owners=state.owners.get(label, ()),
        format_marker=state.format_markers.get(label, {}),
        sharing=state.sharing.get(item.path, ()),
        uid=state.uids.get(label),
        gid=state.gids.get(label),
    )


def partition_of(label: str, disk: Disk) -> Partition | None:
    """By its name; one that somebody made under another name by the label of its filesystem.

    :raises VirtiofsError: several have the name.
    """
    partitions = disk.partitions or ()
    named = [partition for partition in partitions if partition.name == label]
    if len(named) > 1:
        raise VirtiofsError(f"{at(label, 'label')}{len(named)} partitions of {disk.name} have this name")
    labelled = [partition for partition in partitions if partition.content.label == label]
    return next(iter([*named, *labelled]), None)
