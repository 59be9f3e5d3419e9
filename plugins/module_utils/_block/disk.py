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

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Owner, Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.raw_gpt import (
    is_half_written_gpt,
    is_hybrid,
    names_in_damaged_gpt,
)
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import (
    Signatures,
    ends,
    parse_export,
    probe,
    values_of,
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


def read_device(node: str, views: Views, found: Signatures, *, probe_content: bool = True) -> Device:
    """Everything about one block device."""
    place = sysfs_of(node)
    devnum = attribute(place, "dev")
    size = int(attribute(place, "size") or 0) * 512
    uses = list(views.anywhere(devnum, node)) + kernel_uses(place, devnum)
    whole = whole_disk(node)
    content = found.content(node) if probe_content and size else Content()
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
        partuuid=_partuuid(node, found) if whole != node else None,
        identity=identity(place, devnum, size),
        whole=whole,
        writers=views.written(devnum),
    )


def read_disks(names: Mapping[str, str], views: Views, labels: Collection[str], found: Signatures) -> dict[str, Disk]:
    """Whole disks with their partitions, by node. ``names`` are what the user calls them.

    ``labels`` are the names that partitions of ours can have.
    """
    for node in names:
        _forget_cache(node)
    found.look_at(names)
    devices = {node: _read_disk_device(node, views, found) for node in names}
    tables = {node: _read_table(node) for node, device in devices.items() if _has_gpt(device)}
    ours, others = _nodes_of_partitions(tables, labels)
    found.look_at(ours, labels_of=others)
    return {
        node: _disk(name, devices[node], tables[node], views, labels, found)
        if node in tables
        else _disk_without_table(name, devices[node], views, labels)
        for node, name in names.items()
    }


def _read_disk_device(node: str, views: Views, found: Signatures) -> Device:
    device = read_device(node, views, found)
    if device.uses == (_EXCLUSIVE,) and _partition_uses(node, replace(views, writers={})):
        # Nobody can open a whole disk exclusively while one of its partitions is mounted.
        return replace(device, uses=())
    return device


def _has_gpt(device: Device) -> bool:
    # wipefs finds also a GPT that nobody can use any more, blkid only a whole one.
    return device.content.types == ("gpt",) and device.content.table == "gpt"


def _nodes_of_partitions(
    tables: Mapping[str, Mapping[str, Any]], labels: Collection[str]
) -> tuple[list[str], list[str]]:
    """Those that the kernel knows: with a name of ours, and with another."""
    ours: list[str] = []
    others: list[str] = []
    for disk, table in tables.items():
        known = _kernel_partitions(disk)
        for entry in _entries(disk, table):
            if entry["number"] in known:
                node = node_at(known[entry["number"]])
                (ours if entry.get("name", "") in labels else others).append(node)
    return ours, others


def _disk_without_table(name: str, device: Device, views: Views, labels: Collection[str]) -> Disk:
    first, last = ends(device.node)
    half_written = is_half_written_gpt(first, last, device.sector, labels)
    return Disk(
        name,
        device,
        half_written=half_written and not device.content.fstype,
        damaged=names_in_damaged_gpt(first, last, device.sector),
        other_users=tuple(_partition_uses(device.node, views)),
    )


def _disk(
    name: str, device: Device, table: Mapping[str, Any], views: Views, labels: Collection[str], found: Signatures
) -> Disk:
    node = device.node
    known = _kernel_partitions(node)
    partitions = []
    for entry in _entries(node, table):
        extent = Extent(int(str(entry["start"])) * device.sector, int(str(entry["size"])) * device.sector)
        kernel = known.get(entry["number"])
        if kernel is not None and not _is_same_or_smaller(_extent(kernel), extent):
            kernel = None
        ours = str(entry.get("name", "")) in labels
        partitions.append(_partition(entry, extent, node, kernel, views, ours, found))
    # Telling the kernel of the table would cut them off, and their space is not as free as the table says.
    extents = {partition.number: partition.extent for partition in partitions}
    strange = {place for number, place in known.items() if not _is_same_or_smaller(_extent(place), extents.get(number))}
    return Disk(
        name,
        device,
        tuple(partitions),
        slots=int(table.get("table-length") or 128),
        hybrid=is_hybrid(ends(node)[0]),
        other_users=tuple(
            f"{use}, and its partition table has that no more" for use in _partition_uses(node, views, strange)
        ),
    )


def read_whole(node: str, views: Views, found: Signatures) -> Device:
    """A device that is used whole: who uses a partition of it uses it too, and so does who uses all of its disk."""
    device = read_device(node, views, found)
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
    places = {}
    for name in sorted(os.listdir("/sys/class/block")):
        place = os.path.join("/sys/class/block", name)
        # Floppies hang, RAM disks are empty. A member of something shows the label of the whole.
        if name.startswith(("fd", "ram", "zram", "sr")) or int(attribute(place, "size") or 0) == 0 or holders(place):
            continue
        places[node_at(place)] = place
    known = values_of(places)
    for node, place in places.items():
        values = known.get(node, {})
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
    number = entry["number"]
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
        entry["number"]: Extent(int(str(entry["start"])) * sector, int(str(entry["size"])) * sector)
        for entry in _table(node)
    }


def _partition(
    entry: Mapping[str, Any],
    extent: Extent,
    disk: str,
    kernel: str | None,
    views: Views,
    ours: bool,
    found: Signatures,
) -> Partition:
    content = Content()
    uses: tuple[str, ...] = ()
    block = None
    node = node_at(kernel) if kernel is not None else None
    smaller_in_kernel = kernel is not None and _is_smaller(_extent(kernel), extent)
    if ours and node is not None and smaller_in_kernel:
        # What is in all of the entry counts, and the kernel's device shows only a part of it.
        content = probe(disk, extent.start, extent.size)
        uses = read_device(node, views, found, probe_content=False).uses
        block = read_superblock(content.fstype, node) if content.fstype else None
    elif ours and node is not None:
        device = read_device(node, views, found)
        content, uses, block = device.content, device.uses, device.superblock
    elif ours:
        content = probe(disk, extent.start, extent.size)
        block = read_superblock(content.fstype, disk, extent.start) if content.fstype else None
    else:
        # Of others' partitions only the label matters.
        values = found.values(node) if node is not None else _values_of_stretch(disk, extent)
        content = Content(
            types=tuple(filter(None, (values.get("TYPE"),))),
            fstype=values.get("TYPE"),
            label=values.get("LABEL"),
            uuid=values.get("UUID"),
        )
    return Partition(
        number=entry["number"],
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


def _values_of_stretch(disk: str, extent: Extent) -> dict[str, str]:
    place = ["-O", str(extent.start), "-S", str(extent.size), disk]
    answer = run(["blkid", "-p", "-o", "export", *place], timeout=60)
    return parse_export(answer.stdout) if answer.returncode == 0 else {}


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


def _table(node: str) -> list[dict[str, Any]]:
    return _entries(node, _read_table(node))


def _entries(node: str, table: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def _partuuid(node: str, found: Signatures) -> str | None:
    value = found.values(node).get("PART_ENTRY_UUID")
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
