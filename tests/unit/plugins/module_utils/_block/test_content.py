# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on a device, in words."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content


def test_blank_and_its_opposites() -> None:
    assert Content().blank
    assert not Content(data=True).blank
    assert Content(types=("ext4",), fstype="ext4", label="x").description == "ext4 labelled x"
    assert Content(types=("dos",), table="dos").description == "a partition table (dos)"
