# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a filesystem is on, and the UUID by which an unfinished one is known to be ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source, identity_for


def test_the_uuid_of_a_filesystem_follows_from_its_partition_for_ever() -> None:
    partuuid = "c020991a-1dcd-554d-8861-94fce428c90d"
    # A run that was killed has made it, maybe with an older version.
    assert str(identity_for(partuuid)) == "d3bc2766-d4ac-592d-9949-2a093eec397a"
    assert identity_for(partuuid.upper()) == identity_for(partuuid)


def test_a_device_is_its_own_node() -> None:
    assert Source("data", device="/dev/vdb").node() == "/dev/vdb"


def test_an_image_without_a_loop_device(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    image.touch()
    with pytest.raises(VirtiofsError, match=r"data: .*/x\.img has no loop device"):
        Source("data", image=str(image)).node()
