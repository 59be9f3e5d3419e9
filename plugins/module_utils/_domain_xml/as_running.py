# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restart would bring besides ours, and what to go back to when it fails. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import (
    Document,
    Element,
    child,
    insert_after,
    remove,
    serialised,
)


def as_running(config: Document, live: Document) -> Document:
    """The definition with our elements as they run now: what the domain is known to start with.

    After an earlier run changed the definition only, this differs from the definition that was found.
    """
    root = config.copy()
    planned = {share.tag_of(element): element for element in share.elements(root)}
    running = {share.tag_of(element): element for element in share.elements(live.root)}
    for tag, element in planned.items():
        if tag not in running or share.read(element).differences(share.read(running[tag])):
            remove(element)
    kept = share.shares_in(root)
    for tag, element in running.items():
        if tag not in kept:
            copied = share.without_places(share.detached_copy(element))
            if tag not in planned or planned[tag].find("binary[@path]") is None:
                share.forget_binary(copied)
            devices = child(root, "devices")
            insert_after(devices[-1], copied)
    _memory_as_running(root, live.root)
    return Document(serialised(root))


def _memory_as_running(root: Element, live: Element) -> None:
    for path in ("memoryBacking", "cpu/numa"):
        mine, theirs = root.find(path), live.find(path)
        if theirs is not None and mine is not None:
            mine.getparent().replace(mine, share.detached_copy(theirs))
        elif mine is not None:
            parent = mine.getparent()
            remove(mine)
            if parent is not root and not len(parent) and not parent.attrib:
                remove(parent)
    mine, theirs = (tree.findall("devices/memory") for tree in (root, live))
    for device, running in zip(mine, theirs) if len(mine) == len(theirs) else ():
        access = running.get("access")
        if access is None:
            device.attrib.pop("access", None)
        else:
            device.set("access", access)
