# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_partition plans from: all it needs to know about the machine, read in one go."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._block import disk as block_disk
from ansible_collections.virtio.fs.plugins.module_utils._block import holders, sysfs
from ansible_collections.virtio.fs.plugins.module_utils._block import image as block_image
from ansible_collections.virtio.fs.plugins.module_utils._block.disk import Device, Disk, Owner
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import KINDS, mounted_size
from ansible_collections.virtio.fs.plugins.module_utils._block.holders import Views
from ansible_collections.virtio.fs.plugins.module_utils._block.image import Image
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import Content, probe
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent, allocate, wanted_size
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import on_path
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item, Wanted, unit_name
from ansible_collections.virtio.fs.plugins.module_utils._system import command as system_command
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable as system_immutable
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import symlink_in, within

# Packages that a minimal Debian lacks: sfdisk is in fdisk.
_READING = {"blkid": "util-linux", "wipefs": "util-linux", "sfdisk": "fdisk", "partx": "util-linux", "losetup": "mount"}


_CAP_SYS_RESOURCE = 24


@dataclass(frozen=True)
class Place:
    """A mount point as it looks now: what is mounted on it, or the bare directory."""

    exists: bool = False
    empty: bool = True
    immutable: bool | None = None
    uid: int = 0
    gid: int = 0
    mode: int = 0
    mounted_size: int | None = None
    guardable: bool = True


@dataclass(frozen=True)
class Root:
    exists: bool = False
    uid: int = 0
    gid: int = 0
    mode: int = 0
    strangers: tuple[str, ...] = ()  # what is in it and neither is nor was a mount point


@dataclass(frozen=True)
class Gap:
    """Where a new partition would be, and what is written there."""

    extent: Extent
    content: Content


@dataclass(frozen=True)
class State:
    views: Views
    fstab: str
    disks: Mapping[str, Disk] = field(default_factory=dict)  # by node
    disk_of: Mapping[str, str] = field(default_factory=dict)  # node by label of the item
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, tuple[Owner, ...]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    root: Root = Root()
    sharing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    begun: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # sentences about commands that are not installed
    dumps: Mapping[str, str] = field(default_factory=dict)
    systemd: bool = False
    may_resize_ext4: bool = True

    @property
    def entries(self) -> tuple[Entry, ...]:
        return mounts_fstab.entries(self.fstab)


def read(target: Target, wanted: Wanted) -> State:
    """Look at the machine. The disks stay locked until :meth:`Target.release`.

    :raises VirtiofsError: a device is missing, or cannot be read.
    :raises NotYet: the commands to read disks are not installed.
    """
    items = wanted.items
    nodes: dict[str, str] = {}
    for item in items:
        option = "disk" if item.disk else "device"
        path = item.disk or item.device
        if path is not None and (item.state in ("present", "wiped")):
            nodes[item.label] = sysfs.node_of(path, item.label, option)
            _check_kind(item, nodes[item.label])
    _refuse_same_device(items, nodes)
    _refuse_same_image(items)
    _refuse_other_devices(items)
    needed = {command: package for command, package in _READING.items() if system_command.find(command) is None}
    if needed:
        packages = ", ".join(sorted(set(needed.values())))
        sentence = f"{', '.join(sorted(needed))} is not installed (package {packages}), disks cannot be read"
        raise NotYet(sentence, tuple(_intended(item) for item in items if item.state == "present"))
    for node in sorted({sysfs.whole_disk(node) for node in nodes.values()}):
        target.lock(node)
    _refuse_exchanged(items, nodes)
    views = holders.views(os.path.realpath(item.image) for item in items if item.image)
    labels = [item.label for item in items]
    disks = {}
    for item in items:
        if item.label in nodes and item.disk and nodes[item.label] not in disks:
            disks[nodes[item.label]] = block_disk.read_disk(item.disk, nodes[item.label], views, labels)
    devices = {
        item.label: block_disk.read_whole(nodes[item.label], views)
        for item in items
        if item.device and item.label in nodes
    }
    images = {item.label: block_image.read(item.image, item.label, views) for item in items if item.image}
    for label, image in images.items():
        for loop in image.loops[:1]:
            devices[label] = block_disk.read_device(loop, views)
    fstab = mounts_fstab.read(wanted.fstab)
    paths = [item.path for item in items]
    return State(
        views=views,
        fstab=fstab,
        disks=disks,
        disk_of={item.label: nodes[item.label] for item in items if item.disk and item.label in nodes},
        gaps=_gaps(items, nodes, disks),
        devices=devices,
        images=images,
        units={label: files.read(target.unit_path(unit_name(label))) for label in images},
        labels=block_disk.labels_on_machine(labels),
        places={item.path: _place(item, views) for item in items},
        root=_root(wanted, views, fstab),
        sharing=holders.domains_sharing(paths, target.domain_status),
        begun={label: record for label in labels for record in [_record(target, label)] if record},
        missing=tuple(_missing(items)),
        dumps=dict(target.dumps),
        systemd=os.path.isdir("/run/systemd/system"),
        may_resize_ext4=_may_resize_ext4(),
    )


