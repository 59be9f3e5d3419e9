# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks that others hold without the kernel telling, exchange, or have written half of: nothing of theirs is lost."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_lab import DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._partition import gpt
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target

MIB = 2**20

# As QEMU has the disk of a guest: open for reading and writing, and nothing else.
HOLD = "import os, sys, time\nos.open(sys.argv[1], os.O_RDWR)\nprint('ready', flush=True)\ntime.sleep(120)\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


@contextlib.contextmanager
def written_by_somebody(path: str) -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield f"(process {process.pid})"
        finally:
            process.kill()


def table(disk: str, script: str, *options: str) -> None:
    subprocess.run(
        ["sfdisk", "-q", *options, disk], input=script, text=True, check=True, capture_output=True, timeout=60
    )
    output("partx", "--update", disk)


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_disk_of_a_running_guest(lab: DiskLab, overwrite: bool) -> None:
    """It can be blank still: its system is being installed."""
    disk = lab.disk()
    item = {"label": lab.label(), "overwrite": overwrite}
    with written_by_somebody(disk) as who:
        for where in ({"disk": disk, "size": "16MiB"}, {"device": disk}):
            message = lab.refused({**item, **where})
            assert "open for writing in" in message
            assert who in message
    lab.converged({**item, "disk": disk, "size": "16MiB"})


@pytest.mark.parametrize("where", ["disk", "device"])
def test_a_disk_with_a_partition_that_a_running_guest_has(lab: DiskLab, where: str) -> None:
    disk = lab.disk()
    table(disk, "label: dos\nsize=20M\n")
    item = {"label": lab.label(), where: disk, "overwrite": True, **({"size": "16MiB"} if where == "disk" else {})}
    with written_by_somebody(f"{disk}p1") as who:
        assert who in lab.refused(item)


def test_the_rest_of_a_disk_with_a_partition_that_a_running_guest_has(lab: DiskLab) -> None:
    disk = lab.disk()
    table(disk, "label: gpt\nsize=20M\n")
    with written_by_somebody(f"{disk}p1"):
        lab.converged({"label": lab.label(), "disk": disk, "size": "16MiB"})


def test_a_partition_that_somebody_looks_at_while_it_is_deleted(lab: DiskLab) -> None:
    """The kernel keeps it while anybody has it open, as blkid and lsblk do for a moment."""
    item = {"label": lab.label(), "disk": lab.disk(), "size": "16MiB"}
    lab.converged(item)
    with open(f"{item['disk']}p1", "rb") as file:
        timer = threading.Timer(6, file.close)
        timer.start()
        try:
            gone = lab.run({**item, "state": "wiped"})
        finally:
            timer.join()
    assert not gone.failed, gone.msg
    assert not Path(f"{item['disk']}p1").exists()


def test_a_partition_that_somebody_keeps_open_while_it_is_deleted(
    lab: DiskLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpt, "_NODE_SECONDS", 1.0)
    item = {"label": lab.label(), "disk": lab.disk(), "size": "16MiB"}
    lab.converged(item)
    with open(f"{item['disk']}p1", "rb"):
        gone = lab.run({**item, "state": "wiped"})
    assert gone.failed
    assert f"the kernel does not take over the partitions of {item['disk']}: partx: " in gone.msg
    assert "may have it open" in gone.msg
    lab.converged({**item, "label": lab.label("b")})


