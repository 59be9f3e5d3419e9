# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image files: made whole or not at all, never over one of somebody else, never made smaller."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import probe
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import (
    DeleteImage,
    GrowImage,
    MakeImage,
    RemoveUnit,
    WriteUnit,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target

EXT4 = NewFilesystem("data", "ext4")


def test_a_sparse_file_with_a_filesystem(tmp_path: Path) -> None:
    image = tmp_path / "images" / "x.img"
    step = MakeImage(str(image), 64 * MIB, EXT4)
    assert step.summary == f"make the image {image} (64 MiB, ext4, data)"
    step.apply(Target())
    assert (image.stat().st_size, probe(str(image)).label) == (64 * MIB, "data")
    assert image.stat().st_blocks * 512 < 32 * MIB
    assert image.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in image.parent.iterdir()] == ["x.img"]


def test_a_file_of_somebody_else_is_replaced_only_where_that_was_planned(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    image.write_bytes(b"precious")
    with pytest.raises(VirtiofsError, match=r"^data, image: .*/x\.img was made by someone else in the meantime"):
        MakeImage(str(image), 16 * MIB, EXT4).apply(Target())
    assert image.read_bytes() == b"precious"
    MakeImage(str(image), 16 * MIB, EXT4, replaced="data that no tool knows").apply(Target())
    assert probe(str(image)).label == "data"


def test_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    with pytest.raises(VirtiofsError):
        MakeImage(str(image), 16 * MIB, NewFilesystem("data", "ext4", options=("--nonsense",))).apply(Target())
    assert list(tmp_path.iterdir()) == []


def test_it_grows_and_never_shrinks(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    image.write_bytes(b"kept" * 1024)
    GrowImage(str(image), 1 * MIB).apply(Target())
    assert image.stat().st_size == MIB
    assert image.read_bytes()[:8] == b"keptkept"
    with pytest.raises(VirtiofsError, match="is larger than 4096 bytes, and it is never made smaller"):
        GrowImage(str(image), 4096).apply(Target())
    assert image.stat().st_size == MIB
    DeleteImage(str(image)).apply(Target())
    assert not image.exists()


def test_the_unit(tmp_path: Path) -> None:
    target = Target(unit_directory=str(tmp_path))
    WriteUnit("x.service", "[Unit]\n").apply(target)
    assert (tmp_path / "x.service").read_text() == "[Unit]\n"
    RemoveUnit("x.service").apply(target)
    assert not (tmp_path / "x.service").exists()
