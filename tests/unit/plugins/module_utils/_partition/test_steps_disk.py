# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes of partition tables, in words. They are made in the integration tests."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    DeletePartition,
    GrowPartition,
    TellKernel,
    WaitForUdev,
    WriteTable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target

NEW = (NewPartition("a", Extent(MIB, 32 * MIB)), NewPartition("b", Extent(33 * MIB, 16 * MIB)))


def test_their_summaries() -> None:
    steps = (
        WriteTable("/dev/vdb", NEW, 512),
        WriteTable("/dev/vdb", NEW[:1], 512, new=True),
        WriteTable("/dev/vdb", NEW[:1], 512, new=True, replaced="ext4 labelled old"),
        TellKernel("/dev/vdb"),
        GrowPartition("/dev/vdb", "a", 64 * MIB, 512),
        DeletePartition("/dev/vdb", "a", 1),
        WaitForUdev(("a", "b")),
    )
    assert [step.summary for step in steps] == [
        "add to the GPT of /dev/vdb: a (32 MiB), b (16 MiB)",
        "write a GPT to /dev/vdb, with a (32 MiB)",
        "write a GPT to /dev/vdb over ext4 labelled old, with a (32 MiB)",
        "tell the kernel about the partitions of /dev/vdb",
        "enlarge the partition a of /dev/vdb to 64 MiB",
        "delete the partition a of /dev/vdb, with its signatures",
        "wait until the devices of a, b are known",
    ]


def test_waiting_for_udev_begins_with_the_locks() -> None:
    target = Target()
    target.lock("/dev/null")
    WaitForUdev(("a",)).apply(target)
    assert target.locks == {}
