# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written over, on files that stand in for devices."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.erase import erase, flush, refuse_in_use


def test_both_ends_and_every_signature_go_and_the_middle_stays(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"\xff" * 4 * MIB)
    subprocess.run(["mkswap", str(device)], check=True, capture_output=True, timeout=60)
    erase(str(device))
    content = device.read_bytes()
    assert len(content) == 4 * MIB
    assert content[:MIB] == content[-MIB:] == bytes(MIB)
    assert content[MIB:-MIB] == b"\xff" * 2 * MIB
    found = subprocess.run(["wipefs", "--noheadings", str(device)], check=True, capture_output=True, timeout=60)
    assert found.stdout == b""


def test_a_device_that_is_smaller_than_both_ends(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"\xff" * 1000)
    erase(str(device))
    assert device.read_bytes() == bytes(1000)


def test_what_cannot_be_opened_is_in_use(tmp_path: Path) -> None:
    device = tmp_path / "device"
    with pytest.raises(VirtiofsError, match=r"^data: .*/device is in use, nothing was written to it: No such file"):
        refuse_in_use(str(device), "data")
    device.touch()
    refuse_in_use(str(device), "data")


def test_flushing_is_best_effort(tmp_path: Path) -> None:
    flush(str(tmp_path / "nowhere"))
    (tmp_path / "device").touch()
    flush(str(tmp_path / "device"))
