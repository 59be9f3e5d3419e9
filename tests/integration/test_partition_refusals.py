# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_partition refuses, it leaves as it is: every byte of the disk, fstab and the mounts are compared."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disk_lab import DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._block.disk import read_device
from ansible_collections.virtio.fs.plugins.module_utils._block.holders import read_views
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import Signatures
from ansible_collections.virtio.fs.plugins.module_utils._partition import format_marker

pytestmark = pytest.mark.guards_data

HALF = 32 * 2**20


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


def put(disk: str, offset: int, data: bytes) -> None:
    with open(disk, "r+b") as file:
        file.seek(offset)
        file.write(data)
        os.fsync(file.fileno())


def raid_at_the_end(disk: str) -> None:
    # Metadata 0.90 of md lies in the last 64 KiB: magic, version 0.90, and little else is looked at.
    size = 64 * 2**20
    offset = (size // 65536 - 1) * 65536
    put(disk, offset, (0xA92B4EFC).to_bytes(4, "little") + (0).to_bytes(4, "little") + (90).to_bytes(4, "little"))


def two_signatures(disk: str) -> None:
    output("mkfs.ext4", "-q", "-F", disk)
    raid_at_the_end(disk)


def backup_gpt_only(disk: str) -> None:
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=10M\n", text=True, check=True, capture_output=True)
    put(disk, 0, bytes(2**20))


def lvm(disk: str) -> None:
    label = bytearray(512)
    label[0:8] = b"LABELONE"
    label[8:16] = (1).to_bytes(8, "little")
    label[20:24] = (32).to_bytes(4, "little")
    label[24:32] = b"LVM2 001"
    label[32:64] = b"a" * 32
    label[16:20] = lvm_checksum(bytes(label[20:])).to_bytes(4, "little")
    put(disk, 512, bytes(label))


def lvm_checksum(data: bytes) -> int:
    checksum = 0xF597A6CF
    for byte in data:
        checksum ^= byte
        for _bit in range(8):
            checksum = checksum >> 1 ^ (0xEDB88320 if checksum & 1 else 0)
    return checksum


CONTENTS: dict[str, tuple[Callable[[str], object], str]] = {
    "an MBR": (
        lambda disk: subprocess.run(
            ["sfdisk", "-q", disk], input="label: dos\nsize=10M\n", text=True, check=True, capture_output=True
        ),
        "dos",
    ),
    "a bare ext4": (lambda disk: output("mkfs.ext4", "-q", "-F", "-L", "theirs", disk), "ext4 labelled theirs"),
    "a bare btrfs": (lambda disk: output("mkfs.btrfs", "-q", "-f", "-m", "single", "-M", disk), "btrfs"),
    "swap": (lambda disk: output("mkswap", disk), "swap"),
    "LUKS": (lambda disk: put(disk, 0, b"LUKS\xba\xbe" + (1).to_bytes(2, "big") + b"aes" + bytes(500)), "crypto_LUKS"),
    "LVM": (lvm, "LVM2_member"),
    "RAID at the end": (raid_at_the_end, "linux_raid_member"),
    "two signatures": (two_signatures, "several signatures"),
    "a GPT at the end only": (backup_gpt_only, "gpt"),
    "raw data at the beginning": (lambda disk: put(disk, 700_000, b"precious"), "data that no tool knows"),
    "raw data at the end": (lambda disk: put(disk, 64 * 2**20 - 20, b"precious"), "data that no tool knows"),
}


# What lies elsewhere on a disk with larger sectors.
BY_SECTOR = ("an MBR", "a GPT at the end only", "raw data at the end")


@pytest.mark.parametrize(
    ("name", "sector"), [*((name, 512) for name in CONTENTS), *((name, 4096) for name in BY_SECTOR)]
)
def test_a_disk_that_is_not_blank(lab: DiskLab, name: str, sector: int) -> None:
    fill, word = CONTENTS[name]
    disk = lab.disk(128 if "btrfs" in name else 64, sector)
    fill(disk)
    message = lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB"})
    assert "is not blank" in message
    assert word in message
    assert disk in message
    # A device that is used whole is looked at in the same way.
    assert word in lab.refused({"label": lab.label(), "device": disk})


@pytest.mark.parametrize("name", ["an MBR", "a bare ext4", "two signatures", "raw data at the beginning"])
def test_overwrite_allows_it(lab: DiskLab, name: str) -> None:
    disk = lab.disk()
    CONTENTS[name][0](disk)
    item = {"label": lab.label(), "disk": disk, "size": "rest", "overwrite": True}
    lab.converged(item)
    (lab.root / item["label"] / "file").write_text("kept")
    # What is as it should be is not formatted again.
    lab.converged(item)
    assert (lab.root / item["label"] / "file").read_text() == "kept"


def test_all_new_items_must_allow_it(lab: DiskLab) -> None:
    disk = lab.disk()
    output("mkswap", disk)
    allowed = {"label": lab.label("a"), "disk": disk, "size": "16MiB", "overwrite": True}
    other = lab.label("b")
    assert other in lab.refused(allowed, {"label": other, "disk": disk, "size": "16MiB"})


def test_the_partition_of_this_name_holds_something_else(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    subprocess.run(["sfdisk", "-q", disk], input=f'label: gpt\nsize=20M, name="{label}"\n', text=True, check=True)
    output("partx", "--update", disk)
    output("mkswap", f"{disk}p1")
    item = {"label": label, "disk": disk, "size": "20MiB"}
    message = lab.refused(item)
    assert "swap" in message
    assert "overwrite" in message
    done = lab.converged({**item, "overwrite": True})
    assert label in Path(done.partitions[label]["table_dump"]).read_text()


def test_a_blank_partition_of_another_type(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    script = f'label: gpt\nsize=20M, type=U, name="{label}"\n'
    subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True)
    item = {"label": label, "disk": disk, "size": "20MiB"}
    assert "type C12A7328" in lab.refused(item)
    assert "the foreign type C12A7328" in lab.refused({**item, "state": "wiped"})


def test_free_space_that_holds_a_deleted_partition(lab: DiskLab) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "20MiB"}
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=20M\n", text=True, check=True)
    output("partx", "--update", disk)
    with open(disk, "rb") as reader:
        # What was read of a disk that is open stays in its cache, whatever is written through a partition.
        reader.read()
        output("mkfs.ext4", "-q", "-L", "lost", f"{disk}p1")
        output("partx", "--delete", disk)
        output("sfdisk", "-q", "--no-reread", "--no-tell-kernel", "--delete", disk, "1")
        assert "ext4 labelled lost" in lab.run(item, check=True).msg
    message = lab.refused(item)
    assert "ext4 labelled lost" in message
    lab.converged({**item, "overwrite": True})


def test_what_must_be_noted_before_cannot_be_kept(lab: DiskLab) -> None:
    """The dump of a table before it is changed, and which device is about to be formatted."""
    output("mount", "-t", "tmpfs", "-o", "nr_inodes=3", "tmpfs", str(lab.units))
    lab.state = lab.units / "state"
    disk, device = lab.disk(32), lab.disk(16)
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=10M\n", text=True, check=True)
    before = lab.digest(disk), lab.digest(device)
    for item in ({"label": lab.label("a"), "disk": disk, "size": "16MiB"}, {"label": lab.label("b"), "device": device}):
        outcome = lab.run(item)
        assert outcome.failed
        assert "No space left on device" in outcome.msg
        assert (lab.digest(disk), lab.digest(device)) == before


def test_no_room(lab: DiskLab) -> None:
    disk = lab.disk()
    message = lab.refused({"label": lab.label(), "disk": disk, "size": "100MiB"})
    assert "100 MiB" in message
    assert "62 MiB" in message
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=50M\n", text=True, check=True)
    message = lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB"})
    assert "16 MiB" in message
    assert "12 MiB" in message


@pytest.mark.parametrize("place", ["rest", "5%", "partition", "device"])
def test_less_than_a_filesystem_needs(lab: DiskLab, place: str) -> None:
    """Before anything is written, and over what is there too."""
    disk = lab.disk()
    item = {"label": lab.label(), "fstype": "xfs", "overwrite": True, "disk": disk, "size": "rest"}
    size = "62 MiB"
    if place == "5%":
        item, size = {**item, "fstype": "ext4", "size": "5%"}, "3 MiB"
    elif place == "partition":
        script = f'label: gpt\nsize=20M, name="{item["label"]}"\n'
        subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True)
        output("partx", "--update", disk)
        output("mkswap", f"{disk}p1")
        size = "20 MiB"
    elif place == "device":
        output("mkswap", disk)
        item, size = {"label": item["label"], "fstype": "xfs", "overwrite": True, "device": disk}, "64 MiB"
    message = lab.refused(item)
    assert f"has {size}, and {item['fstype']} needs at least" in message


