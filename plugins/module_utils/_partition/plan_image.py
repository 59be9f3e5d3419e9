# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems in image files: what is there, what is made, what grows. Pure."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Image
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, in_words, same_size
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name, unit_text
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import Filesystem, ItemPlan, merged
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_device import filesystem_on
from ansible_collections.virtio.fs.plugins.module_utils._partition.refusals import is_ours, other_size, refuse_smaller
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import (
    AttachLoop,
    GrowImage,
    MakeImage,
    WriteUnit,
)


def plan_image(found: Found, image: Image, state: State) -> tuple[Filesystem, ItemPlan]:
    """:raises VirtiofsError: something would be lost that is not ours."""
    item = found.item
    size = item.size.absolute if item.size is not None and item.size.absolute is not None else 0
    if image.exists and is_ours(item, image.content):
        filesystem, rest = _as_it_is(found, image, size)
    else:
        filesystem, rest = _made(found, image, size)
    return filesystem, merged([_unit(found, image, state), rest])


def _unit(found: Found, image: Image, state: State) -> ItemPlan:
    label = found.item.label
    text = unit_text(image.path, label, state.losetup)
    return ItemPlan(
        units=() if found.unit == text else (WriteUnit(unit_name(label), text),),
        warnings=()
        if state.systemd
        else (f"{at(label)}systemd does not run here, so nothing attaches {image.path} at boot",),
    )


def _as_it_is(found: Found, image: Image, size: int) -> tuple[Filesystem, ItemPlan]:
    item, device = found.item, found.device
    grown: int | None = None
    warnings: tuple[str, ...] = ()
    # A run that was killed has enlarged the file, and the loop device does not know.
    behind = device is not None and image.size - device.size >= MIB
    if same_size(size, image.size):
        grown = image.size if behind and item.grow else None
    elif size > image.size and item.grow:
        grown = size
    else:
        refuse_smaller(item, image.path, size, image.size)
        warnings = (other_size(item, image.path, size, image.size),)
    grow = () if grown is None else (GrowImage(image.path, grown),)
    source = Source(item.label, image=image.path)
    if device is None:
        plan = ItemPlan(formats=(*grow, AttachLoop(image.path)), waits=(item.label,), warnings=warnings)
        fstype = image.content.fstype or ""
        return Filesystem(source, fstype, grown or image.size, grown=grown is not None), plan
    there = filesystem_on(source, device)
    return replace(there, size=grown or image.size, grown=grown is not None), ItemPlan(formats=grow, warnings=warnings)


def _made(found: Found, image: Image, size: int) -> tuple[Filesystem, ItemPlan]:
    item = found.item
    replaced = None
    if image.exists and image.size:
        if not item.overwrite:
            raise VirtiofsError(
                f"{at(item.label, 'image')}{image.path} holds {image.content.description} and is not ours: "
                "give another file, or overwrite: true to lose it"
            )
        replaced = image.content.description
    if image.loops:
        raise VirtiofsError(f"{at(item.label, 'image')}{image.path} is in use as {image.loops[0]}")
    if image.uses:
        raise VirtiofsError(f"{at(item.label, 'image')}{image.path} is {image.uses[0]}")
    plan = ItemPlan(
        formats=(MakeImage(image.path, size, item.new_filesystem, replaced), AttachLoop(image.path)),
        waits=(item.label,),
        warnings=()
        if size <= image.room
        else (f"{at(item.label)}{image.path} may grow to {in_words(size)}, where {in_words(image.room)} are free",),
    )
    return Filesystem(Source(item.label, image=image.path), item.new_fstype, size), plan
