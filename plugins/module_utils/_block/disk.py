# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read disks, devices and what is mounted from them, as typed values. Nothing here changes anything."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block import signatures
from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Owner, Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.raw_gpt import (
    is_half_written_gpt,
    is_hybrid,
    names_in_damaged_gpt,
)
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent
from ansible_collections.virtio.fs.plugins.module_utils._block.superblock import read_superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sysfs import (
    attribute,
    devnum_of,
    holders,
    identity,
    is_open_exclusively,
    kernel_uses,
    node_at,
    sysfs_of,
    whole_disk,
)
from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system.command import run

# linux/fs.h: write out and forget what the page cache of the whole disk has. Partitions have caches of their
# own, so what was written through one is not seen through the other before.
_BLKFLSBUF = 0x1261

_EXCLUSIVE = "opened exclusively by another program"


def read_device(node: str, views: Views, *, probe_content: bool = True) -> Device:
    """Everything about one block device."""
    place = sysfs_of(node)
    devnum = attribute(place, "dev")
    size = int(attribute(place, "size") or 0) * 512
    uses = list(views.anywhere(devnum, node)) + kernel_uses(place, devnum)
    whole = whole_disk(node)
    content = signatures.probe(node) if probe_content and size else Content()
    if not uses and is_open_exclusively(node):
        uses.append(_EXCLUSIVE)
    return Device(
        node=node,
        devnum=devnum,
        size=size,
        sector=int(attribute(sysfs_of(whole), "queue/logical_block_size") or 512),
        readonly=attribute(place, "ro") == "1",
        content=content,
        uses=tuple(uses),
        superblock=read_superblock(content.fstype, node) if content.fstype else None,
        partuuid=_partuuid(node) if whole != node else None,
        identity=identity(place, devnum, size),
        whole=whole,
        writers=views.written(devnum),
    )


def read_disk(name: str, node: str, views: Views, labels: Collection[str]) -> Disk:
    """A whole disk with its partitions. ``labels`` are the names that partitions of ours can have."""
    _forget_cache(node)
    device = read_device(node, views)
    inside = _partition_uses(node, views)
    if device.uses == (_EXCLUSIVE,) and _partition_uses(node, replace(views, writers={})):
        # Nobody can open a whole disk exclusively while one of its partitions is mounted.
        device = replace(device, uses=())
    first, last = signatures.ends(node)
    # wipefs finds also a GPT that nobody can use any more, blkid only a whole one.
    if device.content.types != ("gpt",) or device.content.table != "gpt":
        half_written = is_half_written_gpt(first, last, device.sector, labels)
        return Disk(
            name,
            device,
            half_written=half_written and not device.content.fstype,
            damaged=names_in_damaged_gpt(first, last, device.sector),
            other_users=tuple(inside),
        )
    known = _kernel_partitions(node)
    partitions = []
    table = _read_table(node)
    for entry in _entries(node, table):
        extent = Extent(int(str(entry["start"])) * device.sector, int(str(entry["size"])) * device.sector)
        number = int(str(entry["number"]))
        kernel = known.get(number)
        if kernel is not None and not _is_same_or_smaller(_extent(kernel), extent):
            kernel = None
        partitions.append(_partition(entry, extent, number, node, kernel, views, str(entry.get("name", "")) in labels))
    # Telling the kernel of the table would cut them off, and their space is not as free as the table says.
    extents = {partition.number: partition.extent for partition in partitions}
    strange = {place for number, place in known.items() if not _is_same_or_smaller(_extent(place), extents.get(number))}
    return Disk(
        name,
        device,
        tuple(partitions),
        slots=int(table.get("table-length") or 128),
        hybrid=is_hybrid(first),
        other_users=tuple(
            f"{use}, and its partition table has that no more" for use in _partition_uses(node, views, strange)
        ),
    )


