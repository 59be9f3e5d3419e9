# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State of the machine and wanted filesystems -> plan. Pure.

This room is about what is on disks. How it is mounted is in ``_attach_plan``, how it goes away in
``_removal_plan``, and ``_storage_plan`` puts the three together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._disk import Device, Disk, Partition
from ansible_collections.virtio.fs.plugins.module_utils._disk_state import State, new_on
from ansible_collections.virtio.fs.plugins.module_utils._disk_steps import (
    AttachImage,
    ForgetBegun,
    FormatDevice,
    FormatPartition,
    GrowImage,
    GrowPartition,
    MakeImage,
    NewPartition,
    Source,
    TellKernel,
    WriteTable,
    WriteUnit,
    identity_for,
)
from ansible_collections.virtio.fs.plugins.module_utils._filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._image import Image, unit_text
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._signatures import LINUX, Content
from ansible_collections.virtio.fs.plugins.module_utils._sizes import (
    MIB,
    in_words,
    rounded_down,
    same_size,
    usable,
    wanted_size,
)
from ansible_collections.virtio.fs.plugins.module_utils._storage import Item, unit_name


@dataclass(frozen=True)
class Filesystem:
    """One that is there, or will be when the steps before are done (then without a device number)."""

    source: Source
    fstype: str
    size: int
    number: str | None = None
    node: str | None = None
    uuid: str | None = None
    partuuid: str | None = None
    superblock: Superblock | None = None
    grown: bool = False

    @property
    def new(self) -> bool:
        return self.number is None


@dataclass
class Draft:
    """Steps in the order of their kind: whatever the item, tables come before filesystems, those before mounts."""

    removals: list[Step[Any]] = field(default_factory=list)
    tables: list[Step[Any]] = field(default_factory=list)
    formats: list[Step[Any]] = field(default_factory=list)
    mounts: list[Step[Any]] = field(default_factory=list)
    finishing: list[Step[Any]] = field(default_factory=list)
    settle: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def on_disks(items: Sequence[Item], state: State, draft: Draft) -> dict[str, Filesystem]:
    """Plan partitions and filesystems; returns what will be there for each label.

    :raises VirtiofsError: something would be destroyed that is not ours, or does not fit.
    """
    present = [item for item in items if item.state == "present"]
    for item in present:
        _refuse_taken_label(item, state)
    new_tables(present, state, draft)
    found = {}
    for item in present:
        if item.disk:
            found[item.label] = _on_partition(item, state.disks[state.disk_of[item.label]], state, draft)
        elif item.image:
            found[item.label] = _on_image(item, state.images[item.label], state, draft)
        else:
            found[item.label] = _on_device(item, state.devices[item.label], state, draft)
    return found