@pytest.mark.parametrize("change", ["deleted", "made smaller", "moved"])
@pytest.mark.parametrize("use", ["mounted", "open"])
def test_a_partition_in_use_that_the_kernel_knows_and_the_table_does_not(lab: DiskLab, change: str, use: str) -> None:
    """Somebody has changed the table of a disk in use, and waits for a boot. Its filesystem still is where it was."""
    disk = lab.disk()
    table(disk, "label: gpt\nsize=2M\nsize=40M\n")
    output("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-L", "theirs", f"{disk}p2")
    arguments, script = {
        "deleted": (["--delete", disk, "1", "2"], ""),
        "made smaller": (["-N", "2", disk], "size=10M\n"),
        "moved": (["-N", "2", disk], "start=60M, size=2M\n"),
    }[change]
    subprocess.run(
        ["sfdisk", "-q", "--no-reread", "--no-tell-kernel", "--wipe-partitions", "never", *arguments],
        input=script,
        text=True,
        check=True,
        capture_output=True,
        timeout=60,
    )
    item = {"label": lab.label(), "disk": disk, "size": "16MiB"}
    theirs = lab.directory / "theirs"
    theirs.mkdir()
    if use == "mounted":
        output("mount", f"{disk}p2", str(theirs))
        holder: contextlib.AbstractContextManager[str] = contextlib.nullcontext(f"mounted on {theirs}")
    else:
        holder = written_by_somebody(f"{disk}p2")
    with holder as who:
        for given in (item, {**item, "overwrite": True}, {**item, "size": "rest"}):
            message = lab.refused(given)
            assert f"{disk}p2 is " in message
            assert who in message
        assert int(output("blockdev", "--getsize64", f"{disk}p2")) == 40 * MIB


def test_a_filesystem_that_a_running_guest_has(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(), "size": "16MiB"}
    lab.converged(item)
    for state in ("unmounted", "absent", "wiped"):
        with written_by_somebody(f"{item['disk']}p1") as who:
            assert who in lab.refused({**item, "state": state})
    output("umount", str(lab.root / item["label"]))
    with written_by_somebody(f"{item['disk']}p1") as who:
        for state in ("absent", "wiped"):
            assert who in lab.refused({**item, "state": state})


@pytest.mark.parametrize("place", ["partition", "disk of the partition", "adopted", "device", "image"])
def test_a_filesystem_that_a_running_guest_has_mounted_is_not_mounted_here_too(lab: DiskLab, place: str) -> None:
    """As after giving the guest a disk, and before that disk is taken away for a share of the same filesystem."""
    label = lab.label()
    disk = lab.disk()
    image = str(lab.directory / "x.img")
    item = {"label": label, "disk": disk, "size": "16MiB"}
    if place == "device":
        item = {"label": label, "device": disk}
    elif place == "image":
        item = {"label": label, "image": image, "size": "16MiB"}
    elif place == "adopted":
        table(disk, 'label: gpt\nsize=16M, name="theirs"\n')
        output("mkfs.ext4", "-q", "-L", label, f"{disk}p1")
    if place != "adopted":
        lab.converged(item)
        lab.converged({**item, "state": "absent"})
    held = {"image": image, "device": disk, "disk of the partition": disk}.get(place, f"{disk}p1")
    with written_by_somebody(held) as who:
        message = lab.refused(item)
        assert "open for writing in" in message
        assert who in message
    lab.converged(item)
    # Once it is mounted, whoever looks at the device disturbs nobody.
    if place != "image":
        with written_by_somebody(held):
            assert not lab.run(item).changed


@pytest.mark.parametrize("filled", [False, True])
def test_a_partition_of_a_disk_that_a_running_guest_has(lab: DiskLab, filled: bool) -> None:
    disk = lab.disk()
    table(disk, "label: gpt\nsize=20M\n")
    if filled:
        output("mkfs.ext4", "-q", "-L", "guest", f"{disk}p1")
    item = {"label": lab.label(), "device": f"{disk}p1", "overwrite": filled}
    with written_by_somebody(disk) as who:
        message = lab.refused(item)
        assert f"a partition of {disk}, which is open for writing in" in message
        assert who in message
    lab.converged(item)
    lab.converged({**item, "state": "absent"})
    with written_by_somebody(disk) as who:
        assert who in lab.refused({**item, "state": "wiped"})


