# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""fstab under bad conditions: parallel runs, a full filesystem, a kill at each write."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_lab import NEIGHBOURS, DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as table
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._partition import plan, read
from ansible_collections.virtio.fs.plugins.module_utils._partition import wanted as partition_wanted
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import Mount
from ansible_collections.virtio.fs.plugins.module_utils._system import files

pytestmark = pytest.mark.guards_data

HERE = Path(__file__).parent

RUNS = 20
EDIT = (
    "import sys\n"
    "from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab\n"
    "entry = fstab.Entry('LABEL=x', '/mnt/x', 'ext4', ('rw',))\n"
    "fstab.edit(sys.argv[1], lambda text: fstab.with_entry(text, entry))\n"
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


def test_parallel_runs_of_the_module_lose_no_line(lab: DiskLab) -> None:
    children = []
    for number in range(RUNS):
        item = {"label": lab.label(f"p{number}"), "disk": lab.disk(16), "size": "rest"}
        job = lab.directory / f"job{number}.json"
        job.write_text(json.dumps({"directory": str(lab.directory), "items": [item]}))
        children.append(subprocess.Popen([sys.executable, "-B", str(HERE / "partition_once.py"), str(job)]))
    assert [child.wait(300) for child in children] == [0] * RUNS
    text = lab.fstab.read_text()
    assert text.startswith(NEIGHBOURS)
    assert {entry.spec for entry in table.entries(text)[1:]} == {f"LABEL={lab.label(f'p{n}')}" for n in range(RUNS)}


def test_two_runs_on_one_disk_have_one_result(lab: DiskLab) -> None:
    items = [{"label": lab.label("same"), "disk": lab.disk(32), "size": "16MiB"}]
    job = lab.directory / "job.json"
    job.write_text(json.dumps({"directory": str(lab.directory), "items": items}))
    children = [subprocess.Popen([sys.executable, "-B", str(HERE / "partition_once.py"), str(job)]) for i in range(2)]
    assert [child.wait(120) for child in children] == [0, 0]
    table = json.loads(output("sfdisk", "--json", items[0]["disk"]))["partitiontable"]
    assert len(table["partitions"]) == 1
    assert len(lab.mountinfo()) == 1
    again = lab.run(*items)
    assert (again.failed, again.changed) == (False, False)


def test_a_mount_that_another_run_was_faster_with_keeps_its_line(lab: DiskLab) -> None:
    item = {"label": lab.label(), "image": str(lab.directory / "a.img"), "size": "16MiB"}
    lab.converged(item)
    path = lab.root / item["label"]
    fstab = lab.fstab.read_bytes()
    output("umount", str(path))
    lab.fstab.write_text(NEIGHBOURS)
    wanted = partition_wanted.wanted(lab.params([item]))
    target = lab.target()
    for step in plan.plan(wanted, read.read(target, wanted)).steps:
        if isinstance(step, Mount):
            output("mount", "-o", "noatime,nosuid,nodev", step.source.node(), str(path))
        step.apply(target)
    assert lab.fstab.read_bytes() == fstab
    assert len(lab.mountinfo()) == 1
    (path / "file").write_text("x")
    again = lab.run(item)
    assert (again.failed, again.changed) == (False, False)


def test_a_full_filesystem_keeps_the_old_one(lab: DiskLab) -> None:
    tiny = lab.directory / "tiny"
    tiny.mkdir()
    output("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tiny))
    fstab = tiny / "fstab"
    fstab.write_text(NEIGHBOURS + "# " + "x" * 9000 + "\n")
    before = fstab.read_bytes()
    with pytest.raises(VirtiofsError, match="No space left on device"):
        table.edit(str(fstab), lambda text: table.with_entry(text, Entry("LABEL=x", "/mnt/x", "ext4", ("rw",))))
    assert fstab.read_bytes() == before
    assert [path.name for path in tiny.iterdir()] == ["fstab"]


def test_a_full_filesystem_takes_the_mount_back(lab: DiskLab) -> None:
    tiny = lab.directory / "tiny"
    tiny.mkdir()
    output("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tiny))
    lab.fstab = tiny / "fstab"
    lab.fstab.write_text(NEIGHBOURS + "# " + "x" * 9000 + "\n")
    before = lab.fstab.read_bytes()
    label = lab.label()
    outcome = lab.run({"label": label, "disk": lab.disk(16), "size": "rest"})
    assert outcome.failed
    assert "No space left on device" in outcome.msg
    assert lab.fstab.read_bytes() == before
    assert not (lab.root / label).exists()


def test_killed_at_each_write_it_is_the_old_one_or_the_new_one(lab: DiskLab) -> None:
    lab.fstab.chmod(0o640)
    os.setxattr(lab.fstab, "user.note", b"kept")
    new = NEIGHBOURS + "LABEL=x /mnt/x ext4 rw 0 0\n"
    seen = set()
    for write in range(1, 50):
        lab.fstab.write_text(NEIGHBOURS)
        done = subprocess.run(
            [
                sys.executable,
                "-B",
                str(HERE / "killed_at.py"),
                str(write),
                str(lab.directory),
                sys.executable,
                "-B",
                "-c",
                EDIT,
                str(lab.fstab),
            ],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, 137)
        text = lab.fstab.read_text()
        assert text in (NEIGHBOURS, new)
        seen.add(text)
        assert lab.fstab.stat().st_mode & 0o777 == 0o640
        assert os.getxattr(lab.fstab, "user.note") == b"kept"
        if done.returncode == 0:
            break
    assert seen == {NEIGHBOURS, new}
    assert write >= 5
    assert [path.name for path in lab.directory.glob(".fstab*")] == []


def test_one_line_among_thousands(lab: DiskLab) -> None:
    many = "".join(f"tmpfs /mnt/{number} tmpfs noauto 0 0\r\n" for number in range(5000))
    lab.fstab.write_bytes(many.encode())
    entry = Entry("LABEL=x", "/mnt/x", "ext4", ("rw",))
    assert table.edit(str(lab.fstab), lambda text: table.with_entry(text, entry))
    assert lab.fstab.read_bytes() == many.encode() + b"LABEL=x /mnt/x ext4 rw 0 0\r\n"
    assert table.edit(str(lab.fstab), lambda text: table.without_entries(text, lambda other: other == entry))
    assert lab.fstab.read_bytes() == many.encode()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_an_fstab_that_somebody_keeps_elsewhere_in_a_way_of_their_own(lab: DiskLab, ending: str) -> None:
    lines = [
        "# " + "x" * 100_000,
        "\ttmpfs\t/mnt/a\\040b   tmpfs  noauto,x-long=" + "y" * 50_000 + " # a comment",
        "",
        "   ",
        "LABEL=four /mnt/four ext4 noauto",
        "not an entry",
        "//server/share\t/mnt/c cifs noauto,password=#1\t0",
        "LABEL=last /mnt/last ext4 noauto 0 0",
    ]
    before = ending.join(lines).encode() + b"\xff"
    (lab.directory / "etc").mkdir()
    real = lab.directory / "etc" / "kept"
    real.write_bytes(before)
    os.chown(real, 12, 34)
    real.chmod(0o640)
    os.setxattr(real, "user.note", b"kept")
    lab.fstab.unlink()
    lab.fstab.symlink_to("etc/kept")
    item = {"label": lab.label(), "disk": lab.disk(16), "size": "rest"}
    lab.converged(item)
    kept = real.stat()
    assert (kept.st_uid, kept.st_gid, os.getxattr(real, "user.note")) == (12, 34, b"kept")
    text = real.read_bytes()
    assert text.startswith(before + ending.encode() + b"LABEL=")
    assert text[len(before) + len(ending) :].count(b"\n") == 1
    assert text.endswith(b" 0 2" + ending.encode())
    assert (lab.fstab.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o640)
    lab.converged({**item, "state": "absent"})
    assert real.read_bytes() == before + ending.encode()
    assert lab.fstab.is_symlink()


def test_the_owner_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_text("a\n")
    os.chown(path, 12, 34)
    path.chmod(0o4604)
    files.edit(str(path), lambda _text: "b\n")
    kept = path.stat()
    assert (kept.st_uid, kept.st_gid, stat.S_IMODE(kept.st_mode)) == (12, 34, 0o4604)
