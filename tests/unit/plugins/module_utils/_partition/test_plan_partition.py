# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems in partitions: what is made, what is completed, what grows."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source, identity_for
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    DeletePartition,
    TellKernel,
    WaitForUdev,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatPartition,
    GrowFilesystem,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    Mount,
)
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
