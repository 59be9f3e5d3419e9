# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain directories: what there is, what is wanted, and the steps between."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan, Step
from ansible_collections.virtio.fs.plugins.module_utils._system import ownership
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized

_NEW_MODE = 0o755


@dataclass(frozen=True)
class Found:
    uid: int
    gid: int
    mode: int


@dataclass(frozen=True)
class Directory:
    """A directory as it shall be; None keeps what is there. ``new_mode`` is for one that is made."""

    path: str
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    new_mode: int = _NEW_MODE


@dataclass(frozen=True)
class Make:
    path: str
    mode: int

    @property
    def summary(self) -> str:
        return f"make the directory {self.path}"

    def apply(self, target: None) -> None:
        try:
            os.makedirs(os.path.dirname(self.path), mode=_NEW_MODE, exist_ok=True)
            os.mkdir(self.path, 0o700)
            os.chmod(self.path, self.mode)
        except OSError as error:
            raise VirtiofsError(f"cannot make {self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class Own:
    """None stays as it is."""

    path: str
    uid: int | None
    gid: int | None

    @property
    def summary(self) -> str:
        to = [f"{kind} {value}" for kind, value in (("user", self.uid), ("group", self.gid)) if value is not None]
        return f"give {self.path} to {' and '.join(to)}"

    def apply(self, target: None) -> None:
        uid, gid = (-1 if value is None else value for value in (self.uid, self.gid))
        _apply(self.path, lambda descriptor: os.fchown(descriptor, uid, gid))


@dataclass(frozen=True)
class Allow:
    path: str
    mode: int

    @property
    def summary(self) -> str:
        return f"set the mode of {self.path} to {self.mode:04o}"

    def apply(self, target: None) -> None:
        _apply(self.path, lambda descriptor: os.fchmod(descriptor, self.mode))


def _apply(path: str, change: Callable[[int], None]) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            change(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot change {path}: {error.strerror}") from error


def wanted(items: Iterable[Mapping[str, Any]]) -> tuple[Directory, ...]:
    """Check the option and resolve names, so that nothing is made when one item is wrong."""
    directories = []
    for item in items:
        path = item["path"]
        where = f"directories, {path}"
        if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise VirtiofsError(at(f"directories, {path!r}", "path") + "write an absolute path without '..'")
        new_mode = ownership.mode(item.get("new_mode"), f"{where}, new_mode")
        directories.append(
            Directory(
                path=normalized(path),
                uid=ownership.number(item.get("owner"), _uid, at(where, "owner"), "user"),
                gid=ownership.number(item.get("group"), _gid, at(where, "group"), "group"),
                mode=ownership.mode(item.get("mode"), f"{where}, mode"),
                new_mode=_NEW_MODE if new_mode is None else new_mode,
            )
        )
    return tuple(directories)


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def read(directories: Iterable[Directory]) -> dict[str, Found]:
    """What is there, by path. A symbolic link is refused: a share must not move when somebody turns a link."""
    found = {}
    for directory in directories:
        try:
            status = os.lstat(directory.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise VirtiofsError(f"cannot look at {directory.path}: {error.strerror}") from error
        if not stat.S_ISDIR(status.st_mode):
            kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no directory"
            raise VirtiofsError(f"{directory.path} is {kind}: move it away, or share another path")
        found[directory.path] = Found(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    return found


def plan(directories: Iterable[Directory], found: Mapping[str, Found]) -> Plan:
    steps: list[Step[Any]] = []
    changes = []
    for directory in directories:
        there = found.get(directory.path)
        before = there or Found(os.geteuid(), os.getegid(), directory.new_mode)
        after = Found(
            before.uid if directory.uid is None else directory.uid,
            before.gid if directory.gid is None else directory.gid,
            before.mode if directory.mode is None else directory.mode,
        )
        if there is None:
            steps.append(Make(directory.path, after.mode))
        if (after.uid, after.gid) != (before.uid, before.gid):
            steps.append(Own(directory.path, after.uid, after.gid))
        # A change of owner may take set-uid and set-gid bits away, so the mode comes last.
        if there is not None and after.mode != there.mode:
            steps.append(Allow(directory.path, after.mode))
        changes.append(Change(directory.path, _text(there), _text(after)))
    return Plan(steps=tuple(steps), changes=tuple(changes))


def _text(found: Found | None) -> str:
    return "" if found is None else f"owner: {found.uid}\ngroup: {found.gid}\nmode: {found.mode:04o}\n"
