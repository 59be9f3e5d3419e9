# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""State of the machine and wanted filesystems -> steps, compared as data."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX, UNFINISHED, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Disk, Owner, Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem, Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._block.views import View, Views
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import ReadUnits, Remount, RemoveLines, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition, Source, identity_for
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Gap, Place, Root, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    DeletePartition,
    TellKernel,
    WaitForUdev,
    WriteTable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    FormatPartition,
    GrowFilesystem,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    KeepRoot,
    Mount,
    RemoveDirectory,
    SetImmutable,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import DEFAULT_OPTIONS, wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan

PARTUUID = "11111111-2222-3333-4444-555555555555"
EXT4 = Content(types=("ext4",), fstype="ext4", label="data", uuid="aaaa")
LINE = f"LABEL=data /shared/data ext4 {','.join(DEFAULT_OPTIONS)} 0 2\n"
MOUNTED = (
    "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
    "2 1 254:1 / /shared/data rw,nosuid,nodev,noatime shared:2 - ext4 /dev/vdb1 rw\n"
)
WHOLE = Device("/dev/vdb", "254:0", 64 * MIB, 512, False, Content())
GPT = dataclasses.replace(WHOLE, content=Content(types=("gpt",), table="gpt", data=True))
OURS = Partition(
    1, Extent(MIB, 32 * MIB), LINUX, PARTUUID, "data", EXT4, "/dev/vdb1", "254:1", (), Superblock(32 * MIB, 1)
)
KEPT = Root(True, 0, 0, 0o700)


def views(text: str = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n", *others: str) -> Views:
    def view(name: str, lines: str) -> View:
        peers = []
        for line in lines.splitlines():
            fields = line.split(" - ")[0].split()[6:]
            peers.append(frozenset(field.split(":")[1] for field in fields))
        return View(name, mountinfo.parse(lines), tuple(peers))

    return Views(view("self", text), tuple(view(f"virtiofsd (process {n})", o) for n, o in enumerate(others, 7)))


def state(disk: Disk, **changes: Any) -> State:
    values: dict[str, Any] = {
        "views": views(),
        "disks": {"/dev/vdb": disk},
        "disk_of": {"data": "/dev/vdb"},
        "gaps": {"data": Gap(Extent(MIB, 32 * MIB), Content())},
        "places": {"/shared/data": Place()},
        **changes,
    }
    values["entries"] = fstab.entries(values.pop("fstab", ""))
    return State(**values)


def planned(found: State, **options: Any) -> Plan:
    item = {"label": "data", "disk": "/dev/vdb", "size": "32MiB", **options}
    return plan(wanted({"partitions": [item]}, int, int), found)


def there(**changes: Any) -> State:
    """The right partition, mounted and in fstab."""
    values: dict[str, Any] = {
        "views": views(MOUNTED),
        "fstab": LINE,
        "root": KEPT,
        "owners": {"data": (Owner("LABEL", "/dev/vdb1", "254:1"), Owner("PARTLABEL", "/dev/vdb1", "254:1"))},
        "places": {"/shared/data": Place(True, True, None, 0, 0, 0o755)},
        **changes,
    }
    return state(Disk("/dev/vdb", GPT, (OURS,)), **values)


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


def test_a_killed_table_write_is_done_again() -> None:
    content = Content(types=("gpt",), data=True)
    broken = Disk("/dev/vdb", dataclasses.replace(WHOLE, content=content), half_written=True)
    assert isinstance(planned(state(broken)).steps[0], WriteTable)
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb is not blank, it holds gpt"):
        planned(state(dataclasses.replace(broken, half_written=False)))


@pytest.mark.parametrize(
    "content",
    [
        Content(),
        Content(data=True),
        EXT4,
        Content(types=("ext4",), fstype="ext4", uuid=str(identity_for(PARTUUID)), data=True),
    ],
)
def test_a_killed_mkfs_is_done_again(content: Content) -> None:
    if content is EXT4:
        content = dataclasses.replace(EXT4, uuid=str(identity_for(PARTUUID)))
    part = dataclasses.replace(OURS, type=UNFINISHED, content=content)
    steps = planned(state(Disk("/dev/vdb", GPT, (part,)))).steps
    assert steps[0] == FormatPartition("/dev/vdb", NewFilesystem("data", "ext4"))


def test_an_unfinished_partition_with_somebody_elses_filesystem_is_refused() -> None:
    part = dataclasses.replace(OURS, type=UNFINISHED, content=Content(types=("xfs",), fstype="xfs", uuid="other"))
    with pytest.raises(VirtiofsError, match="holds xfs"):
        planned(state(Disk("/dev/vdb", GPT, (part,))))


def test_a_partition_that_the_kernel_does_not_know() -> None:
    part = dataclasses.replace(OURS, node=None, devnum="")
    steps = planned(there(views=views(), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))}, owners={})).steps
    assert steps[0] == TellKernel("/dev/vdb")
    assert isinstance(steps[-1], Mount)
    assert not any(isinstance(step, FormatPartition) for step in steps)