def new_tables(items: Sequence[Item], state: State, draft: Draft) -> None:
    for node, disk in state.disks.items():
        new = new_on(disk, tuple(item for item in items if state.disk_of.get(item.label) == node))
        if not new:
            continue
        first = new[0]
        _refuse_unusable(first, "disk", disk.device)
        if disk.device.uses:
            raise VirtiofsError(f"{first.label}, disk: {disk.name} is {disk.device.uses[0]}")
        partitions = tuple(NewPartition(item.label, state.gaps[item.label].extent) for item in new)
        if disk.partitions is not None:
            if disk.hybrid:
                raise VirtiofsError(f"{first.label}, disk: {disk.name} has a hybrid MBR that a change of its GPT loses")
            for item in new:
                _refuse_full_gap(item, disk, state.gaps[item.label].content)
            draft.tables.append(WriteTable(node, partitions, disk.device.sector))
            continue
        if disk.strangers:
            raise VirtiofsError(f"{first.label}, disk: {disk.name} is in use: {disk.strangers[0]}")
        replaced = None
        if not disk.device.content.blank and not disk.half_written:
            replaced = disk.device.content.description
            for item in new:
                if not item.overwrite:
                    raise VirtiofsError(
                        f"{item.label}, disk: {disk.name} is not blank, it holds {replaced}: "
                        "give another disk, or overwrite: true to lose what is on it"
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


def is_ours(item: Item, content: Content) -> bool:
    """Whether this is the filesystem that is asked for."""
    return (
        content.label == item.label
        and len(content.types) == 1
        and content.fstype is not None
        and item.fstype in (None, content.fstype)
    )


def _on_partition(item: Item, disk: Disk, state: State, draft: Draft) -> Filesystem:
    source = Source(item.label, disk=disk.device.node)
    partition = partition_of(item, disk)
    if partition is None:
        draft.formats.append(_format_partition(item, disk, None))
        draft.settle.append(item.label)
        return Filesystem(source, item.new_fstype, state.gaps[item.label].extent.size)
    _refuse_unusable(item, "disk", disk.device)
    if partition.node is None:
        draft.tables.append(TellKernel(disk.device.node))
        draft.settle.append(item.label)
    content = partition.content
    if not partition.unfinished and is_ours(item, content):
        if partition.name != item.label:
            source = Source(item.label, device=partition.node)
        grown = _grow_partition(item, disk, partition, draft)
        return Filesystem(
            source=source,
            fstype=content.fstype or "",
            size=grown or partition.extent.size,
            number=partition.device or None,
            node=partition.node,
            uuid=content.uuid,
            partuuid=partition.uuid,
            superblock=partition.superblock,
            grown=grown is not None,
        )
    if partition.name != item.label:
        raise VirtiofsError(
            f"{item.label}, fstype: {disk.name} has an {content.fstype} filesystem of this label in a partition named "
            f"{partition.name!r}, not {item.fstype}"
        )
    replaced = _replaced_in(item, disk, partition)
    if partition.uses:
        raise VirtiofsError(f"{item.label}, disk: its partition of {disk.name} is {partition.uses[0]}")
    _note_size(item, disk, partition, draft)
    draft.formats.append(_format_partition(item, disk, replaced))
    draft.settle.append(item.label)
    return Filesystem(source, item.new_fstype, partition.extent.size)


def _replaced_in(item: Item, disk: Disk, partition: Partition) -> str | None:
    """What formatting this partition destroys: None when nothing, or only what a killed run of ours left."""
    content = partition.content
    if partition.unfinished:
        own = str(identity_for(partition.uuid))
        if content.blank or (not content.types and content.data) or content.uuid == own:
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


def _format_partition(item: Item, disk: Disk, replaced: str | None) -> FormatPartition:
    return FormatPartition(
        disk.device.node, item.label, item.new_fstype, item.reserved_percent, item.mkfs_options, replaced
    )


def _on_device(item: Item, device: Device, state: State, draft: Draft) -> Filesystem:
    source = Source(item.label, device=device.node)
    _refuse_unusable(item, "device", device)
    content = device.content
    own = begun_here(item, device, state)
    if is_ours(item, content) and not own:
        if item.label in state.begun:
            draft.finishing.append(ForgetBegun(item.label))
        return _there(source, device)
    replaced = None
    if not content.blank and not own:
        if not item.overwrite:
            raise VirtiofsError(
                f"{item.label}, device: {item.device} is not blank, it holds {content.description}: "
                "give another device, or overwrite: true to lose what is on it"
            )
        replaced = content.description
    if device.uses:
        raise VirtiofsError(f"{item.label}, device: {item.device} is {device.uses[0]}")
    draft.formats.append(
        FormatDevice(
            device.node,
            device.identity,
            item.label,
            item.new_fstype,
            item.reserved_percent,
            item.mkfs_options,
            replaced,
        )
    )
    draft.settle.append(item.label)
    return Filesystem(source, item.new_fstype, device.size)


def begun_here(item: Item, device: Device, state: State) -> bool:
    """Whether all that is on the device is what a killed run of ours was about to make or to erase."""
    begun = state.begun.get(item.label, {})
    content = device.content
    ours = content.uuid is not None and content.uuid == begun.get("filesystem")
    return begun.get("device") == device.identity and (ours or not content.types)


def _there(source: Source, device: Device) -> Filesystem:
    return Filesystem(
        source=source,
        fstype=device.content.fstype or "",
        size=device.size,
        number=device.number,
        node=device.node,
        uuid=device.content.uuid,
        partuuid=device.partuuid,
        superblock=device.superblock,
    )


def _on_image(item: Item, image: Image, state: State, draft: Draft) -> Filesystem:
    source = Source(item.label, image=image.path)
    size = item.size.absolute if item.size is not None and item.size.absolute is not None else 0
    device = state.devices.get(item.label)
    text = unit_text(image.path, item.label)
    if state.units.get(item.label) != text:
        draft.formats.append(WriteUnit(unit_name(item.label), text))
    if not state.systemd:
        draft.warnings.append(f"{item.label}: systemd does not run here, so nothing attaches {image.path} at boot")
    if len(image.loops) > 1:
        raise VirtiofsError(f"{item.label}, image: {image.path} is attached more than once: {', '.join(image.loops)}")
    if image.exists and is_ours(item, image.content):
        grown = None
        if not same_size(size, image.size):
            if size > image.size and item.grow:
                draft.formats.append(GrowImage(image.path, size))
                grown = size
            else:
                _note_other_size(item, image.path, size, image.size, draft)
        if device is None:
            draft.formats.append(AttachImage(image.path))
            draft.settle.append(item.label)
            return Filesystem(source, image.content.fstype or "", grown or image.size, grown=grown is not None)
        there = _there(source, device)
        return Filesystem(
            **{**there.__dict__, "size": grown or image.size, "grown": grown is not None},
        )
    replaced = None
    if image.exists and image.size:
        if not item.overwrite:
            raise VirtiofsError(
                f"{item.label}, image: {image.path} holds {image.content.description} and is not ours: "
                "give another file, or overwrite: true to lose it"
            )
        replaced = image.content.description
    if image.loops:
        raise VirtiofsError(f"{item.label}, image: {image.path} is in use as {image.loops[0]}")
    if size > image.room:
        draft.warnings.append(
            f"{item.label}: {image.path} may grow to {in_words(size)}, where {in_words(image.room)} are free"
        )
    draft.formats.append(
        MakeImage(
            image.path, size, item.label, item.new_fstype, item.reserved_percent, item.mkfs_options, replaced
        )
    )
    draft.formats.append(AttachImage(image.path))
    draft.settle.append(item.label)
    return Filesystem(source, item.new_fstype, size)


def _grow_partition(item: Item, disk: Disk, partition: Partition, draft: Draft) -> int | None:
    """Plan to enlarge it, and return its new size; None when it stays."""
    size = _asked(item, disk, partition)
    if same_size(size, partition.extent.size):
        return None
    if size > partition.extent.size and item.grow:
        room = _room_for(disk, partition)
        if size > room:
            raise VirtiofsError(
                f"{item.label}, size: {in_words(size)} do not fit, the free space behind its partition of {disk.name} "
                f"allows {in_words(room)}"
            )
        if partition.name != item.label:
            raise VirtiofsError(f"{item.label}, grow: its partition of {disk.name} is named {partition.name!r}")
        draft.tables.append(GrowPartition(disk.device.node, item.label, size, disk.device.sector))
        return size
    _note_other_size(item, disk.name, size, partition.extent.size, draft)
    return None


def _asked(item: Item, disk: Disk, partition: Partition) -> int:
    if item.size is None:
        return partition.extent.size
    size = wanted_size(item.size, disk.device.size, disk.device.sector)
    return _room_for(disk, partition) if size is None else size


def _room_for(disk: Disk, partition: Partition) -> int:
    """How large it could be: up to the next partition or the end of the disk."""
    whole = usable(disk.device.size, disk.device.sector)
    starts = [other.start for other in disk.taken if other.start > partition.extent.start]
    end = rounded_down(min([*starts, whole.end]))
    return max(partition.extent.size, end - partition.extent.start)


def _note_size(item: Item, disk: Disk, partition: Partition, draft: Draft) -> None:
    size = _asked(item, disk, partition)
    if not same_size(size, partition.extent.size):
        _note_other_size(item, disk.name, size, partition.extent.size, draft, complain=False)


def _note_other_size(item: Item, place: str, size: int, there: int, draft: Draft, *, complain: bool = True) -> None:
    if complain and size < there and item.grow:
        raise VirtiofsError(
            f"{item.label}, size: {in_words(size)} is less than the {in_words(there)} that it has on {place}, "
            "and nothing is ever made smaller"
        )
    hint = ", grow: true enlarges it" if size > there else ", and nothing is ever made smaller"
    draft.warnings.append(f"{item.label}: it has {in_words(there)} on {place}, not {in_words(size)}{hint}")


def _refuse_unusable(item: Item, option: str, device: Device) -> None:
    name = item.disk or item.device
    if device.readonly:
        raise VirtiofsError(f"{item.label}, {option}: {name} is read-only")
    if device.size < 2 * MIB:
        raise VirtiofsError(f"{item.label}, {option}: {name} has only {device.size} bytes")


def _refuse_full_gap(item: Item, disk: Disk, content: Content) -> None:
    if not content.blank and not item.overwrite:
        raise VirtiofsError(
            f"{item.label}, disk: the free space of {disk.name} holds {content.description}, left by a partition that "
            "was deleted: overwrite: true loses it"
        )


def _refuse_taken_label(item: Item, state: State) -> None:
    ours: set[str] = set()
    where = item.disk or item.device or item.image
    if item.disk:
        partition = partition_of(item, state.disks[state.disk_of[item.label]])
        ours = {partition.device} if partition is not None else set()
    elif item.label in state.devices:
        ours = {state.devices[item.label].number}
    for owner in state.labels.get(item.label, ()):
        if owner.number not in ours:
            what = "label" if owner.kind == "LABEL" else "partition name"
            raise VirtiofsError(
                f"{item.label}, label: {owner.node} has this {what} already, fstab could mount it instead of {where}; "
                "if device names have changed, name the disk by /dev/disk/by-id"
            )

