# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts and fstab lines as util-linux reads them: an opinion that does not come from the collection's own parser."""

from __future__ import annotations

import json
from dataclasses import dataclass

LIVE = "findmnt --json --list --output TARGET,SOURCE,FSTYPE,OPTIONS || true"
FSTAB = "findmnt --json --list --fstab --output TARGET,SOURCE,FSTYPE,OPTIONS || true"


@dataclass(frozen=True)
class Mount:
    """One mount, or one line of fstab."""

    path: str
    source: str
    fstype: str
    options: frozenset[str]


def parse(text: str) -> tuple[Mount, ...]:
    """What findmnt printed; nothing at all when it found nothing."""
    if not text.strip():
        return ()
    return tuple(
        Mount(found["target"], found["source"], found["fstype"], frozenset((found["options"] or "").split(",")))
        for found in json.loads(text)["filesystems"]
    )


def on(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """The mount that a program sees on a path: the last one."""
    found = [mount for mount in mounts if mount.path == path]
    return found[-1] if found else None
