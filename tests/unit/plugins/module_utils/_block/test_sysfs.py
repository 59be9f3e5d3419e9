# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tells one block device from another, in directories that look like those of sysfs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block import sysfs
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


def device(place: Path, **attributes: str) -> str:
    place.mkdir(parents=True)
    for name, value in attributes.items():
        (place / name).write_text(value + "\n")
    return str(place)


def test_a_name_of_its_own_is_kept_over_a_boot(tmp_path: Path) -> None:
    disk = device(tmp_path / "vdb", wwid="naa.5000c500")
    assert sysfs.identity(disk, "254:16", 4096) == "naa.5000c500 4096"


def test_two_partitions_of_a_disk_are_two_devices(tmp_path: Path) -> None:
    device(tmp_path / "vdb", serial="X1")
    one = device(tmp_path / "vdb" / "vdb1", partition="1", start="2048")
    two = device(tmp_path / "vdb" / "vdb2", partition="2", start="8192")
    assert sysfs.identity(one, "254:17", 4096) == "X1 4096 from 2048 on"
    assert sysfs.identity(two, "254:18", 4096) == "X1 4096 from 8192 on"


def test_a_number_means_the_same_disk_until_the_next_boot_or_the_next_disk(tmp_path: Path) -> None:
    disk = device(tmp_path / "vdb", diskseq="7")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert sysfs.identity(disk, "254:16", 4096) == f"254:16 4096 of boot {boot} 7"


def test_a_node_that_is_not_the_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    loops = sorted(name for name in os.listdir("/sys/block") if name.startswith("loop"))
    if not loops or not os.path.exists(f"/dev/{loops[0]}"):
        pytest.fail("this machine has no loop device to look at")
    node = f"/dev/{loops[0]}"
    assert sysfs.node_of(node, "data", "disk") == node
    monkeypatch.setattr(sysfs, "node_at", lambda place: "/dev/null")
    with pytest.raises(VirtiofsError, match="the kernel calls /dev/null, and /dev/null is not"):
        sysfs.node_of(node, "data", "disk")


def test_what_is_part_of_something_else_is_in_use(tmp_path: Path) -> None:
    disk = tmp_path / "vdb"
    device(disk)
    assert sysfs.kernel_uses(str(disk), "999:0") == []
    for name in ("md127", "dm-0"):
        (disk / "holders" / name).mkdir(parents=True)
    assert sysfs.kernel_uses(str(disk), "999:0") == ["held by dm-0", "held by md127"]
