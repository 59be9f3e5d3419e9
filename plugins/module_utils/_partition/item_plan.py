# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done for one item, and how the plans of all items become one list of steps. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import ReadUnits, Remount, RemoveLines, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import WaitForUdev
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import Mount
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step


@dataclass(frozen=True)
class Filesystem:
    """One that is there, or will be when the steps before are done (then without a device number)."""

    source: Source
    fstype: str
    size: int
    devnum: str | None = None
    node: str | None = None
    uuid: str | None = None
    partuuid: str | None = None
    superblock: Superblock | None = None
    grown: bool = False

    @property
    def new(self) -> bool:
        return self.devnum is None


@dataclass(frozen=True)
class ItemPlan:
    """Steps by kind, in the order in which the kinds are done: tables come before filesystems, those before mounts.

    Lines of fstab are gathered, so that it is written once, and read once by systemd, for all items.
    """

    unmounts: tuple[Step[Any], ...] = ()
    lines_removed: tuple[Entry, ...] = ()
    units_removed: tuple[Step[Any], ...] = ()
    removals: tuple[Step[Any], ...] = ()
    tables: tuple[Step[Any], ...] = ()
    units: tuple[Step[Any], ...] = ()
    formats: tuple[Step[Any], ...] = ()
    waits: tuple[str, ...] = ()  # labels of the items whose device udev is waited for
    root: tuple[Step[Any], ...] = ()
    lines: tuple[Line, ...] = ()
    mounts: tuple[Step[Any], ...] = ()
    finishing: tuple[Step[Any], ...] = ()
    warnings: tuple[str, ...] = ()


def merged(plans: Iterable[ItemPlan]) -> ItemPlan:
    """All of them as one, each kind in the order of the plans."""
    plans = tuple(plans)
    names = [field.name for field in dataclasses.fields(ItemPlan)]
    return ItemPlan(**{name: tuple(chain.from_iterable(getattr(plan, name) for plan in plans)) for name in names})


def in_order(plan: ItemPlan, *, systemd: bool, reads_fstab: bool) -> tuple[Step[Any], ...]:
    """``systemd`` runs on this machine; ``reads_fstab``: and makes its units of the fstab that is written."""
    steps = list(plan.unmounts)
    if plan.lines_removed:
        steps.append(RemoveLines(plan.lines_removed))
    steps += plan.units_removed
    if (plan.lines_removed and reads_fstab) or (plan.units_removed and systemd):
        steps.append(ReadUnits())
    # Two items on one disk tell the kernel about it once.
    steps += [*plan.removals, *dict.fromkeys(plan.tables), *plan.units, *plan.formats]
    if plan.waits:
        steps.append(WaitForUdev(plan.waits))
    steps += plan.root
    if plan.lines:
        steps.append(WriteLines(plan.lines, _mounted_by(plan)))
    # A run that was killed can have written a line that systemd has not read.
    mounts = any(isinstance(step, Mount) for step in plan.mounts)
    if ((plan.lines or mounts) and reads_fstab) or (plan.units and systemd):
        steps.append(ReadUnits())
    return (*steps, *plan.mounts, *plan.finishing)


def _mounted_by(plan: ItemPlan) -> frozenset[str]:
    mounted = {step.entry.mount_point for step in plan.mounts if isinstance(step, Mount)}
    return frozenset(mounted | {step.path for step in plan.mounts if isinstance(step, Remount)})
