# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several plans refuse alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk, Image
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition import refusals
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition
from ansible_collections.virtio.fs.tests.unit.made_up_disk import EXT4, GPT, OURS, WHOLE

ITEM = WantedPartition("data", "/shared/data", disk="/dev/vdb")
DISK = Disk("/dev/vdb", GPT, (OURS,))


@pytest.mark.parametrize(
    ("content", "fstype", "ours"),
    [
        (EXT4, None, True),
        (EXT4, "ext4", True),
        (EXT4, "xfs", False),
        (replace(EXT4, types=("ext3",), fstype="ext3"), None, True),
        (replace(EXT4, label="other"), None, False),
        (replace(EXT4, types=("ext4", "xfs")), None, False),
        (Content(types=("crypto_LUKS",), fstype="crypto_LUKS", label="data"), None, False),
        (Content(), None, False),
    ],
)
def test_which_filesystem_is_ours(content: Content, fstype: str | None, ours: bool) -> None:
    assert refusals.is_ours(replace(ITEM, fstype=fstype), content) is ours


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (replace(DISK, other_users=("/dev/vdb1 is used as swap",)), "is in use: /dev/vdb1 is used as swap"),
        (replace(DISK, device=replace(GPT, uses=("held by dm-0",))), "is held by dm-0"),
        (replace(DISK, partitions=(OURS, replace(OURS, number=2, extent=Extent(32 * MIB, MIB)))), "that overlap"),
        (replace(DISK, hybrid=True), "has a hybrid MBR"),
    ],
)
def test_a_table_that_is_not_changed(disk: Disk, words: str) -> None:
    with pytest.raises(VirtiofsError, match=f"^data, disk: /dev/vdb .*{words}"):
        refusals.refuse_table_change(ITEM, disk)
    refusals.refuse_table_change(ITEM, DISK)


def test_a_device_that_cannot_be_used() -> None:
    with pytest.raises(VirtiofsError, match=r"^data, disk: /dev/vdb is read-only"):
        refusals.refuse_unusable(ITEM, "disk", replace(WHOLE, readonly=True))
    with pytest.raises(VirtiofsError, match=r"^data, disk: /dev/vdb has only 1048576 bytes"):
        refusals.refuse_unusable(ITEM, "disk", replace(WHOLE, size=MIB))
    refusals.refuse_unusable(ITEM, "disk", replace(WHOLE, size=2 * MIB))


def test_a_place_that_is_too_small_for_its_filesystem() -> None:
    with pytest.raises(VirtiofsError, match=r"^data, size: the gap has 7 MiB, and ext4 needs at least 8 MiB"):
        refusals.refuse_too_small(ITEM, "size", "the gap", 7 * MIB)
    refusals.refuse_too_small(ITEM, "size", "the gap", 8 * MIB)


def test_another_size_is_a_warning_and_a_smaller_one_with_grow_an_error() -> None:
    larger = refusals.other_size(ITEM, "/dev/vdb", 64 * MIB, 32 * MIB)
    assert larger == "data: it has 32 MiB on /dev/vdb, not 64 MiB, grow: true enlarges it"
    smaller = refusals.other_size(ITEM, "/dev/vdb", 16 * MIB, 32 * MIB)
    assert smaller == "data: it has 32 MiB on /dev/vdb, not 16 MiB, and nothing is ever made smaller"
    refusals.refuse_smaller(ITEM, "/dev/vdb", 16 * MIB, 32 * MIB)
    with pytest.raises(VirtiofsError, match=r"^data, size: 16 MiB is less than the 32 MiB that it has on /dev/vdb"):
        refusals.refuse_smaller(replace(ITEM, grow=True), "/dev/vdb", 16 * MIB, 32 * MIB)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image("/x.img", loops=("/dev/loop1", "/dev/loop2")), "more than once: /dev/loop1, /dev/loop2"),
        (Image("/x.img", loops=("/dev/loop1",), partial=("/dev/loop1",)), "as /dev/loop1 only in part"),
    ],
)
def test_an_image_that_somebody_else_has_attached(image: Image, words: str) -> None:
    with pytest.raises(VirtiofsError, match=f"^data, image: /x.img is attached {words}"):
        refusals.refuse_other_loops(ITEM, image)