def test_a_table_without_a_free_entry(lab: DiskLab) -> None:
    disk = lab.disk(300)
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\n" + "size=1M\n" * 127, text=True, check=True)
    output("partx", "--update", disk)
    one, two = ({"label": lab.label(name), "disk": disk, "size": "16MiB"} for name in ("one", "two"))
    assert "has 127 partitions, and its table has entries for 128" in lab.refused(one, two)
    lab.converged(one)


def test_a_filesystem_of_this_label_in_a_partition_that_the_kernel_does_not_know(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    subprocess.run(["sfdisk", "-q", disk], input='label: gpt\nsize=20M, name="primary"\n', text=True, check=True)
    output("partx", "--update", disk)
    output("mkfs.ext4", "-q", "-L", label, f"{disk}p1")
    output("partx", "--delete", disk)
    item = {"label": label, "disk": disk, "size": "20MiB"}
    message = lab.refused(item)
    assert f"ext4 labelled {label} in a partition named 'primary' that the kernel does not know" in message
    output("partx", "--update", disk)
    lab.converged(item)
    assert output("sfdisk", "--part-label", disk, "1") == "primary"


@pytest.mark.parametrize("made", [False, True])
def test_a_read_only_partition(lab: DiskLab, made: bool) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "20MiB"}
    if made:
        lab.converged(item)
        lab.converged({**item, "state": "absent"})
    else:
        script = f'label: gpt\nsize=20M, name="{item["label"]}"\n'
        subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True)
        output("partx", "--update", disk)
        output("mkswap", f"{disk}p1")
    output("blockdev", "--setro", f"{disk}p1")
    assert f"its partition of {disk} is read-only" in lab.refused({**item, "overwrite": True})
    if made:
        assert f"its partition of {disk} is read-only" in lab.refused({**item, "state": "wiped"})


