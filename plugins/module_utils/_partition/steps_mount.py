# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on the tree of directories: the root, mount points, mounting and unmounting."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.holders import devnums_of_sources
from ansible_collections.virtio.fs.plugins.module_utils._block.sysfs import devnum_of
from ansible_collections.virtio.fs.plugins.module_utils._block.views import is_on
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mount, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_mount
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable

# A filesystem that was not unmounted cleanly replays its journal first.
_MOUNT_SECONDS = 300

# Longer than any udev takes that will come to an end: it gives up an event after 180 seconds, udevd.conf(5).
_DEVICE_SECONDS = 200.0


@dataclass(frozen=True)
class KeepRoot:
    """Make the parent of the mount points, or give it back its owner and mode."""

    path: str
    mode: int
    exists: bool

    @property
    def summary(self) -> str:
        what = "make" if not self.exists else "give to root"
        return f"{what} {self.path} with mode {self.mode:04o}"

    def apply(self, target: Target) -> None:
        try:
            if not self.exists:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                # A run beside this one can have made it meanwhile.
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.path, self.mode & 0o700)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fchown(descriptor, 0, 0)
                os.fchmod(descriptor, self.mode)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise VirtiofsError(f"cannot prepare {self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class SetImmutable:
    """Make a bare mount point immutable: nobody can fill it while its filesystem is not there."""

    path: str

    @property
    def summary(self) -> str:
        return f"make the bare directory {self.path} immutable"

    def apply(self, target: Target) -> None:
        # The lines of the mounts that come after it are written.
        with target.rollback():
            immutable.set_immutable(self.path, True)


@dataclass(frozen=True)
class Mount:
    """Mount it. When that fails, the lines of all that is not mounted yet go, and the directories made for it."""

    source: Source
    entry: Entry

    @property
    def summary(self) -> str:
        return f"mount {self.source.label} on {self.entry.path}"

    def apply(self, target: Target) -> None:
        with target.rollback():
            if target.fstab == fstab.SYSTEM:
                mount.wait_for_device(self.entry.spec, _DEVICE_SECONDS)
            try:
                self._mount()
            except VirtiofsError:
                if not self._is_mounted():
                    raise
        target.mounted(self.entry.mount_point)

    def _mount(self) -> None:
        with contextlib.ExitStack() as undo:
            _make_immutable(self.entry.path, undo)
            mount.mount(
                self.source.node(),
                self.entry.path,
                self.entry.fstype,
                for_mount(self.entry.options),
                timeout=_MOUNT_SECONDS,
            )
            undo.pop_all()

    def _is_mounted(self) -> bool:
        """Whether another run was faster. Its line of fstab is ours too, and must not be taken back."""
        here = mountinfo.on_path(mountinfo.current(), self.entry.mount_point)
        node = self.source.node()
        devnum = devnum_of(node)
        if here is None or devnum is None or here.root != "/":
            return False
        return is_on(here, devnum, node, devnums_of_sources([here]))


@dataclass(frozen=True)
class Unmount:
    """Unmount it. Only then it is seen whether the bare directory is immutable, and made what it is to be."""

    path: str
    immutable: bool

    @property
    def summary(self) -> str:
        return f"unmount {self.path}"

    def apply(self, target: Target) -> None:
        try:
            mount.unmount(self.path, timeout=_MOUNT_SECONDS)
        except VirtiofsError as error:
            users = mount.users_of(self.path)
            by = f"; in use by {', '.join(users)}" if users else ""
            raise VirtiofsError(f"cannot unmount {self.path}: {str(error).rstrip('.')}{by}") from error
        immutable.set_immutable(self.path, self.immutable)


@dataclass(frozen=True)
class ClearImmutable:
    """A bare directory that no filesystem of ours is to be mounted on belongs to whoever put something into it."""

    path: str

    @property
    def summary(self) -> str:
        return f"stop the bare directory {self.path} being immutable"

    def apply(self, target: Target) -> None:
        immutable.set_immutable(self.path, False)


@dataclass(frozen=True)
class RemoveDirectory:
    """Remove a bare mount point. One that is not empty stays."""

    path: str

    @property
    def summary(self) -> str:
        return f"remove the directory {self.path}"

    def apply(self, target: Target) -> None:
        if not os.path.isdir(self.path) or os.path.ismount(self.path):
            return
        try:
            if not os.listdir(self.path):
                immutable.set_immutable(self.path, False)
                os.rmdir(self.path)
        except OSError as error:
            raise VirtiofsError(f"cannot remove {self.path}: {error.strerror}") from error


def _make_immutable(path: str, undo: contextlib.ExitStack) -> None:
    missing = []
    parent = path
    while not os.path.lexists(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    for directory in reversed(missing):
        try:
            os.mkdir(directory, 0o700 if directory == path else 0o755)
        except FileExistsError:
            continue
        except OSError as error:
            raise VirtiofsError(f"cannot make {directory}: {error.strerror}") from error
        undo.callback(_remove_quietly, directory)
    if not immutable.is_immutable(path):
        immutable.set_immutable(path, True)
        undo.callback(immutable.set_immutable, path, False)


def _remove_quietly(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)
