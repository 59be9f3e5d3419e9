# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest has mounted, as its agent tells.

``guest-get-fsinfo`` leaves virtiofs out, so a process in the guest reads mountinfo. Some distributions forbid
``guest-exec``: then nobody can tell. The commands: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo

# Reading mountinfo asks no filesystem, so it also ends while a daemon is dead.
_EXEC_SECONDS = 10.0
_POLL_SECONDS = 0.1

_MOUNTINFO = ("/proc/1/mountinfo", "/proc/self/mountinfo")


def virtiofs_tags_mounted(agent_command: Callable[[str], str]) -> frozenset[str] | None:
    """The tags that the guest has mounted, or None where the agent cannot tell. ``agent_command`` sends one."""
    mounts = virtiofs_mounts(agent_command)
    return None if mounts is None else frozenset(mount.source for mount in mounts)


def virtiofs_mounts(agent_command: Callable[[str], str]) -> tuple[mountinfo.Mount, ...] | None:
    """The virtiofs mounts of the guest, or None where the agent cannot tell."""
    text = read_files(agent_command, *_MOUNTINFO)
    if not text:
        # Every process sees at least its root: nothing is no answer.
        return None
    try:
        return tuple(mount for mount in mountinfo.parse(text) if mount.fstype == "virtiofs")
    except VirtiofsError:
        return None


def read_files(agent_command: Callable[[str], str], *paths: str) -> str | None:
    """What these files of the guest hold, one after the other, or None where the agent cannot tell."""
    read = {"path": "/bin/cat", "arg": list(paths), "capture-output": True}
    try:
        process = int(_answer(agent_command, "guest-exec", read)["pid"])
        deadline = time.monotonic() + _EXEC_SECONDS
        while True:
            status = _answer(agent_command, "guest-exec-status", {"pid": process})
            if status.get("exited"):
                break
            if time.monotonic() > deadline:
                return None
            time.sleep(_POLL_SECONDS)
        if status.get("exitcode") != 0 or status.get("out-truncated"):
            return None
        return base64.b64decode(str(status.get("out-data", "")), validate=True).decode("utf-8", "surrogateescape")
    except (VirtiofsError, KeyError, ValueError, TypeError, RecursionError):
        # The guest answers what it likes.
        return None


def _answer(agent_command: Callable[[str], str], command: str, arguments: dict[str, object]) -> dict[str, Any]:
    returned = json.loads(agent_command(json.dumps({"execute": command, "arguments": arguments})))["return"]
    if not isinstance(returned, dict):
        raise VirtiofsError(f"{command} gave no answer")
    return returned
