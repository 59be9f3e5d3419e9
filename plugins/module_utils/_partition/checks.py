# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What no two items may have, by what their names mean on this machine. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Image
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item


def check(items: Sequence[Item], state: State) -> None:
    """:raises VirtiofsError: two items have one device or one file, or an argument of mkfs names a device."""
    for position, item in enumerate(items):
        for other in items[:position]:
            _refuse_same_device(item, other, state)
            _refuse_same_image(item, other, state)
    for item in items:
        if item.label in state.named_devices:
            raise VirtiofsError(
                f"{item.label}, mkfs_options: {state.named_devices[item.label]!r} names a device, and nobody has "
                "looked what is on that"
            )


def _refuse_same_device(item: Item, other: Item, state: State) -> None:
    """Links give a device many names, and each of two items would make its filesystem over the other's."""
    node, others = _node(item, state), _node(other, state)
    if node is None or others is None:
        return
    option, name = ("device", item.device) if item.device else ("disk", item.disk)
    if node == others and (item.device or other.device):
        raise VirtiofsError(f"{item.label}, {option}: {name} is {node}, which {other.label} has already")
    if item.device and other.device:
        wholes = state.devices[item.label].whole, state.devices[other.label].whole
        if others == wholes[0] or node == wholes[1]:
            raise VirtiofsError(f"{item.label}, device: {node} and {others} ({other.label}) overlap")


def _refuse_same_image(item: Item, other: Item, state: State) -> None:
    """One file below two names of its directory, or with two names."""
    image, others = state.images.get(item.label), state.images.get(other.label)
    if image is not None and others is not None and _is_same_file(image, others):
        raise VirtiofsError(f"{item.label}, image: {item.image} is {other.image}, which {other.label} has already")


def _node(item: Item, state: State) -> str | None:
    if item.disk:
        return state.disk_of.get(item.label)
    return state.devices[item.label].node if item.device and item.label in state.devices else None


def _is_same_file(one: Image, other: Image) -> bool:
    if one.inode is not None and other.inode is not None:
        return one.inode == other.inode
    return one.real == other.real
