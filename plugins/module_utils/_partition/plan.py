# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of virtiofs_partition as a whole: its steps in order, the diff, and what is returned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._partition.checks import (
    check_devices,
    check_filesystems,
    refuse_inside_share,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.diff import item_change, root_change
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found, gathered
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import (
    Filesystem,
    ItemPlan,
    in_order,
    merged,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_device import plan_device
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_image import plan_image
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_mount import plan_mount, plan_root
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_partition import plan_partition
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_removal import plan_removal
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_table import plan_tables
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import State
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Wanted, outside
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan


def plan(wanted: Wanted, state: State) -> Plan:
    """:raises VirtiofsError: the first thing that must not or cannot be done; nothing has been done then."""
    found = gathered(wanted.items, state)
    present = [one for one in found if one.item.state == "present"]
    check_devices(found, state)
    plans = [ItemPlan(warnings=outside(wanted.items, wanted.root)), *_removals(found, wanted, state)]
    check_filesystems(found)
    plans.append(plan_tables(present, state))
    filesystems: dict[str, Filesystem] = {}
    for one in present:
        filesystems[one.item.label], item_plan = _filesystem(one, state)
        plans.append(item_plan)
    plans.append(plan_root(wanted, state))
    entries: dict[str, Entry] = {}
    for one in present:
        entries[one.item.label], item_plan = plan_mount(one, filesystems[one.item.label], state)
        plans.append(item_plan)
    whole = merged(plans)
    # systemd makes units of no other fstab.
    steps = in_order(whole, systemd=state.systemd, reads_fstab=state.systemd and wanted.fstab == fstab.SYSTEM)
    changes = [item_change(one, state, filesystems.get(one.item.label), entries.get(one.item.label)) for one in found]
    return Plan(
        steps=steps,
        changes=(root_change(wanted, state, bool(present)), *changes) if steps else (),
        warnings=whole.warnings,
        not_yet=state.missing if whole.formats else (),
        result={"partitions": {one.item.label: _result(one, state, filesystems.get(one.item.label)) for one in found}},
    )


def _removals(found: Sequence[Found], wanted: Wanted, state: State) -> list[ItemPlan]:
    plans = []
    for one in found:
        if one.item.state == "present":
            refuse_inside_share(one, wanted.root, state)
        else:
            plans.append(plan_removal(one, wanted.root, state))
    return plans


def _filesystem(found: Found, state: State) -> tuple[Filesystem, ItemPlan]:
    if found.disk is not None:
        return plan_partition(found, found.disk, state)
    if found.image is not None:
        return plan_image(found, found.image, state)
    if found.device is not None:
        return plan_device(found, found.device)
    raise AssertionError(f"{found.item.label} was read without what it is on")


def _result(found: Found, state: State, filesystem: Filesystem | None) -> dict[str, Any]:
    here = found.mounted
    there = filesystem if filesystem is not None and not filesystem.new else None
    return {
        "path": found.item.path,
        "mounted": here is not None,
        "device": there.node if there is not None else (here.source if here is not None else None),
        "fstype": there.fstype if there is not None else (here.fstype if here is not None else None),
        "uuid": there.uuid if there is not None else None,
        "partuuid": there.partuuid if there is not None else None,
        "size": there.size if there is not None else None,
        "table_dump": state.dumps.get(found.disk.device.node) if found.disk is not None else None,
    }
