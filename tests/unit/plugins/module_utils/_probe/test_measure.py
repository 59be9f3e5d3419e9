# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures of a directory; what they are worth is not tested."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.virtio.fs.plugins.module_utils._probe.measure import measure


def test_all_is_measured_and_nothing_stays(tmp_path: Path) -> None:
    found = measure(str(tmp_path), 1 << 20, 60)
    assert (found["bytes"], found["files"]) == (1 << 20, 200)
    assert all(value > 0 for name, value in found.items() if "per_second" in name)
    assert list(tmp_path.iterdir()) == []


def test_time_ends_it(tmp_path: Path) -> None:
    found = measure(str(tmp_path), 1 << 40, 0.2)
    assert found["bytes"] < 1 << 40
    assert list(tmp_path.iterdir()) == []
