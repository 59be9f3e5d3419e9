# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a domain's memory is shared by libvirt's own rule, and the least that makes it so. Pure.

The rule (libvirt, qemu_validate.c): without guest NUMA cells ``memoryBacking/access`` must be ``shared``;
with cells every cell must be, and one that says nothing has what ``memoryBacking`` says.

libvirt does not look at memory devices. One that says nothing has what its cell has; one that is private is memory of
the guest that the daemon cannot see: requests that lie in it are read as zeros. So it counts as not shared too.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import (
    Element,
    append,
    child,
    insert_after,
    path,
    remove,
)
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

# libvirt takes a virtiofs share without a NUMA cell from this version on.
WITHOUT_CELL = (6, 9, 0)

# Bytes in libvirt's units, as virScaleInteger reads them.
_UNITS = {
    "b": 1,
    "bytes": 1,
    "KB": 1000,
    "k": 1024,
    "KiB": 1024,
    "MB": 1000**2,
    "M": 1024**2,
    "MiB": 1024**2,
    "GB": 1000**3,
    "G": 1024**3,
    "GiB": 1024**3,
    "TB": 1000**4,
    "T": 1024**4,
    "TiB": 1024**4,
}


def is_shared(root: Element) -> bool:
    """Whether a virtiofs share could work with the memory of this document."""
    modes = path("memoryBacking/access/@mode")(root)
    access = modes[0] if modes else None
    cells = _cells(root)
    if _private_devices(root):
        return False
    if not cells:
        return bool(access == "shared")
    return all((cell.get("memAccess") or access) == "shared" for cell in cells)


def backing_of(root: Element) -> str:
    """``memfd``, ``file``, ``hugepages`` or ``anonymous``, as libvirt makes it of this document."""
    if root.find("memoryBacking/hugepages") is not None:
        return "hugepages"
    source = root.find("memoryBacking/source")
    if source is not None:
        return str(source.get("type"))
    # Shared memory without a source is a file of the guest's size.
    return "file" if is_shared(root) else "anonymous"


def size_of(root: Element) -> int:
    """Bytes. libvirt writes KiB, whatever unit it was given."""
    return int(root.findtext("memory") or "0") * 1024


def is_as_wanted(root: Element, *, cell: bool) -> bool:
    """Whether :func:`share_memory` would find nothing to do."""
    return is_shared(root) and (not cell or bool(_cells(root)))


def share_memory(root: Element, backing: str, *, cell: bool) -> None:
    """Make the memory shared where it is not, with as little as possible.

    ``backing`` (``memfd``, ``file``, ``hugepages``) counts only where the document has not chosen yet.
    ``cell``: a domain without NUMA cells gets one that holds all its CPUs and memory.

    :raises VirtiofsError: the document has what cannot be shared.
    """
    for device in _private_devices(root):
        device.set("access", "shared")
    # Asked before there is a cell of ours, which says that it is shared but not of what.
    shared = is_shared(root)
    if cell and not _cells(root):
        _add_cell(root)
    if shared:
        return
    _share_backing(_memory_backing(root), backing)
    for item in _cells(root):
        if item.get("memAccess") == "private":
            item.set("memAccess", "shared")


def _share_backing(memory: Element, backing: str) -> None:
    source, allocation = memory.find("source"), memory.find("allocation")
    if source is not None and source.get("type") == "anonymous":
        remove(source)
        source = None
    if source is None and memory.find("hugepages") is None:
        if backing == "hugepages":
            append(memory, memory.makeelement("hugepages"))
        else:
            append(memory, memory.makeelement("source", {"type": backing}))
    if memory.find("hugepages") is not None and allocation is not None and allocation.get("mode") == "ondemand":
        raise VirtiofsError("its hugepages cannot be shared while memoryBacking says allocation mode='ondemand'")
    child(memory, "access").set("mode", "shared")


def _memory_backing(root: Element) -> Element:
    found = root.find("memoryBacking")
    if found is not None:
        return found
    # The place where libvirt writes it, for those who read the file.
    for tag in ("currentMemory", "memory", "maxMemory"):
        before = root.find(tag)
        if before is not None:
            return insert_after(before, root.makeelement("memoryBacking"))
    return append(root, root.makeelement("memoryBacking"))


def _add_cell(root: Element) -> None:
    cpus = int(root.findtext("vcpu") or "1")
    attributes = {
        "id": "0",
        "cpus": "0" if cpus == 1 else f"0-{cpus - 1}",
        "memory": str(_boot_memory(root)),
        "unit": "KiB",
        "memAccess": "shared",
    }
    numa = child(child(root, "cpu"), "numa")
    append(numa, numa.makeelement("cell", attributes))


def _boot_memory(root: Element) -> int:
    """KiB that the domain has without its memory devices, which libvirt counts in ``<memory>`` too."""
    memory = root.find("memory")
    if memory is None:
        raise VirtiofsError("its XML has no <memory>")
    devices = (item.find("target/size") for item in root.iterfind("devices/memory"))
    return _kibibytes(memory) - sum(_kibibytes(size) for size in devices if size is not None)


def _kibibytes(element: Element) -> int:
    unit = element.get("unit", "KiB")
    if unit not in _UNITS:
        raise VirtiofsError(f"its <{element.tag}> has the unknown unit {unit}")
    return -(-int(element.text) * _UNITS[unit] // 1024)


def _private_devices(root: Element) -> list[Element]:
    """Plugged-in memory that the guest uses as its own. An NVDIMM is a disk to it, and can be private for a reason."""
    return path("devices/memory[@access='private' and @model!='nvdimm']")(root)


def _cells(root: Element) -> Iterable[Element]:
    return path("cpu/numa/cell")(root)