def test_a_partition_that_the_kernel_knows_as_it_was_before_it_grew() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 60 * MIB), smaller_in_kernel=True)
    found = there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))})
    assert planned(found, size="60MiB", grow=True).steps == (
        TellKernel("/dev/vdb"),
        WaitForUdev(("data",)),
        GrowFilesystem(Source("data", disk="/dev/vdb"), "ext4", "/shared/data"),
    )
    wiped = planned(found, state="wiped").steps
    assert wiped[-2:] == (TellKernel("/dev/vdb"), DeletePartition("/dev/vdb", "data", 1))


def test_a_partition_that_grew_and_the_kernel_lost() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 60 * MIB), node=None, devnum="")
    found = there(views=views(), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))}, owners={})
    assert isinstance(planned(found, size="60MiB", grow=True).steps[-1], GrowFilesystem)


def test_an_entry_that_was_made_smaller_than_its_filesystem() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 16 * MIB), node=None, devnum="")
    found = there(views=views(), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))})
    with pytest.raises(VirtiofsError, match="/dev/vdb has 16 MiB only, and the filesystem in it 32 MiB"):
        planned(found)


def test_drifted_options_are_remounted_and_fstab_is_left() -> None:
    loose = MOUNTED.replace("rw,nosuid,nodev,noatime", "rw,relatime")
    (step,) = planned(there(views=views(loose))).steps
    assert step == Remount("/shared/data", for_mount(DEFAULT_OPTIONS), fixed=True)


def test_a_missing_line_of_fstab_is_written_without_a_mount() -> None:
    (step,) = planned(there(fstab="")).steps
    assert isinstance(step, WriteLines)
    assert step.waiting == frozenset()


def test_a_line_whose_options_are_remounted_waits_for_that() -> None:
    steps = planned(there(), mount_options=["rw", "nofail", "noexec"]).steps
    assert [type(step) for step in steps] == [WriteLines, Remount]
    assert isinstance(steps[0], WriteLines)
    assert steps[0].waiting == {"/shared/data"}


def test_systemd_reads_fstab_once_and_before_the_mounts() -> None:
    items = [{"label": label, "disk": "/dev/vdb", "size": "16MiB"} for label in ("data", "more")]
    found = state(
        Disk("/dev/vdb", WHOLE),
        systemd=True,
        disk_of={"data": "/dev/vdb", "more": "/dev/vdb"},
        gaps={name: Gap(Extent(at * MIB, 16 * MIB), Content()) for name, at in (("data", 1), ("more", 17))},
        places={"/shared/data": Place(), "/shared/more": Place()},
    )
    steps = plan(wanted({"partitions": items}, int, int), found).steps
    assert [type(step) for step in steps[-5:]] == [KeepRoot, WriteLines, ReadUnits, Mount, Mount]
    assert [type(step) for step in steps].count(ReadUnits) == 1
    # It makes units of no other fstab.
    other = plan(wanted({"partitions": items, "fstab": "/tmp/fstab"}, int, int), found).steps
    assert not any(isinstance(step, ReadUnits) for step in other)


def test_systemd_reads_a_line_that_a_killed_run_wrote() -> None:
    found = there(systemd=True, views=views(), places={"/shared/data": Place(True, True, True)})
    assert [type(step) for step in planned(found).steps] == [ReadUnits, Mount]
    assert planned(there(systemd=True)).steps == ()


