# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on the host at the path of a source, on a real filesystem."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.virtio.fs.plugins.module_utils._domain import sources


def test_mount_points_below_a_directory_are_those_of_no_neighbour() -> None:
    points = sorted(["/", "/srv", "/srv/a", "/srv/a b", "/srv/a-b", "/srv/a/one", "/srv/a/one/two", "/srv/a0"])
    assert sources.below("/srv/a", points) == ["/srv/a/one", "/srv/a/one/two"]
    assert sources.below("/srv/a0", points) == []
    assert sources.below("/", points) == points[1:]


def test_a_directory_a_file_and_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    names = ("", "file", "link", "nothing")
    found = sources.read_directories([f"{tmp_path}/{name}" for name in names])
    plain = [(each.exists, each.directory) for each in found.values()]
    assert plain == [(True, True), (True, False), (True, False), (False, False)]
    assert found[f"{tmp_path}/link"].symlink == f"{tmp_path}/link"
    assert found[f"{tmp_path}/file"].symlink is None


def test_a_mount_point_is_known_by_whatever_spelling() -> None:
    found = sources.read_directories(["/proc", "//proc/", "/proc/self"])
    assert [each.mountpoint for each in found.values()] == [True, True, False]
    assert os.path.ismount("/proc")
