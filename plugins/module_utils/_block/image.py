# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read image files that stand in for a disk, and their loop devices. Nothing here changes anything."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Image
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import probe
from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system.command import run


def read_image(path: str, label: str, views: Views) -> Image:
    """:raises VirtiofsError: there is something at the path that is no regular file."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return Image(path, os.path.realpath(path), room=_room(os.path.dirname(path)))
    except OSError as error:
        raise VirtiofsError(f"{at(label, 'image')}cannot look at {path}: {error.strerror}") from error
    if not os.path.isfile(path) or os.path.islink(path):
        raise VirtiofsError(f"{at(label, 'image')}{path} is not a regular file")
    loops = _loops(path)
    real = os.path.realpath(path)
    return Image(
        path=path,
        real=real,
        inode=(status.st_dev, status.st_ino),
        exists=True,
        size=status.st_size,
        content=probe(path) if status.st_size else Content(),
        loops=tuple(str(loop["name"]) for loop in loops),
        partial=tuple(str(loop["name"]) for loop in loops if int(loop["offset"]) or int(loop["sizelimit"])),
        room=_room(os.path.dirname(path)),
        uses=views.written(real),
    )


def loops_of(path: str) -> tuple[str, ...]:
    """The loop devices of a file, by its inode: the kernel knows the name only as it once was."""
    return tuple(str(loop["name"]) for loop in _loops(path))


def _loops(path: str) -> list[dict[str, Any]]:
    try:
        status = os.stat(path)
    except OSError:
        return []
    found = run(["losetup", "--list", "--json", "-O", "NAME,BACK-INO,BACK-MAJ:MIN,OFFSET,SIZELIMIT"], timeout=30)
    if found.returncode != 0 or not found.stdout.strip():
        return []
    place = (str(status.st_ino), f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}")
    return [
        loop
        for loop in json.loads(found.stdout)["loopdevices"]
        if (str(loop["back-ino"]).strip(), str(loop["back-maj:min"]).strip()) == place
    ]


def _room(directory: str) -> int:
    while directory != "/" and not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
