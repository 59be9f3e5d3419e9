# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing a script that starts virtiofsd."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import files

# Of the scripts, which belong to root.
MODE = 0o755


@dataclass(frozen=True)
class WriteScript:
    path: str
    text: str

    @property
    def summary(self) -> str:
        return f"write {self.path}, which starts virtiofsd with a map of users"

    def apply(self, target: None) -> None:
        if _is_writable_by_others(self.path):
            # Who has it open for writing would still have it when it is root's alone.
            files.remove(self.path)
        files.edit(self.path, lambda _before: self.text)
        try:
            os.chown(self.path, 0, 0)
            os.chmod(self.path, MODE)
        except OSError as error:
            raise VirtiofsError(f"cannot change {self.path}: {error.strerror}") from error


def _is_writable_by_others(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_uid != 0 or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