def new_on(disk: Disk, items: tuple[Item, ...]) -> list[Item]:
    """The items of this disk that have no partition yet. Pure."""
    partitions = disk.partitions or ()
    return [
        item
        for item in items
        if item.state == "present"
        and not any(item.label in (partition.name, partition.content.label) for partition in partitions)
    ]


def _gaps(items: tuple[Item, ...], nodes: Mapping[str, str], disks: Mapping[str, Disk]) -> dict[str, Gap]:
    gaps = {}
    for node, disk in disks.items():
        new = new_on(disk, tuple(item for item in items if item.disk and nodes.get(item.label) == node))
        wants = [(item.label, item.size) for item in new if item.size is not None]
        taken = [*disk.taken, *_growth(disk, [item for item in items if item.disk and nodes.get(item.label) == node])]
        places = allocate(disk.name, disk.device.size, disk.device.sector, taken, wants)
        for label, extent in places.items():
            # Where there is no table yet, the whole disk has been looked at, and what is in it named.
            gaps[label] = Gap(extent, probe(node, extent.start, extent.size))
    return gaps


def _growth(disk: Disk, items: Sequence[Item]) -> list[Extent]:
    """What partitions that are there will take: space that nothing new can be put into. Pure."""
    extents = {partition.name: partition.extent for partition in disk.partitions or ()}
    grown = []
    for item in items:
        extent = extents.get(item.label)
        if extent is not None and item.size is not None and item.grow and item.state == "present":
            # The one with the rest gets what the new ones leave.
            size = wanted_size(item.size, disk.device.size, disk.device.sector) or 0
            grown.append(Extent(extent.start, max(extent.size, size)))
    return grown


def _intended(item: Item) -> str:
    return f"have {item.label} on {item.disk or item.device or item.image} mounted on {item.path}"


def _check_kind(item: Item, node: str) -> None:
    if not item.disk:
        return
    if sysfs.is_partition(node):
        raise VirtiofsError(f"{item.label}, disk: {item.disk} is a partition, give it as device to use it whole")
    if not sysfs.can_have_partitions(node):
        raise VirtiofsError(f"{item.label}, disk: {item.disk} is a device-mapper device, give it as device instead")


def _refuse_same_device(items: tuple[Item, ...], nodes: Mapping[str, str]) -> None:
    """Links give a device many names, and each of two items would make its filesystem over the other's."""
    for position, item in enumerate(items):
        for other in items[:position]:
            node, others = nodes.get(item.label), nodes.get(other.label)
            if node is None or others is None:
                continue
            option, name = ("device", item.device) if item.device else ("disk", item.disk)
            if node == others and (item.device or other.device):
                raise VirtiofsError(f"{item.label}, {option}: {name} is {node}, which {other.label} has already")
            overlap = sysfs.whole_disk(node) == others or sysfs.whole_disk(others) == node
            if item.device and other.device and overlap:
                raise VirtiofsError(f"{item.label}, device: {node} and {others} ({other.label}) overlap")


def _refuse_same_image(items: tuple[Item, ...]) -> None:
    """One file below two names of its directory, or with two names."""
    for position, item in enumerate(items):
        for other in items[:position]:
            if item.image and other.image and _is_same_file(item.image, other.image):
                raise VirtiofsError(
                    f"{item.label}, image: {item.image} is {other.image}, which {other.label} has already"
                )


def _is_same_file(one: str, other: str) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _refuse_other_devices(items: tuple[Item, ...]) -> None:
    """A link in an argument of mkfs can name a device as well as its node does, which was refused by its looks."""
    for item in items:
        for option in item.mkfs_options:
            for part in re.split("[=,]", option):
                with contextlib.suppress(OSError):
                    # It runs in the root directory.
                    if stat.S_ISBLK(os.stat(os.path.join("/", part)).st_mode):
                        raise VirtiofsError(
                            f"{item.label}, mkfs_options: {option!r} names a device, and nobody has looked what is on "
                            "that"
                        )


