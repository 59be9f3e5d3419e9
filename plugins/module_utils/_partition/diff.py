# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the diff of virtiofs_partition shows of an item and of the root, before and after. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import in_words
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import mounts
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import Filesystem
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_removal import goes_with
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change


def root_change(wanted: Wanted, state: State, needed: bool) -> Change:
    root = state.root
    before = f"owner: {root.uid}\ngroup: {root.gid}\nmode: {root.mode:04o}\n" if root.exists else ""
    after = f"owner: 0\ngroup: 0\nmode: {wanted.root_mode:04o}\n" if root.exists or needed else ""
    return Change(wanted.root, before, after)


def item_change(found: Found, state: State, after: Filesystem | None, entry: Entry | None) -> Change:
    """``after`` is the filesystem that there will be, ``entry`` its line of fstab."""
    before = _before(found, state)
    lines = [f"size: {in_words(after.size)}", f"fstype: {after.fstype}"] if after is not None else []
    if after is not None and entry is not None:
        lines += [f"mounted: {found.item.path}", _line(entry), *_owner_lines(found)]
    elif found.item.state == "unmounted":
        lines = [line for line in before if not line.startswith("mounted: ")]
    elif found.item.state == "absent":
        lines = [line for line in before if not line.startswith(("mounted: ", "fstab: "))]
    return Change(found.item.label, _text(before), _text(lines))


def _before(found: Found, state: State) -> list[str]:
    partition, device, here, place = found.partition, found.device, found.mounted, found.place
    lines: list[str] = []
    if partition is not None:
        lines = [f"size: {in_words(partition.extent.size)}", f"fstype: {partition.content.fstype or 'none'}"]
    elif device is not None:
        lines = [f"size: {in_words(device.size)}", f"fstype: {device.content.fstype or 'none'}"]
    if here is not None and any(state.views.is_on(here, owner.devnum, owner.node) for owner in found.owners):
        lines.append(f"mounted: {here.path}")
    lines += [_line(entry) for entry in state.entries if _changes(found, entry, state)]
    if here is not None and found.item.state == "present":
        values = (("owner", found.uid, place.uid), ("group", found.gid, place.gid))
        lines += [f"{name}: {value}" for name, wanted, value in values if wanted is not None]
        lines += [f"mode: {place.mode:04o}"] if found.item.mode is not None else []
    return lines


def _changes(found: Found, entry: Entry, state: State) -> bool:
    if found.item.state in ("absent", "wiped"):
        return goes_with(found, entry, state)
    old = found.entry
    return entry.mount_point == found.item.path or (
        old is not None and mounts(entry, found.item.label) and entry.mount_point == old.mount_point
    )


def _line(entry: Entry) -> str:
    options = ",".join(entry.options)
    return f"fstab: {entry.spec} {entry.mount_point} {entry.fstype} {options} {entry.dump} {entry.passno}"


def _owner_lines(found: Found) -> list[str]:
    lines = [f"{name}: {value}" for name, value in (("owner", found.uid), ("group", found.gid)) if value is not None]
    return lines + ([f"mode: {found.item.mode:04o}"] if found.item.mode is not None else [])


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
