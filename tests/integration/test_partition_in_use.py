# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody uses is refused, also with overwrite and wiped, and also when they began after it was looked at."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_lab import DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    DeletePartition,
    GrowPartition,
    WriteTable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatDevice,
    FormatPartition,
    WipeDevice,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step

pytestmark = pytest.mark.guards_data


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


@contextlib.contextmanager
def held_by_a_loop_device(node: str) -> Iterator[str]:
    # Not from its beginning, where the same label would be seen twice.
    loop = output("losetup", "--find", "--show", "--offset", "1M", node)
    try:
        yield f"held by {os.path.basename(loop)}"
    finally:
        output("losetup", "--detach", loop)


@contextlib.contextmanager
def used_as_swap(node: str) -> Iterator[str]:
    output("mkswap", node)
    output("swapon", node)
    try:
        yield "used as swap"
    finally:
        output("swapoff", node)


@contextlib.contextmanager
def opened_exclusively(node: str) -> Iterator[str]:
    descriptor = os.open(node, os.O_RDONLY | os.O_EXCL)
    try:
        yield "opened exclusively"
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def read_only(node: str) -> Iterator[str]:
    output("blockdev", "--setro", node)
    try:
        yield "read-only"
    finally:
        # The kernel would keep it for the next file on this loop device.
        output("blockdev", "--setrw", node)


def refused_by(lab: DiskLab, step: Step[Target], disk: str) -> str:
    """The message of a step, planned before, that leaves every byte of the disk as it was."""
    before, target = lab.digest(disk), lab.target()
    try:
        with pytest.raises(VirtiofsError) as refusal:
            step.apply(target)
    finally:
        target.release()
    assert lab.digest(disk) == before
    return str(refusal.value)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_in_use(lab: DiskLab, overwrite: bool) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "16MiB", "overwrite": overwrite}
    output("mkfs.ext4", "-q", "-F", disk)
    other = lab.directory / "elsewhere"
    other.mkdir()
    output("mount", disk, str(other))
    assert f"mounted on {other}" in lab.refused(item)


def test_a_disk_that_only_another_namespace_has_mounted(lab: DiskLab) -> None:
    disk = lab.disk()
    # Else a mounted ext4 goes on writing its inode tables by itself.
    output("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", disk)
    (lab.directory / "hidden").mkdir()
    command = f"mount {disk} {lab.directory}/hidden && echo ready && read forever"
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            message = lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB", "overwrite": True})
            assert "hidden" in message
            assert f"(process {holder.pid})" in message
        finally:
            holder.kill()


def test_swap_loop_and_exclusive_use(lab: DiskLab) -> None:
    held = lab.disk()
    item = {"label": lab.label(), "disk": held, "size": "16MiB", "overwrite": True}
    for hold in (held_by_a_loop_device, opened_exclusively):
        with hold(held) as use:
            assert use in lab.refused(item)
    swap = lab.disk()
    with used_as_swap(swap) as use:
        assert use in lab.refused({"label": lab.label(), "device": swap, "overwrite": True})


def test_a_partition_of_an_mbr_in_use(lab: DiskLab) -> None:
    disk = lab.disk()
    subprocess.run(["sfdisk", "-q", disk], input="label: dos\nsize=20M\n", text=True, check=True)
    output("partx", "--update", disk)
    output("mkfs.ext4", "-q", f"{disk}p1")
    other = lab.directory / "elsewhere"
    other.mkdir()
    output("mount", f"{disk}p1", str(other))
    message = lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB", "overwrite": True})
    assert f"mounted on {other}" in message


