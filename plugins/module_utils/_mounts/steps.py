# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hypervisor and a guest both do to their mounts and their fstab, one effect each."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_remount, meaning
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Stuck
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout

# A filesystem that was not unmounted cleanly replays its journal first.
_MOUNT_SECONDS = 300.0


class Line(Protocol):
    """A line of fstab to write. Which lines it may take the place of is for the wing that writes it to say."""

    @property
    def entry(self) -> Entry:
        """What the line says."""

    def written_to(self, text: str) -> str:
        """The text of fstab with this line.

        :raises VirtiofsError: somebody gave the mount point to something else since this was planned.
        """


class Target:
    """The machine whose mounts are changed: what the steps here ask of it.

    A wing that writes lines before it mounts what they name has to take them back when that fails. It defines
    ``rollback``, ``lines_written`` and ``mounted`` for that; here they do nothing.
    """

    fstab: str
    remedy: str = ""  # what to do about a mount that does not answer, as the end of a sentence

    def seconds(self) -> float:
        """How long one call of mount(8) may take."""
        return _MOUNT_SECONDS

    def rollback(self) -> AbstractContextManager[None]:
        """What is done in this block is undone by the target when it fails with a VirtiofsError."""
        return contextlib.nullcontext()

    def lines_written(self, before: str, step: WriteLines) -> None:
        """fstab has the lines of this step now, and had the text ``before``."""

    def mounted(self, mount_point: str) -> None:
        """It is mounted as its line says, so that line stays, whatever comes."""


@dataclass(frozen=True)
class WriteLines:
    """Write these lines to fstab, all at once. ``waiting`` are the mount points that are mounted after it."""

    lines: tuple[Line, ...]
    waiting: frozenset[str] = frozenset()

    @property
    def summary(self) -> str:
        what = "line" if len(self.lines) == 1 else "lines"
        return f"write the fstab {what} of " + _named(tuple(line.entry for line in self.lines))

    def apply(self, target: Target) -> None:
        before = ""

        def write(text: str) -> str:
            nonlocal before
            before = text
            for line in self.lines:
                text = line.written_to(text)
            return text

        if fstab.edit(target.fstab, write):
            target.lines_written(before, self)


@dataclass(frozen=True)
class RemoveLines:
    """Take these lines out of fstab; the fields are compared, not their spelling."""

    entries: tuple[Entry, ...]

    @property
    def summary(self) -> str:
        return f"remove the fstab {'line' if len(self.entries) == 1 else 'lines'} of {_named(self.entries)}"

    def apply(self, target: Target) -> None:
        fstab.edit(target.fstab, lambda text: fstab.without_entries(text, self.entries.__contains__))


@dataclass(frozen=True)
class ReadUnits:
    """Once for everything that systemd makes units of: while it does that, mounts can come loose.

    A unit that it has from an older line would unmount the new mount, so on a hypervisor this comes before the mounts.
    """

    summary: str = "have systemd read fstab and its units again"

    def apply(self, target: Target) -> None:
        with target.rollback():
            mount.reload_units()


@dataclass(frozen=True)
class Remount:
    """Change the options of a mount. ``fixed``: also those that are decided when it is mounted, as far as it can."""

    path: str
    options: tuple[str, ...]
    fixed: bool = False

    @property
    def summary(self) -> str:
        return f"change the options of {self.path} to {','.join(self._words)}"

    @property
    def _words(self) -> tuple[str, ...]:
        wanted = meaning(self.options)
        return (*for_remount(wanted), *(sorted(wanted.fixed) if self.fixed else ()))

    def apply(self, target: Target) -> None:
        with target.rollback():
            try:
                mount.remount(self.path, self._words, target.seconds())
            except (CommandTimeout, Stuck) as error:
                remedy = f"; {target.remedy}" if target.remedy else ""
                raise VirtiofsError(f"cannot change the options of {self.path}: {error}{remedy}") from error
        target.mounted(self.path)


@dataclass(frozen=True)
class MakeDirectory:
    """Make a directory with this mode, whatever the umask. One that a run beside this one made meanwhile is kept."""

    path: str
    mode: int = 0o755

    @property
    def summary(self) -> str:
        return f"make the directory {self.path}"

    def apply(self, target: object) -> None:
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
            try:
                # Nobody can use it before it has the mode that was asked for.
                os.mkdir(self.path, 0o700)
            except FileExistsError:
                return
            os.chmod(self.path, self.mode)
        except OSError as error:
            raise VirtiofsError(f"cannot make the directory {self.path}: {error.strerror}") from error


def _named(entries: tuple[Entry, ...]) -> str:
    return ", ".join(f"{entry.spec} on {entry.path}" for entry in entries)
