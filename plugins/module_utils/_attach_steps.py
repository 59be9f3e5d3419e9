# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on the tree of directories: the root, fstab, mounting and unmounting."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils import _fstab, _immutable, _mounts
from ansible_collections.virtio.fs.plugins.module_utils._disk_steps import Source
from ansible_collections.virtio.fs.plugins.module_utils._disk_target import Target
from ansible_collections.virtio.fs.plugins.module_utils._fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mount_options import for_mount, for_remount, meaning
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import VirtiofsError

# A filesystem that was not unmounted cleanly replays its journal first.
_MOUNT_SECONDS = 300


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
            raise VirtiofsError(f"cannot keep {self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class Guard:
    """Make a bare mount point immutable: nobody can fill it while its filesystem is not there."""

    path: str

    @property
    def summary(self) -> str:
        return f"make the bare directory {self.path} immutable"

    def apply(self, target: Target) -> None:
        _immutable.set_immutable(self.path, True)


@dataclass(frozen=True)
class Attach:
    """The line of fstab and the mount. When the mount fails, both are as before, and so are the directories."""

    source: Source
    entry: Entry
    mount: bool
    write: bool

    @property
    def summary(self) -> str:
        doing = []
        if self.mount:
            doing.append(f"mount {self.source.label} on {self.entry.path}")
        if self.write:
            doing.append(f"write the fstab line of {self.entry.path}")
        return " and ".join(doing)

    def apply(self, target: Target) -> None:
        with contextlib.ExitStack() as undo:
            if self.mount:
                _make_guarded(self.entry.path, undo)
            if self.write:
                _write_entry(target.fstab, self.source.label, self.entry, undo)
                undo.callback(_reload_quietly)
                _mounts.reload_units()
            if self.mount:
                _mounts.mount(
                    self.source.node(),
                    self.entry.path,
                    self.entry.fstype,
                    for_mount(self.entry.options),
                    timeout=_MOUNT_SECONDS,
                )
            undo.pop_all()


@dataclass(frozen=True)
class Remount:
    path: str
    options: tuple[str, ...]

    @property
    def summary(self) -> str:
        return f"remount {self.path} with {','.join(for_mount(self.options))}"

    def apply(self, target: Target) -> None:
        wanted = meaning(for_mount(self.options))
        _mounts.remount(self.path, (*for_remount(wanted), *sorted(wanted.fixed)), timeout=_MOUNT_SECONDS)


@dataclass(frozen=True)
class Unmount:
    path: str

    @property
    def summary(self) -> str:
        return f"unmount {self.path}"

    def apply(self, target: Target) -> None:
        _mounts.unmount(self.path, timeout=_MOUNT_SECONDS)


@dataclass(frozen=True)
class RemoveEntries:
    """Take lines out of fstab: those of this label, and those that mount these entries."""

    entries: tuple[Entry, ...]

    @property
    def summary(self) -> str:
        return "remove from fstab: " + ", ".join(f"{entry.spec} on {entry.path}" for entry in self.entries)

    def apply(self, target: Target) -> None:
        _fstab.edit(target.fstab, lambda text: _fstab.without_entries(text, lambda entry: entry in self.entries))
        _mounts.reload_units()


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
                _immutable.set_immutable(self.path, False)
                os.rmdir(self.path)
        except OSError as error:
            raise VirtiofsError(f"cannot remove {self.path}: {error.strerror}") from error


def new_text(text: str, label: str, entry: Entry) -> str:
    """fstab with this entry, and without another line for the same label: it has one mount point. Pure."""

    def moved(other: Entry) -> bool:
        return other.tag == ("LABEL", label) and other.mount_point != entry.mount_point

    return _fstab.with_entry(_fstab.without_entries(text, moved), entry)


def _make_guarded(path: str, undo: contextlib.ExitStack) -> None:
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
    if not _immutable.is_immutable(path):
        _immutable.set_immutable(path, True)
        undo.callback(_immutable.set_immutable, path, False)


def _write_entry(fstab: str, label: str, entry: Entry, undo: contextlib.ExitStack) -> None:
    texts: list[str] = []

    def write(before: str) -> str:
        after = new_text(before, label, entry)
        texts[:] = [before, after]
        return after

    def put_back(now: str) -> str:
        # Byte for byte, unless somebody else has changed another line since.
        before, after = texts
        if now == after:
            return before
        old = [other for other in _fstab.entries(before) if other.mount_point == entry.mount_point]
        without = _fstab.without_entries(now, lambda other: other == entry)
        return _fstab.with_entry(now, old[0]) if old else without

    if _fstab.edit(fstab, write):
        undo.callback(_fstab.edit, fstab, put_back)


def _remove_quietly(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _reload_quietly() -> None:
    with contextlib.suppress(VirtiofsError):
        _mounts.reload_units()