def test_partitions_that_overlap(lab: DiskLab) -> None:
    disk = lab.disk()
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=20M\nsize=10M\n", text=True, check=True)
    with open(disk, "r+b") as file:
        for header_at, entries_at in ((512, 1024), (64 * 2**20 - 512, 64 * 2**20 - 33 * 512)):
            file.seek(entries_at)
            entries = bytearray(file.read(128 * 128))
            entries[128 + 32 : 128 + 40] = (10240).to_bytes(8, "little")
            file.seek(header_at)
            header = bytearray(file.read(92))
            header[88:92] = zlib.crc32(entries).to_bytes(4, "little")
            header[16:20] = bytes(4)
            header[16:20] = zlib.crc32(header).to_bytes(4, "little")
            for offset, data in ((entries_at, entries), (header_at, header)):
                file.seek(offset)
                file.write(data)
        os.fsync(file.fileno())
    assert f"{disk} has partitions that overlap" in lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB"})


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/dev/no-such-disk", "there is no device /dev/no-such-disk"),
        ("/dev/null", "a character device"),
        ("/etc", "a directory"),
        ("/etc/hostname", "a regular file"),
        ("vdb", "is not an absolute path"),
    ],
)
def test_what_is_no_disk(lab: DiskLab, path: str, word: str) -> None:
    assert word in lab.refused({"label": lab.label(), "disk": path, "size": "16MiB"})
    assert word in lab.refused({"label": lab.label(), "device": path})


def test_a_partition_is_no_disk(lab: DiskLab) -> None:
    disk = lab.disk()
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=20M\n", text=True, check=True)
    output("partx", "--update", disk)
    assert "is a partition" in lab.refused({"label": lab.label(), "disk": f"{disk}p1", "size": "16MiB"})


def test_a_label_that_is_taken(lab: DiskLab) -> None:
    disk, other = lab.disk(), lab.disk()
    label = lab.label()
    output("mkfs.ext4", "-q", "-F", "-L", label, other)
    message = lab.refused({"label": label, "disk": disk, "size": "16MiB", "overwrite": True})
    assert other in message
    assert "already" in message


