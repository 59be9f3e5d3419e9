# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is mounted, as typed values from the kernel's mountinfo.

Reading mountinfo asks no filesystem: it returns also when a virtiofsd is dead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within

# A stat(2) on one of these waits for another machine or another process.
_REMOTE = ("9p", "afs", "autofs", "ceph", "cifs", "fuse", "glusterfs", "nfs", "nfs4", "smb3", "virtiofs")

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo, proc_pid_mountinfo(5). ``device`` is major:minor."""

    mount_id: int
    parent_id: int
    device: str
    root: str
    path: str
    options: frozenset[str]
    fstype: str
    source: str
    super_options: frozenset[str]

    @property
    def readonly(self) -> bool:
        """Whether writing here is refused by this kernel, by the mount or by the filesystem under it."""
        return "ro" in self.options or "ro" in self.super_options


def parse(text: str) -> tuple[Mount, ...]:
    """The mounts of a mountinfo text, in its order.

    :raises VirtiofsError: a line is not mountinfo.
    """
    return tuple(_parse_line(line) for line in text.split("\n") if line)


def current(pid: int | str = "self") -> tuple[Mount, ...]:
    """The mounts that a process sees.

    :raises VirtiofsError: there is no such process, or it may not be read.
    """
    path = f"/proc/{pid}/mountinfo"
    try:
        return parse(_read(path))
    except OSError as error:
        raise VirtiofsError(f"cannot read {path}: {error.strerror}") from error


def in_every_namespace() -> tuple[Mount, ...]:
    """The mounts that any process sees: containers, services of their own, a sandboxed virtiofsd.

    A mount that several see under one path is listed once. Only meant for "does anybody hold this?":
    which one is on top (:func:`on_path`) is a question to one process.
    """
    seen: set[tuple[str, str]] = set()
    found: dict[Mount, None] = {}
    for pid in ["self", *sorted(filter(str.isdigit, os.listdir("/proc")), key=int)]:
        try:
            # Two processes of one namespace with different roots see different parts of it.
            view = (os.readlink(f"/proc/{pid}/ns/mnt"), os.readlink(f"/proc/{pid}/root"))
            if view in seen:
                continue
            text = _read(f"/proc/{pid}/mountinfo")
        except OSError:
            # It ended meanwhile, or is a zombie: it sees no mount any more.
            continue
        seen.add(view)
        found.update(dict.fromkeys(parse(text)))
    return tuple(found)


def holding(mounts: Sequence[Mount], path: str) -> Mount | None:
    """The mount that a normalized absolute path leads into, or None when the root is not a mount.

    Follows parent ids, because mountinfo also lists what is hidden under another mount.
    """
    ids = {mount.mount_id for mount in mounts}
    inside: Mount | None = None
    while True:
        here = inside
        below = [
            mount
            for mount in mounts
            if mount is not here
            and within(path, mount.path)
            and (
                mount.parent_id == here.mount_id
                if here is not None
                else mount.parent_id not in ids or mount.parent_id == mount.mount_id
            )
        ]
        if not below:
            return inside
        shortest = min(len(mount.path) for mount in below)
        inside = [mount for mount in below if len(mount.path) == shortest][-1]


def on_path(mounts: Sequence[Mount], path: str) -> Mount | None:
    """The topmost mount on exactly this normalized path, or None. ``mounts`` as one process sees them."""
    mount = holding(mounts, path)
    return mount if mount is not None and mount.path == path else None


def is_remote(fstype: str) -> bool:
    """Whether asking such a filesystem can wait for somebody else."""
    return fstype in _REMOTE or fstype.startswith("fuse.")


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return file.read()


def _parse_line(line: str) -> Mount:
    # One space separates fields: a source can be empty. Optional fields end at the lone hyphen.
    try:
        fields = line.split(" ")
        hyphen = fields.index("-", 6)
        fstype, source, super_options = fields[hyphen + 1 : hyphen + 4]
        return Mount(
            mount_id=int(fields[0]),
            parent_id=int(fields[1]),
            device=fields[2],
            root=_unescaped(fields[3]),
            path=_unescaped(fields[4]),
            options=_options(fields[5]),
            fstype=_unescaped(fstype),
            source=_unescaped(source),
            super_options=_options(super_options),
        )
    except ValueError as error:
        raise VirtiofsError(f"this line is not mountinfo: {line!r}") from error


def _options(field: str) -> frozenset[str]:
    return frozenset(_unescaped(option) for option in field.split(",") if option)


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), field)
