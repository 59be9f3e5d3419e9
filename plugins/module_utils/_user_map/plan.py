# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts that start a virtiofsd with a map of users: what there is, what is wanted, and the step between."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import SINCE, Accounts, UserMap, place, script
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

_MODE = 0o755

accounts = Accounts(
    user=lambda name: pwd.getpwnam(name).pw_uid,
    group=lambda name: grp.getgrnam(name).gr_gid,
    primary_group=lambda number: pwd.getpwuid(number).pw_gid,
)


@dataclass(frozen=True)
class Found:
    """``texts`` of the scripts that are there and that root alone can write to, by path."""

    daemon: Virtiofsd
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Write:
    path: str
    text: str

    @property
    def summary(self) -> str:
        return f"write {self.path}, which starts virtiofsd with a map of users"

    def apply(self, target: None) -> None:
        if _is_writable_by_others(self.path):
            # Who has it open for writing would still have it when it is root's alone.
            files.remove(self.path)
        files.edit(self.path, lambda _before: self.text)
        try:
            os.chown(self.path, 0, 0)
            os.chmod(self.path, _MODE)
        except OSError as error:
            raise VirtiofsError(f"cannot change {self.path}: {error.strerror}") from error


def read(path: str | None, directory: str, maps: Sequence[UserMap]) -> Found:
    """Ask the daemon what it is, and look for the scripts.

    :raises NotYet: there is no virtiofsd.
    :raises VirtiofsError: it cannot map users.
    """
    daemon = _virtiofsd.ask(path) if path else _virtiofsd.find()
    if daemon is None:
        missing = f"{path} is not a virtiofsd that can be run" if path else "no virtiofsd is installed"
        raise NotYet(missing, tuple(f"start virtiofsd with a map of users for {each.name}" for each in maps))
    if any(each.users for each in maps) and (daemon.flavour != "rust" or daemon.version < SINCE):
        raise VirtiofsError(
            f"a map of users needs virtiofsd {'.'.join(map(str, SINCE[:2]))}, {daemon.path} is {daemon.name}"
        )
    places = {where for where, _text in _scripts(daemon, directory, maps).values()}
    return Found(daemon, {where: files.read(where) for where in places if _is_safe(where)})


def plan(found: Found, directory: str, maps: Sequence[UserMap]) -> Plan:
    """Pure."""
    scripts = _scripts(found.daemon, directory, maps)
    missing = {where: text for where, text in scripts.values() if found.texts.get(where) != text}
    return Plan(
        steps=tuple(Write(where, text) for where, text in missing.items()),
        changes=tuple(Change(where, found.texts.get(where, ""), text) for where, text in scripts.values()),
        # Without users the daemon itself: a share that had a map loses it.
        result={"binaries": {each.name: scripts.get(each.name, (found.daemon.path, ""))[0] for each in maps}},
    )


def _scripts(daemon: Virtiofsd, directory: str, maps: Sequence[UserMap]) -> dict[str, tuple[str, str]]:
    texts = {each.name: script(daemon.path, each.users, each.groups) for each in maps if each.users}
    return {name: (place(directory, text), text) for name, text in texts.items()}


def _is_safe(path: str) -> bool:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise VirtiofsError(f"cannot look at {path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise VirtiofsError(f"{path} is not a regular file")
    return (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, _MODE)


def _is_writable_by_others(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_uid != 0 or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
