# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image files as they are read. Loop devices are made in the integration tests."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Image
from ansible_collections.virtio.fs.plugins.module_utils._block.image import loops_of, read_images
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import Signatures
from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.tests.unit.made_up_disk import views


def read_image(path: Path, seen: Views | None = None) -> Image:
    return read_images({"data": str(path)}, seen or views(), Signatures())["data"]


def test_one_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet" / "x.img"
    image = read_image(path)
    assert (image.exists, image.size, image.content, image.inode) == (False, 0, Content(), None)
    status = os.statvfs(tmp_path)
    assert 0 < image.room <= status.f_blocks * status.f_frsize


def test_one_file_by_two_names(tmp_path: Path) -> None:
    one, other = tmp_path / "one.img", tmp_path / "other.img"
    one.write_bytes(b"data" * 1024)
    os.link(one, other)
    (tmp_path / "link").symlink_to(".")
    images = [read_image(path) for path in (one, other, tmp_path / "link" / "one.img")]
    assert len({image.inode for image in images}) == 1
    assert images[0].real == images[2].real == str(one)
    assert (images[0].size, images[0].content.data, images[0].loops) == (4096, True, ())


def test_who_writes_to_it_by_its_real_name(tmp_path: Path) -> None:
    path = tmp_path / "x.img"
    path.touch()
    (tmp_path / "link").symlink_to(".")
    seen = replace(views(), writers={str(path): ("qemu (process 7)",)})
    image = read_image(tmp_path / "link" / "x.img", seen)
    assert image.uses == ("open for writing in qemu (process 7)",)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x.img")
    (tmp_path / "x.img").touch()
    for path in (tmp_path, tmp_path / "link", Path("/dev/null")):
        with pytest.raises(VirtiofsError, match=f"^data, image: {path} is not a regular file"):
            read_image(path)


def test_a_file_that_is_not_attached(tmp_path: Path) -> None:
    assert loops_of(str(tmp_path / "nowhere")) == ()
    (tmp_path / "x.img").touch()
    assert loops_of(str(tmp_path / "x.img")) == ()
