# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading which daemon this machine has, and which scripts of ours."""

from __future__ import annotations

import grp
import os
import pwd
import stat

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._user_map.script import scripts
from ansible_collections.virtio.fs.plugins.module_utils._user_map.state import State
from ansible_collections.virtio.fs.plugins.module_utils._user_map.steps import MODE
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import SINCE, Accounts, Wanted

ACCOUNTS = Accounts(
    user=lambda name: pwd.getpwnam(name).pw_uid,
    group=lambda name: grp.getgrnam(name).gr_gid,
    primary_group=lambda number: pwd.getpwuid(number).pw_gid,
)


def read(wanted: Wanted) -> State:
    """Ask the daemon what it is, and look for the scripts.

    :raises NotYet: there is no virtiofsd.
    :raises VirtiofsError: it cannot map users.
    """
    path, maps = wanted.virtiofsd, wanted.maps
    daemon = _virtiofsd.read_at(path) if path else _virtiofsd.read_installed()
    if daemon is None:
        missing = f"{path} is not a virtiofsd that can be run" if path else "no virtiofsd is installed"
        raise NotYet(missing, tuple(f"start virtiofsd with a map of users for {each.name}" for each in maps))
    if any(each.users for each in maps) and (daemon.flavour != "rust" or daemon.version < SINCE):
        raise VirtiofsError(
            f"a map of users needs virtiofsd {'.'.join(map(str, SINCE[:2]))}, {daemon.path} is {daemon.name}"
        )
    places = {where for where, _text in scripts(daemon.path, wanted).values()}
    return State(daemon, {where: files.read(where) for where in places if _is_safe(where)})


def _is_safe(path: str) -> bool:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise VirtiofsError(f"cannot look at {path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise VirtiofsError(f"{path} is not a regular file")
    return (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, MODE)
