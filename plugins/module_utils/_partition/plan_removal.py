# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems go away: unmounted, out of fstab, erased. Pure.

Each is refused while anything but this machine's own mount holds the filesystem.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX, UNFINISHED, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Image
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import TAKEN
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import mounts, names
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import ItemPlan, merged
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_device import is_marked
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_mount import plan_bare
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_partition import is_left_by_us
from ansible_collections.virtio.fs.plugins.module_utils._partition.refusals import (
    refuse_other_loops,
    refuse_table_change,
)
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
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within


def plan_removal(found: Found, root: str, state: State) -> ItemPlan:
    """The state unmounted, absent or wiped of one item.

    :raises VirtiofsError: it is held, or is not what the item says.
    """
    item, here = found.item, found.mounted
    if here is None:
        _refuse_elsewhere(found, state)
    else:
        _refuse_other_filesystem(found, here, state)
    unmounts = () if here is None else (Unmount(item.path, immutable=item.state == "unmounted"),)
    if item.state == "unmounted":
        if unmounts:
            _refuse_held(found, here, state)
        return merged([ItemPlan(unmounts=unmounts), plan_bare(found)])
    lines = tuple(entry for entry in state.entries if goes_with(found, entry, state))
    rest = [*_bare_directory(found, root, bool(lines)), *_detached(found)]
    if item.state == "wiped":
        _refuse_two(found)
        rest += _wiped(found)
    units = (RemoveUnit(unit_name(item.label)),) if found.unit else ()
    if unmounts or lines or units or rest:
        _refuse_held(found, here, state)
    return ItemPlan(unmounts=unmounts, lines_removed=lines, units_removed=units, removals=tuple(rest))


def goes_with(found: Found, entry: Entry, state: State) -> bool:
    """Whether a line of fstab goes when the item does: one of its label, or one that names it otherwise on its path.

    A line of another filesystem stays, also on this path.
    """
    label = found.item.label
    if mounts(entry, label):
        return True
    return entry.mount_point == found.item.path and any(
        names(entry, label, owner, state.devnums) for owner in found.labelled
    )


def _bare_directory(found: Found, root: str, has_lines: bool) -> list[Step[Any]]:
    path, place, here = found.item.path, found.place, found.mounted
    if (here is not None or (place.exists and place.empty)) and within(path, root):
        return [RemoveDirectory(path)]
    # Without a line of ours, the flag can be somebody else's.
    return [ClearImmutable(path)] if here is None and has_lines and place.immutable else []


def _detached(found: Found) -> list[Step[Any]]:
    image = found.image
    if image is None or not image.loops:
        return []
    # losetup detaches what is in use when nobody uses it any more, and a file that was deleted goes with it.
    refuse_other_loops(found.item, image)
    device = found.device
    if found.mounted is None and device is not None and device.uses:
        raise VirtiofsError(
            f"{at(found.item.label, 'image')}{image.path} is attached as {device.node}, which is {device.uses[0]}"
        )
    return [DetachLoop(image.path)]


def _refuse_held(found: Found, here: Mount | None, state: State) -> None:
    item = found.item
    if found.sharing:
        raise VirtiofsError(
            f"{at(item.label, 'state')}"
            f"the running domain {found.sharing[0]} shares {item.path}, and would go on writing "
            "to a filesystem that nobody sees: take the share away from it first"
        )
    if here is not None:
        holders = (*state.views.outliving(here), *state.views.written(here.device))
        if holders:
            raise VirtiofsError(
                f"{at(item.label, 'state')}unmounting {item.path} would not free its filesystem: {holders[0]}"
            )
        return
    for owner in found.labelled:
        uses = state.views.anywhere(owner.devnum, owner.node)
        if uses:
            raise VirtiofsError(f"{at(item.label, 'state')}its filesystem on {owner.node} is {uses[0]}")


