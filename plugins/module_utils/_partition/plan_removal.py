# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems go away: unmounted, out of fstab, erased. Pure.

Each is refused while anything but this machine's own mount holds the filesystem.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX, UNFINISHED, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import TAKEN
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, on_path
from ansible_collections.virtio.fs.plugins.module_utils._partition.agenda import (
    Draft,
    is_line_of,
    refuse_other_loops,
    refuse_table_change,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import mounts
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_device import is_marked
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_mount import guarded
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_table import is_left_by_us, partition_of
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import DeletePartition, TellKernel
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    RemoveFormatMarker,
    WipeDevice,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import (
    DeleteImage,
    DetachLoop,
    RemoveUnit,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    ClearImmutable,
    RemoveDirectory,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within


def removed(item: Item, wanted: Wanted, state: State, draft: Draft) -> None:
    """Plan the state unmounted, absent or wiped of one item.

    :raises VirtiofsError: it is held, or is not what the item says.
    """
    here = on_path(state.views.ours.mounts, item.path)
    unmounts: list[Step[Any]] = []
    lines: tuple[Entry, ...] = ()
    units: list[Step[Any]] = []
    rest: list[Step[Any]] = []
    if here is None:
        _refuse_elsewhere(item, state)
    else:
        _refuse_other_filesystem(item, here, state)
        unmounts.append(Unmount(item.path, immutable=item.state == "unmounted"))
    if item.state == "unmounted":
        guarded(item, state, draft)
    else:
        lines = tuple(entry for entry in state.entries if goes_with(item, entry, state))
        place = state.places[item.path]
        if (here is not None or (place.exists and place.empty)) and within(item.path, wanted.root):
            rest.append(RemoveDirectory(item.path))
        elif here is None and lines and place.immutable:
            # Without a line of ours, the flag can be somebody else's.
            rest.append(ClearImmutable(item.path))
        if item.image is not None:
            if state.units.get(item.label):
                units.append(RemoveUnit(unit_name(item.label)))
            if state.images[item.label].loops:
                _refuse_held_image(item, state, here)
                rest.append(DetachLoop(item.image))
        if item.state == "wiped":
            _refuse_two(item, state)
            rest += _wiped(item, state, here)
    if unmounts or lines or units or rest:
        _refuse_held(item, here, state)
    draft.unmounts += unmounts
    draft.lines_gone += lines
    draft.units_gone += units
    draft.removals += rest


def _refuse_held(item: Item, here: Mount | None, state: State) -> None:
    sharing = state.sharing.get(item.path, ())
    if sharing:
        raise VirtiofsError(
            f"{item.label}, state: the running domain {sharing[0]} shares {item.path}, and would go on writing to a "
            "filesystem that nobody sees: take the share away from it first"
        )
    if here is not None:
        holders = (*state.views.outliving(here), *state.views.written(here.device))
        if holders:
            raise VirtiofsError(
                f"{item.label}, state: unmounting {item.path} would not free its filesystem: {holders[0]}"
            )
        return
    for owner in state.owners.get(item.label, ()):
        uses = state.views.anywhere(owner.devnum, owner.node) if owner.kind == "LABEL" else ()
        if uses:
            raise VirtiofsError(f"{item.label}, state: its filesystem on {owner.node} is {uses[0]}")


def _refuse_held_image(item: Item, state: State, here: Mount | None) -> None:
    # losetup detaches what is in use when nobody uses it any more, and a file that was deleted goes with it.
    refuse_other_loops(item, state.images[item.label])
    device = state.devices.get(item.label)
    if here is None and device is not None and device.uses:
        raise VirtiofsError(
            f"{item.label}, image: {item.image} is attached as {device.node}, which is {device.uses[0]}"
        )


def _refuse_elsewhere(item: Item, state: State) -> None:
    """What is mounted on a path that nobody gave is not gone, whatever this path looks like."""
    for owner in state.owners.get(item.label, ()):
        for mount in state.views.ours.mounts:
            if owner.kind == "LABEL" and state.views.is_on(mount, owner.devnum, owner.node):
                raise VirtiofsError(
                    f"{item.label}, path: its filesystem on {owner.node} is mounted on {mount.path}, not on "
                    f"{item.path}: give that path, or unmount it there"
                )


def _refuse_two(item: Item, state: State) -> None:
    """A copy of the disk has the same label, and a name of the kernel's can mean either of them by now."""
    nodes = {owner.devnum: owner.node for owner in state.owners.get(item.label, ())}
    if len(nodes) > 1:
        raise VirtiofsError(
            f"{item.label}, state: {' and '.join(nodes.values())} both have this label, so which is to be wiped?"
        )


def _refuse_other_filesystem(item: Item, here: Mount, state: State) -> None:
    owners = [owner for owner in state.owners.get(item.label, ()) if owner.kind == "LABEL"]
    if not any(state.views.is_on(here, owner.devnum, owner.node) for owner in owners):
        raise VirtiofsError(
            f"{item.label}, path: what is mounted on {item.path} ({here.source}, {here.fstype}) has another label"
        )


def goes_with(item: Item, entry: Entry, state: State) -> bool:
    """Whether a line of fstab goes when the item does: one of its label, or one that names it otherwise on its path.

    A line of another filesystem stays, also on this path.
    """
    if mounts(entry, item.label):
        return True
    return entry.mount_point == item.path and any(
        is_line_of(
            entry,
            item.label,
            state.devnums,
            uuid=owner.uuid,
            partuuid=owner.partuuid,
            node=owner.node,
            devnum=owner.devnum,
        )
        for owner in state.owners.get(item.label, ())
        if owner.kind == "LABEL"
    )


def _wiped(item: Item, state: State, here: Mount | None) -> list[Step[Any]]:
    if item.disk is not None:
        return _partition_wiped(item, state.disks[state.disk_of[item.label]], here)
    if item.image is not None:
        image = state.images[item.label]
        if not image.exists:
            return []
        _refuse_strange(item, image.content, item.image)
        if image.uses:
            raise VirtiofsError(f"{item.label}, image: {item.image} is {image.uses[0]}")
        return [DeleteImage(item.image)]
    device = state.devices[item.label]
    steps: list[Step[Any]] = []
    if item.label in state.format_markers:
        steps.append(RemoveFormatMarker(item.label))
    if device.content.blank:
        return steps
    if not is_marked(item, device, state):
        _refuse_strange(item, device.content, item.device or "")
    if device.readonly:
        raise VirtiofsError(f"{item.label}, device: {item.device} is read-only")
    if here is None and device.uses:
        raise VirtiofsError(f"{item.label}, device: {item.device} is {device.uses[0]}")
    return [WipeDevice(device.node, device.identity, item.label, device.content.uuid or "")]


def _partition_wiped(item: Item, disk: Disk, here: Mount | None) -> list[Step[Any]]:
    partition = partition_of(item, disk)
    if partition is None:
        return []
    if partition.name != item.label:
        raise VirtiofsError(
            f"{item.label}, state: its partition of {disk.name} is named {partition.name!r}, "
            "so this module did not make it"
        )
    if partition.type not in (LINUX, UNFINISHED):
        raise VirtiofsError(f"{item.label}, state: its partition of {disk.name} has the foreign type {partition.type}")
    if not (partition.unfinished and is_left_by_us(partition)):
        _refuse_strange(item, partition.content, f"its partition of {disk.name}")
    if disk.device.readonly:
        raise VirtiofsError(f"{item.label}, disk: {disk.name} is read-only")
    if partition.readonly:
        raise VirtiofsError(f"{item.label}, disk: its partition of {disk.name} is read-only")
    refuse_table_change(item, disk)
    if here is None and partition.uses:
        raise VirtiofsError(f"{item.label}, disk: its partition of {disk.name} is {partition.uses[0]}")
    if partition.unknown_to_kernel:
        return [TellKernel(disk.device.node), DeletePartition(disk.device.node, item.label, partition.number)]
    return [DeletePartition(disk.device.node, item.label, partition.number)]


def _refuse_strange(item: Item, content: Content, place: str) -> None:
    """Blank is what a killed run leaves between erasing the signatures and deleting the partition."""
    ours = content.label == item.label and len(content.types) == 1 and content.fstype in TAKEN
    if not content.blank and not ours:
        raise VirtiofsError(f"{item.label}, state: {place} holds {content.description}, which this module did not make")
