# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mount points of a machine, as they are read."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.virtio.fs.plugins.module_utils._partition import read_tree
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable


def test_whether_a_directory_can_be_immutable_is_asked_of_the_filesystem_that_it_is_on(tmp_path: Path) -> None:
    assert read_tree.can_be_immutable("/proc/nowhere/at/all") is False
    assert read_tree.can_be_immutable(str(tmp_path / "nowhere" / "yet")) is (
        immutable.is_immutable(str(tmp_path)) is not None
    )
