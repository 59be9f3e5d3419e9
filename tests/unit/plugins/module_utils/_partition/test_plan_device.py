# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems on whole devices: what is made, what is completed, what is never written over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem, Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import ItemPlan
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_device import plan_device
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatDevice,
    RemoveFormatMarker,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import EXT4, WHOLE

BLANK = replace(WHOLE, identity="wwid 64")
OURS = replace(BLANK, content=EXT4, superblock=Superblock(64 * MIB, 1), partuuid="pppp")
MARKER = {"device": "wwid 64", "filesystem": "aaaa"}
FORMAT = FormatDevice("/dev/vdb", "wwid 64", NewFilesystem("data", "ext4"))


def found(device: Device, marker: dict[str, str] | None = None, **options: Any) -> Found:
    (item,) = wanted({"partitions": [{"label": "data", "device": "/dev/disk/by-id/x", **options}]}).items
    return Found(item, Place(), device=device, format_marker=marker or {})


def test_a_blank_device_gets_a_filesystem() -> None:
    filesystem, plan = plan_device(found(BLANK), BLANK)
    assert plan == ItemPlan(formats=(FORMAT,), waits=("data",))
    assert (filesystem.source, filesystem.new) == (Source("data", device="/dev/vdb"), True)


def test_ours_is_taken_as_it_is() -> None:
    filesystem, plan = plan_device(found(OURS), OURS)
    assert plan == ItemPlan()
    assert (filesystem.new, filesystem.uuid, filesystem.partuuid) == (False, "aaaa", "pppp")


@pytest.mark.parametrize("content", [EXT4, Content(data=True), Content()])
def test_what_a_killed_run_began_is_done_again(content: Content) -> None:
    device = replace(OURS, content=content)
    assert plan_device(found(device, MARKER), device)[1].formats == (FORMAT,)


def test_a_marker_of_another_device_or_filesystem_gives_no_right_to_write() -> None:
    theirs = replace(OURS, content=Content(types=("xfs",), fstype="xfs", uuid="bbbb"))
    for marker in (MARKER, {**MARKER, "device": "another 64", "filesystem": "bbbb"}):
        with pytest.raises(VirtiofsError, match="data, device: /dev/disk/by-id/x is not blank, it holds xfs: "):
            plan_device(found(theirs, marker), theirs)


def test_a_marker_that_is_left_behind_goes() -> None:
    marker = {**MARKER, "filesystem": "of the run before"}
    assert plan_device(found(OURS, marker), OURS)[1] == ItemPlan(finishing=(RemoveFormatMarker("data"),))


def test_overwrite_loses_what_is_there_and_says_so() -> None:
    theirs = replace(BLANK, content=Content(types=("xfs",), fstype="xfs", label="old"))
    plan = plan_device(found(theirs, overwrite=True), theirs)[1]
    assert plan.formats == (replace(FORMAT, replaced="xfs labelled old"),)


@pytest.mark.parametrize(
    ("device", "options", "words"),
    [
        (replace(BLANK, uses=("used as swap",)), {"overwrite": True}, "/dev/disk/by-id/x is used as swap"),
        (replace(BLANK, readonly=True), {}, "/dev/disk/by-id/x is read-only"),
        (replace(BLANK, size=MIB), {}, "/dev/disk/by-id/x has only 1048576 bytes"),
        (BLANK, {"fstype": "xfs"}, "/dev/vdb has 64 MiB, and xfs needs at least 300 MiB"),
        (OURS, {"fstype": "btrfs"}, "is not blank, it holds ext4 labelled data"),
    ],
)
def test_what_cannot_be_used_is_refused(device: Device, options: dict[str, Any], words: str) -> None:
    with pytest.raises(VirtiofsError, match=f"^data, device: .*{words}"):
        plan_device(found(device, **options), device)
