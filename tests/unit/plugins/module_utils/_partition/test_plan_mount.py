# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems are mounted: root, fstab, options, bare directories."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import PARTITION_OPTIONS, for_mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import Remount, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import ItemPlan
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_mount import plan_root
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import GrowFilesystem, Reserve
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import KeepRoot, SetImmutable, Unmount
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import (
    EXT4,
    GPT,
    KEPT,
    LINE,
    MOUNTED,
    OURS,
    WHOLE,
    planned,
    state,
    there,
    views,
)


def test_drifted_options_are_remounted_and_fstab_is_left() -> None:
    loose = MOUNTED.replace("rw,nosuid,nodev,noatime", "rw,relatime")
    (step,) = planned(there(views=views(loose))).steps
    assert step == Remount("/shared/data", for_mount(PARTITION_OPTIONS), fixed=True)


def test_a_missing_line_of_fstab_is_written_without_a_mount() -> None:
    (step,) = planned(there(fstab="")).steps
    assert isinstance(step, WriteLines)
    assert step.waiting == frozenset()


def test_a_line_whose_options_are_remounted_waits_for_that() -> None:
    steps = planned(there(), mount_options=["rw", "nofail", "noexec"]).steps
    assert [type(step) for step in steps] == [WriteLines, Remount]
    assert isinstance(steps[0], WriteLines)
    assert steps[0].waiting == {"/shared/data"}


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


def test_a_bare_directory_is_guarded() -> None:
    bare = there(views=views(), places={"/shared/data": Place(True, True, False)})
    assert planned(bare, state="unmounted").steps == (SetImmutable("/shared/data"),)


def test_without_nofail_there_is_a_warning() -> None:
    assert any("nofail" in warning for warning in planned(there(), mount_options=["rw"]).warnings)


@pytest.mark.parametrize("possible", [True, False])
@pytest.mark.parametrize("goal", ["present", "unmounted"])
def test_a_bare_directory_that_cannot_be_guarded_is_a_warning(goal: str, possible: bool) -> None:
    places = {"/shared/data": Place(True, True, None if not possible else True, can_be_immutable=possible)}
    found = there(views=views(), places=places)
    warned = [each for each in planned(found, state=goal).warnings if "no immutable flag" in each]
    assert len(warned) == (0 if possible else 1)


def test_a_directory_that_is_not_empty_is_a_warning() -> None:
    for empty in (True, False):
        found = there(views=views(), places={"/shared/data": Place(True, empty, True)})
        warned = [each for each in planned(found).warnings if "/shared/data is not empty" in each]
        assert len(warned) == (0 if empty else 1)


def test_what_is_mounted_warns_of_nothing() -> None:
    places = {"/shared/data": Place(True, True, None, 0, 0, 0o755, can_be_immutable=False)}
    assert planned(there(places=places)).warnings == ()


def test_what_else_is_mounted_there_or_only_in_part() -> None:
    other = MOUNTED.replace("254:1", "254:9")
    with pytest.raises(VirtiofsError, match="data, path: something else is mounted on /shared/data"):
        planned(there(views=views(other)))
    part = MOUNTED.replace("254:1 / /shared", "254:1 /sub /shared")
    with pytest.raises(VirtiofsError, match="data, path: /shared/data shows only /sub of its filesystem"):
        planned(there(views=views(part)))
    elsewhere = MOUNTED.replace("/shared/data", "/srv")
    with pytest.raises(VirtiofsError, match="data, path: its filesystem is mounted on /srv, not on /shared/data"):
        planned(there(views=views(elsewhere)))


def test_a_subvolume_by_its_name_is_a_filesystem_as_a_whole() -> None:
    btrfs = dataclasses.replace(OURS, content=dataclasses.replace(EXT4, types=("btrfs",), fstype="btrfs"))
    mounts = MOUNTED.replace("254:1 / ", "0:45 /@ ").replace("ext4 /dev/vdb1 rw", "btrfs /dev/vdb1 rw,subvol=/@")
    machine = there(
        views=views(mounts), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (btrfs,))}, fstab=LINE.replace("ext4", "btrfs")
    )
    assert planned(machine).steps == ()


def test_a_guest_that_writes_to_the_disk_keeps_it_from_being_mounted() -> None:
    held = dataclasses.replace(views(), writers={"254:1": ("qemu (process 7)",)})
    with pytest.raises(VirtiofsError, match=r"data, disk: its filesystem on /dev/vdb is open for writing in qemu"):
        planned(there(views=held))


