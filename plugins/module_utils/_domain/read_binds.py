# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the bind mounts below read-only shares."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps_bind import entry_of
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo


def read_binds(fstab: str) -> Mapping[str, Bind]:
    """The bind mounts below ``readonly_bind.ROOT`` that are mounted, or kept in fstab, or both."""
    lines = {
        entry.path: entry
        for entry in mounts_fstab.entries(mounts_fstab.read(fstab))
        if readonly_bind.is_bind(entry.path)
    }
    mounts = mountinfo.current()
    mounted = {mount.path for mount in mounts if readonly_bind.is_bind(mount.path)}
    found = {}
    for path in {*lines, *mounted}:
        line, top = lines.get(path), mountinfo.on_path(mounts, path)
        source = "" if line is None else line.spec
        found[path] = Bind(
            path=path,
            source=source,
            mounted=top is not None and "ro" in top.options and _same(source, path),
            kept=line == entry_of(source, path),
        )
    return found


def _same(source: str, path: str) -> bool:
    try:
        return os.path.samefile(source, path)
    except OSError:
        return False
