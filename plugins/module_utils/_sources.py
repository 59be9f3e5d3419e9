# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands on this host at the paths that shall be shared."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable

from ansible_collections.virtio.fs.plugins.module_utils import _mounts, _paths
from ansible_collections.virtio.fs.plugins.module_utils._domain_state import Directory


def look(paths: Iterable[str]) -> dict[str, Directory]:
    """Each path as it is now.

    :raises VirtiofsError: a component cannot be read.
    """
    mountpoints = sorted({mount.path for mount in _mounts.current()})
    return {path: _directory(path, mountpoints) for path in set(paths)}


def _directory(path: str, mountpoints: list[str]) -> Directory:
    plain = _paths.normalized(path)
    return Directory(
        exists=os.path.lexists(plain),
        directory=os.path.isdir(plain),
        symlink=_paths.symlink_in(plain),
        mountpoint=plain in mountpoints,
        submounts=tuple(below(plain, mountpoints)),
    )


def below(directory: str, ordered: list[str]) -> list[str]:
    """The mount points below a directory, from all of them in order. Pure.

    Found by halving: each of thousands of sources can be a mount point of its own.
    """
    start = directory.rstrip("/") + "/"
    first = bisect.bisect_left(ordered, start)
    # The character after the slash.
    last = bisect.bisect_left(ordered, start[:-1] + "0", first)
    return [point for point in ordered[first:last] if point != directory]
