# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing a script that starts virtiofsd, and taking it away."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import files

# Of the scripts, which belong to root.
MODE = 0o755


class Target(Protocol):
    """The part of a hypervisor that is used here."""

    def names_binary(self, path: str) -> bool:
        """Whether a domain has it as the daemon of a share: as defined, running, saved or in a snapshot."""


@dataclass(frozen=True)
class WriteScript:
    """``options`` are those that it is about."""

    path: str
    text: str
    options: tuple[str, ...]

    @property
    def summary(self) -> str:
        return f"write {self.path}, which starts virtiofsd with {' and '.join(self.options)}"

    def apply(self, target: Target) -> None:
        if _is_writable_by_others(self.path):
            # Who has it open for writing would still have it when it is root's alone.
            files.remove(self.path)
        files.edit(self.path, lambda _before: self.text)
        try:
            os.chown(self.path, 0, 0)
            os.chmod(self.path, MODE)
        except OSError as error:
            raise VirtiofsError(f"cannot change {self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class RemoveScript:
    """One that no domain names any more. It stays where another run has given it to a domain meanwhile."""

    path: str

    @property
    def summary(self) -> str:
        return f"remove {self.path}, which no share uses any more"

    def apply(self, target: Target) -> None:
        if not target.names_binary(self.path):
            files.remove(self.path)


def _is_writable_by_others(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_uid != 0 or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
