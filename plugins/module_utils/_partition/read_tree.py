# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the mount points of virtiofs_partition and the root that they are in."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from ansible_collections.virtio.fs.plugins.module_utils._block.superblock import read_mounted_size
from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import on_path
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place, Root
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Wanted, WantedPartition
from ansible_collections.virtio.fs.plugins.module_utils._system.immutable import is_immutable
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import symlink_in, within


def read_place(item: WantedPartition, views: Views) -> Place:
    """:raises VirtiofsError: a symbolic link is on the way to it, or it is no directory."""
    link = symlink_in(item.path)
    if link is not None:
        raise VirtiofsError(f"{at(item.label, 'path')}{link} is a symbolic link, give the directory itself")
    try:
        status = os.lstat(item.path)
    except FileNotFoundError:
        return Place(can_be_immutable=can_be_immutable(item.path))
    except OSError as error:
        raise VirtiofsError(f"{at(item.label, 'path')}cannot look at {item.path}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise VirtiofsError(f"{at(item.label, 'path')}{item.path} is not a directory")
    mounted = on_path(views.ours.mounts, item.path)
    size = None
    if mounted is not None and mounted.fstype in ("xfs", "btrfs"):
        size = read_mounted_size(mounted.fstype, item.path)
    return Place(
        exists=True,
        empty=_is_empty(item.path),
        immutable=is_immutable(item.path),
        can_be_immutable=can_be_immutable(item.path),
        uid=status.st_uid,
        gid=status.st_gid,
        mode=stat.S_IMODE(status.st_mode),
        mounted_size=size,
    )


def can_be_immutable(path: str) -> bool:
    """Whether the filesystem of the bare directory has the immutable flag. What is mounted on it says nothing."""
    above = os.path.dirname(path)
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    return is_immutable(above) is not None


def read_root(wanted: Wanted, views: Views, entries: Iterable[Entry]) -> Root:
    """:raises VirtiofsError: a symbolic link is on the way to it, or it is no directory."""
    link = symlink_in(wanted.root)
    if link is not None:
        raise VirtiofsError(at("root") + f"{link} is a symbolic link")
    try:
        status = os.lstat(wanted.root)
    except FileNotFoundError:
        return Root()
    except OSError as error:
        raise VirtiofsError(at("root") + f"cannot look at {wanted.root}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise VirtiofsError(at("root") + f"{wanted.root} is not a directory")
    ours = {item.path for item in wanted.items}
    ours |= {mount.path for mount in views.ours.mounts}
    ours |= {entry.mount_point for entry in entries}
    foreign = tuple(name for name in sorted(os.listdir(wanted.root)) if _is_foreign(f"{wanted.root}/{name}", ours))
    return Root(True, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), foreign)


def _is_foreign(path: str, ours: set[str]) -> bool:
    if path in ours:
        return False
    if os.path.isdir(path) and not os.path.islink(path) and any(within(mount_point, path) for mount_point in ours):
        # On the way to a mount point.
        return any(_is_foreign(f"{path}/{name}", ours) for name in os.listdir(path))
    return not _is_empty_directory(path)


def _is_empty_directory(path: str) -> bool:
    with contextlib.suppress(OSError):
        return not os.path.islink(path) and _is_empty(path)
    return False


def _is_empty(path: str) -> bool:
    # Not a list of all: a guest decides how many there are.
    with os.scandir(path) as entries:
        return next(entries, None) is None
