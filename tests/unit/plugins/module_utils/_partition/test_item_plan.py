# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the plans of several items become one list of steps."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import ReadUnits, Remount, RemoveLines, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import ItemPlan, in_order, merged
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    DeletePartition,
    TellKernel,
    WaitForUdev,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import RemoveFormatMarker
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import AttachLoop, RemoveUnit, WriteUnit
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    KeepRoot,
    Mount,
    SetImmutable,
    Unmount,
)


def entry(label: str) -> Entry:
    return Entry(f"LABEL={label}", f"/shared/{label}", "ext4", ("rw",))


def item(label: str) -> ItemPlan:
    return ItemPlan(
        unmounts=(Unmount(f"/old/{label}", immutable=False),),
        lines_removed=(entry(f"old-{label}"),),
        units_removed=(RemoveUnit(f"old-{label}.service"),),
        removals=(DeletePartition("/dev/vdb", f"old-{label}", 1),),
        tables=(TellKernel("/dev/vdb"),),
        units=(WriteUnit(f"{label}.service", ""),),
        formats=(AttachLoop(f"/{label}.img"),),
        waits=(label,),
        root=(KeepRoot("/shared", 0o700, True),) if label == "a" else (),
        lines=(Line(label, entry(label)),),
        mounts=(Mount(Source(label), entry(label)),),
        finishing=(RemoveFormatMarker(label),),
        warnings=(f"{label}: beware",),
    )


def test_each_kind_is_done_for_all_items_before_the_next_one() -> None:
    whole = merged([item("a"), item("b")])
    assert whole.warnings == ("a: beware", "b: beware")
    lines = tuple(Line(label, entry(label)) for label in "ab")
    assert in_order(whole, systemd=True, reads_fstab=True) == (
        Unmount("/old/a", immutable=False),
        Unmount("/old/b", immutable=False),
        RemoveLines((entry("old-a"), entry("old-b"))),
        RemoveUnit("old-a.service"),
        RemoveUnit("old-b.service"),
        ReadUnits(),
        DeletePartition("/dev/vdb", "old-a", 1),
        DeletePartition("/dev/vdb", "old-b", 1),
        TellKernel("/dev/vdb"),
        WriteUnit("a.service", ""),
        WriteUnit("b.service", ""),
        AttachLoop("/a.img"),
        AttachLoop("/b.img"),
        WaitForUdev(("a", "b")),
        KeepRoot("/shared", 0o700, True),
        WriteLines(lines, frozenset({"/shared/a", "/shared/b"})),
        ReadUnits(),
        Mount(Source("a"), entry("a")),
        Mount(Source("b"), entry("b")),
        RemoveFormatMarker("a"),
        RemoveFormatMarker("b"),
    )


def test_nothing_to_do_is_no_step() -> None:
    assert in_order(merged([]), systemd=True, reads_fstab=True) == ()
    assert merged([ItemPlan(), ItemPlan()]) == ItemPlan()


@pytest.mark.parametrize(
    ("plan", "without_fstab"),
    [
        (ItemPlan(lines=(Line("a", entry("a")),)), False),
        (ItemPlan(lines_removed=(entry("a"),)), False),
        (ItemPlan(mounts=(Mount(Source("a"), entry("a")),)), False),
        (ItemPlan(units=(WriteUnit("a.service", ""),)), True),
        (ItemPlan(units_removed=(RemoveUnit("a.service"),)), True),
    ],
)
def test_when_systemd_has_to_read_again(plan: ItemPlan, without_fstab: bool) -> None:
    assert ReadUnits() in in_order(plan, systemd=True, reads_fstab=True)
    assert (ReadUnits() in in_order(plan, systemd=True, reads_fstab=False)) is without_fstab
    assert ReadUnits() not in in_order(plan, systemd=False, reads_fstab=False)


def test_lines_wait_for_mounts_and_remounts_only() -> None:
    lines = tuple(Line(label, entry(label)) for label in "abc")
    mounts = (Mount(Source("a"), entry("a")), Remount("/shared/b", ("rw",)), SetImmutable("/shared/c"))
    first = in_order(ItemPlan(lines=lines, mounts=mounts), systemd=False, reads_fstab=False)[0]
    assert first == WriteLines(lines, frozenset({"/shared/a", "/shared/b"}))
