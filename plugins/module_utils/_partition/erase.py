# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write over a device, never over one that somebody uses."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check


def refuse_in_use(node: str, label: str) -> None:
    try:
        os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        raise VirtiofsError(f"{at(label)}{node} is in use, nothing was written to it: {error.strerror}") from error


def erase(node: str) -> None:
    """Erase every signature, and the ends of the device, where the next look would find data."""
    check(["wipefs", "--all", "--quiet", node], timeout=60)
    try:
        descriptor = os.open(node, os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            part = min(MIB, size)
            for offset in (0, size - part):
                os.pwrite(descriptor, bytes(part), offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot erase {node}: {error.strerror}") from error


def flush(node: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
