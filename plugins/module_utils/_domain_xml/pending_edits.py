# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of a running domain's definition that wait for its next start, other than ours. Pure.

The live XML says everything that the definition says, and what libvirt filled in when it started the domain. So an
edit shows where the definition says what the live XML does not, or where the live XML has more than libvirt fills in.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document, Element

# Anywhere: what libvirt fills in, and what differs between a running machine and its definition by nature.
_FILLED_IN = {"alias", "address", "seclabel", "resource", "currentMemory", "backingStore", "mirror", "listen"}

# Ours.
_MANAGED = {"memoryBacking"}

# Attributes that a start, the guest or the console of the moment sets.
_FILLED_IN_ATTRIBUTES = {
    "domain": {"id"},
    "source": {"index", "portid", "bridge", "mode", "path", "dev"},
    "target": {"dev", "state", "port"},
    # The live XML is read without its password.
    "graphics": {"port", "tlsPort", "websocket", "listen", "socket", "passwd"},
    "console": {"tty"},
    "vcpu": {"current", "cpuset"},
    "clock": {"adjustment", "basis", "offset"},
    "cpu": {"check", "mode", "match", "migratable"},
    "driver": {"name"},
    "cell": {"memAccess"},
    # Ours too, when it was private.
    "memory": {"access"},
}

# The endpoint of such a device is chosen at start when the definition leaves it out.
_ENDPOINTS = {"serial", "parallel", "console", "channel", "rng", "interface", "tpm"}


def pending_edits(live: Document, config: Document) -> tuple[str, ...]:
    """What differs outside our elements, as paths such as ``devices/disk``; empty when nothing waits."""
    running, planned = _prepared(live.root), _prepared(config.root)
    return tuple(dict.fromkeys(_differences(running, planned, "")))


def _differences(live: Element, config: Element, path: str) -> Iterator[str]:
    filled_in = _FILLED_IN_ATTRIBUTES.get(config.tag, set())
    for name in {*live.attrib, *config.attrib}:
        if live.get(name) == config.get(name) or (name in filled_in and _may_differ(live, config, name)):
            continue
        yield f"{path}@{name}"
    if (live.text or "").strip() != (config.text or "").strip():
        yield path
    unmatched = list(live)
    for item in config:
        where = f"{path}/{item.tag}".lstrip("/")
        candidates = [other for other in unmatched if other.tag == item.tag]
        matching = next((other for other in candidates if not any(_differences(other, item, where))), None)
        if matching is not None:
            unmatched.remove(matching)
        elif len(candidates) == 1 and sum(1 for other in config if other.tag == item.tag) == 1:
            unmatched.remove(candidates[0])
            yield from _differences(candidates[0], item, where)
        else:
            yield where
    for item in unmatched:
        if not (item.tag == "source" and config.tag in _ENDPOINTS and config.find("source") is None):
            yield f"{path}/{item.tag}".lstrip("/")


def _may_differ(live: Element, config: Element, name: str) -> bool:
    if config.tag in ("source", "target") and name in config.attrib:
        # Said in the definition, so it is a choice and not a filling-in.
        return False
    return not (config.tag == "graphics" and config.get("autoport") != "yes" and name in ("port", "tlsPort"))


def _prepared(root: Element) -> Element:
    tree = copy.deepcopy(root)
    for element in list(share.elements(tree)):
        element.getparent().remove(element)
    for element in list(tree.iter()):
        parent = element.getparent()
        if parent is not None and _does_not_count(element, tree):
            parent.remove(element)
    devices = tree.find("devices")
    if devices is not None and not len(devices):
        tree.remove(devices)
    _forget_cpu_details(tree)
    return tree


def _does_not_count(element: Element, tree: Element) -> bool:
    if not isinstance(element.tag, str):
        return True
    if element.tag in _MANAGED:
        return element.getparent() is tree
    if element.tag == "controller":
        # libvirt adds ports with devices, and we with spare_ports.
        return bool(element.get("type") == "pci")
    return element.tag in _FILLED_IN and not _is_choice(element)


def _is_choice(element: Element) -> bool:
    """An address below a source tells which host device it is; an alias of the user begins with ua-."""
    if element.tag == "address":
        return bool(element.getparent().tag == "source")
    return element.tag == "alias" and str(element.get("name", "")).startswith("ua-")


def _forget_cpu_details(tree: Element) -> None:
    """The live XML names the model and the features that a start came to; and a NUMA cell can be ours."""
    cpu = tree.find("cpu")
    if cpu is None:
        return
    for item in list(cpu):
        if item.tag in ("model", "vendor", "feature", "maxphysaddr"):
            cpu.remove(item)
    numa = cpu.find("numa")
    if numa is not None and len(numa) == 1:
        cpu.remove(numa)
    if not len(cpu):
        tree.remove(cpu)
