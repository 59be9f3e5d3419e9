# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before any filesystem is planned."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place
from ansible_collections.virtio.fs.tests.unit.made_up_disk import (
    GPT,
    MOUNTED,
    OURS,
    WHOLE,
    planned,
    state,
    there,
    views,
)


def test_an_entry_that_was_made_smaller_than_its_filesystem() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 16 * MIB), node=None, devnum="")
    found = there(views=views(), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))})
    with pytest.raises(VirtiofsError, match="/dev/vdb has 16 MiB only, and the filesystem in it 32 MiB"):
        planned(found)


def test_a_mount_point_inside_the_share_of_another_call() -> None:
    inside = MOUNTED.replace("/shared/data", "/shared/other")
    found = state(Disk("/dev/vdb", WHOLE), views=views(inside), places={"/shared/other/data": Place()})
    with pytest.raises(VirtiofsError, match="inside the share that is mounted on /shared/other"):
        planned(found, path="/shared/other/data")
