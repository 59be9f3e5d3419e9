# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read all that virtiofs_partition needs to know about the machine, in one go."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping

from ansible_collections.virtio.fs.plugins.module_utils._block import sysfs
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.disk import (
    read_device,
    read_disks,
    read_label_owners,
    read_whole,
)
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import KINDS
from ansible_collections.virtio.fs.plugins.module_utils._block.holders import read_sharing_domains, read_views
from ansible_collections.virtio.fs.plugins.module_utils._block.image import read_images
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import Signatures, probe
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._partition import format_marker
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name
from ansible_collections.virtio.fs.plugins.module_utils._partition.placement import extents_of_new
from ansible_collections.virtio.fs.plugins.module_utils._partition.read_owners import read_gids, read_uids
from ansible_collections.virtio.fs.plugins.module_utils._partition.read_tree import read_place, read_root
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Gap, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Wanted, WantedPartition
from ansible_collections.virtio.fs.plugins.module_utils._system import command, files

# Packages that a minimal Debian lacks: sfdisk is in fdisk.
_READING = {"blkid": "util-linux", "wipefs": "util-linux", "sfdisk": "fdisk", "partx": "util-linux", "losetup": "mount"}

_CAP_SYS_RESOURCE = 24


def read(target: Target, wanted: Wanted) -> State:
    """Look at the machine. The disks stay locked until :meth:`Target.release`.

    :raises VirtiofsError: a device is missing, or cannot be read.
    :raises NotYet: the commands to read disks are not installed.
    """
    if os.geteuid() != 0:
        raise VirtiofsError("virtiofs_partition needs root: run it with become: true")
    # What is read here is what the steps write.
    target.fstab = wanted.fstab
    items = wanted.items
    uids, gids = read_uids(items), read_gids(items)
    nodes = {item.label: _node(item) for item in items if _path(item) and item.state in ("present", "wiped")}
    needed = {name: package for name, package in _READING.items() if command.find(name) is None}
    if needed:
        packages = ", ".join(sorted(set(needed.values())))
        sentence = f"{', '.join(sorted(needed))} is not installed (package {packages}), disks cannot be read"
        raise NotYet(sentence, tuple(_intended(item) for item in items if item.state == "present"))
    for node in sorted({sysfs.whole_disk(node) for node in nodes.values()}):
        target.lock(node)
    _refuse_exchanged(items, nodes)
    views = read_views(os.path.realpath(item.image) for item in items if item.image)
    labels = [item.label for item in items]
    disk_of = {item.label: nodes[item.label] for item in items if item.disk and item.label in nodes}
    names: dict[str, str] = {}
    for item in items:
        if item.disk and item.label in nodes:
            names.setdefault(nodes[item.label], item.disk)
    found = Signatures()
    disks = read_disks(names, views, labels, found)
    whole = {item.label: nodes[item.label] for item in items if item.device and item.label in nodes}
    images = read_images({item.label: item.image for item in items if item.image}, views, found)
    loops = {label: image.loops[0] for label, image in images.items() if image.loops}
    found.look_at([*whole.values(), *loops.values()])
    devices = {label: read_whole(node, views, found) for label, node in whole.items()}
    devices |= {label: read_device(loop, views, found) for label, loop in loops.items()}
    entries = fstab.entries(fstab.read(wanted.fstab))
    return State(
        views=views,
        entries=entries,
        devnums=_devnums(entries),
        disks=disks,
        disk_of=disk_of,
        gaps=_gaps(items, disks, disk_of),
        devices=devices,
        images=images,
        units={label: files.read(target.unit_path(unit_name(label))) for label in images},
        owners=read_label_owners(labels),
        places={item.path: read_place(item, views) for item in items},
        root=read_root(wanted, views, entries),
        uids=uids,
        gids=gids,
        sharing=read_sharing_domains([item.path for item in items], target.domain_status),
        format_markers={label: marker for label in labels for marker in [format_marker.read(target, label)] if marker},
        named_devices={item.label: option for item in items for option in [_names_device(item)] if option},
        missing=tuple(_missing(items)),
        dumps=dict(target.dumps),
        losetup=command.find("losetup") or "",
        systemd=os.path.isdir("/run/systemd/system"),
        may_resize_ext4=_may_resize_ext4(),
    )


def _path(item: WantedPartition) -> str | None:
    return item.disk or item.device


def _node(item: WantedPartition) -> str:
    option = "disk" if item.disk else "device"
    node = sysfs.node_of(_path(item) or "", item.label, option)
    if item.disk and sysfs.is_partition(node):
        raise VirtiofsError(f"{at(item.label, 'disk')}{item.disk} is a partition, give it as device to use it whole")
    if item.disk and not sysfs.can_have_partitions(node):
        raise VirtiofsError(f"{at(item.label, 'disk')}{item.disk} is a device-mapper device, give it as device instead")
    return node


def _intended(item: WantedPartition) -> str:
    return f"have {item.label} on {item.disk or item.device or item.image} mounted on {item.path}"


def _refuse_exchanged(items: tuple[WantedPartition, ...], nodes: Mapping[str, str]) -> None:
    # A device that is open keeps its name. Until it was, a link could come to mean another disk.
    for item in items:
        path = _path(item)
        if item.label in nodes and path is not None:
            option = "disk" if item.disk else "device"
            node = sysfs.node_of(path, item.label, option)
            if node != nodes[item.label]:
                raise VirtiofsError(
                    f"{at(item.label, option)}{path} was {nodes[item.label]} before and is {node} now, run it again"
                )


def _gaps(items: tuple[WantedPartition, ...], disks: Mapping[str, Disk], disk_of: Mapping[str, str]) -> dict[str, Gap]:
    gaps = {}
    for node, disk in disks.items():
        for label, extent in extents_of_new(disk, [item for item in items if disk_of.get(item.label) == node]).items():
            # Where there is no table yet, the whole disk has been looked at, and what is in it named.
            gaps[label] = Gap(extent, probe(node, extent.start, extent.size))
    return gaps


def _devnums(entries: tuple[Entry, ...]) -> dict[str, str]:
    nodes = {entry.spec for entry in entries if entry.spec.startswith("/dev/")}
    found = ((node, sysfs.devnum_of(node)) for node in nodes)
    return {node: devnum for node, devnum in found if devnum is not None}


def _names_device(item: WantedPartition) -> str | None:
    """A link in an argument of mkfs can name a device as well as its node does, which was refused by its looks."""
    for option in item.mkfs_options:
        for part in re.split("[=,]", option):
            with contextlib.suppress(OSError):
                # It runs in the root directory.
                if stat.S_ISBLK(os.stat(os.path.join("/", part)).st_mode):
                    return option
    return None


def _may_resize_ext4() -> bool:
    """The kernel asks for CAP_SYS_RESOURCE to resize a mounted ext4, and containers often lack it."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        found = [int(line.split()[1], 16) for line in file if line.startswith("CapEff:")]
    return not found or bool(found[0] >> _CAP_SYS_RESOURCE & 1)


def _missing(items: tuple[WantedPartition, ...]) -> list[str]:
    return [
        f"mkfs.{fstype} is not installed (package {KINDS[fstype].package})"
        for fstype in dict.fromkeys(item.new_fstype for item in items if item.state == "present")
        if command.find(f"mkfs.{fstype}") is None
    ]
