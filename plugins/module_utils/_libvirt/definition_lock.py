# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping other runs of ours out while a definition is replaced: libvirt cannot look and replace in one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ansible_collections.virtio.fs.plugins.module_utils._system import files


@contextlib.contextmanager
def definition_lock(directory: str | None) -> Iterator[None]:
    """Hold the lock of the connection whose state is in this directory.

    Where the connection has no directory here, or this user cannot see it, nobody is kept out.
    """
    if directory is None or not os.access(directory, os.R_OK):
        yield
        return
    with files.locked(directory, directory):
        yield