def test_lines_of_fstab_that_mount_it_elsewhere_as_well() -> None:
    second = LINE.replace("/shared/data", "/srv")
    assert planned(there(fstab=LINE + second)).warnings == ("data: fstab mounts it on /srv as well",)
    assert planned(there(fstab=LINE + second.replace("nofail", "noauto"))).warnings == ()


def test_a_domain_that_shares_the_bare_directory() -> None:
    (warning,) = planned(there(views=views(), sharing={"/shared/data": ("vm1",)})).warnings
    assert warning.startswith("data: the domain vm1 runs and shares /shared/data, it sees this mount when")


def test_what_only_a_new_mount_can_change_is_tried_once_with_the_line_that_asks_for_it() -> None:
    assert planned(there(fstab=LINE.replace("nodev", "nodev,discard"))).steps == ()
    steps = planned(there(), mount_options=[*PARTITION_OPTIONS, "discard"]).steps
    assert [type(step) for step in steps] == [WriteLines, Remount]


def test_reserved_blocks_follow_the_option() -> None:
    assert planned(there(), reserved_percent=5).steps == (Reserve(Source("data", disk="/dev/vdb"), 5),)
    assert planned(there(), reserved_percent=1).steps == ()


def test_a_filesystem_that_is_smaller_than_its_partition() -> None:
    small = dataclasses.replace(OURS, superblock=Superblock(8 * MIB, 1))
    machine = there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (small,))})
    assert planned(machine).warnings == ("data: its filesystem uses 8 MiB of 32 MiB, grow: true enlarges it",)
    grow = GrowFilesystem(Source("data", disk="/dev/vdb"), "ext4", "/shared/data")
    assert planned(machine, grow=True).steps == (grow,)
    with pytest.raises(VirtiofsError, match=r"data, grow: .* a mounted ext4 \(CAP_SYS_RESOURCE is missing\)"):
        planned(dataclasses.replace(machine, may_resize_ext4=False), grow=True)
    # What a mounted xfs or btrfs says itself is newer than its superblock on disk.
    place = Place(True, True, None, 0, 0, 0o755, mounted_size=32 * MIB)
    assert planned(dataclasses.replace(machine, places={"/shared/data": place}), grow=True).steps == ()


def test_owner_and_mode_of_what_is_mounted() -> None:
    machine = there(uids={"data": 7})
    own, allow = planned(machine, owner="7", mode="2770").steps
    assert (own.summary, allow.summary) == (
        "give /shared/data to user 7 and group 0",
        "set the mode of /shared/data to 2770",
    )
    done = there(uids={"data": 7}, places={"/shared/data": Place(True, True, None, 7, 0, 0o2770)})
    assert planned(done, owner="7", mode="2770").steps == ()


def test_owner_and_mode_of_what_is_not_mounted_yet_are_given_after_the_mount() -> None:
    bare = {"views": views(), "places": {"/shared/data": Place(True, True, True, 7, 0, 0o2770)}}
    steps = planned(there(uids={"data": 7}, **bare), owner="7", mode="2770").steps
    assert [step.summary for step in steps][1:] == [
        "give /shared/data to user 7",
        "set the mode of /shared/data to 2770",
    ]


def test_a_root_with_things_of_others_stays_when_no_share_is_in_it() -> None:
    foreign = dataclasses.replace(KEPT, mode=0o755, foreign=("photos",))
    assert planned(there(root=foreign), state="unmounted").steps == (Unmount("/shared/data", immutable=True),)


def test_a_bare_directory_that_is_immutable_already_is_left() -> None:
    for immutable in (True, None):
        bare = there(views=views(), places={"/shared/data": Place(True, True, immutable)})
        assert planned(bare, state="unmounted").steps == ()


def test_the_root_is_made_for_a_share_that_is_in_it() -> None:
    machine = state(Disk("/dev/vdb", WHOLE))
    item = {"label": "data", "disk": "/dev/vdb", "size": "32MiB"}
    assert plan_root(wanted({"partitions": [item]}), machine).root == (KeepRoot("/shared", 0o700, False),)
    for without in ({**item, "path": "/srv/data"}, {**item, "state": "absent"}):
        assert plan_root(wanted({"partitions": [without]}), machine) == ItemPlan()
