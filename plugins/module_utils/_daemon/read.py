# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the scripts of ours on this machine, and what those that are wanted would say here."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import stat
from collections.abc import Mapping

from ansible_collections.virtio.fs.plugins.module_utils._daemon import user_map
from ansible_collections.virtio.fs.plugins.module_utils._daemon.arguments import arguments
from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import NAME, Found, Script, parse
from ansible_collections.virtio.fs.plugins.module_utils._daemon.steps import MODE
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.command import run
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

_ASK_SECONDS = 10

ACCOUNTS = user_map.Accounts(
    user=lambda name: pwd.getpwnam(name).pw_uid,
    group=lambda name: grp.getgrnam(name).gr_gid,
    primary_group=lambda number: pwd.getpwuid(number).pw_gid,
)


def read_scripts(directory: str) -> Mapping[str, Found]:
    """The scripts of ours in a directory, by path."""
    found = {}
    for path in sorted(glob.glob(f"{glob.escape(directory)}/{NAME}*")):
        try:
            status = os.lstat(path)
            text = files.read(path) if stat.S_ISREG(status.st_mode) else ""
        except (OSError, VirtiofsError):
            continue
        script = parse(path, text)
        if script is not None:
            safe = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, MODE)
            found[path] = Found(script, text, safe)
    return found


def read_text(script: Script, daemon: Virtiofsd, there: str | None) -> str:
    """What the script says on this machine, after the daemon itself has looked at its options.

    ``there`` is what it says now: about the same it is not asked again.

    :raises VirtiofsError: the daemon does not take them, or a user is not on this machine.
    """
    told = (*arguments(script.options, daemon), *user_map.arguments(script.options, ACCOUNTS))
    text = script.text(daemon.path, told)
    if text != there:
        answer = run([daemon.path, *told, "--print-capabilities"], timeout=_ASK_SECONDS)
        if answer.returncode != 0:
            raise VirtiofsError(f"{daemon.path} does not take {' '.join(_short(told))}: {answer.message}")
    return text


def _short(told: tuple[str, ...]) -> list[str]:
    """A map is told in dozens of words."""
    return [each for each in told if not each.startswith("--translate-")] or ["the map of users"]