def test_a_disk_whose_name_was_taken_over_by_another(lab: DiskLab) -> None:
    """After a reboot sda and sdb can have changed places."""
    first, second = lab.disk(), lab.disk()
    item = {"label": lab.label(), "disk": first, "size": "16MiB"}
    lab.converged(item)
    message = lab.refused({**item, "disk": second})
    assert f"{first}p1 has this" in message
    assert "by-id" in message


def test_a_note_of_a_killed_run_is_about_one_device(lab: DiskLab) -> None:
    """The device that has its name since, and what somebody has made on it since, are not ours to write over."""
    first, second = lab.disk(16), lab.disk(16)
    item = {"label": lab.label(), "device": first}
    identity = read_device(first, read_views(), Signatures()).identity
    format_marker.write(lab.target(), item["label"], identity, str(uuid.uuid4()))
    for disk in (first, second):
        put(disk, 700_000, b"half written")
    message = lab.refused({**item, "device": second})
    assert f"{second} is not blank, it holds data that no tool knows" in message
    output("mkswap", first)
    for state in ("present", "wiped"):
        assert "holds swap" in lab.refused({**item, "state": state})
    output("wipefs", "-aq", first)
    lab.converged(item)


def test_a_locked_disk_is_waited_for(lab: DiskLab) -> None:
    disk = lab.disk()
    descriptor = os.open(disk, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    before = lab.digest(disk)
    meanwhile: list[str] = []

    def let_go() -> None:
        meanwhile.append(lab.digest(disk))
        os.close(descriptor)

    timer = threading.Timer(1.5, let_go)
    timer.start()
    outcome = lab.run({"label": lab.label(), "disk": disk, "size": "16MiB"})
    timer.join()
    assert not outcome.failed, outcome.msg
    assert meanwhile == [before]


def test_one_device_by_two_names_is_refused(lab: DiskLab) -> None:
    disk = lab.disk()
    link = lab.directory / "link"
    link.symlink_to(disk)
    a, b, c = (lab.label(name) for name in "abc")
    whole, other = {"label": a, "device": disk}, {"label": b, "device": str(link)}
    part = {"label": c, "disk": str(link), "size": "20MiB"}
    assert lab.refused(whole, other) == f"{b}, device: {link} is {disk}, which {a} has already"
    assert lab.refused(whole, part) == f"{c}, disk: {link} is {disk}, which {a} has already"
    assert lab.refused(part, whole) == f"{a}, device: {disk} is {disk}, which {c} has already"


@pytest.mark.parametrize("state", ["present", "wiped"])
def test_the_partition_of_one_item_is_no_device_for_another(lab: DiskLab, state: str) -> None:
    disk = lab.disk()
    part = {"label": lab.label("part"), "disk": disk, "size": "20MiB"}
    lab.converged(part)
    (lab.root / part["label"] / "file").write_text("kept")
    output("umount", str(lab.root / part["label"]))
    device = {"label": lab.label("device"), "device": f"{disk}p1", "overwrite": True}
    sentence = f"{device['label']}, device: {disk}p1 is the partition of {disk} that {part['label']} has"
    items = [device, {**part, "state": state}]
    assert lab.refused(*items) == sentence
    assert lab.refused(*reversed(items)) == sentence
    lab.converged(part)
    assert (lab.root / part["label"] / "file").read_text() == "kept"


@pytest.mark.parametrize("option", ["{link}", "-Jdevice={link}", "size=4,device={link}"])
def test_a_link_to_a_device_in_the_arguments_of_mkfs(lab: DiskLab, option: str) -> None:
    """mkfs.btrfs takes any number of devices, and writes over what is on each of them."""
    device, other = lab.disk(160), lab.disk(160)
    output("mkfs.ext4", "-q", "-F", "-L", "precious", other)
    link = lab.directory / "link"
    link.symlink_to(other)
    given = option.format(link=link)
    item = {"label": lab.label(), "device": device, "fstype": "btrfs", "mkfs_options": [given]}
    assert lab.refused(item).startswith(f"{item['label']}, mkfs_options: '{given}' names a device")