def test_systemd_reads_fstab_once_for_all_that_goes() -> None:
    steps = planned(there(systemd=True), state="absent").steps
    assert [type(step) for step in steps] == [Unmount, RemoveLines, ReadUnits, RemoveDirectory]


def test_a_loosened_root_is_closed() -> None:
    assert planned(there(root=dataclasses.replace(KEPT, mode=0o755))).steps == (KeepRoot("/shared", 0o700, True),)
    with pytest.raises(VirtiofsError, match="root: /shared holds photos"):
        planned(there(root=dataclasses.replace(KEPT, mode=0o755, foreign=("photos",))))


def test_a_uuid_line_of_the_same_filesystem_becomes_a_label_line() -> None:
    (step,) = planned(there(fstab=LINE.replace("LABEL=data", "UUID=AAAA"))).steps
    assert isinstance(step, WriteLines)
    assert step.lines[0].entry.spec == "LABEL=data"
    with pytest.raises(VirtiofsError, match="fstab has another line for /shared/data"):
        planned(there(fstab=LINE.replace("LABEL=data", "UUID=BBBB")))


def test_a_second_line_of_somebody_else_for_the_mount_point_is_not_lost() -> None:
    with pytest.raises(VirtiofsError, match=r"fstab has another line for /shared/data \(/dev/sdz1\)"):
        planned(there(fstab=LINE + "/dev/sdz1 /shared/data/ xfs noauto 0 0\n"))


def test_a_mount_point_inside_the_share_of_another_call() -> None:
    inside = MOUNTED.replace("/shared/data", "/shared/other")
    found = state(Disk("/dev/vdb", WHOLE), views=views(inside), places={"/shared/other/data": Place()})
    with pytest.raises(VirtiofsError, match="inside the share that is mounted on /shared/other"):
        planned(found, path="/shared/other/data")


HYBRID = Disk("/dev/vdb", GPT, (dataclasses.replace(OURS, content=Content()),), hybrid=True)


@pytest.mark.parametrize(
    ("found", "options"),
    [
        (state(HYBRID), {}),
        (state(dataclasses.replace(HYBRID, partitions=())), {}),
        (state(dataclasses.replace(HYBRID, partitions=(OURS,))), {"size": "48MiB", "grow": True}),
        (state(dataclasses.replace(HYBRID, partitions=(OURS,))), {"state": "wiped"}),
    ],
    ids=["format", "add", "grow", "delete"],
)
def test_the_table_of_a_disk_with_a_hybrid_mbr_is_not_changed(found: State, options: dict[str, Any]) -> None:
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb has a hybrid MBR"):
        planned(found, **options)


@pytest.mark.parametrize("options", [{"size": "48MiB", "grow": True}, {"state": "wiped"}])
def test_the_table_of_a_disk_that_a_guest_has_as_a_whole_is_not_changed(options: dict[str, Any]) -> None:
    held = dataclasses.replace(GPT, uses=("open for writing in qemu (process 7)",))
    with pytest.raises(VirtiofsError, match="data, disk: /dev/vdb is open for writing in qemu"):
        planned(state(Disk("/dev/vdb", held, (OURS,))), **options)


def test_a_disk_that_is_to_get_a_table_and_a_partition_that_is_used_as_a_device() -> None:
    mbr = Disk("/dev/vdb", dataclasses.replace(WHOLE, content=Content(types=("dos",), table="dos")))
    part = dataclasses.replace(WHOLE, node="/dev/vdb1", devnum="254:1", whole="/dev/vdb")
    found = state(mbr, devices={"old": part}, places={"/shared/data": Place(), "/shared/old": Place()})
    items = [{"label": "data", "disk": "/dev/vdb", "size": "32MiB", "overwrite": True},
             {"label": "old", "device": "/dev/vdb1"}]
    with pytest.raises(VirtiofsError, match="would get a new partition table, and old is on /dev/vdb1"):
        plan(wanted({"partitions": items}, int, int), found)


def test_unmounted_absent_and_wiped() -> None:
    assert planned(there(), state="unmounted").steps == (Unmount("/shared/data", immutable=True),)
    absent = planned(there(), state="absent").steps
    assert [type(step) for step in absent] == [Unmount, RemoveLines, RemoveDirectory]
    wiped = planned(there(), state="wiped").steps
    assert wiped[:3] == absent
    assert wiped[3:] == (DeletePartition("/dev/vdb", "data", 1),)


