# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read image files that stand in for a disk, and their loop devices. Nothing here changes anything."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Image
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import Signatures
from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system.command import run


def read_images(paths: Mapping[str, str], views: Views, found: Signatures) -> dict[str, Image]:
    """Image files, by the label of their item as their paths are given.

    :raises VirtiofsError: there is something at a path that is no regular file.
    """
    files = {label: _status(path, label) for label, path in paths.items()}
    found.look_at(paths[label] for label, status in files.items() if status is not None and status.st_size)
    loops = _all_loops() if any(files.values()) else []
    return {label: _image(paths[label], status, views, loops, found) for label, status in files.items()}


def _status(path: str, label: str) -> os.stat_result | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise VirtiofsError(f"{at(label, 'image')}cannot look at {path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise VirtiofsError(f"{at(label, 'image')}{path} is not a regular file")
    return status


def _image(
    path: str, status: os.stat_result | None, views: Views, loops: Sequence[Mapping[str, Any]], found: Signatures
) -> Image:
    real = os.path.realpath(path)
    room = _room(os.path.dirname(path))
    if status is None:
        return Image(path, real, room=room)
    ours = _loops_of(status, loops)
    return Image(
        path=path,
        real=real,
        inode=(status.st_dev, status.st_ino),
        exists=True,
        size=status.st_size,
        content=found.content(path) if status.st_size else Content(),
        loops=tuple(str(loop["name"]) for loop in ours),
        partial=tuple(str(loop["name"]) for loop in ours if int(loop["offset"]) or int(loop["sizelimit"])),
        room=room,
        uses=views.written(real),
    )


def loops_of(path: str) -> tuple[str, ...]:
    """The loop devices of a file, by its inode: the kernel knows the name only as it once was."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return tuple(str(loop["name"]) for loop in _loops_of(status, _all_loops()))


def _loops_of(status: os.stat_result, loops: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    place = (str(status.st_ino), f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}")
    return [loop for loop in loops if (str(loop["back-ino"]).strip(), str(loop["back-maj:min"]).strip()) == place]


def _all_loops() -> list[dict[str, Any]]:
    found = run(["losetup", "--list", "--json", "-O", "NAME,BACK-INO,BACK-MAJ:MIN,OFFSET,SIZELIMIT"], timeout=30)
    if found.returncode != 0 or not found.stdout.strip():
        return []
    return list(json.loads(found.stdout)["loopdevices"])


def _room(directory: str) -> int:
    while directory != "/" and not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