def test_the_partition_of_this_name_is_in_use(lab: DiskLab) -> None:
    label, disk = lab.label(), lab.disk(32)
    subprocess.run(["sfdisk", "-q", disk], input=f'label: gpt\nsize=20M, name="{label}"\n', text=True, check=True)
    output("partx", "--update", disk)
    item = {"label": label, "disk": disk, "size": "20MiB", "overwrite": True}
    with used_as_swap(f"{disk}p1") as use:
        assert use in lab.refused(item)
    for held in (held_by_a_loop_device, opened_exclusively):
        with held(f"{disk}p1") as use:
            assert use in lab.refused(item)
    output("mkfs.ext4", "-q", "-F", "-L", "theirs", f"{disk}p1")
    other = lab.directory / "elsewhere"
    other.mkdir()
    output("mount", f"{disk}p1", str(other))
    assert f"mounted on {other}" in lab.refused(item)


def test_an_image_that_somebody_else_has_attached(lab: DiskLab) -> None:
    image = lab.directory / "file.img"
    image.write_bytes(b"precious" * 2**17)
    loop = output("losetup", "--find", "--show", str(image))
    item = {"label": lab.label(), "image": str(image), "size": "16MiB", "overwrite": True}
    assert f"is in use as {loop}" in lab.refused(item)
    second = output("losetup", "--find", "--show", str(image))
    assert "is attached more than once" in lab.refused(item)
    for each in (loop, second):
        output("losetup", "--detach", each)
    assert image.read_bytes() == b"precious" * 2**17


def test_a_read_only_disk(lab: DiskLab) -> None:
    disk = lab.disk()
    with read_only(disk) as use:
        assert use in lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB"})
        assert use in lab.refused({"label": lab.label(), "device": disk})


@pytest.mark.parametrize("where", ["disk", "device"])
def test_what_is_in_use_is_not_wiped(lab: DiskLab, where: str) -> None:
    disk = lab.disk(32)
    item = {"label": lab.label(), where: disk, **({"size": "rest"} if where == "disk" else {})}
    made = lab.undisturbed(item)
    assert not made.failed, made.msg
    output("umount", str(lab.root / item["label"]))
    node = f"{disk}p1" if where == "disk" else disk
    for held, what in ((held_by_a_loop_device, node), (opened_exclusively, node), (read_only, disk)):
        with held(what) as use:
            assert use in lab.refused({**item, "state": "wiped"})


def test_what_somebody_has_taken_since_it_was_looked_at(lab: DiskLab) -> None:
    disk, label = lab.disk(32), lab.label()
    new, extent = NewFilesystem(label, "ext4"), Extent(MIB, 20 * MIB)
    steps: tuple[Step[Target], ...] = (
        WriteTable(disk, (NewPartition(label, extent),), 512, new=True),
        WriteTable(disk, (NewPartition(label, extent),), 512, new=True, replaced="swap"),
        FormatDevice(disk, "this one", new),
        WipeDevice(disk, "this one", label, "its own"),
    )
    output("mkswap", disk)
    for step in steps:
        with opened_exclusively(disk):
            message = refused_by(lab, step, disk)
        assert message == f"{label}: {disk} is in use, nothing was written to it: Device or resource busy"


def test_a_partition_that_somebody_has_taken_or_moved_since_it_was_looked_at(lab: DiskLab) -> None:
    disk, label = lab.disk(32), lab.label()
    subprocess.run(["sfdisk", "-q", disk], input=f'label: gpt\nsize=20M, name="{label}"\n', text=True, check=True)
    output("partx", "--update", disk)
    with open(f"{disk}p1", "r+b") as file:
        file.write(b"precious")
    new = NewFilesystem(label, "ext4")
    for step in (FormatPartition(disk, new, "data that no tool knows"), DeletePartition(disk, label, 1)):
        with opened_exclusively(f"{disk}p1"):
            message = refused_by(lab, step, disk)
        assert message == f"{label}: {disk}p1 is in use, nothing was written to it: Device or resource busy"
    assert "was changed in the meantime, run it again" in refused_by(lab, DeletePartition(disk, label, 2), disk)
    assert "never made smaller" in refused_by(lab, GrowPartition(disk, label, 10 * MIB, 512), disk)
    for gone in (FormatPartition(disk, NewFilesystem("gone", "ext4")), DeletePartition(disk, "gone", 1)):
        assert f"gone: {disk} has no partition of this name" in refused_by(lab, gone, disk)