def _refuse_elsewhere(found: Found, state: State) -> None:
    """What is mounted on a path that nobody gave is not gone, whatever this path looks like."""
    item = found.item
    for owner in found.labelled:
        for mount in state.views.ours.mounts:
            if state.views.is_on(mount, owner.devnum, owner.node):
                raise VirtiofsError(
                    f"{at(item.label, 'path')}its filesystem on {owner.node} is mounted on {mount.path}, not on "
                    f"{item.path}: give that path, or unmount it there"
                )


def _refuse_other_filesystem(found: Found, here: Mount, state: State) -> None:
    item = found.item
    if not any(state.views.is_on(here, owner.devnum, owner.node) for owner in found.labelled):
        raise VirtiofsError(
            f"{at(item.label, 'path')}what is mounted on {item.path} ({here.source}, {here.fstype}) has another label"
        )


def _refuse_two(found: Found) -> None:
    """A copy of the disk has the same label, and a name of the kernel's can mean either of them by now."""
    nodes = {owner.devnum: owner.node for owner in found.owners}
    if len(nodes) > 1:
        raise VirtiofsError(
            f"{at(found.item.label, 'state')}"
            f"{' and '.join(nodes.values())} both have this label, so which is to be wiped?"
        )


def _wiped(found: Found) -> list[Step[Any]]:
    if found.disk is not None:
        return _partition_wiped(found, found.disk)
    if found.image is not None:
        return _image_wiped(found, found.image)
    return [] if found.device is None else _device_wiped(found, found.device)


def _image_wiped(found: Found, image: Image) -> list[Step[Any]]:
    if not image.exists:
        return []
    _refuse_foreign(found, image.content, image.path)
    if image.uses:
        raise VirtiofsError(f"{at(found.item.label, 'image')}{image.path} is {image.uses[0]}")
    return [DeleteImage(image.path)]


def _device_wiped(found: Found, device: Device) -> list[Step[Any]]:
    item = found.item
    if device.content.blank:
        return [RemoveFormatMarker(item.label)] if found.format_marker else []
    if not is_marked(found, device):
        _refuse_foreign(found, device.content, item.device or "")
    if device.readonly:
        raise VirtiofsError(f"{at(item.label, 'device')}{item.device} is read-only")
    if found.mounted is None and device.uses:
        raise VirtiofsError(f"{at(item.label, 'device')}{item.device} is {device.uses[0]}")
    return [WipeDevice(device.node, device.identity, item.label, device.content.uuid or "")]


def _partition_wiped(found: Found, disk: Disk) -> list[Step[Any]]:
    item, partition = found.item, found.partition
    if partition is None:
        return []
    if partition.name != item.label:
        raise VirtiofsError(
            f"{at(item.label, 'state')}its partition of {disk.name} is named {partition.name!r}, "
            "so this module did not make it"
        )
    if partition.type not in (LINUX, UNFINISHED):
        raise VirtiofsError(
            f"{at(item.label, 'state')}its partition of {disk.name} has the foreign type {partition.type}"
        )
    if not (partition.unfinished and is_left_by_us(partition)):
        _refuse_foreign(found, partition.content, f"its partition of {disk.name}")
    if disk.device.readonly:
        raise VirtiofsError(f"{at(item.label, 'disk')}{disk.name} is read-only")
    if partition.readonly:
        raise VirtiofsError(f"{at(item.label, 'disk')}its partition of {disk.name} is read-only")
    refuse_table_change(item, disk)
    if found.mounted is None and partition.uses:
        raise VirtiofsError(f"{at(item.label, 'disk')}its partition of {disk.name} is {partition.uses[0]}")
    deletion = DeletePartition(disk.device.node, item.label, partition.number)
    return [TellKernel(disk.device.node), deletion] if partition.unknown_to_kernel else [deletion]


def _refuse_foreign(found: Found, content: Content, place: str) -> None:
    """Blank is what a killed run leaves between erasing the signatures and deleting the partition."""
    label = found.item.label
    ours = content.label == label and len(content.types) == 1 and content.fstype in TAKEN
    if not content.blank and not ours:
        raise VirtiofsError(f"{at(label, 'state')}{place} holds {content.description}, which this module did not make")
