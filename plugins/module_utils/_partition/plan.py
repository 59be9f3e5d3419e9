# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of virtiofs_partition as a whole: its steps in order, the diff, and what is returned. Pure."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import holding, on_path
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import ReadUnits, Remount, RemoveLines, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.agenda import Draft, Filesystem
from ansible_collections.virtio.fs.plugins.module_utils._partition.checks import check
from ansible_collections.virtio.fs.plugins.module_utils._partition.diff import change, root_change
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_mount import keep_root, mounted
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_removal import removed
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_table import on_disks
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import WaitForUdev
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import Mount
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item, Wanted, outside
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan, Step
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within


def plan(wanted: Wanted, state: State) -> Plan:
    """:raises VirtiofsError: the first thing that must not or cannot be done; nothing has been done then."""
    check(wanted.items, state)
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
    changes = [change(item, state, found.get(item.label), entries.get(item.label)) for item in wanted.items]
    return Plan(
        steps=tuple(steps),
        changes=(root_change(wanted, state, bool(found)), *changes) if steps else (),
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
        steps.append(RemoveLines(tuple(draft.lines_gone)))
    steps += draft.units_gone
    if (draft.lines_gone and reads_fstab) or (draft.units_gone and state.systemd):
        steps.append(ReadUnits())
    steps += [*draft.removals, *dict.fromkeys(draft.tables), *draft.units, *draft.formats]
    if draft.settle:
        steps.append(WaitForUdev(tuple(draft.settle)))
    steps += draft.root
    if draft.lines:
        steps.append(WriteLines(tuple(draft.lines), _mounted_by(draft)))
    # A run that was killed can have written a line that systemd has not read.
    attaches = any(isinstance(step, Mount) for step in draft.mounts)
    if ((draft.lines or attaches) and reads_fstab) or (draft.units and state.systemd):
        steps.append(ReadUnits())
    return [*steps, *draft.mounts, *draft.finishing]


def _mounted_by(draft: Draft) -> frozenset[str]:
    attached = {step.entry.mount_point for step in draft.mounts if isinstance(step, Mount)}
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
