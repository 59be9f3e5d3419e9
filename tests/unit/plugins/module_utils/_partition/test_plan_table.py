# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""New partitions: tables that are written, and those that are not changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import gathered
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import ItemPlan
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_table import plan_tables
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Gap, Place, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import WriteTable
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import EXT4, GPT, OURS, WHOLE, planned, state


def test_a_killed_table_write_is_done_again() -> None:
    content = Content(types=("gpt",), data=True)
    broken = Disk("/dev/vdb", dataclasses.replace(WHOLE, content=content), half_written=True)
    assert isinstance(planned(state(broken)).steps[0], WriteTable)
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb is not blank, it holds gpt"):
        planned(state(dataclasses.replace(broken, half_written=False)))


HYBRID = Disk("/dev/vdb", GPT, (dataclasses.replace(OURS, content=Content()),), hybrid=True)


@pytest.mark.parametrize(
    ("found", "options"),
    [
        (state(HYBRID), {}),
        (state(dataclasses.replace(HYBRID, partitions=())), {}),
        (state(dataclasses.replace(HYBRID, partitions=(OURS,))), {"size": "48MiB", "grow": True}),
        (state(dataclasses.replace(HYBRID, partitions=(OURS,))), {"state": "wiped"}),
    ],
    ids=["format", "add", "grow", "delete"],
)
def test_the_table_of_a_disk_with_a_hybrid_mbr_is_not_changed(found: State, options: dict[str, Any]) -> None:
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb has a hybrid MBR"):
        planned(found, **options)


@pytest.mark.parametrize("options", [{"size": "48MiB", "grow": True}, {"state": "wiped"}])
def test_the_table_of_a_disk_that_a_guest_has_as_a_whole_is_not_changed(options: dict[str, Any]) -> None:
    held = dataclasses.replace(GPT, uses=("open for writing in qemu (process 7)",))
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb is open for writing in qemu"):
        planned(state(Disk("/dev/vdb", held, (OURS,))), **options)


def test_a_disk_that_is_to_get_a_table_and_a_partition_that_is_used_as_a_device() -> None:
    mbr = Disk("/dev/vdb", dataclasses.replace(WHOLE, content=Content(types=("dos",), table="dos")))
    part = dataclasses.replace(WHOLE, node="/dev/vdb1", devnum="254:1", whole="/dev/vdb")
    found = state(mbr, devices={"old": part}, places={"/shared/data": Place(), "/shared/old": Place()})
    items = [
        {"label": "data", "disk": "/dev/vdb", "size": "32MiB", "overwrite": True},
        {"label": "old", "device": "/dev/vdb1"},
    ]
    with pytest.raises(VirtiofsError, match="would get a new partition table, and old is on /dev/vdb1"):
        plan(wanted({"partitions": items}), found)


def test_a_table_without_a_free_entry() -> None:
    full = Disk("/dev/vdb", GPT, (dataclasses.replace(OURS, name="other", content=Content()),), slots=1)
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb has 1 partitions, and its table has entries for 1"):
        planned(state(full))


def test_a_damaged_table_that_has_the_partition_is_not_overwritten() -> None:
    content = dataclasses.replace(WHOLE, content=Content(types=("gpt",), data=True))
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb has a damaged GPT with a partition of this name"):
        planned(state(Disk("/dev/vdb", content, damaged=frozenset({"data"}))), overwrite=True)
    (write, *_rest) = planned(state(Disk("/dev/vdb", content, damaged=frozenset({"other"}))), overwrite=True).steps
    assert isinstance(write, WriteTable)
    assert (write.new, write.replaced) == (True, "gpt")


@pytest.mark.parametrize("disk", [Disk("/dev/vdb", GPT, ()), Disk("/dev/vdb", WHOLE)])
def test_free_space_with_something_in_it(disk: Disk) -> None:
    gap = {"data": Gap(Extent(MIB, 32 * MIB), EXT4)}
    with pytest.raises(VirtiofsError, match="data, disk: the free space of /dev/vdb holds ext4 labelled data"):
        planned(state(disk, gaps=gap))
    assert isinstance(planned(state(disk, gaps=gap), overwrite=True).steps[0], WriteTable)
    # What a killed run of ours has left in the gaps is its own.
    half = Disk("/dev/vdb", WHOLE, half_written=True)
    assert isinstance(planned(state(half, gaps=gap)).steps[0], WriteTable)


def test_a_table_is_written_once_for_all_items_of_its_disk() -> None:
    items = [{"label": label, "disk": "/dev/vdb", "size": "16MiB"} for label in ("data", "more")]
    extents = {"data": Extent(MIB, 16 * MIB), "more": Extent(17 * MIB, 16 * MIB)}
    machine = state(
        Disk("/dev/vdb", WHOLE),
        disk_of={"data": "/dev/vdb", "more": "/dev/vdb"},
        gaps={label: Gap(extent, Content()) for label, extent in extents.items()},
        places={"/shared/data": Place(), "/shared/more": Place()},
    )
    new = tuple(NewPartition(label, extent) for label, extent in extents.items())
    assert plan_tables(gathered(wanted({"partitions": items}).items, machine), machine) == ItemPlan(
        tables=(WriteTable("/dev/vdb", new, 512, new=True),)
    )
