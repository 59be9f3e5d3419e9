# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems on whole devices: what is there, what is made. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import Filesystem, ItemPlan
from ansible_collections.virtio.fs.plugins.module_utils._partition.refusals import (
    is_ours,
    refuse_too_small,
    refuse_unusable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatDevice,
    RemoveFormatMarker,
)


def plan_device(found: Found, device: Device) -> tuple[Filesystem, ItemPlan]:
    """:raises VirtiofsError: something would be lost that is not ours."""
    item, content = found.item, device.content
    source = Source(item.label, device=device.node)
    refuse_unusable(item, "device", device)
    marked = is_marked(found, device)
    if is_ours(item, content) and not marked:
        plan = ItemPlan(finishing=(RemoveFormatMarker(item.label),) if found.format_marker else ())
        return filesystem_on(source, device), plan
    replaced = None
    if not content.blank and not marked:
        if not item.overwrite:
            raise VirtiofsError(
                f"{at(item.label, 'device')}{item.device} is not blank, it holds {content.description}: "
                "give another device, or overwrite: true to lose what is on it"
            )
        replaced = content.description
    if device.uses:
        raise VirtiofsError(f"{at(item.label, 'device')}{item.device} is {device.uses[0]}")
    refuse_too_small(item, "device", device.node, device.size)
    step = FormatDevice(device.node, device.identity, item.new_filesystem, replaced)
    return Filesystem(source, item.new_fstype, device.size), ItemPlan(formats=(step,), waits=(item.label,))


def is_marked(found: Found, device: Device) -> bool:
    """Whether all that is on the device is what a killed run of ours was about to make or to erase."""
    marker, content = found.format_marker, device.content
    ours = content.uuid is not None and content.uuid == marker.get("filesystem")
    return marker.get("device") == device.identity and (ours or not content.types)


def filesystem_on(source: Source, device: Device) -> Filesystem:
    """The one that is there."""
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
