# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A made-up machine for the plans of virtiofs_partition: a disk of 64 MiB, and a partition of it named data."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Owner, Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._block.views import View, Views
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import PARTITION_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Gap, Place, Root, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan

PARTUUID = "11111111-2222-3333-4444-555555555555"
EXT4 = Content(types=("ext4",), fstype="ext4", label="data", uuid="aaaa")
LINE = f"LABEL=data /shared/data ext4 {','.join(PARTITION_OPTIONS)} 0 2\n"
MOUNTED = (
    "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
    "2 1 254:1 / /shared/data rw,nosuid,nodev,noatime shared:2 - ext4 /dev/vdb1 rw\n"
)
WHOLE = Device("/dev/vdb", "254:0", 64 * MIB, 512, False, Content())
GPT = dataclasses.replace(WHOLE, content=Content(types=("gpt",), table="gpt", data=True))
OURS = Partition(
    1, Extent(MIB, 32 * MIB), LINUX, PARTUUID, "data", EXT4, "/dev/vdb1", "254:1", (), Superblock(32 * MIB, 1)
)
KEPT = Root(True, 0, 0, 0o700)


def views(text: str = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n", *others: str) -> Views:
    def view(name: str, lines: str) -> View:
        peers = []
        for line in lines.splitlines():
            fields = line.split(" - ")[0].split()[6:]
            peers.append(frozenset(field.split(":")[1] for field in fields))
        return View(name, mountinfo.parse(lines), tuple(peers))

    return Views(view("self", text), tuple(view(f"virtiofsd (process {n})", o) for n, o in enumerate(others, 7)))


def state(disk: Disk, **changes: Any) -> State:
    values: dict[str, Any] = {
        "views": views(),
        "disks": {"/dev/vdb": disk},
        "disk_of": {"data": "/dev/vdb"},
        "gaps": {"data": Gap(Extent(MIB, 32 * MIB), Content())},
        "places": {"/shared/data": Place()},
        **changes,
    }
    values["entries"] = fstab.entries(values.pop("fstab", ""))
    return State(**values)


def planned(found: State, **options: Any) -> Plan:
    item = {"label": "data", "disk": "/dev/vdb", "size": "32MiB", **options}
    return plan(wanted({"partitions": [item]}), found)


def there(**changes: Any) -> State:
    """The right partition, mounted and in fstab."""
    values: dict[str, Any] = {
        "views": views(MOUNTED),
        "fstab": LINE,
        "root": KEPT,
        "owners": {"data": (Owner("LABEL", "/dev/vdb1", "254:1"), Owner("PARTLABEL", "/dev/vdb1", "254:1"))},
        "places": {"/shared/data": Place(True, True, None, 0, 0, 0o755)},
        **changes,
    }
    return state(Disk("/dev/vdb", GPT, (OURS,)), **values)
