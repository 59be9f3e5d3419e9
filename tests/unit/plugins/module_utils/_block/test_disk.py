# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a table of sfdisk and the kernel's partitions are compared. Real disks are read in the integration tests."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block import disk
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent


@pytest.mark.parametrize(
    ("node", "names", "numbers"),
    [
        ("/dev/sda", ["/dev/sda1", "/dev/sda12"], [1, 12]),
        ("/dev/nvme0n1", ["/dev/nvme0n1p1", "/dev/nvme0n1p12"], [1, 12]),
        ("/dev/loop7", ["/dev/loop7p3"], [3]),
    ],
)
def test_the_number_of_a_partition_is_what_its_name_ends_with(node: str, names: list[str], numbers: list[int]) -> None:
    entries = disk._entries(node, {"partitions": [{"node": name} for name in names]})
    assert [entry["number"] for entry in entries] == numbers


def test_a_table_without_partitions() -> None:
    assert disk._entries("/dev/sda", {"label": "gpt"}) == []


@pytest.mark.parametrize(
    ("kernel", "table", "same"),
    [
        (Extent(1, 8), Extent(1, 8), True),
        # A run of ours was killed while it grew.
        (Extent(1, 8), Extent(1, 9), True),
        # Who made the entry smaller is not us, and the filesystem would lose its end.
        (Extent(1, 8), Extent(1, 7), False),
        (Extent(1, 8), Extent(2, 8), False),
        (Extent(1, 8), Extent(2, 9), False),
        (Extent(1, 8), None, False),
    ],
)
def test_a_partition_of_the_kernel_that_is_the_one_of_the_table(
    kernel: Extent, table: Extent | None, same: bool
) -> None:
    assert disk._is_same_or_smaller(kernel, table) is same


def test_no_label_is_looked_for_in_vain() -> None:
    assert disk.read_label_owners(["no_such_label_anywhere"]) == {"no_such_label_anywhere": ()}
