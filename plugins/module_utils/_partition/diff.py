# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the diff of virtiofs_partition shows of an item and of the root, before and after. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import in_words
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import on_path
from ansible_collections.virtio.fs.plugins.module_utils._partition.agenda import Filesystem
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import mounts
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_mount import entry_on
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_removal import goes_with
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_table import partition_of
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change


def root_change(wanted: Wanted, state: State, needed: bool) -> Change:
    root = state.root
    before = f"owner: {root.uid}\ngroup: {root.gid}\nmode: {root.mode:04o}\n" if root.exists else ""
    after = f"owner: 0\ngroup: 0\nmode: {wanted.root_mode:04o}\n" if root.exists or needed else ""
    return Change(wanted.root, before, after)


def change(item: Item, state: State, after: Filesystem | None, entry: Entry | None) -> Change:
    lines = [f"size: {in_words(after.size)}", f"fstype: {after.fstype}"] if after is not None else []
    if after is not None and entry is not None:
        lines += [f"mounted: {item.path}", *_fstab_lines(entry), *_owner_lines(item)]
    elif item.state == "unmounted":
        lines = [line for line in _before(item, state) if not line.startswith("mounted: ")]
    elif item.state == "absent":
        lines = [line for line in _before(item, state) if not line.startswith(("mounted: ", "fstab: "))]
    return Change(item.label, _text(_before(item, state)), _text(lines))


def _before(item: Item, state: State) -> list[str]:
    partition = _partition(item, state)
    device = state.devices.get(item.label)
    lines: list[str] = []
    if partition is not None:
        lines = [f"size: {in_words(partition.extent.size)}", f"fstype: {partition.content.fstype or 'none'}"]
    elif device is not None:
        lines = [f"size: {in_words(device.size)}", f"fstype: {device.content.fstype or 'none'}"]
    here = on_path(state.views.ours.mounts, item.path)
    owners = state.owners.get(item.label, ())
    if here is not None and any(state.views.is_on(here, owner.devnum, owner.node) for owner in owners):
        lines.append(f"mounted: {here.path}")
    for entry in state.entries:
        if _changes(item, entry, state):
            lines += _fstab_lines(entry)
    if here is not None and item.state == "present":
        place = state.places[item.path]
        values = (("owner", item.uid, place.uid), ("group", item.gid, place.gid))
        lines += [f"{name}: {value}" for name, asked, value in values if asked is not None]
        lines += [f"mode: {place.mode:04o}"] if item.mode is not None else []
    return lines


def _changes(item: Item, entry: Entry, state: State) -> bool:
    if item.state in ("absent", "wiped"):
        return goes_with(item, entry, state)
    old = entry_on(item, state)
    return entry.mount_point == item.path or (
        old is not None and mounts(entry, item.label) and entry.mount_point == old.mount_point
    )


def _partition(item: Item, state: State) -> Partition | None:
    node = state.disk_of.get(item.label)
    return None if node is None else partition_of(item, state.disks[node])


def _fstab_lines(entry: Entry) -> list[str]:
    options = ",".join(entry.options)
    return [f"fstab: {entry.spec} {entry.mount_point} {entry.fstype} {options} {entry.dump} {entry.passno}"]


def _owner_lines(item: Item) -> list[str]:
    lines = [f"{name}: {value}" for name, value in (("owner", item.uid), ("group", item.gid)) if value is not None]
    return lines + ([f"mode: {item.mode:04o}"] if item.mode is not None else [])


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

