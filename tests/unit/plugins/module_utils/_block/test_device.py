# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from the values of a disk and its partitions."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.tests.unit.made_up_disk import GPT, OURS, WHOLE


def test_a_partition_that_the_kernel_has_yet_to_take_over() -> None:
    assert not OURS.unknown_to_kernel
    assert replace(OURS, node=None).unknown_to_kernel
    assert replace(OURS, smaller_in_kernel=True).unknown_to_kernel


def test_a_partition_whose_filesystem_is_not_complete() -> None:
    assert not OURS.unfinished
    assert replace(OURS, type=UNFINISHED).unfinished


def test_what_is_taken_of_a_disk() -> None:
    second = replace(OURS, extent=Extent(40 * MIB, MIB))
    assert Disk("/dev/vdb", GPT, (OURS, second)).taken == (OURS.extent, second.extent)
    assert Disk("/dev/vdb", WHOLE).taken == ()
