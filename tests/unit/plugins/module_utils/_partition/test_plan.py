# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan as a whole: blank disks, order, and what an earlier step still has to provide."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk, Owner
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import ReadUnits, RemoveLines, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition, Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Gap, Place
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import WaitForUdev, WriteTable
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import FormatPartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    KeepRoot,
    Mount,
    RemoveDirectory,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import MOUNTED, PARTUUID, WHOLE, planned, state, there, views


def test_a_blank_disk() -> None:
    steps = planned(state(Disk("/dev/vdb", WHOLE))).steps
    assert steps[:4] == (
        WriteTable("/dev/vdb", (NewPartition("data", Extent(MIB, 32 * MIB)),), 512, new=True),
        FormatPartition("/dev/vdb", NewFilesystem("data", "ext4")),
        WaitForUdev(("data",)),
        KeepRoot("/shared", 0o700, False),
    )
    write, attach = steps[4:]
    assert isinstance(write, WriteLines)
    assert isinstance(attach, Mount)
    assert [(line.label, line.entry.spec) for line in write.lines] == [("data", "LABEL=data")]
    assert write.waiting == {"/shared/data"}
    assert (attach.source, attach.entry) == (Source("data", disk="/dev/vdb"), write.lines[0].entry)


def test_what_is_there_is_unchanged() -> None:
    result = planned(there())
    assert (result.steps, result.changes, result.warnings) == ((), (), ())
    assert result.result["partitions"]["data"]["uuid"] == "aaaa"
    assert result.result["partitions"]["data"]["partuuid"] == PARTUUID


def test_systemd_reads_fstab_once_and_before_the_mounts() -> None:
    items = [{"label": label, "disk": "/dev/vdb", "size": "16MiB"} for label in ("data", "more")]
    found = state(
        Disk("/dev/vdb", WHOLE),
        systemd=True,
        disk_of={"data": "/dev/vdb", "more": "/dev/vdb"},
        gaps={name: Gap(Extent(at * MIB, 16 * MIB), Content()) for name, at in (("data", 1), ("more", 17))},
        places={"/shared/data": Place(), "/shared/more": Place()},
    )
    steps = plan(wanted({"partitions": items}), found).steps
    assert [type(step) for step in steps[-5:]] == [KeepRoot, WriteLines, ReadUnits, Mount, Mount]
    assert [type(step) for step in steps].count(ReadUnits) == 1
    # It makes units of no other fstab.
    other = plan(wanted({"partitions": items, "fstab": "/tmp/fstab"}), found).steps
    assert not any(isinstance(step, ReadUnits) for step in other)


def test_systemd_reads_a_line_that_a_killed_run_wrote() -> None:
    found = there(systemd=True, views=views(), places={"/shared/data": Place(True, True, True)})
    assert [type(step) for step in planned(found).steps] == [ReadUnits, Mount]
    assert planned(there(systemd=True)).steps == ()


def test_systemd_reads_fstab_once_for_all_that_goes() -> None:
    steps = planned(there(systemd=True), state="absent").steps
    assert [type(step) for step in steps] == [Unmount, RemoveLines, ReadUnits, RemoveDirectory]


def test_a_missing_mkfs_is_not_yet() -> None:
    found = state(Disk("/dev/vdb", WHOLE), missing=("mkfs.ext4 is not installed (package e2fsprogs)",))
    assert planned(found).not_yet == ("mkfs.ext4 is not installed (package e2fsprogs)",)
    assert planned(there(missing=("mkfs.ext4 is not installed",))).not_yet == ()


def test_all_is_checked_before_anything_is_planned() -> None:
    with pytest.raises(VirtiofsError, match="data, mkfs_options: '/x' names a device"):
        planned(there(named_devices={"data": "/x"}))
    with pytest.raises(VirtiofsError, match="data, label: /dev/vdc1 has this label already"):
        planned(there(owners={"data": (Owner("LABEL", "/dev/vdc1", "254:33"),)}))
    inside = MOUNTED.replace("/shared/data", "/shared/other")
    with pytest.raises(VirtiofsError, match="is inside the share that is mounted on /shared/other"):
        planned(there(views=views(inside), places={"/shared/other/data": Place()}), path="/shared/other/data")


def test_what_is_returned_of_each_item() -> None:
    assert planned(there(dumps={"/dev/vdb": "/var/x.sfdisk"})).result["partitions"] == {
        "data": {
            "path": "/shared/data",
            "mounted": True,
            "device": "/dev/vdb1",
            "fstype": "ext4",
            "uuid": "aaaa",
            "partuuid": PARTUUID,
            "size": 32 * MIB,
            "table_dump": "/var/x.sfdisk",
        }
    }
    new = planned(state(Disk("/dev/vdb", WHOLE))).result["partitions"]["data"]
    assert (new["path"], new["mounted"]) == ("/shared/data", False)
    assert {value for name, value in new.items() if name not in ("path", "mounted")} == {None}


def test_a_mount_point_outside_the_root_is_a_warning_of_the_plan() -> None:
    machine = there(places={"/srv/data": Place()}, views=views(), fstab="")
    assert any("/srv/data is outside /shared" in warning for warning in planned(machine, path="/srv/data").warnings)
