# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of virtiofs_partition as a whole: its steps in order, the diff, and what is returned. Pure."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.disk import Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.holders import is_on
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import holding, on_path
from ansible_collections.virtio.fs.plugins.module_utils._partition.agenda import Draft, Filesystem
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import mounts
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_mount import entry_on, keep_root, mounted
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_removal import goes_with, removed
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_table import on_disks, partition_of
from ansible_collections.virtio.fs.plugins.module_utils._partition.read import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import Settle
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    Attach,
    ReadUnits,
    Remount,
    RemoveEntries,
    WriteLines,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item, Wanted, outside
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan, Step
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within


def plan(wanted: Wanted, state: State) -> Plan:
    """:raises VirtiofsError: the first thing that must not or cannot be done; nothing has been done then."""
    draft = Draft(warnings=list(outside(wanted.items, wanted.root)))
    for item in wanted.items:
        if item.state == "present":
            _refuse_inside_share(item, wanted, state)
        else:
            removed(item, wanted, state, draft)
    found = on_disks(wanted.items, state, draft)
    keep_root(wanted, state, draft)
    entries = {
        item.label: mounted(item, found[item.label], state, draft) for item in wanted.items if item.label in found
    }
    steps = _in_order(draft, wanted, state)
    changes = [_change(item, state, found.get(item.label), entries.get(item.label)) for item in wanted.items]
    return Plan(
        steps=tuple(steps),
        changes=(_root_change(wanted, state, bool(found)), *changes) if steps else (),
        warnings=tuple(draft.warnings),
        not_yet=state.missing if draft.formats else (),
        result={"partitions": {item.label: _result(item, state, found.get(item.label)) for item in wanted.items}},
    )


def _refuse_inside_share(item: Item, wanted: Wanted, state: State) -> None:
    # A guest that can write to the share can move the directory away under the mount.
    above = holding(state.views.ours.mounts, os.path.dirname(item.path))
    if above is not None and above.path != wanted.root and within(above.path, wanted.root):
        raise VirtiofsError(f"{item.label}, path: {item.path} is inside the share that is mounted on {above.path}")


def _in_order(draft: Draft, wanted: Wanted, state: State) -> list[Step[Any]]:
    # systemd makes units of no other fstab.
    reads_fstab = state.systemd and wanted.fstab == "/etc/fstab"
    steps = list(draft.unmounts)
    if draft.lines_gone:
        steps.append(RemoveEntries(tuple(draft.lines_gone)))
    steps += draft.units_gone
    if (draft.lines_gone and reads_fstab) or (draft.units_gone and state.systemd):
        steps.append(ReadUnits())
    steps += [*draft.removals, *dict.fromkeys(draft.tables), *draft.units, *draft.formats]
    if draft.settle:
        steps.append(Settle(tuple(draft.settle)))
    steps += draft.root
    if draft.lines:
        steps.append(WriteLines(tuple(draft.lines), _mounted_by(draft)))
    # A run that was killed can have written a line that systemd has not read.
    attaches = any(isinstance(step, Attach) for step in draft.mounts)
    if ((draft.lines or attaches) and reads_fstab) or (draft.units and state.systemd):
        steps.append(ReadUnits())
    return [*steps, *draft.mounts, *draft.finishing]


def _mounted_by(draft: Draft) -> frozenset[str]:
    attached = {step.entry.mount_point for step in draft.mounts if isinstance(step, Attach)}
    return frozenset(attached | {step.path for step in draft.mounts if isinstance(step, Remount)})


def _result(item: Item, state: State, filesystem: Filesystem | None) -> dict[str, Any]:
    here = on_path(state.views.ours.mounts, item.path)
    disk = state.disk_of.get(item.label)
    there = filesystem if filesystem is not None and not filesystem.new else None
    return {
        "path": item.path,
        "mounted": here is not None,
        "device": there.node if there is not None else (here.source if here is not None else None),
        "fstype": there.fstype if there is not None else (here.fstype if here is not None else None),
        "uuid": there.uuid if there is not None else None,
        "partuuid": there.partuuid if there is not None else None,
        "size": there.size if there is not None else None,
        "table_dump": state.dumps.get(disk) if disk is not None else None,
    }


def _root_change(wanted: Wanted, state: State, needed: bool) -> Change:
    root = state.root
    before = f"owner: {root.uid}\ngroup: {root.gid}\nmode: {root.mode:04o}\n" if root.exists else ""
    after = f"owner: 0\ngroup: 0\nmode: {wanted.root_mode:04o}\n" if root.exists or needed else ""
    return Change(wanted.root, before, after)


def _change(item: Item, state: State, after: Filesystem | None, entry: Entry | None) -> Change:
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
    owners = state.labels.get(item.label, ())
    if here is not None and any(is_on(here, owner.number, owner.node) for owner in owners):
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
