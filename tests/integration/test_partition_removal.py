# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a filesystem goes away: unmounted, absent, wiped, and never while somebody else holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disk_lab import NEIGHBOURS, DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable

STATES = ["unmounted", "absent", "wiped"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


@contextmanager
def holding(lab: DiskLab, command: str) -> Iterator[int]:
    """A process in a mount namespace of its own."""
    # It stays the same program: its name is in the messages that are compared.
    full = f"{command} && echo ready && read forever"
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", full],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process.pid
        finally:
            process.kill()


def made(lab: DiskLab, name: str = "a") -> dict[str, str]:
    item = {"label": lab.label(name), "disk": lab.disk(), "size": "rest"}
    outcome = lab.run(item)
    assert not outcome.failed, outcome.msg
    (lab.root / item["label"] / "file").write_text("kept")
    return item


def test_unmounted_keeps_fstab(lab: DiskLab) -> None:
    item = made(lab)
    fstab = lab.fstab.read_bytes()
    lab.converged({**item, "state": "unmounted"})
    assert not lab.mountinfo()
    assert lab.fstab.read_bytes() == fstab
    with pytest.raises(PermissionError):
        (lab.root / item["label"] / "guest").write_text("x")
    lab.converged(item)
    assert (lab.root / item["label"] / "file").read_text() == "kept"


def test_unmounted_guards_a_directory_that_nobody_had_guarded(lab: DiskLab) -> None:
    item = made(lab)
    path = str(lab.root / item["label"])
    output("umount", path)
    immutable.set_immutable(path, False)
    output("mount", f"{item['disk']}p1", path)
    lab.converged({"label": item["label"], "state": "unmounted"})
    assert immutable.is_immutable(path) is True


@pytest.mark.parametrize("unmounted", [False, True])
def test_a_directory_that_stays_can_be_changed_when_the_share_is_absent(lab: DiskLab, unmounted: bool) -> None:
    outside = lab.directory / "outside"
    inside = lab.root / lab.label("b")
    inside.mkdir(parents=True)
    lab.root.chmod(0o700)
    for path in (outside, inside):
        path.mkdir(exist_ok=True)
        (path / "photo").write_text("below the mount")
        item = {"label": lab.label(path.name[0]), "disk": lab.disk(), "size": "rest", "path": str(path)}
        lab.converged(item)
        if unmounted:
            lab.converged({**item, "state": "unmounted"})
        assert (path / "photo").exists() == unmounted
        lab.converged({**item, "state": "absent"})
        (path / "photo").unlink()


def test_absent_keeps_the_data(lab: DiskLab) -> None:
    item = made(lab)
    # Neither a disk nor a size is needed to take it out of use.
    lab.converged({"label": item["label"], "state": "absent"})
    assert not lab.mountinfo()
    assert lab.fstab.read_text() == NEIGHBOURS
    assert not (lab.root / item["label"]).exists()
    lab.converged(item)
    assert (lab.root / item["label"] / "file").read_text() == "kept"


def test_absent_leaves_the_line_of_another_filesystem_on_the_path(lab: DiskLab) -> None:
    item = made(lab)
    path = lab.root / item["label"]
    theirs = f"LABEL=backup\t{path}/ ext4 noauto # theirs\n/srv/x {path} none bind,noauto\n"
    lab.fstab.write_text(lab.fstab.read_text() + theirs)
    done = lab.converged({"label": item["label"], "state": "absent"})
    assert lab.fstab.read_text() == NEIGHBOURS + theirs
    assert all("backup" not in change["before"] for change in done.diff)


@pytest.mark.parametrize("mounted", [True, False])
def test_absent_takes_the_line_that_names_its_filesystem_otherwise(lab: DiskLab, mounted: bool) -> None:
    item = made(lab)
    path = lab.root / item["label"]
    there = lab.run(item).partitions[item["label"]]
    for spec in (f"UUID={there['uuid'].upper()}", f"PARTUUID={there['partuuid']}", there["device"]):
        lab.fstab.write_text(f"{NEIGHBOURS}{spec} {path} ext4 nofail 0 2\n")
        if not mounted:
            output("umount", str(path))
        lab.converged({"label": item["label"], "state": "absent"})
        assert lab.fstab.read_text() == NEIGHBOURS
        lab.converged(item)


def test_a_bare_directory_with_something_in_it_stays(lab: DiskLab) -> None:
    label = lab.label()
    (lab.root / label / "lost+found").mkdir(parents=True)
    lab.converged({"label": label, "state": "absent"})
    assert (lab.root / label / "lost+found").exists()


def test_wiped_deletes_the_partition_and_nothing_else(lab: DiskLab) -> None:
    disk = lab.disk()
    one, two = lab.label("one"), lab.label("two")
    lab.run({"label": one, "disk": disk, "size": "20MiB"}, {"label": two, "disk": disk, "size": "20MiB"})
    (lab.root / two / "file").write_text("kept")
    done = lab.converged({"label": one, "disk": disk, "state": "wiped"})
    table = json.loads(output("sfdisk", "--json", disk))["partitiontable"]
    assert [part["name"] for part in table["partitions"]] == [two]
    assert (lab.root / two / "file").read_text() == "kept"
    assert one in Path(done.partitions[one]["table_dump"]).read_text()
    # The place is blank again, so it can be used again.
    lab.converged({"label": one, "disk": disk, "size": "20MiB"}, {"label": two, "disk": disk, "size": "20MiB"})


def test_the_last_partition_of_a_disk_is_wiped(lab: DiskLab) -> None:
    item = made(lab)
    lab.converged({**item, "state": "wiped"})
    lab.converged(item)


def test_a_device_is_wiped(lab: DiskLab) -> None:
    item = {"label": lab.label(), "device": lab.disk()}
    lab.run(item)
    lab.converged({**item, "state": "wiped"})
    assert output("wipefs", "--noheadings", item["device"]) == ""


@pytest.mark.parametrize("state", STATES)
def test_a_process_with_a_mount_of_its_own_holds_it(lab: DiskLab, state: str) -> None:
    """As virtiofsd does: a bind mount of the share in a namespace that the host's umount does not reach."""
    item = made(lab)
    path = lab.root / item["label"]
    (lab.directory / "private").mkdir()
    with holding(lab, f"mount --make-rprivate / && mount --bind {path} {lab.directory}/private") as pid:
        message = lab.refused({**item, "state": state})
        assert f"process {pid}" in message
    lab.converged({**item, "state": state})


@pytest.mark.parametrize("state", STATES)
def test_a_private_copy_of_the_mount_holds_it(lab: DiskLab, state: str) -> None:
    item = made(lab)
    with holding(lab, "mount --make-rprivate /") as pid:
        assert f"process {pid}" in lab.refused({**item, "state": state})


CHANGED_ROOT = """\
import os, sys, time
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(0)
os.chroot(sys.argv[1])
print("ready", flush=True)
time.sleep(120)
"""


def test_a_process_holds_it_behind_one_that_sees_less_of_the_same_namespace(lab: DiskLab) -> None:
    item = made(lab)
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", CHANGED_ROOT, str(lab.units)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert f"has it mounted on {lab.root}/{item['label']}" in lab.refused({**item, "state": "unmounted"})
        finally:
            process.kill()


def test_a_copy_that_follows_ours_does_not_hold_it(lab: DiskLab) -> None:
    """Every service of systemd with a namespace of its own has such a copy."""
    output("mount", "--bind", str(lab.directory), str(lab.directory))
    output("mount", "--make-shared", str(lab.directory))
    item = made(lab)
    path, elsewhere = lab.root / item["label"], lab.directory / "elsewhere"
    elsewhere.mkdir()
    with holding(lab, f"mount --make-rslave / && mount --bind {path} {elsewhere}") as pid:
        assert f"(process {pid}) has it mounted on {elsewhere}" in lab.refused({**item, "state": "unmounted"})
    with holding(lab, "mount --make-rslave /"):
        lab.converged({**item, "state": "unmounted"})


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("below", ["", "/sub", "/.."])
def test_a_running_domain_shares_it(lab: DiskLab, state: str, below: str) -> None:
    item = made(lab)
    source = f"{lab.root}/{item['label']}{below}"
    (lab.domains / "vm1.xml").write_text(
        "<domstatus state='running'><domain type='qemu'><name>vm1</name><devices><filesystem type='mount'>"
        f"<driver type='virtiofs'/><source dir='{source}'/><target dir='t'/></filesystem></devices></domain>"
        "</domstatus>"
    )
    message = lab.refused({**item, "state": state})
    assert "running domain vm1" in message
    (lab.domains / "vm1.xml").unlink()
    lab.converged({**item, "state": state})


@pytest.mark.parametrize("state", STATES)
def test_a_second_mount_holds_it(lab: DiskLab, state: str) -> None:
    item = made(lab)
    other = lab.directory / "other"
    other.mkdir()
    output("mount", "--bind", str(lab.root / item["label"]), str(other))
    assert f"also mounted on {other}" in lab.refused({**item, "state": state})


@pytest.mark.parametrize("state", STATES)
def test_a_filesystem_that_is_mounted_on_another_path_is_not_away(lab: DiskLab, state: str) -> None:
    item = made(lab)
    elsewhere = lab.directory / "elsewhere"
    elsewhere.mkdir()
    output("umount", str(lab.root / item["label"]))
    output("mount", f"{item['disk']}p1", str(elsewhere))
    lab.fstab.write_text(NEIGHBOURS)
    assert f"is mounted on {elsewhere}, not on {lab.root}/{item['label']}" in lab.refused({**item, "state": state})
    output("umount", str(elsewhere))
    lab.converged({**item, "state": state})


def test_another_filesystem_on_the_path_is_not_unmounted(lab: DiskLab) -> None:
    label = lab.label()
    (lab.root / label).mkdir(parents=True)
    output("mount", "-t", "tmpfs", "tmpfs", str(lab.root / label))
    assert "has another label" in lab.refused({"label": label, "state": "absent"})


def test_a_partition_with_another_filesystem_is_not_wiped(lab: DiskLab) -> None:
    item = made(lab)
    output("umount", str(lab.root / item["label"]))
    output("mkfs.ext4", "-q", "-F", "-L", "theirs", f"{item['disk']}p1")
    assert "ext4 labelled theirs" in lab.refused({**item, "state": "wiped"})


def luks2(label: str) -> tuple[int, bytes]:
    """The header of LUKS2: https://gitlab.com/cryptsetup/LUKS2-docs."""
    header = b"LUKS\xba\xbe" + (2).to_bytes(2, "big") + (16384).to_bytes(8, "big") + bytes(8)
    uuid = b"c020991a-1dcd-554d-8861-94fce428c90d"
    return 0, header + label.encode().ljust(48, b"\0") + bytes(96) + uuid.ljust(40, b"\0")


def swap(label: str) -> tuple[int, bytes]:
    header = (1).to_bytes(4, "little") + (1023).to_bytes(4, "little") + bytes(4) + bytes(range(16))
    return 1024, (header + label.encode().ljust(16, b"\0")).ljust(4096 - 1024 - 10, b"\0") + b"SWAPSPACE2"


@pytest.mark.parametrize(("content", "kind"), [(luks2, "crypto_LUKS"), (swap, "swap")])
@pytest.mark.parametrize("place", ["device", "partition", "image"])
def test_what_only_has_the_label_is_no_filesystem_of_ours(
    lab: DiskLab, content: Callable[[str], tuple[int, bytes]], kind: str, place: str
) -> None:
    """LUKS2 and swap have labels, a pool of ZFS has its name there: all of it would be lost."""
    label = lab.label()
    image = lab.directory / "x.img"
    disk = lab.disk()
    if place == "partition":
        script = f'label: gpt\nsize=20M, name="{label}"\n'
        subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True, timeout=60)
        output("partx", "--update", disk)
    image.write_bytes(bytes(16 * 2**20))
    target = {"device": disk, "partition": f"{disk}p1", "image": str(image)}[place]
    offset, data = content(label)
    with open(target, "r+b") as file:
        file.seek(offset)
        file.write(data)
        os.fsync(file.fileno())
    where: dict[str, dict[str, str]] = {
        "device": {"device": disk},
        "partition": {"disk": disk, "size": "20MiB"},
        "image": {"image": str(image), "size": "16MiB"},
    }
    item = {"label": label, **where[place]}
    before = image.read_bytes()
    assert f"{kind} labelled {label}, which this module did not make" in lab.refused(
        {name: value for name, value in item.items() if name != "size"} | {"state": "wiped"}
    )
    message = lab.refused(item)
    assert f"{kind} labelled {label}" in message
    assert "overwrite: true" in message
    assert image.read_bytes() == before


