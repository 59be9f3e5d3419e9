# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems on whole devices and in image files: what is there, what is made. Pure."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Image
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, in_words, same_size
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.agenda import (
    Draft,
    Filesystem,
    is_ours,
    note_other_size,
    refuse_too_small,
    refuse_unusable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name, unit_text
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatDevice,
    RemoveFormatMarker,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import (
    AttachLoop,
    GrowImage,
    MakeImage,
    WriteUnit,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item


def on_device(item: Item, device: Device, state: State, draft: Draft) -> Filesystem:
    source = Source(item.label, device=device.node)
    refuse_unusable(item, "device", device)
    content = device.content
    own = is_marked(item, device, state)
    if is_ours(item, content) and not own:
        if item.label in state.format_markers:
            draft.finishing.append(RemoveFormatMarker(item.label))
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
    refuse_too_small(item, "device", device.node, device.size)
    draft.formats.append(FormatDevice(device.node, device.identity, item.new_filesystem, replaced))
    draft.settle.append(item.label)
    return Filesystem(source, item.new_fstype, device.size)


def is_marked(item: Item, device: Device, state: State) -> bool:
    """Whether all that is on the device is what a killed run of ours was about to make or to erase."""
    begun = state.format_markers.get(item.label, {})
    content = device.content
    ours = content.uuid is not None and content.uuid == begun.get("filesystem")
    return begun.get("device") == device.identity and (ours or not content.types)


def _there(source: Source, device: Device) -> Filesystem:
    return Filesystem(
        source=source,
        fstype=device.content.fstype or "",
        size=device.size,
        devnum=device.devnum,
        node=device.node,
        uuid=device.content.uuid,
        partuuid=device.partuuid,
        superblock=device.superblock,
    )


def on_image(item: Item, image: Image, state: State, draft: Draft) -> Filesystem:
    source = Source(item.label, image=image.path)
    size = item.size.absolute if item.size is not None and item.size.absolute is not None else 0
    device = state.devices.get(item.label)
    text = unit_text(image.path, item.label, state.losetup)
    if state.units.get(item.label) != text:
        draft.units.append(WriteUnit(unit_name(item.label), text))
    if not state.systemd:
        draft.warnings.append(f"{item.label}: systemd does not run here, so nothing attaches {image.path} at boot")
    if image.exists and is_ours(item, image.content):
        grown = None
        # A run that was killed has enlarged the file, and the loop device does not know.
        behind = device is not None and image.size - device.size >= MIB
        if size > image.size and item.grow and not same_size(size, image.size):
            grown = size
        elif not same_size(size, image.size):
            note_other_size(item, image.path, size, image.size, draft)
        elif behind and item.grow:
            grown = image.size
        if grown is not None:
            draft.formats.append(GrowImage(image.path, grown))
        if device is None:
            draft.formats.append(AttachLoop(image.path))
            draft.settle.append(item.label)
            return Filesystem(source, image.content.fstype or "", grown or image.size, grown=grown is not None)
        return replace(_there(source, device), size=grown or image.size, grown=grown is not None)
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
    if image.uses:
        raise VirtiofsError(f"{item.label}, image: {image.path} is {image.uses[0]}")
    if size > image.room:
        draft.warnings.append(
            f"{item.label}: {image.path} may grow to {in_words(size)}, where {in_words(image.room)} are free"
        )
    draft.formats.append(MakeImage(image.path, size, item.new_filesystem, replaced))
    draft.formats.append(AttachLoop(image.path))
    draft.settle.append(item.label)
    return Filesystem(source, item.new_fstype, size)