def test_an_image_that_a_running_guest_has(lab: DiskLab) -> None:
    image = lab.directory / "guest.img"
    image.write_bytes(b"precious" * 1000)
    item = {"label": lab.label(), "image": str(image), "size": "16MiB", "overwrite": True}
    with written_by_somebody(str(image)) as who:
        assert who in lab.refused(item)
    assert image.read_bytes() == b"precious" * 1000
    lab.converged(item)
    lab.converged({**item, "state": "absent"})
    with written_by_somebody(str(image)) as who:
        assert who in lab.refused({**item, "state": "wiped"})
    assert image.exists()


@pytest.mark.parametrize("name", ["a hard link", "a bind mount", "a symbolic link"])
def test_an_image_that_a_running_guest_has_by_another_name(lab: DiskLab, name: str) -> None:
    here, there = lab.directory / "here", lab.directory / "there"
    here.mkdir()
    (here / "x.img").write_bytes(b"precious" * 1000)
    if name == "a symbolic link":
        there.symlink_to("here")
    else:
        there.mkdir()
    if name == "a bind mount":
        output("mount", "--bind", str(here), str(there))
    elif name == "a hard link":
        (there / "x.img").hardlink_to(here / "x.img")
    item = {"label": lab.label(), "image": str(here / "x.img"), "size": "16MiB", "overwrite": True}
    with written_by_somebody(str(there / "x.img")) as who:
        assert who in lab.refused(item)
    assert (there / "x.img").read_bytes() == b"precious" * 1000
    lab.converged(item)


def test_a_guests_own_disk_with_the_label_of_a_share(lab: DiskLab) -> None:
    """Guest root writes any label to the volume that it has. fstab goes by labels, so this is told, and stays told."""
    item = {"label": lab.label(), "disk": lab.disk(), "size": "16MiB"}
    guests = lab.disk()
    output("mkfs.ext4", "-q", "-F", "-L", item["label"], guests)
    assert f"{guests} has this label already" in lab.refused(item)
    output("wipefs", "-aq", guests)
    lab.converged(item)
    (lab.root / item["label"] / "file").write_text("kept")
    output("mkfs.ext4", "-q", "-F", "-L", item["label"], guests)
    before = lab.digest(guests)
    outcome = lab.run({**item, "overwrite": True, "grow": True})
    assert outcome.failed
    assert f"{guests} has this label already" in outcome.msg
    assert lab.digest(guests) == before
    assert (lab.root / item["label"] / "file").read_text() == "kept"


