# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before any filesystem is planned: items in each other's way, and labels that are taken. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Image
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import holding
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.refusals import is_ours, refuse_other_loops
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within


def check_devices(found: Sequence[Found], state: State) -> None:
    """Names of devices and files are compared by what they mean on this machine.

    :raises VirtiofsError: two items have one device or one file, or an argument of mkfs names a device.
    """
    for position, one in enumerate(found):
        for other in found[:position]:
            _refuse_same_device(one, other)
            _refuse_same_image(one, other)
    for one in found:
        label = one.item.label
        if label in state.named_devices:
            raise VirtiofsError(
                f"{at(label, 'mkfs_options')}"
                f"{state.named_devices[label]!r} names a device, and mkfs would overwrite it "
                "unchecked"
            )


def check_filesystems(found: Sequence[Found]) -> None:
    """:raises VirtiofsError: of a present item, what is there cannot be used, or another device has its label."""
    _refuse_same_partition(found)
    for one in found:
        if one.item.state == "present":
            if one.image is not None:
                refuse_other_loops(one.item, one.image)
            _refuse_cut_off(one)
            _refuse_taken_label(one)


def refuse_inside_share(found: Found, root: str, state: State) -> None:
    # A guest that can write to the share can move the directory away under the mount.
    item = found.item
    above = holding(state.views.ours.mounts, os.path.dirname(item.path))
    if above is not None and above.path != root and within(above.path, root):
        raise VirtiofsError(f"{at(item.label, 'path')}{item.path} is inside the share that is mounted on {above.path}")


def _refuse_same_device(one: Found, other: Found) -> None:
    """Links give a device many names, and each of two items would make its filesystem over the other's."""
    node, others = _node(one), _node(other)
    if node is None or others is None:
        return
    item = one.item
    option, name = ("device", item.device) if item.device else ("disk", item.disk)
    if node == others and (item.device or other.item.device):
        raise VirtiofsError(f"{at(item.label, option)}{name} is {node}, which {other.item.label} has already")
    if one.device is None or other.device is None:
        return
    if one.device.whole == others or other.device.whole == node:
        raise VirtiofsError(f"{at(item.label, 'device')}{node} and {others} ({other.item.label}) overlap")


def _node(found: Found) -> str | None:
    if found.disk is not None:
        return found.disk.device.node
    return found.device.node if found.item.device and found.device is not None else None


def _refuse_same_image(one: Found, other: Found) -> None:
    """One file below two names of its directory, or with two names."""
    if one.image is not None and other.image is not None and _is_same_file(one.image, other.image):
        raise VirtiofsError(
            f"{at(one.item.label, 'image')}{one.item.image} is {other.item.image}, which {other.item.label} has already"
        )


def _is_same_file(one: Image, other: Image) -> bool:
    if one.inode is not None and other.inode is not None:
        return one.inode == other.inode
    return one.real == other.real


def _refuse_same_partition(found: Sequence[Found]) -> None:
    """A partition that one item has by its disk and name, and another one as a device."""
    ours = {one.partition.node: one.item.label for one in found if one.partition is not None and one.partition.node}
    for one in found:
        if one.item.device and one.device is not None and one.device.node in ours:
            raise VirtiofsError(
                f"{at(one.item.label, 'device')}{one.item.device} is the partition of {one.device.whole} that "
                f"{ours[one.device.node]} has"
            )


def _refuse_cut_off(found: Found) -> None:
    """A filesystem whose end is not there: the kernel does not mount it, and nothing of ours may make it worse."""
    item, partition, device = found.item, found.partition, found.device
    if found.disk is not None:
        if partition is not None and not partition.unfinished and is_ours(item, partition.content):
            place = f"its partition of {found.disk.name}"
            _refuse_less_than(found, place, partition.extent.size, partition.superblock)
    elif device is not None and is_ours(item, device.content):
        _refuse_less_than(found, item.device or item.image or "", device.size, device.superblock)


def _refuse_less_than(found: Found, place: str, size: int, superblock: Superblock | None) -> None:
    if superblock is not None and superblock.size > size:
        raise VirtiofsError(
            f"{at(found.item.label, 'size')}{place} has {in_words(size)} only, and the filesystem in it "
            f"{in_words(superblock.size)}: somebody made it smaller, give it back its {in_words(superblock.size)}"
        )


def _refuse_taken_label(found: Found) -> None:
    item = found.item
    ours: set[str] = set()
    if found.disk is not None:
        ours = {found.partition.devnum} if found.partition is not None else set()
    elif found.device is not None:
        ours = {found.device.devnum}
    for owner in found.owners:
        if owner.devnum not in ours:
            what = "label" if owner.kind == "LABEL" else "partition name"
            where = item.disk or item.device or item.image
            raise VirtiofsError(
                f"{at(item.label, 'label')}"
                f"{owner.node} has this {what} already, fstab could mount it instead of {where}; "
                "if device names have changed, name the disk by /dev/disk/by-id"
            )
