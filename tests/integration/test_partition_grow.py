# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Enlarging partition and filesystem while they are mounted and in use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_lab import NEIGHBOURS, DiskLab, disk_lab, output, quietly

MIB = 2**20


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


def total(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_blocks * status.f_frsize


def may_resize_ext4() -> bool:
    """CAP_SYS_RESOURCE; some containers run without it."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.split("CapEff:")[1].split()[0], 16) >> 24 & 1)


@pytest.mark.parametrize(("fstype", "small", "large"), [("ext4", 32, 96), ("xfs", 304, 400), ("btrfs", 160, 256)])
@pytest.mark.parametrize("sector", [512, 4096])
def test_partition_and_filesystem_grow_online(lab: DiskLab, fstype: str, small: int, large: int, sector: int) -> None:
    disk = lab.disk(large + 16, sector)
    item = {"label": lab.label("g"), "disk": disk, "size": f"{small}MiB", "fstype": fstype}
    lab.run(item)
    path = lab.root / item["label"]
    before = total(path)
    (path / "file").write_text("kept")
    with (path / "file").open() as busy:
        without = lab.run({**item, "size": f"{large}MiB"})
        assert (without.failed, without.changed) == (False, False)
        assert any("grow: true" in warning for warning in without.warnings)
        if fstype == "ext4" and not may_resize_ext4():
            assert "CAP_SYS_RESOURCE" in lab.refused({**item, "size": f"{large}MiB", "grow": True})
            return
        done = lab.converged({**item, "size": f"{large}MiB", "grow": True})
        assert busy.read() == "kept"
    assert done.partitions[item["label"]]["size"] == large * MIB
    assert f"size= {small * MIB // sector:11}," in Path(done.partitions[item["label"]]["table_dump"]).read_text()
    assert total(path) - before > (large - small) * MIB * 0.8


def test_an_ext3_that_was_taken_over_grows(lab: DiskLab) -> None:
    disk = lab.disk(160)
    item = {"label": lab.label(), "disk": disk, "size": "40MiB"}
    script = f'label: gpt\nsize=40M, name="{item["label"]}"\n'
    subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True, timeout=60)
    output("partx", "--update", disk)
    output("mkfs.ext3", "-q", "-L", item["label"], f"{disk}p1")
    lab.converged(item)
    larger = {**item, "size": "96MiB", "grow": True}
    if not may_resize_ext4():
        assert "enlarge a mounted ext3 (CAP_SYS_RESOURCE" in lab.refused(larger)
        return
    lab.converged(larger)
    assert total(lab.root / item["label"]) > 80 * MIB


def test_the_rest_grows_with_its_disk(lab: DiskLab) -> None:
    disk = lab.disk(160)
    item = {"label": lab.label(), "disk": disk, "size": "rest", "grow": True, "fstype": "btrfs"}
    lab.run(item)
    os.truncate(lab.image_of(disk), 300 * MIB)
    output("losetup", "--set-capacity", disk)
    done = lab.converged(item)
    assert done.partitions[item["label"]]["size"] == 298 * MIB


def test_the_next_partition_is_in_the_way(lab: DiskLab) -> None:
    disk = lab.disk(400)
    one, two = ({"label": lab.label(n), "disk": disk, "size": "130MiB", "fstype": "btrfs"} for n in ("one", "two"))
    lab.run(one, two)
    message = lab.refused({**one, "size": "200MiB", "grow": True}, two)
    assert "200 MiB do not fit" in message
    assert "130 MiB" in message
    lab.converged(one, {**two, "size": "rest", "grow": True})


@pytest.mark.parametrize("new_first", [False, True])
def test_a_new_partition_is_not_put_where_another_one_grows(lab: DiskLab, new_first: bool) -> None:
    disk = lab.disk(700)
    one, two = ({"label": lab.label(n), "disk": disk, "size": "260MiB", "fstype": "btrfs"} for n in ("one", "two"))
    lab.run(one)
    items = [{**one, "size": "300MiB", "grow": True}, two]
    done = lab.converged(*(reversed(items) if new_first else items))
    assert done.partitions[one["label"]]["size"] == 300 * MIB
    assert done.partitions[two["label"]]["size"] == 260 * MIB


def test_the_rest_is_what_a_new_partition_leaves(lab: DiskLab) -> None:
    disk = lab.disk(700)
    one, two = ({"label": lab.label(n), "disk": disk, "size": "260MiB", "fstype": "btrfs"} for n in ("one", "two"))
    lab.run(one)
    done = lab.converged(two, {**one, "size": "rest", "grow": True})
    assert done.partitions[one["label"]]["size"] == 260 * MIB


def test_no_room_for_the_new_one_when_the_other_one_grows(lab: DiskLab) -> None:
    disk = lab.disk(400)
    one, two = ({"label": lab.label(n), "disk": disk, "size": "130MiB", "fstype": "btrfs"} for n in ("one", "two"))
    lab.run(one)
    assert "its largest free space is 98 MiB" in lab.refused({**one, "size": "300MiB", "grow": True}, two)


def entry_resized(disk: str, mib: int) -> None:
    """The entry in the table only, as a run leaves it that is killed before it tells the kernel."""
    subprocess.run(
        ["sfdisk", "-q", "--no-reread", "--no-tell-kernel", "-N", "1", disk],
        input=f"size={mib}MiB\n",
        text=True,
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("fstype", ["xfs", "btrfs"])
def test_the_kernel_does_not_know_yet_that_it_grew(lab: DiskLab, fstype: str, mounted: bool) -> None:
    disk = lab.disk(464)
    item = {"label": lab.label("g"), "disk": disk, "size": "304MiB", "fstype": fstype}
    larger = {**item, "size": "448MiB", "grow": True}
    path = lab.root / item["label"]
    lab.run(item)
    (path / "file").write_text("kept")
    if not mounted:
        output("umount", str(path))
    entry_resized(disk, 448)
    done = lab.converged(larger)
    assert f"tell the kernel about the partitions of {disk}" in done.actions
    assert (path / "file").read_text() == "kept"
    assert total(path) > 340 * MIB
    entry_resized(disk, 456)
    gone = lab.undisturbed({**item, "state": "wiped"})
    assert not gone.failed, gone.msg
    assert lab.fstab.read_text() == NEIGHBOURS


def test_the_kernel_has_lost_the_partition_that_grew(lab: DiskLab) -> None:
    disk = lab.disk(464)
    item = {"label": lab.label("g"), "disk": disk, "size": "304MiB", "fstype": "xfs"}
    lab.run(item)
    output("umount", str(lab.root / item["label"]))
    entry_resized(disk, 448)
    quietly("partx", "--delete", disk)
    lab.converged({**item, "size": "448MiB", "grow": True})
    assert total(lab.root / item["label"]) > 340 * MIB


def test_an_entry_that_somebody_made_smaller_stays_unknown_to_the_kernel(lab: DiskLab) -> None:
    disk = lab.disk(464)
    item = {"label": lab.label("g"), "disk": disk, "size": "448MiB", "fstype": "xfs"}
    lab.run(item)
    entry_resized(disk, 304)
    message = lab.refused(item)
    assert "has 304 MiB only, and the filesystem in it 448 MiB" in message
    assert "somebody made it smaller" in message
    assert int(output("blockdev", "--getsize64", f"{disk}p1")) == 448 * MIB


@pytest.mark.parametrize("fstype", ["xfs", "btrfs"])
def test_a_device_that_became_larger(lab: DiskLab, fstype: str) -> None:
    device = lab.disk(320)
    item = {"label": lab.label("d"), "device": device, "fstype": fstype}
    lab.run(item)
    os.truncate(lab.image_of(device), 448 * MIB)
    output("losetup", "--set-capacity", device)
    without = lab.run(item)
    assert (without.failed, without.changed) == (False, False)
    assert any("grow: true" in warning for warning in without.warnings)
    lab.converged({**item, "grow": True})
    assert total(lab.root / item["label"]) > 340 * MIB


def test_a_btrfs_that_stays_too_small_to_be_enlarged(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(256), "size": "130MiB", "fstype": "btrfs"}
    lab.run(item)
    assert "256 MiB or more" in lab.refused({**item, "size": "200MiB", "grow": True})


def test_an_image_grows(lab: DiskLab) -> None:
    item = {"label": lab.label(), "image": str(lab.directory / "x.img"), "size": "160MiB", "fstype": "btrfs"}
    lab.run(item)
    lab.converged({**item, "size": "256MiB", "grow": True})
    assert total(lab.root / item["label"]) == 256 * MIB
    assert (lab.directory / "x.img").stat().st_size == 256 * MIB


@pytest.mark.parametrize("size", [256, 320])
def test_the_loop_device_does_not_know_yet_that_its_image_grew(lab: DiskLab, size: int) -> None:
    item = {"label": lab.label(), "image": str(lab.directory / "x.img"), "size": "160MiB", "fstype": "btrfs"}
    lab.run(item)
    os.truncate(item["image"], 256 * MIB)
    without = lab.run({**item, "size": f"{size}MiB"})
    assert (without.failed, without.changed) == (False, False)
    lab.converged({**item, "size": f"{size}MiB", "grow": True})
    assert total(lab.root / item["label"]) == size * MIB
