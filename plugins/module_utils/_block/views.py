# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a filesystem or a block device, from what was read of all processes. Pure.

A successful umount proves nothing: a virtiofsd has a copy of the mount in a namespace of its own, goes on
writing to it, and does not see what is mounted on the path later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount


@dataclass(frozen=True)
class View:
    """The mounts of one mount namespace, and one process in it."""

    process: str
    mounts: tuple[Mount, ...]
    peers: tuple[frozenset[str], ...]  # of each mount: the peer groups that it is in or follows


@dataclass(frozen=True)
class Views:
    """What this process sees, and what the others do.

    ``writers`` are the programs that have a block device (major:minor) or a file (its path) open for writing, in
    words. QEMU opens the disk of a guest in no other way: no mount, no holder and no O_EXCL tells of it.
    ``devnums`` are the device numbers of those nodes that mounts name as their source, where the number of the mount
    itself is not that of a device.
    """

    ours: View
    others: tuple[View, ...] = ()
    writers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    devnums: Mapping[str, str] = field(default_factory=dict)

    def outliving(self, mounted: Mount) -> tuple[str, ...]:
        """Who keeps the filesystem when this mount of ours is unmounted, in words."""
        kept = [
            f"it is also mounted on {other.path}"
            for other in self.ours.mounts
            if same_filesystem(other, mounted) and other.mount_id != mounted.mount_id
        ]
        parents = _peers_of_parent(self.ours, mounted)
        for view in self.others:
            for other in view.mounts:
                if not same_filesystem(other, mounted):
                    continue
                # A copy under a parent that follows ours goes when ours goes, mount_namespaces(7).
                follows = other.path == mounted.path and parents & _peers_of_parent(view, other)
                if not follows:
                    kept.append(f"{view.process} has it mounted on {other.path}")
        return tuple(dict.fromkeys(kept))

    def anywhere(self, devnum: str, node: str) -> tuple[str, ...]:
        """Who has this block device mounted, in words."""
        found = []
        for view in (self.ours, *self.others):
            who = "" if view is self.ours else f" by {view.process}"
            found += [f"mounted on {mount.path}{who}" for mount in view.mounts if self.is_on(mount, devnum, node)]
        return (*dict.fromkeys(found), *self.written(devnum))

    def written(self, devnum_or_path: str) -> tuple[str, ...]:
        return tuple(f"open for writing in {who}" for who in self.writers.get(devnum_or_path, ()))

    def is_on(self, mounted: Mount, devnum: str, node: str) -> bool:
        """Whether a mount shows a filesystem on this block device."""
        return is_on(mounted, devnum, node, self.devnums)


def is_on(mounted: Mount, devnum: str, node: str, devnums: Mapping[str, str]) -> bool:
    """Whether a mount shows a filesystem on this block device. ``devnums`` as in :class:`Views`."""
    if not is_of_no_device(mounted):
        return mounted.device == devnum
    return mounted.source == node or devnums.get(mounted.source) == devnum


def is_of_no_device(mounted: Mount) -> bool:
    """btrfs gives each subvolume a number of its own, which is that of no device; its source is a device node."""
    return mounted.device.startswith("0:")


def same_filesystem(one: Mount, other: Mount) -> bool:
    if one.device == other.device:
        return True
    return one.fstype == other.fstype == "btrfs" and one.source == other.source


def _peers_of_parent(view: View, mounted: Mount) -> frozenset[str]:
    for mount, peers in zip(view.mounts, view.peers):
        if mount.mount_id == mounted.parent_id:
            return peers
    return frozenset()
