# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems in partitions: what is made, what is completed, what grows."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_partition import is_left_by_us
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source, identity_for
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    DeletePartition,
    GrowPartition,
    TellKernel,
    WaitForUdev,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatPartition,
    GrowFilesystem,
    Reserve,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import Mount
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.tests.unit.made_up_disk import (
    EXT4,
    GPT,
    OURS,
    PARTUUID,
    planned,
    state,
    there,
    views,
)


@pytest.mark.parametrize(
    "content",
    [
        Content(),
        Content(data=True),
        EXT4,
        Content(types=("ext4",), fstype="ext4", uuid=str(identity_for(PARTUUID)), data=True),
    ],
)
def test_a_killed_mkfs_is_done_again(content: Content) -> None:
    if content is EXT4:
        content = dataclasses.replace(EXT4, uuid=str(identity_for(PARTUUID)))
    part = dataclasses.replace(OURS, type=UNFINISHED, content=content)
    steps = planned(state(Disk("/dev/vdb", GPT, (part,)))).steps
    assert steps[0] == FormatPartition("/dev/vdb", NewFilesystem("data", "ext4"))


def test_an_unfinished_partition_with_somebody_elses_filesystem_is_refused() -> None:
    part = dataclasses.replace(OURS, type=UNFINISHED, content=Content(types=("xfs",), fstype="xfs", uuid="other"))
    with pytest.raises(VirtiofsError, match="holds xfs"):
        planned(state(Disk("/dev/vdb", GPT, (part,))))


def test_a_partition_that_the_kernel_does_not_know() -> None:
    part = dataclasses.replace(OURS, node=None, devnum="")
    steps = planned(there(views=views(), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))}, owners={})).steps
    assert steps[0] == TellKernel("/dev/vdb")
    assert isinstance(steps[-1], Mount)
    assert not any(isinstance(step, FormatPartition) for step in steps)


def test_a_partition_that_the_kernel_knows_as_it_was_before_it_grew() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 60 * MIB), smaller_in_kernel=True)
    found = there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))})
    assert planned(found, size="60MiB", grow=True).steps == (
        TellKernel("/dev/vdb"),
        WaitForUdev(("data",)),
        GrowFilesystem(Source("data", disk="/dev/vdb"), "ext4", "/shared/data"),
    )
    wiped = planned(found, state="wiped").steps
    assert wiped[-2:] == (TellKernel("/dev/vdb"), DeletePartition("/dev/vdb", "data", 1))


def test_a_partition_that_grew_and_the_kernel_lost() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 60 * MIB), node=None, devnum="")
    found = there(views=views(), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))}, owners={})
    assert isinstance(planned(found, size="60MiB", grow=True).steps[-1], GrowFilesystem)


def grown(size: str, **options: Any) -> Plan:
    return planned(there(), size=size, **{"grow": True, **options})


def test_a_partition_grows_with_its_filesystem() -> None:
    assert grown("48MiB").steps == (
        GrowPartition("/dev/vdb", "data", 48 * MIB, 512),
        GrowFilesystem(Source("data", disk="/dev/vdb"), "ext4", "/shared/data"),
    )
    # Up to the table's copy at the end.
    assert grown("rest").steps[0] == GrowPartition("/dev/vdb", "data", 62 * MIB, 512)


def test_another_size_is_only_a_warning_without_grow() -> None:
    plan = grown("48MiB", grow=False)
    assert plan.steps == ()
    assert plan.warnings == ("data: it has 32 MiB on /dev/vdb, not 48 MiB, grow: true enlarges it",)
    assert grown("33MiB").steps == ()  # as good as aligned
    with pytest.raises(VirtiofsError, match="data, size: 16 MiB is less than the 32 MiB that it has on /dev/vdb"):
        grown("16MiB")


def test_what_is_in_the_way_of_a_partition_that_grows() -> None:
    second = dataclasses.replace(OURS, number=2, name="b", content=Content(), extent=Extent(40 * MIB, 8 * MIB))
    crowded = there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (OURS, second))})
    with pytest.raises(VirtiofsError, match=r"48 MiB do not fit, .* allows 39 MiB"):
        planned(crowded, size="48MiB", grow=True)
    held = dataclasses.replace(GPT, uses=("held by dm-0",))
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb is held by dm-0"):
        planned(there(disks={"/dev/vdb": Disk("/dev/vdb", held, (OURS,))}), size="48MiB", grow=True)
    by_hand = dataclasses.replace(OURS, name="by hand")
    with pytest.raises(VirtiofsError, match="data, grow: its partition of /dev/vdb is named 'by hand'"):
        planned(there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (by_hand,))}), size="48MiB", grow=True)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"type": "ESP"}, {}, "has the type ESP, which is not that of a Linux filesystem"),
        ({"content": Content(types=("xfs",), fstype="xfs")}, {}, "holds xfs: give another label"),
        ({"content": EXT4}, {"fstype": "btrfs", "size": "130MiB"}, "holds ext4 labelled data"),
        ({"uses": ("used as swap",)}, {"overwrite": True}, "its partition of /dev/vdb is used as swap"),
        ({"readonly": True}, {}, "its partition of /dev/vdb is read-only"),
        ({"extent": Extent(MIB, 4 * MIB)}, {}, "its partition of /dev/vdb has 4 MiB, and ext4 needs at least 8 MiB"),
    ],
)
def test_a_partition_that_is_not_formatted(changes: dict[str, Any], options: dict[str, Any], words: str) -> None:
    part = dataclasses.replace(OURS, **{"content": Content(), **changes})
    with pytest.raises(VirtiofsError, match=words):
        planned(state(Disk("/dev/vdb", GPT, (part,))), **options)


def test_what_overwrite_loses_is_in_the_summary() -> None:
    part = dataclasses.replace(OURS, content=Content(types=("xfs",), fstype="xfs", label="old"))
    steps = planned(state(Disk("/dev/vdb", GPT, (part,))), overwrite=True).steps
    assert steps[0] == FormatPartition("/dev/vdb", NewFilesystem("data", "ext4"), "xfs labelled old")


def test_a_filesystem_in_a_partition_of_another_name_is_used_by_its_node() -> None:
    by_hand = dataclasses.replace(OURS, name="by hand")
    plan = planned(there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (by_hand,))}), reserved_percent=5)
    assert plan.steps == (Reserve(Source("data", device="/dev/vdb1"), 5),)
    unknown = dataclasses.replace(by_hand, node=None, devnum="")
    with pytest.raises(VirtiofsError, match="in a partition named 'by hand' that the kernel does not know"):
        planned(there(views=views(), owners={}, disks={"/dev/vdb": Disk("/dev/vdb", GPT, (unknown,))}))


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (Content(), True),
        (Content(data=True), True),
        (Content(types=("ext4",), fstype="ext4", uuid=str(identity_for(PARTUUID))), True),
        (Content(types=("ext4",), fstype="ext4", uuid="another"), False),
        (Content(types=("gpt",), table="gpt"), False),
    ],
)
def test_what_a_killed_run_can_have_left_in_a_partition(content: Content, left: bool) -> None:
    assert is_left_by_us(dataclasses.replace(OURS, content=content, type=UNFINISHED)) is left