def test_a_line_of_swap_with_the_same_label_stays() -> None:
    swap = "LABEL=data none swap sw 0 0\n"
    gone = planned(there(fstab=swap + LINE), state="absent").steps[1]
    assert isinstance(gone, RemoveLines)
    assert [entry.path for entry in gone.entries] == ["/shared/data"]
    (write,) = planned(there(fstab=swap)).steps
    assert isinstance(write, WriteLines)
    assert write.lines[0].entry.options == DEFAULT_OPTIONS
    (line,) = write.lines
    assert line.written_to(swap) == swap + LINE


def test_which_of_two_is_to_be_wiped() -> None:
    copy = there(owners={"data": (Owner("LABEL", "/dev/vdb1", "254:1"), Owner("LABEL", "/dev/vdc1", "254:33"))})
    with pytest.raises(VirtiofsError, match="/dev/vdb1 and /dev/vdc1 both have this label"):
        planned(copy, state="wiped")


def test_a_bare_directory_is_guarded() -> None:
    bare = there(views=views(), places={"/shared/data": Place(True, True, False)})
    assert planned(bare, state="unmounted").steps == (SetImmutable("/shared/data"),)


@pytest.mark.parametrize("wish", ["unmounted", "absent", "wiped"])
def test_a_virtiofsd_holds_it(wish: str) -> None:
    daemon = "9 8 254:1 / / rw master:2 - ext4 /dev/vdb1 rw\n"
    with pytest.raises(VirtiofsError, match=r"virtiofsd \(process 7\) has it mounted on /"):
        planned(there(views=views(MOUNTED, daemon)), state=wish)


def test_a_service_whose_copy_goes_with_ours_does_not_hold_it() -> None:
    service = (
        "11 10 8:1 / / rw master:1 - ext4 /dev/sda1 rw\n"
        "12 11 254:1 / /shared/data rw master:2 - ext4 /dev/vdb1 rw\n"
    )
    (step,) = planned(there(views=views(MOUNTED, service)), state="unmounted").steps
    assert step == Unmount("/shared/data", immutable=True)
    private = service.replace(" master:1", "").replace(" master:2", "")
    with pytest.raises(VirtiofsError, match="has it mounted on /shared/data"):
        planned(there(views=views(MOUNTED, private)), state="unmounted")


@pytest.mark.parametrize("wish", ["unmounted", "absent", "wiped"])
def test_a_running_domain_holds_it(wish: str) -> None:
    with pytest.raises(VirtiofsError, match="running domain vm1 shares /shared/data"):
        planned(there(sharing={"/shared/data": ("vm1",)}), state=wish)


def test_a_missing_mkfs_is_not_yet() -> None:
    found = state(Disk("/dev/vdb", WHOLE), missing=("mkfs.ext4 is not installed (package e2fsprogs)",))
    assert planned(found).not_yet == ("mkfs.ext4 is not installed (package e2fsprogs)",)
    assert planned(there(missing=("mkfs.ext4 is not installed",))).not_yet == ()


def test_without_nofail_there_is_a_warning() -> None:
    assert any("nofail" in warning for warning in planned(there(), mount_options=["rw"]).warnings)


@pytest.mark.parametrize("guardable", [True, False])
@pytest.mark.parametrize("wish", ["present", "unmounted"])
def test_a_bare_directory_that_cannot_be_guarded_is_a_warning(wish: str, guardable: bool) -> None:
    places = {"/shared/data": Place(True, True, None if not guardable else True, can_be_immutable=guardable)}
    found = there(views=views(), places=places)
    warned = [each for each in planned(found, state=wish).warnings if "no immutable flag" in each]
    assert len(warned) == (0 if guardable else 1)


def test_a_directory_that_is_not_empty_is_a_warning() -> None:
    for empty in (True, False):
        found = there(views=views(), places={"/shared/data": Place(True, empty, True)})
        warned = [each for each in planned(found).warnings if "/shared/data is not empty" in each]
        assert len(warned) == (0 if empty else 1)


def test_what_is_mounted_warns_of_nothing() -> None:
    places = {"/shared/data": Place(True, True, None, 0, 0, 0o755, can_be_immutable=False)}
    assert planned(there(places=places)).warnings == ()
