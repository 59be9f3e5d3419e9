# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on the tree of directories: the root, fstab, mounting and unmounting."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.holders import device_number, is_on
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mount, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_mount, for_remount, meaning
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line, Written, written
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable

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
        # The lines of the mounts that come after it are written.
        with _taking_back(target):
            immutable.set_immutable(self.path, True)


@dataclass(frozen=True)
class WriteLines:
    """Write the lines of fstab of all filesystems. ``waiting`` are the mount points that are mounted after it."""

    lines: tuple[Line, ...]
    waiting: frozenset[str] = frozenset()

    @property
    def summary(self) -> str:
        paths = [line.entry.path for line in self.lines]
        return f"write the fstab {'line' if len(paths) == 1 else 'lines'} of {', '.join(paths)}"

    def apply(self, target: Target) -> None:
        before: list[str] = []

        def write(text: str) -> str:
            before[:] = [text]
            return written(text, self.lines)

        if fstab.edit(target.fstab, write):
            target.written = Written(before[0], self.lines, set(self.waiting))


@dataclass(frozen=True)
class ReadUnits:
    """Once for everything that systemd makes units of: while it does that, mounts can come loose.

    A unit that it has from an older line would unmount the new mount, so this comes before the mounts.
    """

    summary: str = "have systemd read fstab and its units again"

    def apply(self, target: Target) -> None:
        with _taking_back(target):
            mount.reload_units()


@dataclass(frozen=True)
class Attach:
    """Mount it. When that fails, the lines of all that is not mounted yet go, and the directories made for it."""

    source: Source
    entry: Entry

    @property
    def summary(self) -> str:
        return f"mount {self.source.label} on {self.entry.path}"

    def apply(self, target: Target) -> None:
        with _taking_back(target):
            try:
                self._mount()
            except VirtiofsError:
                if not self._is_mounted():
                    raise
        target.no_longer_waits(self.entry.mount_point)

    def _mount(self) -> None:
        with contextlib.ExitStack() as undo:
            _make_guarded(self.entry.path, undo)
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
        number = device_number(node)
        return here is not None and number is not None and here.root == "/" and is_on(here, number, node)


@dataclass(frozen=True)
class Remount:
    """Change the options of a mount. When that fails, a line of fstab that asks for them goes."""

    path: str
    options: tuple[str, ...]

    @property
    def summary(self) -> str:
        return f"remount {self.path} with {','.join(for_mount(self.options))}"

    def apply(self, target: Target) -> None:
        wanted = meaning(for_mount(self.options))
        with _taking_back(target):
            mount.remount(self.path, (*for_remount(wanted), *sorted(wanted.fixed)), timeout=_MOUNT_SECONDS)
        target.no_longer_waits(self.path)


@dataclass(frozen=True)
class Unmount:
    """Unmount it. Only then it is seen whether the bare directory is immutable; ``guard``: that is how it is left."""

    path: str
    guard: bool

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
        immutable.set_immutable(self.path, self.guard)


@dataclass(frozen=True)
class Unguard:
    """A bare directory that no filesystem of ours is to be mounted on belongs to whoever put something into it."""

    path: str

    @property
    def summary(self) -> str:
        return f"stop the bare directory {self.path} being immutable"

    def apply(self, target: Target) -> None:
        immutable.set_immutable(self.path, False)


@dataclass(frozen=True)
class RemoveEntries:
    """Take lines out of fstab: those of this label, and those that mount these entries."""

    entries: tuple[Entry, ...]

    @property
    def summary(self) -> str:
        return "remove from fstab: " + ", ".join(f"{entry.spec} on {entry.path}" for entry in self.entries)

    def apply(self, target: Target) -> None:
        fstab.edit(target.fstab, lambda text: fstab.without_entries(text, lambda entry: entry in self.entries))


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
    if not immutable.is_immutable(path):
        immutable.set_immutable(path, True)
        undo.callback(immutable.set_immutable, path, False)


@contextlib.contextmanager
def _taking_back(target: Target) -> Iterator[None]:
    try:
        yield
    except VirtiofsError:
        lines, target.written = target.written, None
        # The message of what went wrong first is the one that matters.
        with contextlib.suppress(VirtiofsError):
            if lines is not None and fstab.edit(target.fstab, lines.taken_back):
                mount.reload_units()
        raise


def _remove_quietly(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)