def test_a_link_that_comes_to_mean_another_disk(lab: DiskLab, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lab.disk(), lab.disk()
    link = lab.directory / "by-id"
    link.symlink_to(first)
    lock = Target.lock

    def exchanged(target: Target, node: str) -> None:
        lock(target, node)
        link.unlink()
        link.symlink_to(second)

    monkeypatch.setattr(Target, "lock", exchanged)
    message = lab.run({"label": lab.label(), "disk": str(link), "size": "16MiB"}, check=True)
    assert message.failed
    assert f"{link} was {first} before and is {second} now" in message.msg


def test_a_disk_that_is_open_keeps_its_name(lab: DiskLab) -> None:
    """So that nothing is formatted that was not looked at. mkfs.btrfs wants the lock, and the disk stays open."""
    first = lab.disk()
    target = lab.target()
    target.lock(first)
    target.loosen(first)
    output("losetup", "--detach", first)
    try:
        assert lab.disk() != first
    finally:
        target.unlock(first)


def test_a_disk_and_a_partition_of_it(lab: DiskLab) -> None:
    disk = lab.disk()
    table(disk, "label: dos\nsize=20M\n")
    one, two = lab.label("one"), lab.label("two")
    whole, part = {"label": one, "device": disk, "overwrite": True}, {"label": two, "device": f"{disk}p1"}
    assert "overlap" in lab.refused(whole, part)
    assert "overlap" in lab.refused(part, whole)
    new = {"label": one, "disk": disk, "size": "16MiB", "overwrite": True}
    assert f"new partition table, and {two} is on {disk}p1" in lab.refused(new, part)


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_protective_mbr_without_a_gpt(lab: DiskLab, sector: int) -> None:
    disk = lab.disk(sector=sector)
    table(disk, "label: gpt\nsize=10M\n")
    output("partx", "--delete", disk)
    with open(disk, "r+b") as file:
        first = file.read(sector)
        for offset in (0, 63 * MIB):
            file.seek(offset)
            file.write(bytes(MIB))
        file.seek(0)
        file.write(first)
    assert "is not blank" in lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB"})


def test_a_gpt_that_was_written_with_another_sector_size(lab: DiskLab) -> None:
    """A disk that was in a USB case, or cloned: the kernel looks for the table in another place."""
    small = lab.disk()
    table(small, "label: gpt\nsize=20M\n")
    output("mkfs.ext4", "-q", "-L", "theirs", f"{small}p1")
    output("partx", "--delete", small)
    output("sync", "-f", str(lab.directory))
    large = lab.disk(sector=4096)
    lab.image_of(large).write_bytes(lab.image_of(small).read_bytes())
    output("blockdev", "--flushbufs", large)
    assert "is not blank" in lab.refused({"label": lab.label(), "disk": large, "size": "16MiB"})


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_hybrid_mbr(lab: DiskLab, sector: int) -> None:
    """Its second table would not know what becomes of the GPT."""
    disk, label = lab.disk(sector=sector), lab.label()
    table(disk, f'label: gpt\nsize=20M, name="{label}"\n')
    with open(disk, "r+b") as file:
        first = bytearray(file.read(sector))
        first[462:478] = struct.pack("<xHxBHxII", 2, 0x83, 0, 2048, 4096)
        file.seek(0)
        file.write(first)
    item = {"label": label, "disk": disk, "size": "20MiB"}
    for asked in (item, {**item, "label": lab.label("new")}, {**item, "state": "wiped"}):
        assert f"{disk} has a hybrid MBR" in lab.refused({**asked, "overwrite": True})


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("lost", ["first", "last"])
def test_one_half_of_a_gpt_is_enough_to_keep_its_entries(lab: DiskLab, sector: int, lost: str) -> None:
    disk = lab.disk(sector=sector)
    table(disk, 'label: gpt\nsize=20M, name="theirs"\n')
    output("mkfs.ext4", "-q", "-L", "theirs", f"{disk}p1")
    with open(disk, "r+b") as file:
        file.seek(sector if lost == "first" else 64 * MIB - sector)
        file.write(bytes(sector))
    outcome = lab.run({"label": lab.label(), "disk": disk, "size": "16MiB"})
    if outcome.failed:
        assert "gpt" in outcome.msg
    names = output("sfdisk", "--dump", disk)
    assert 'name="theirs"' in names
    assert output("blkid", "-p", "-s", "LABEL", "-o", "value", f"{disk}p1") == "theirs"


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("lost", ["MBR", "first mebibyte", "end"])
def test_a_damaged_gpt_with_the_partition_of_the_item(lab: DiskLab, sector: int, lost: str) -> None:
    """Its own data: an item that was made with overwrite: true often says so for ever after."""
    disk = lab.disk(sector=sector)
    item = {"label": lab.label(), "disk": disk, "size": "16MiB", "overwrite": True}
    lab.converged(item)
    (lab.root / item["label"] / "file").write_text("kept")
    lab.converged({**item, "state": "unmounted"})
    output("partx", "--delete", disk)
    with lab.image_of(disk).open("r+b") as image:
        if lost == "end":
            image.truncate(63 * MIB)  # And the first sector: a GPT without its copy is used as it is.
        image.write(bytes(MIB if lost == "first mebibyte" else sector))
    output("losetup", "--set-capacity", disk)
    output("blockdev", "--flushbufs", disk)
    message = lab.refused(item)
    assert f"{item['label']}, disk: {disk} has a damaged GPT with a partition of this name" in message
    assert "is not blank" in lab.refused({**item, "label": lab.label("b"), "overwrite": False})
    with open(disk, "r+b") as file:
        for offset in (0, (63 if lost == "end" else 64) * MIB - MIB):
            file.seek(offset)
            file.write(bytes(MIB))
    lab.converged(item)
