# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making and removing the bind mount below a read-only share."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mount, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import BEFORE_LIBVIRT
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable

# Without nofail a source that is gone would hold the boot; with it only these keep the guests waiting.
_OPTIONS = (
    "bind",
    "ro",
    "nosuid",
    "nodev",
    "nofail",
    *BEFORE_LIBVIRT,
)


def entry_of(source: str, path: str) -> mounts_fstab.Entry:
    """The line in fstab that keeps the bind mount of ``source`` at ``path``. Pure."""
    return mounts_fstab.Entry(source, path, "none", _OPTIONS)


@dataclass(frozen=True)
class BindReadOnly:
    """A bind mount with a line in fstab, on an immutable directory: without the mount nobody writes there."""

    source: str
    path: str
    fstab: str

    @property
    def summary(self) -> str:
        return f"bind {self.source} read-only at {self.path}"

    def apply(self, target: object) -> None:
        _make_directory(self.path)
        if mountinfo.on_path(mountinfo.current(), self.path) is not None:
            mount.unmount(self.path)
        if not immutable.set_immutable(self.path, True):
            raise VirtiofsError(
                f"cannot make {self.path} immutable on this filesystem: without its bind mount the share would be "
                "writable"
            )
        mount.bind(self.source, self.path, readonly=True)
        try:
            mounts_fstab.edit(self.fstab, lambda text: mounts_fstab.with_entry(text, entry_of(self.source, self.path)))
        except VirtiofsError:
            mount.unmount(self.path)
            raise
        mount.reload_units()


@dataclass(frozen=True)
class RemoveBind:
    path: str
    fstab: str

    @property
    def summary(self) -> str:
        return f"remove the read-only bind mount {self.path}"

    def apply(self, target: object) -> None:
        while mountinfo.on_path(mountinfo.current(), self.path) is not None:
            mount.unmount(self.path)
        mounts_fstab.edit(
            self.fstab, lambda text: mounts_fstab.without_entries(text, lambda entry: entry.path == self.path)
        )
        mount.reload_units()
        if not os.path.isdir(self.path):
            return
        immutable.set_immutable(self.path, False)
        try:
            os.rmdir(self.path)
        except OSError as error:
            raise VirtiofsError(f"cannot remove {self.path}: {error.strerror}") from error


def _make_directory(path: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        if not os.path.isdir(path):
            os.mkdir(path, 0o700)
    except OSError as error:
        raise VirtiofsError(f"cannot make the directory {path}: {error.strerror}") from error
