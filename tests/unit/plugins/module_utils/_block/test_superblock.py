# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Superblocks of filesystems that the real mkfs made in a file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._block.superblock import (
    parsed_superblock,
    read_mounted_size,
    read_superblock,
)
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


def made(directory: Path, mib: int, *command: str) -> str:
    image = directory / "image"
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    subprocess.run([*command, str(image)], check=True, capture_output=True, timeout=60)
    return str(image)


@pytest.mark.parametrize("fstype", ["ext2", "ext3", "ext4"])
@pytest.mark.parametrize(("percent", "wide"), [(0, "64bit"), (1, "^64bit"), (5, "64bit")])
def test_ext(tmp_path: Path, fstype: str, percent: int, wide: str) -> None:
    features = ("-O", wide) if fstype == "ext4" else ()
    image = made(tmp_path, 40, f"mkfs.{fstype}", "-q", "-F", "-m", str(percent), *features)
    assert read_superblock(fstype, image) == Superblock(40 * MIB, percent)


def test_the_upper_halves_of_ext_numbers_mean_nothing_without_64bit(tmp_path: Path) -> None:
    image = Path(made(tmp_path, 40, "mkfs.ext4", "-q", "-F", "-m", "1", "-O", "^64bit"))
    first = bytearray(image.read_bytes()[: 128 * 1024])
    first[1024 + 0x150 : 1024 + 0x158] = b"\x01" * 8
    assert parsed_superblock("ext4", bytes(first)) == Superblock(40 * MIB, 1)


def test_xfs(tmp_path: Path) -> None:
    assert read_superblock("xfs", made(tmp_path, 304, "mkfs.xfs", "-q")) == Superblock(304 * MIB)


def test_btrfs(tmp_path: Path) -> None:
    assert read_superblock("btrfs", made(tmp_path, 160, "mkfs.btrfs", "-q")) == Superblock(160 * MIB)


def test_what_cannot_be_read() -> None:
    assert parsed_superblock("ext4", b"short") is None
    assert parsed_superblock("vfat", bytes(128 * 1024)) is None
    with pytest.raises(VirtiofsError, match=r"^cannot read /nowhere: No such file"):
        read_superblock("ext4", "/nowhere")
    with pytest.raises(VirtiofsError, match=r"^cannot open /nowhere: No such file"):
        read_mounted_size("xfs", "/nowhere")


def test_the_size_of_a_mounted_filesystem_is_asked_of_those_whose_superblock_is_behind(tmp_path: Path) -> None:
    assert read_mounted_size("ext4", str(tmp_path)) is None
    with pytest.raises(VirtiofsError, match=r"^cannot ask /proc for its size: "):
        read_mounted_size("xfs", "/proc")