def test_an_unfinished_partition_that_somebody_has_made_a_filesystem_in(lab: DiskLab) -> None:
    """A run was killed before mkfs. What is in it since is not of that run."""
    label, disk = lab.label(), lab.disk(32)
    script = f'label: gpt\nsize=20M, type={UNFINISHED}, name="{label}"\n'
    subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True)
    output("partx", "--update", disk)
    output("mkfs.ext4", "-q", "-L", "theirs", f"{disk}p1")
    item = {"label": label, "disk": disk, "size": "20MiB"}
    assert "holds ext4 labelled theirs" in lab.refused(item)
    assert "holds ext4 labelled theirs, which this module did not make" in lab.refused({**item, "state": "wiped"})
    # Two things at once (the other is the magic of squashfs), in a partition that the kernel has lost.
    with open(f"{disk}p1", "r+b") as file:
        file.write(b"hsqs")
    output("partx", "--delete", disk)
    assert "holds two or more that contradict each other" in lab.refused(item)
    output("partx", "--update", disk)
    output("wipefs", "-aq", f"{disk}p1")
    lab.converged({**item, "state": "wiped"})


def test_what_is_not_there_needs_nothing(lab: DiskLab) -> None:
    disk = lab.disk()
    for state in STATES:
        done = lab.run({"label": lab.label(), "disk": disk, "state": state})
        assert (done.failed, done.changed) == (False, False)


def test_a_busy_filesystem_says_so_and_stays(lab: DiskLab) -> None:
    item = made(lab)
    fstab = lab.fstab.read_bytes()
    with (lab.root / item["label"] / "file").open():
        outcome = lab.run({**item, "state": "absent"})
    assert outcome.failed
    assert "busy" in outcome.msg
    assert f"in use by {Path('/proc/self/comm').read_text().strip()} ({os.getpid()})" in outcome.msg
    assert lab.fstab.read_bytes() == fstab
    assert lab.mountinfo()
