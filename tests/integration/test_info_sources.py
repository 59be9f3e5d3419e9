# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can reach a shared directory, on real directories of root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._info import sources
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo


@pytest.mark.parametrize(("mode", "sheltered"), [(0o700, True), (0o750, True), (0o711, False), (0o755, False)])
def test_a_closed_directory_above_shelters_and_the_shared_one_does_not(mode: int, sheltered: bool):
    # Not below pytest's own directory, which is closed itself.
    parent = Path("/var/tmp") / f"virtiofs-sheltered-{os.getpid()}"
    (parent / "data").mkdir(parents=True)
    try:
        (parent / "data").chmod(0o700)
        parent.chmod(mode)
        assert sources.read_source(str(parent / "data"), mountinfo.current(), ()).sheltered is sheltered
    finally:
        (parent / "data").rmdir()
        parent.rmdir()
