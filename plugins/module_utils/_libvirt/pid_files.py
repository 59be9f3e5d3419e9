# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt's pid files tell about the daemons that it started: libvirt itself never looks again.

The names: qemu_virtiofs.c, qemuVirtioFSCreatePidFilename; the directory: qemu_conf.c, stateDir.
"""

from __future__ import annotations

import fcntl
import os
from urllib.parse import parse_qs, urlsplit

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as domain_xml_share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document

# virDomainDefGetShortName cuts a domain's name to so many characters.
_SHORT_NAME = 20


class DaemonFiles:
    """The pid files of one connection. A connection that has none, such as a test driver, tells nothing."""

    def __init__(self, directory: str | None) -> None:
        """``directory``: that of :func:`state_directory`."""
        self._directory = directory

    def dead(self, live: Document) -> frozenset[str]:
        """The tags of a running domain whose daemon is gone. Where nobody can tell it is not said to be."""
        return frozenset(tag for tag, path in self._paths(live).items() if not _holds(path))

    def pids(self, live: Document) -> dict[str, int]:
        """The process ids that libvirt noted for the daemons of a running domain, by tag; also of dead ones."""
        found = {tag: _pid(path) for tag, path in self._paths(live).items()}
        return {tag: pid for tag, pid in found.items() if pid is not None}

    def libvirt_is_younger(self, name: str) -> bool:
        """Whether libvirt's QEMU driver was started after this domain."""
        if self._directory is None:
            return False
        try:
            # Each is written when its process starts.
            driver, machine = (os.stat(os.path.join(self._directory, f"{each}.pid")) for each in ("driver", name))
        except OSError:
            return False
        return driver.st_mtime > machine.st_mtime

    def _paths(self, live: Document) -> dict[str, str]:
        if self._directory is None:
            return {}
        number = live.root.get("id")
        if number is None:
            return {}
        short = f"{number}-{(live.root.findtext('name') or '')[:_SHORT_NAME]}"
        return {
            share.tag: os.path.join(self._directory, f"{short}-{share.alias}-fs.pid")
            for share in domain_xml_share.shares_in(live.root).values()
        }


def state_directory(uri: str) -> str | None:
    """Where the driver of this connection keeps what runs, or None where it keeps nothing on this machine."""
    parts = urlsplit(uri)
    if parts.scheme.partition("+")[0] != "qemu":
        return None
    if parts.path == "/embed":
        root = parse_qs(parts.query).get("root")
        return os.path.join(root[0], "run", "qemu") if root else None
    if parts.path == "/session":
        runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        return os.path.join(runtime, "libvirt", "qemu", "run")
    return "/run/libvirt/qemu"


def _holds(path: str) -> bool:
    """Whether the process that wrote this pid file runs. One that nobody has reaped yet does not."""
    pid = _pid(path)
    if pid is None:
        return True
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            if file.read().rpartition(")")[2].split()[0] in ("Z", "X"):
                return False
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return _is_locked(path)


def _is_locked(path: str) -> bool:
    """libvirt's children lock their pid file for as long as they live; so a number that was reused shows."""
    try:
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Locked, or gone, or not to be looked at.
        return True
    return False


def _pid(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read().strip())
    except (OSError, ValueError):
        return None
