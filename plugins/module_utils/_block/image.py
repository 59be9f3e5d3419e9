# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image files that stand in for a disk: a loop device now, and a unit that attaches it again at boot."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.holders import Views
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import Content, probe
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check, find, run


@dataclass(frozen=True)
class Image:
    """A file, and the loop devices that it is attached to."""

    path: str
    exists: bool = False
    size: int = 0
    content: Content = field(default_factory=Content)
    loops: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()  # those among them that show only a part of it
    room: int = 0  # bytes that the filesystem under it has free
    uses: tuple[str, ...] = ()  # who writes to it other than through a loop device, in words


def read(path: str, label: str, views: Views) -> Image:
    """:raises VirtiofsError: there is something at the path that is no regular file."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return Image(path, room=_room(os.path.dirname(path)))
    except OSError as error:
        raise VirtiofsError(f"{label}, image: cannot look at {path}: {error.strerror}") from error
    if not os.path.isfile(path) or os.path.islink(path):
        raise VirtiofsError(f"{label}, image: {path} is not a regular file")
    loops = _loops(path)
    return Image(
        path=path,
        exists=True,
        size=status.st_size,
        content=probe(path) if status.st_size else Content(),
        loops=tuple(str(loop["name"]) for loop in loops),
        partial=tuple(str(loop["name"]) for loop in loops if int(loop["offset"]) or int(loop["sizelimit"])),
        room=_room(os.path.dirname(path)),
        uses=views.written(os.path.realpath(path)),
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


def make(path: str, size: int, new: NewFilesystem, *, replace: bool) -> None:
    """Make a sparse file with a filesystem in it, whole or not at all.

    :raises VirtiofsError: there is one already, and it is not to be replaced.
    """
    directory, name = os.path.split(path)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise VirtiofsError(f"cannot make {directory}: {error.strerror}") from error
    with files.locked(directory, path):
        if not replace and os.path.lexists(path) and os.path.getsize(path):
            raise VirtiofsError(f"{new.label}, image: {path} was made by somebody else meanwhile, run it again")
        _make(path, os.path.join(directory, f".{name}.virtiofs"), size, new)


def _make(path: str, temporary: str, size: int, new: NewFilesystem) -> None:
    try:
        # Only a killed run of ours can have left one: the name is ours.
        if os.path.lexists(temporary):
            os.unlink(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
        try:
            new.make(temporary, uuid.uuid4())
            _synced(temporary)
            os.rename(temporary, path)
            _synced(os.path.dirname(path))
        except BaseException:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise VirtiofsError(f"cannot make {path}: {error.strerror}") from error


def attach(path: str) -> str:
    """Give the file a loop device, the same one when it has one."""
    return check(["losetup", "--find", "--nooverlap", "--show", path], timeout=30).stdout.strip()


def detach(path: str) -> None:
    for loop in loops_of(path):
        check(["losetup", "--detach", loop], timeout=30)


def enlarge(path: str, size: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_size > size:
                raise VirtiofsError(f"{path} is larger than {size} bytes, and it is never made smaller")
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot enlarge {path}: {error.strerror}") from error
    for loop in loops_of(path):
        check(["losetup", "--set-capacity", loop], timeout=30)


def unit_text(path: str, label: str) -> str:
    """The unit that attaches the file at boot. The line of fstab requires it."""
    # systemd.syntax(7): quoted, and specifiers and variables escaped.
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
    losetup = find("losetup") or "/usr/sbin/losetup"
    return f"""\
# Written by virtio.fs: the line of {label} in fstab requires this unit.
[Unit]
Description=Loop device of the share {label}
DefaultDependencies=no
Wants=modprobe@loop.service
After=modprobe@loop.service systemd-remount-fs.service
RequiresMountsFor={quoted}
Conflicts=umount.target
Before=umount.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={losetup} --find --nooverlap {quoted.replace("$", "$$")}
"""


def _room(directory: str) -> int:
    while directory != "/" and not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _synced(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
