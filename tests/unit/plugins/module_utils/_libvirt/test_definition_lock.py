# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs of ours do not replace a definition at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._libvirt.definition_lock import definition_lock


def test_the_second_one_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with definition_lock(str(tmp_path)):
            order.append("second")

    with definition_lock(str(tmp_path)):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        assert order == []
        order.append("first")
    other.join(30)
    assert order == ["first", "second"]


@pytest.mark.parametrize("directory", [None, "/nowhere/at/all"])
def test_where_there_is_no_directory_nobody_is_kept_out(directory: str | None) -> None:
    with definition_lock(directory), definition_lock(directory):
        pass
