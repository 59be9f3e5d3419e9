# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is gathered of each item, and which partition is an item's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk, Owner
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import gathered, partition_of
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import EXT4, GPT, KEPT, OURS, WHOLE, state, there

THEIRS = replace(OURS, number=2, name="theirs", content=Content(), node="/dev/vdb2", devnum="254:2")


def test_a_partition_is_known_by_its_name_before_its_label() -> None:
    labelled = replace(THEIRS, content=EXT4)
    named = replace(OURS, content=Content())
    assert partition_of("data", Disk("/dev/vdb", GPT, (labelled, named))) == named
    assert partition_of("data", Disk("/dev/vdb", GPT, (THEIRS, labelled))) == labelled
    assert partition_of("data", Disk("/dev/vdb", GPT, (THEIRS,))) is None
    assert partition_of("data", Disk("/dev/vdb", WHOLE)) is None


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(VirtiofsError, match="data, label: 2 partitions of /dev/vdb have this name"):
        partition_of("data", Disk("/dev/vdb", GPT, (OURS, replace(OURS, number=2))))


def test_all_of_an_item_in_one_place() -> None:
    items = wanted({"partitions": [{"label": "data", "disk": "/dev/vdb", "size": "32MiB"}]}).items
    machine = there(sharing={"/shared/data": ("vm1",)}, uids={"data": 7}, format_markers={"data": {"device": "x"}})
    (found,) = gathered(items, machine)
    assert (found.disk, found.partition) == (machine.disks["/dev/vdb"], OURS)
    assert found.mounted is not None
    assert found.entry is not None
    assert (found.mounted.path, found.entry.spec) == ("/shared/data", "LABEL=data")
    assert (found.sharing, found.uid, found.gid, found.format_marker) == (("vm1",), 7, None, {"device": "x"})
    assert found.labelled == (Owner("LABEL", "/dev/vdb1", "254:1"),)
    assert not found.is_new_on_disk


def test_what_is_new_has_a_place_for_its_partition() -> None:
    items = wanted({"partitions": [{"label": "data", "disk": "/dev/vdb", "size": "32MiB"}]}).items
    (found,) = gathered(items, state(Disk("/dev/vdb", WHOLE), root=KEPT))
    assert found.is_new_on_disk
    assert found.new_gap.extent.size == 32 * 2**20
    with pytest.raises(AssertionError, match="data has no place"):
        dummy = replace(found, gap=None).new_gap


def test_an_item_that_goes_away_needs_no_disk() -> None:
    items = wanted({"partitions": [{"label": "data", "state": "absent"}]}).items
    (found,) = gathered(items, there(disks={}, disk_of={}))
    assert (found.disk, found.partition, found.is_new_on_disk) == (None, None, False)
    items = wanted({"partitions": [{"label": "data", "disk": "/dev/vdb", "state": "wiped"}]}).items
    (found,) = gathered(items, state(Disk("/dev/vdb", WHOLE)))
    assert (found.partition, found.is_new_on_disk) == (None, False)
