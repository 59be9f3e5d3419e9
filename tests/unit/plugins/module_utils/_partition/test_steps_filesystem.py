# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a filesystem, on files that stand in for devices: real mkfs."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import probe
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._block.superblock import read_superblock
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition import format_marker
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatDevice,
    FormatPartition,
    GrowFilesystem,
    RemoveFormatMarker,
    Reserve,
    WipeDevice,
    make_filesystem,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target

IDENTITY = uuid.UUID("0a4ac2f7-4d6a-5cc0-9d19-b0b8d0d6a3b1")


def device(directory: Path, mib: int = 16) -> Path:
    made = directory / "device"
    with made.open("wb") as file:
        file.truncate(mib * MIB)
    return made


@pytest.mark.parametrize(("reserved", "percent"), [(None, 1), (0, 0), (7, 7)])
def test_label_uuid_and_reserved_blocks(tmp_path: Path, reserved: int | None, percent: int) -> None:
    node = str(device(tmp_path))
    make_filesystem(NewFilesystem("data", "ext4", reserved), node, IDENTITY)
    made = probe(node)
    assert (made.fstype, made.label, made.uuid) == ("ext4", "data", str(IDENTITY))
    superblock = read_superblock("ext4", node)
    assert superblock is not None
    assert (superblock.size, superblock.reserved_percent) == (16 * MIB, percent)


def test_options_that_make_something_else_leave_nothing_behind(tmp_path: Path) -> None:
    node = str(device(tmp_path))
    with pytest.raises(VirtiofsError, match=r"^data, mkfs_options: with '-n', mkfs\.ext4 made nothing, "):
        make_filesystem(NewFilesystem("data", "ext4", options=("-n",)), node, IDENTITY)
    with pytest.raises(VirtiofsError, match=r"mkfs\.ext4 made ext4"):
        make_filesystem(NewFilesystem("data", "ext4", options=("-L", "other")), node, IDENTITY)
    assert probe(node).types == ()


def test_a_device_is_formatted_under_a_note_that_goes_with_the_last_write(tmp_path: Path) -> None:
    node = str(device(tmp_path))
    target = Target(state_directory=str(tmp_path / "state"))
    FormatDevice(node, "wwid 16", NewFilesystem("data", "ext4")).apply(target)
    assert probe(node).label == "data"
    assert format_marker.read(target, "data") == {}
    assert target.touched == [node]
    target.unlock(node)
    # One that failed is ours to complete.
    with pytest.raises(VirtiofsError):
        FormatDevice(node, "wwid 16", NewFilesystem("data", "ext4", options=("--nonsense",))).apply(target)
    assert format_marker.read(target, "data")["device"] == "wwid 16"
    RemoveFormatMarker("data").apply(target)
    assert format_marker.read(target, "data") == {}


def test_their_summaries() -> None:
    new = NewFilesystem("data", "xfs")
    source = Source("data", device="/dev/vdb")
    assert [
        FormatPartition("/dev/vdb", new).summary,
        FormatPartition("/dev/vdb", new, "ext4 labelled x").summary,
        FormatDevice("/dev/vdb", "", new).summary,
        GrowFilesystem(source, "xfs", "/shared/data").summary,
        Reserve(source, 3).summary,
        WipeDevice("/dev/vdb", "", "data", "").summary,
    ] == [
        "make a filesystem (xfs) data in its partition of /dev/vdb",
        "make a filesystem (xfs) data in its partition of /dev/vdb over ext4 labelled x",
        "make a filesystem (xfs) data on /dev/vdb",
        "enlarge the filesystem on /shared/data to the size of its device",
        "reserve 3% of data for root",
        "erase the signatures of data on /dev/vdb",
    ]
