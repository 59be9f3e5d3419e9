# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a directory is like, and that nothing is left behind."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.virtio.fs.plugins.module_utils._probe.inspection import inspect


def test_owner_mode_and_space(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    found = inspect(str(tmp_path), writing=False)
    assert (found["uid"], found["mode"]) == (os.getuid(), "0750")
    assert 0 < found["bytes_available"] <= found["bytes_total"]
    assert "works" not in found


def test_what_works_is_tried_and_nothing_stays(tmp_path: Path) -> None:
    found = inspect(str(tmp_path), writing=True)
    assert found["writable"] is True
    assert found["new_file_uid"] == os.getuid()
    assert found["works"]["flock"] is True
    assert found["works"]["mmap_shared"] is True
    assert list(tmp_path.iterdir()) == []
