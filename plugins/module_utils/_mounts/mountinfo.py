# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is mounted, as typed values from the kernel's mountinfo, and the commands that change it.

Reading mountinfo asks no filesystem: it returns also when a virtiofsd is dead.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check, run
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within

# Enough to know whom to ask.
_USERS_NAMED = 5

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


def as_given(program: str) -> list[str]:
    """The beginning of a call of ``mount`` or ``umount`` that takes names as they are.

    A source like "data" is not a file name to be completed, and a path that does not answer must not be resolved.
    busybox does neither, and has no option for it.
    """
    return [program] if is_busybox(program) else [program, "-c"]


def is_busybox(program: str) -> bool:
    found = shutil.which(program)
    return found is not None and "busybox" in os.path.basename(os.path.realpath(found))


def mount(source: str, path: str, fstype: str, options: Iterable[str], timeout: float = 30) -> None:
    """Mount, and raise a VirtiofsError with mount's own message when that fails."""
    check([*as_given("mount"), "-t", fstype, "-o", _joined(options), "--", source, path], timeout=timeout)


def remount(path: str, options: Iterable[str], timeout: float = 30) -> None:
    """Give a mount these options and no others, keeping it mounted throughout.

    :raises VirtiofsError: nothing is mounted there, or mount's own message.
    """
    mounted = on_path(current(), path)
    if mounted is None:
        raise VirtiofsError(f"cannot change the options of {path}: nothing is mounted there")
    # With source and path both given, mount(8) leaves fstab's options out of it.
    check([*as_given("mount"), "-o", "remount," + _joined(options), "--", mounted.source, path], timeout=timeout)


def bind(source: str, path: str, readonly: bool, timeout: float = 30) -> None:
    """Show a directory at a second place. Nothing stays mounted when making it read-only fails."""
    check([*as_given("mount"), "--bind", "--", source, path], timeout=timeout)
    if not readonly:
        return
    try:
        # A bind mount takes options only in a second call, mount(8), and keeps none that are not said in it.
        check([*as_given("mount"), "-o", "remount,bind,ro,nosuid,nodev", "--", source, path], timeout=timeout)
    except VirtiofsError:
        run([*as_given("umount"), "--", path], timeout=timeout)
        raise


def unmount(path: str, timeout: float = 30) -> None:
    """Unmount what is topmost on this path, and raise a VirtiofsError with umount's own message."""
    check([*as_given("umount"), "--", path], timeout=timeout)


def users_of(path: str) -> tuple[str, ...]:
    """The processes that have something below this path open, as ``name (pid)``; the first few of them."""
    found: dict[str, None] = {}
    for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        try:
            links = ["cwd", "root", *(f"fd/{name}" for name in os.listdir(f"/proc/{pid}/fd"))]
            # Only links are read: asking for the file behind one would ask the filesystem.
            if any(within(_target(f"/proc/{pid}/{link}"), path) for link in links):
                found[f"{_read(f'/proc/{pid}/comm').strip()} ({pid})"] = None
        except OSError:
            # It ended meanwhile.
            continue
        if len(found) == _USERS_NAMED:
            break
    return tuple(found)


def reload_units() -> None:
    """Let systemd, where it runs, make its mount units from the fstab of now."""
    if os.path.isdir("/run/systemd/system"):
        check(["systemctl", "daemon-reload"], timeout=60)


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        # Closed meanwhile.
        return ""


def _joined(options: Iterable[str]) -> str:
    return ",".join(options) or "defaults"


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
