# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where new partitions would be, beside those that are there and those that grow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.placement import extents_of_new
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition, wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import EXT4, GPT, OURS, WHOLE

SMALL = replace(OURS, extent=Extent(MIB, 16 * MIB))


def items(*given: dict[str, Any]) -> tuple[WantedPartition, ...]:
    return wanted({"partitions": [{"disk": "/dev/vdb", **item} for item in given]}).items


def test_new_ones_are_placed_in_the_order_of_the_list() -> None:
    new = items({"label": "b", "size": "16MiB"}, {"label": "a", "size": "rest"})
    extents = extents_of_new(Disk("/dev/vdb", WHOLE), new)
    assert extents == {"b": Extent(MIB, 16 * MIB), "a": Extent(17 * MIB, 46 * MIB)}


def test_one_that_is_there_by_name_or_by_label_gets_no_place() -> None:
    for partition in (OURS, replace(OURS, name="by hand", content=EXT4)):
        assert extents_of_new(Disk("/dev/vdb", GPT, (partition,)), items({"label": "data", "size": "32MiB"})) == {}


def test_one_that_goes_away_gets_no_place() -> None:
    assert extents_of_new(Disk("/dev/vdb", WHOLE), items({"label": "data", "size": "32MiB", "state": "wiped"})) == {}


def test_what_another_one_grows_into_is_taken() -> None:
    given = {"label": "data", "size": "32MiB"}, {"label": "b", "size": "16MiB"}
    disk = Disk("/dev/vdb", GPT, (SMALL,))
    assert extents_of_new(disk, items(*given)) == {"b": Extent(17 * MIB, 16 * MIB)}
    assert extents_of_new(disk, items({**given[0], "grow": True}, given[1])) == {"b": Extent(33 * MIB, 16 * MIB)}
    # The one with the rest gets what the new ones leave.
    rest = {"label": "data", "size": "rest", "grow": True}
    assert extents_of_new(disk, items(given[1], rest)) == {"b": Extent(17 * MIB, 16 * MIB)}


def test_no_room() -> None:
    with pytest.raises(VirtiofsError, match="b, size: /dev/vdb has no room for 48 MiB"):
        extents_of_new(Disk("/dev/vdb", GPT, (OURS,)), items({"label": "b", "size": "48MiB"}))