def read_whole(node: str, views: Views) -> Device:
    """A device that is used whole: who uses a partition of it uses it too, and so does who uses all of its disk."""
    device = read_device(node, views)
    writers, uses = device.writers, (*device.uses, *_partition_uses(node, views))
    if device.whole != node:
        place = sysfs_of(device.whole)
        devnum = attribute(place, "dev")
        written = [f"a partition of {device.whole}, which is {use}" for use in views.written(devnum)]
        held = [f"a partition of {device.whole}, which is {use}" for use in kernel_uses(place, devnum)]
        writers, uses = (*writers, *written), (*uses, *written, *held)
    return replace(device, uses=uses, writers=writers)


def read_label_owners(labels: Collection[str]) -> Mapping[str, tuple[Owner, ...]]:
    """Where each label is in use: as a filesystem's label or as a partition's name."""
    found: dict[str, list[Owner]] = {label: [] for label in labels}
    for name in sorted(os.listdir("/sys/class/block")):
        place = os.path.join("/sys/class/block", name)
        # Floppies hang, RAM disks are empty. A member of something shows the label of the whole.
        if name.startswith(("fd", "ram", "zram", "sr")) or int(attribute(place, "size") or 0) == 0 or holders(place):
            continue
        node = node_at(place)
        answer = run(["blkid", "-p", "-o", "export", node], timeout=60)
        values = signatures.parse_export(answer.stdout) if answer.returncode == 0 else {}
        for kind, key in (("LABEL", "LABEL"), ("PARTLABEL", "PART_ENTRY_NAME")):
            if values.get(key) in found:
                ids = values.get("UUID"), values.get("PART_ENTRY_UUID")
                found[values[key]].append(Owner(kind, node, attribute(place, "dev"), *ids))
    return {label: tuple(owners) for label, owners in found.items()}


def partition_named(node: str, label: str) -> Partition | None:
    """The entry with this name in the table as it is now, its content unread."""
    found = [entry for entry in _table(node) if entry.get("name") == label]
    if not found:
        return None
    if len(found) > 1:
        raise VirtiofsError(f"{at(label)}{len(found)} partitions of {node} have this name")
    entry = found[0]
    number = int(str(entry["number"]))
    sector = int(attribute(sysfs_of(node), "queue/logical_block_size") or 512)
    extent = Extent(int(str(entry["start"])) * sector, int(str(entry["size"])) * sector)
    kernel = _kernel_partitions(node).get(number)
    known = kernel is not None and _extent(kernel) == extent
    return Partition(
        number=number,
        extent=extent,
        type=str(entry["type"]).upper(),
        uuid=str(entry["uuid"]).lower(),
        name=label,
        content=Content(),
        node=node_at(kernel) if kernel is not None and known else None,
        devnum=attribute(kernel, "dev") if kernel is not None and known else "",
    )


def kernel_agrees(node: str) -> bool:
    """Whether the kernel has the partitions of the table and no other, and a current device node for each."""
    return kernel_has_table(node) and all(_node_is_current(place) for place in _kernel_partitions(node).values())


def kernel_has_table(node: str) -> bool:
    """Whether the kernel has the partitions of the table and no other."""
    return {number: _extent(place) for number, place in _kernel_partitions(node).items()} == _table_extents(node)


def _node_is_current(place: str) -> bool:
    # A partition that the kernel has made anew has another number; until udev has made its node anew too, the old
    # one opens nothing (ENXIO), or somebody else's partition.
    return devnum_of(node_at(place)) == attribute(place, "dev")


def only_kernel_knows(node: str) -> list[int]:
    """The numbers of partitions that are not in the table any more."""
    return sorted(_kernel_partitions(node).keys() - _table_extents(node).keys())


def _table_extents(node: str) -> dict[int, Extent]:
    sector = int(attribute(sysfs_of(node), "queue/logical_block_size") or 512)
    return {
        int(str(entry["number"])): Extent(int(str(entry["start"])) * sector, int(str(entry["size"])) * sector)
        for entry in _table(node)
    }


