# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest has left when the items that go have gone: what the other items are planned for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.fstab_lines import is_share_line
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import GuestState, is_share
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import WantedMount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, entries, without_entries
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, on_path


def layers(mounts: Sequence[Mount], tag: str, path: str) -> tuple[Mount, ...]:
    """The mounts of this share on this path, one over the other, from the top to the first of something else."""
    found: list[Mount] = []
    while True:
        top = on_path(mounts, path)
        if top is None or not is_share(top, tag):
            return tuple(found)
        found.append(top)
        mounts = tuple(mount for mount in mounts if mount is not top)


def after_leaving(state: GuestState, items: Iterable[WantedMount]) -> GuestState:
    """The guest without the mounts of these items, which all go, and without the lines of those that are absent."""
    mounts, lines = state.mounts, {(entry.spec, entry.mount_point) for entry in _shares(state.fstab)}
    removed: set[tuple[str, str]] = set()
    for item in items:
        gone = layers(mounts, item.tag, item.path)
        if (item.tag, item.path) in lines:
            # Their automount is stopped.
            gone += tuple(mount for mount in mounts if mount.path == item.path and mount.fstype == "autofs")
            if item.state == "absent":
                removed.add((item.tag, item.path))
        mounts = tuple(mount for mount in mounts if mount not in gone)
    text = without_entries(
        state.fstab, lambda entry: is_share_line(entry) and (entry.spec, entry.mount_point) in removed
    )
    return replace(state, mounts=mounts, fstab=text)


def _shares(text: str) -> Iterable[Entry]:
    return filter(is_share_line, entries(text))
