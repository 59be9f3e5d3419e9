# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's /dev, which its hypervisors share (there is one devtmpfs per kernel), put back as it was.

A hypervisor's udev makes links for its disks and sets owners there. What was there before the first hypervisor is
noted, and what came since then is removed when the last one goes.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Dict, List

from machine import replace_text
from topology import STATE

DEV = Path("/dev")
# Other file systems, and nodes that come and go with their programs.
NOT_OURS = ("pts", "shm", "mqueue", "hugepages")


def _now() -> Dict[str, List[object]]:
    """Every entry of /dev: its type, permissions, owner and group, or where the link points."""
    found: Dict[str, List[object]] = {}
    for folder, folders, files in os.walk(DEV):
        if Path(folder) == DEV:
            folders[:] = [name for name in folders if name not in NOT_OURS]
        for name in [*folders, *files]:
            place = Path(folder, name)
            try:
                status = place.lstat()
                link = os.readlink(place) if stat.S_ISLNK(status.st_mode) else ""
            except FileNotFoundError:
                continue
            found[str(place.relative_to(DEV))] = [status.st_mode, status.st_uid, status.st_gid, link]
    return found


def remember() -> None:
    """Note how /dev is, unless an earlier `up` already did."""
    note = STATE / "dev.json"
    if not note.exists():
        replace_text(note, json.dumps(_now()))


def put_back() -> None:
    """Undo what hypervisors did to /dev. Nodes are the kernel's: their owners are set back, none is removed."""
    note = STATE / "dev.json"
    if not note.exists():
        return
    before = json.loads(note.read_text())
    for name, (mode, uid, gid, _link) in sorted(_now().items(), reverse=True):
        place = DEV / name
        if name not in before:
            _remove(place, mode)
            continue
        old_mode, old_uid, old_gid, _old_link = before[name]
        if stat.S_ISLNK(mode) or stat.S_IFMT(mode) != stat.S_IFMT(old_mode):
            continue
        if (uid, gid) != (old_uid, old_gid):
            os.chown(place, old_uid, old_gid)
        if mode != old_mode:
            place.chmod(stat.S_IMODE(old_mode))
    note.unlink()


def _remove(place: Path, mode: object) -> None:
    assert isinstance(mode, int)
    try:
        if stat.S_ISLNK(mode):
            place.unlink()
        elif stat.S_ISDIR(mode):
            place.rmdir()
        elif stat.S_ISBLK(mode) and place.name.startswith("loop"):
            # A loop device that the kernel made for us: it stays, as root's own.
            os.chown(place, 0, 0)
            place.chmod(0o600)
    except (FileNotFoundError, OSError):
        pass
