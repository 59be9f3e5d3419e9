# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a domain has room for one more PCI device. Pure.

libvirt's docs/pci-hotplug.rst: on a PCI Express machine only an empty root port or switch port takes a
hot-plugged device, and a default q35 domain has one such port.
"""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Element, child, insert_after

_EXPRESS_PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
_CONVENTIONAL_BUSES = ("pci-root", "pci-bridge")

# Slot 0 of a conventional bus is taken by its bridge.
_CONVENTIONAL_SLOTS = 31


def free_places(root: Element) -> int | None:
    """How many PCI devices could be hot-plugged, or None where the machine has no PCI bus that could fill up."""
    buses = {
        int(controller.get("index", "0"), 0): controller
        for controller in root.iterfind("devices/controller")
        if controller.get("type") == "pci"
    }
    used = _used_slots(root)
    models = {index: controller.get("model") for index, controller in buses.items()}
    if "pcie-root" in models.values():
        return sum(
            1
            for index, model in models.items()
            if model in _EXPRESS_PORTS and _hotplug(buses[index]) and not used.get(index)
        )
    conventional = [index for index, model in models.items() if model in _CONVENTIONAL_BUSES]
    if not conventional:
        return None
    return sum(_CONVENTIONAL_SLOTS - len(used.get(index, ())) for index in conventional)


def is_express(root: Element) -> bool:
    return any(item.get("model") == "pcie-root" for item in root.iterfind("devices/controller"))


def append_root_ports(root: Element, count: int) -> None:
    """Add empty root ports behind those that are there; no index and no address of another device changes."""
    controllers = [item for item in root.iterfind("devices/controller") if item.get("type") == "pci"]
    highest = max(int(item.get("index", "0"), 0) for item in controllers)
    last = controllers[-1]
    for index in range(highest + 1, highest + 1 + count):
        attributes = {"type": "pci", "index": str(index), "model": "pcie-root-port"}
        last = insert_after(last, child(root, "devices").makeelement("controller", attributes))


def _used_slots(root: Element) -> dict[int, set[int]]:
    used: dict[int, set[int]] = {}
    for address in root.iterfind("devices/*/address"):
        if address.get("type") == "pci" and address.get("bus") is not None:
            slot = int(address.get("slot", "0"), 0)
            used.setdefault(int(address.get("bus"), 0), set()).add(slot)
    return used


def _hotplug(controller: Element) -> bool:
    target = controller.find("target")
    return target is None or target.get("hotplug") != "off"
