# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_partition plans from, as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Image, Owner
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent
from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry


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
    can_be_immutable: bool = True  # whether the filesystem of the bare directory has that flag


@dataclass(frozen=True)
class Root:
    """The parent of the mount points. ``foreign`` is what is in it and neither is nor was a mount point."""

    exists: bool = False
    uid: int = 0
    gid: int = 0
    mode: int = 0
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gap:
    """Where a new partition would be, and what is written there."""

    extent: Extent
    content: Content


@dataclass(frozen=True)
class State:
    """The machine. What belongs to one item is kept by its label; ``found`` gathers it."""

    views: Views
    entries: tuple[Entry, ...] = ()  # of fstab
    devnums: Mapping[str, str] = field(default_factory=dict)  # of the nodes that entries name as their source
    disks: Mapping[str, Disk] = field(default_factory=dict)  # by node
    disk_of: Mapping[str, str] = field(default_factory=dict)  # node by label
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)  # of an image: its loop device
    images: Mapping[str, Image] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)  # their texts
    owners: Mapping[str, tuple[Owner, ...]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)  # by path
    root: Root = Root()
    uids: Mapping[str, int] = field(default_factory=dict)  # what the owner and the group of an item stand for
    gids: Mapping[str, int] = field(default_factory=dict)
    sharing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # running domains by path
    format_markers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    named_devices: Mapping[str, str] = field(default_factory=dict)  # the option for mkfs that names a block device
    missing: tuple[str, ...] = ()  # sentences about commands that are not installed
    dumps: Mapping[str, str] = field(default_factory=dict)  # by node of the disk
    losetup: str = ""
    systemd: bool = False
    may_resize_ext4: bool = True