def _partition(
    entry: Mapping[str, object], extent: Extent, number: int, disk: str, kernel: str | None, views: Views, ours: bool
) -> Partition:
    content = Content()
    uses: tuple[str, ...] = ()
    block = None
    node = node_at(kernel) if kernel is not None else None
    smaller_in_kernel = kernel is not None and _is_smaller(_extent(kernel), extent)
    if ours and node is not None and smaller_in_kernel:
        # What is in all of the entry counts, and the kernel's device shows only a part of it.
        content = signatures.probe(disk, extent.start, extent.size)
        uses = read_device(node, views, probe_content=False).uses
        block = read_superblock(content.fstype, node) if content.fstype else None
    elif ours and node is not None:
        device = read_device(node, views)
        content, uses, block = device.content, device.uses, device.superblock
    elif ours:
        content = signatures.probe(disk, extent.start, extent.size)
        block = read_superblock(content.fstype, disk, extent.start) if content.fstype else None
    else:
        # Of others' partitions only the label matters.
        place = [node] if node is not None else ["-O", str(extent.start), "-S", str(extent.size), disk]
        found = run(["blkid", "-p", "-o", "export", *place], timeout=60)
        values = signatures.parse_export(found.stdout) if found.returncode == 0 else {}
        content = Content(
            types=tuple(filter(None, (values.get("TYPE"),))),
            fstype=values.get("TYPE"),
            label=values.get("LABEL"),
            uuid=values.get("UUID"),
        )
    return Partition(
        number=number,
        extent=extent,
        type=str(entry["type"]).upper(),
        uuid=str(entry["uuid"]).lower(),
        name=str(entry.get("name", "")),
        content=content,
        node=node,
        devnum=attribute(kernel, "dev") if kernel is not None else "",
        uses=uses,
        superblock=block,
        smaller_in_kernel=smaller_in_kernel,
        readonly=kernel is not None and attribute(kernel, "ro") == "1",
    )


def _is_smaller(kernel: Extent, table: Extent) -> bool:
    # Never the other way round: who made the entry smaller is not us, and the filesystem would lose its end.
    return kernel.start == table.start and kernel.size < table.size


def _is_same_or_smaller(kernel: Extent, table: Extent | None) -> bool:
    return table is not None and (kernel == table or _is_smaller(kernel, table))


def _read_table(node: str) -> dict[str, Any]:
    found = run(["sfdisk", "--json", node], timeout=60)
    if found.returncode != 0:
        raise VirtiofsError(f"cannot read the partition table of {node}: {found.message}")
    return dict(json.loads(found.stdout)["partitiontable"])


def _table(node: str) -> list[dict[str, object]]:
    return _entries(node, _read_table(node))


def _entries(node: str, table: Mapping[str, Any]) -> list[dict[str, object]]:
    entries = table.get("partitions", [])
    for entry in entries:
        # sfdisk names a partition after the disk's name; the number is what the name ends with.
        digits = str(entry["node"])[len(node) :].lstrip("p")
        entry["number"] = int(digits)
    return list(entries)


def _kernel_partitions(node: str) -> dict[int, str]:
    place = os.path.realpath(sysfs_of(node))
    found = {}
    for name in os.listdir(place):
        below = os.path.join(place, name)
        number = attribute(below, "partition")
        if number:
            found[int(number)] = below
    return found


def _partition_uses(node: str, views: Views, places: Collection[str] | None = None) -> list[str]:
    """Who uses partitions of a disk that the kernel knows: all of them, or those at these places in sysfs."""
    found = []
    for place in _kernel_partitions(node).values() if places is None else sorted(places):
        part = node_at(place)
        devnum = attribute(place, "dev")
        uses = list(views.anywhere(devnum, part)) + kernel_uses(place, devnum)
        found += [f"{part} is {use}" for use in uses]
    return found


def _extent(place: str) -> Extent:
    # sysfs counts in 512 bytes, whatever the sector size.
    return Extent(int(attribute(place, "start")) * 512, int(attribute(place, "size")) * 512)


def _partuuid(node: str) -> str | None:
    found = run(["blkid", "-p", "-o", "export", node], timeout=60)
    value = signatures.parse_export(found.stdout).get("PART_ENTRY_UUID")
    return value.lower() if value else None


def _forget_cache(node: str) -> None:
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _BLKFLSBUF, 0)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot read {node}: {error.strerror}") from error
