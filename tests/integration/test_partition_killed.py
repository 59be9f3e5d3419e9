# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_partition is killed at each of its writes, with all it started. The next run completes the work.

What was there before stays: a partition of others with its filesystem, and the lines of fstab.
Every write takes a quarter of an hour, with VIRTIOFS_EVERY_WRITE=1 in the environment, as script/test --full sets it.
Without it every eleventh one is tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from disk_lab import NEIGHBOURS, DiskLab, disk_lab, output, quietly

from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab

HERE = Path(__file__).parent

STRIDE = 1 if os.environ.get("VIRTIOFS_EVERY_WRITE") else 11

# Few blocks to write, so that each of them can be tried.
SMALL = ["-O", "^has_journal,^resize_inode", "-N", "16"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


def killed_at(lab: DiskLab, write: int, *items: Mapping[str, Any]) -> bool:
    """Whether the run was killed; False when it ended before its write of this number."""
    job = lab.directory / "job.json"
    job.write_text(json.dumps({"directory": str(lab.directory), "items": list(items)}))
    done = subprocess.run(
        [
            sys.executable,
            "-B",
            str(HERE / "killed_at.py"),
            str(write),
            str(lab.directory),
            sys.executable,
            "-B",
            str(HERE / "partition_once.py"),
            str(job),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 137), done.stdout + done.stderr
    return done.returncode == 137


def whole(lab: DiskLab, line: str) -> None:
    """fstab is the old one or the new one."""
    text = lab.fstab.read_text()
    assert text.startswith(NEIGHBOURS)
    rest = text[len(NEIGHBOURS) :]
    assert rest == "" or (rest.startswith(line) and rest.endswith(" 0 2\n") and rest.count("\n") == 1)


def with_neighbour(lab: DiskLab, disk: str) -> bytes:
    """A disk with a partition that is not ours, and the bytes of it."""
    script = 'label: gpt\nstart=2048, size=4096, name="theirs"\n'
    subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True)
    output("partx", "--update", disk)
    output("mkfs.ext4", "-q", *SMALL, f"{disk}p1")
    return theirs(lab, disk)


def theirs(lab: DiskLab, disk: str) -> bytes:
    output("sync", "-f", str(lab.directory))
    output("blockdev", "--flushbufs", disk)
    return lab.image_of(disk).read_bytes()[2**20 : 3 * 2**20]


def each_write(lab: DiskLab, before: Any, items: tuple[Mapping[str, Any], ...], after: Any) -> int:
    write = 1
    killed = 0
    while True:
        before(write)
        if not killed_at(lab, write, *items):
            print(f"killed {killed} times")
            return write
        killed += 1
        after(write)
        write += STRIDE


def blank_again(lab: DiskLab, disk: str) -> None:
    quietly("partx", "--delete", disk)
    with lab.image_of(disk).open("r+b") as image:
        image.truncate(0)
        image.truncate(16 * 2**20)
    output("blockdev", "--flushbufs", disk)


@pytest.mark.parametrize("neighbour", [False, True])
def test_while_it_makes_a_filesystem(lab: DiskLab, neighbour: bool) -> None:
    disk = lab.disk(16)
    label = lab.label()
    item = {"label": label, "disk": disk, "size": "8MiB", "mkfs_options": SMALL}
    kept = b""

    def before(_write: int) -> None:
        nonlocal kept
        if neighbour:
            kept = with_neighbour(lab, disk)

    def after(write: int) -> None:
        whole(lab, f"LABEL={label} ")
        if neighbour:
            assert theirs(lab, disk) == kept
        again = lab.undisturbed(item)
        assert not again.failed, f"killed at write {write}: {again.msg}"
        assert lab.is_mounted(disk)
        (lab.root / label / "file").write_text("x")
        assert len(fstab.entries(lab.fstab.read_text())) == 2
        gone = lab.undisturbed({**item, "state": "wiped"})
        assert not gone.failed, gone.msg
        assert lab.fstab.read_text() == NEIGHBOURS
        if neighbour:
            assert theirs(lab, disk) == kept
        blank_again(lab, disk)

    assert each_write(lab, before, (item,), after) > 30


def test_while_it_writes_a_table_for_large_sectors(lab: DiskLab) -> None:
    """What is there of it is ours to complete, and not to be written over for another label."""
    disk = lab.disk(16, 4096)
    item = {"label": lab.label(), "disk": disk, "size": "8MiB", "mkfs_options": SMALL}
    halves = 0
    for write in range(3, 7):
        blank_again(lab, disk)
        assert killed_at(lab, write, item)
        if any(lab.image_of(disk).read_bytes()):
            halves += 1
            assert "is not blank" in lab.refused({**item, "label": lab.label("other")})
        foreseen = lab.undisturbed(item, check=True)
        assert not foreseen.failed, f"killed at write {write}: {foreseen.msg}"
        assert foreseen.actions[0].startswith(f"write a GPT to {disk}, with {item['label']}")
    assert halves > 2
    lab.converged(item)


def test_while_it_wipes_one(lab: DiskLab) -> None:
    disk = lab.disk(16)
    item = {"label": lab.label(), "disk": disk, "size": "8MiB", "mkfs_options": SMALL}
    gone = {"label": item["label"], "disk": disk, "state": "wiped"}

    def before(_write: int) -> None:
        made = lab.undisturbed(item)
        assert not made.failed, made.msg

    def after(write: int) -> None:
        whole(lab, f"LABEL={item['label']} ")
        again = lab.undisturbed(gone)
        assert not again.failed, f"killed at write {write}: {again.msg}"
        assert lab.fstab.read_text() == NEIGHBOURS
        assert not lab.is_mounted(disk)

    assert each_write(lab, before, (gone,), after) > 8


@pytest.mark.parametrize("place", ["device", "image"])
def test_while_it_formats_a_device_or_an_image(lab: DiskLab, place: str) -> None:
    disk = lab.disk(8)
    image = lab.directory / "x.img"
    where = {"device": disk} if place == "device" else {"image": str(image), "size": "8MiB"}
    item = {"label": lab.label(), "mkfs_options": SMALL, **where}

    def before(_write: int) -> None:
        return None

    def after(write: int) -> None:
        whole(lab, f"LABEL={item['label']} ")
        again = lab.undisturbed(item)
        assert not again.failed, f"killed at write {write}: {again.msg}"
        assert lab.mountinfo()
        gone = lab.undisturbed({**item, "state": "wiped"})
        assert not gone.failed, gone.msg

    assert each_write(lab, before, (item,), after) > 20


def test_while_it_grows(lab: DiskLab) -> None:
    disk = lab.disk(320)
    item = {"label": lab.label(), "disk": disk, "size": "256MiB", "fstype": "btrfs"}
    larger = {**item, "size": "300MiB", "grow": True}

    def before(_write: int) -> None:
        made = lab.undisturbed(item)
        assert not made.failed, made.msg
        (lab.root / item["label"] / "file").write_text("kept")

    def after(write: int) -> None:
        again = lab.undisturbed(larger)
        assert not again.failed, f"killed at write {write}: {again.msg}"
        assert (lab.root / item["label"] / "file").read_text() == "kept"
        gone = lab.undisturbed({**item, "state": "wiped"})
        assert not gone.failed, gone.msg

    assert each_write(lab, before, (larger,), after) > 4