def _refuse_exchanged(items: tuple[Item, ...], nodes: Mapping[str, str]) -> None:
    # A device that is open keeps its name. Until it was, a link could come to mean another disk.
    for item in items:
        path = item.disk or item.device
        if item.label in nodes and path is not None:
            option = "disk" if item.disk else "device"
            node = sysfs.node_of(path, item.label, option)
            if node != nodes[item.label]:
                raise VirtiofsError(
                    f"{item.label}, {option}: {path} was {nodes[item.label]} before and is {node} now, run it again"
                )


def _place(item: Item, views: Views) -> Place:
    link = symlink_in(item.path)
    if link is not None:
        raise VirtiofsError(f"{item.label}, path: {link} is a symbolic link, give the directory itself")
    try:
        status = os.lstat(item.path)
    except FileNotFoundError:
        return Place(guardable=_guardable(item.path))
    except OSError as error:
        raise VirtiofsError(f"{item.label}, path: cannot look at {item.path}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise VirtiofsError(f"{item.label}, path: {item.path} is not a directory")
    mounted = on_path(views.ours.mounts, item.path)
    size = None
    if mounted is not None and mounted.fstype in ("xfs", "btrfs"):
        size = mounted_size(mounted.fstype, item.path)
    return Place(
        exists=True,
        empty=_is_empty(item.path),
        immutable=system_immutable.is_immutable(item.path),
        guardable=_guardable(item.path),
        uid=status.st_uid,
        gid=status.st_gid,
        mode=stat.S_IMODE(status.st_mode),
        mounted_size=size,
    )


def _guardable(path: str) -> bool:
    """Whether the filesystem of the bare directory knows the immutable flag. What is mounted on it says nothing."""
    above = os.path.dirname(path)
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    return system_immutable.is_immutable(above) is not None


def _root(wanted: Wanted, views: Views, fstab: str) -> Root:
    link = symlink_in(wanted.root)
    if link is not None:
        raise VirtiofsError(f"root: {link} is a symbolic link")
    try:
        status = os.lstat(wanted.root)
    except FileNotFoundError:
        return Root()
    except OSError as error:
        raise VirtiofsError(f"root: cannot look at {wanted.root}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise VirtiofsError(f"root: {wanted.root} is not a directory")
    ours = {item.path for item in wanted.items}
    ours |= {mount.path for mount in views.ours.mounts}
    ours |= {entry.mount_point for entry in mounts_fstab.entries(fstab)}
    strangers = []
    for name in sorted(os.listdir(wanted.root)):
        path = f"{wanted.root}/{name}"
        if _is_strange(path, ours):
            strangers.append(name)
    return Root(True, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), tuple(strangers))


def _is_strange(path: str, ours: set[str]) -> bool:
    if path in ours:
        return False
    if os.path.isdir(path) and not os.path.islink(path) and any(within(mount_point, path) for mount_point in ours):
        # On the way to a mount point.
        return any(_is_strange(f"{path}/{name}", ours) for name in os.listdir(path))
    return not _is_empty_directory(path)


def _is_empty_directory(path: str) -> bool:
    with contextlib.suppress(OSError):
        return not os.path.islink(path) and _is_empty(path)
    return False


def _is_empty(path: str) -> bool:
    # Not a list of all: a guest decides how many there are.
    with os.scandir(path) as entries:
        return next(entries, None) is None


def _record(target: Target, label: str) -> Mapping[str, str]:
    text = files.read(target.begun_path(label))
    with contextlib.suppress(ValueError):
        record = json.loads(text)
        if isinstance(record, dict):
            return record
    return {}


def _may_resize_ext4() -> bool:
    """The kernel asks for CAP_SYS_RESOURCE to resize a mounted ext4, and containers often lack it."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        found = [int(line.split()[1], 16) for line in file if line.startswith("CapEff:")]
    return not found or bool(found[0] >> _CAP_SYS_RESOURCE & 1)


def _missing(items: tuple[Item, ...]) -> list[str]:
    return [
        f"mkfs.{fstype} is not installed (package {KINDS[fstype].package})"
        for fstype in dict.fromkeys(item.new_fstype for item in items if item.state == "present")
        if system_command.find(f"mkfs.{fstype}") is None
    ]
