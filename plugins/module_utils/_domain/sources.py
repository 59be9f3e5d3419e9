# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands on this host at the paths that shall be shared."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Directory
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._system import bounded
from ansible_collections.virtio.fs.plugins.module_utils._system import paths as system_paths

# For all sources that are on other machines, or on filesystems that a process provides.
ANSWER_SECONDS = 20.0


def read_directories(paths: Iterable[str]) -> dict[str, Directory]:
    """Each path as it is now. A filesystem that does not answer costs a time limit, once.

    :raises VirtiofsError: a component cannot be read.
    """
    mounts = mountinfo.current()
    points = sorted({mount.path for mount in mounts})
    remote = [mount.path for mount in mounts if mountinfo.is_remote(mount.fstype)]
    found: dict[str, Directory] = {}
    asked: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        plain = system_paths.normalized(path)
        holding = max((point for point in remote if system_paths.within(plain, point)), key=len, default=None)
        if holding is None:
            found[path] = _with_mounts(plain, Directory(**_read_one(plain)), points)
        else:
            asked.setdefault(holding, []).append(path)
    answers = _read_bounded(asked)
    for path in (path for behind in asked.values() for path in behind):
        found[path] = _with_mounts(system_paths.normalized(path), answers[path], points)
    return found


def below(directory: str, ordered: Sequence[str]) -> list[str]:
    """The mount points below a directory, from all of them in order. Pure.

    Found by halving: each of thousands of sources can be a mount point of its own.
    """
    start = directory.rstrip("/") + "/"
    first = bisect.bisect_left(ordered, start)
    # The character after the slash.
    last = bisect.bisect_left(ordered, start[:-1] + "0", first)
    return [point for point in ordered[first:last] if point != directory]


def _with_mounts(plain: str, directory: Directory, points: Sequence[str]) -> Directory:
    at = bisect.bisect_left(points, plain)
    mounted = points[at : at + 1] == [plain]
    return dataclasses.replace(directory, mountpoint=mounted, submounts=tuple(below(plain, points)))


def _read_one(plain: str) -> dict[str, Any]:
    symlink = system_paths.symlink_in(plain)
    return {"exists": os.path.lexists(plain), "directory": os.path.isdir(plain), "symlink": symlink}


def _read_bounded(asked: Mapping[str, Sequence[str]]) -> dict[str, Directory]:
    """One process for each mount that somebody else answers for, so that a hanging one costs one."""
    works = {point: functools.partial(_read_each, paths) for point, paths in asked.items()}
    found = {}
    for point, outcome in (bounded.touch_all(works, ANSWER_SECONDS) if works else {}).items():
        answers = dict(outcome.values)
        no_answer = outcome.stuck or outcome.error
        for path in asked[point]:
            found[path] = Directory(**answers[path]) if path in answers else Directory(no_answer=no_answer)
    return found


def _read_each(paths: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in paths:
        yield path, _read_one(system_paths.normalized(path))
