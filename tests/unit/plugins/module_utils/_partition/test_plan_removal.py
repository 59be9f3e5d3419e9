# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems go away, and what keeps them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED, Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk, Image, Owner
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import PARTITION_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import RemoveLines, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import gathered
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_removal import goes_with
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import DeletePartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import (
    RemoveFormatMarker,
    WipeDevice,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import (
    DeleteImage,
    DetachLoop,
    RemoveUnit,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    ClearImmutable,
    RemoveDirectory,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step
from ansible_collections.virtio.fs.tests.unit.made_up_disk import (
    EXT4,
    GPT,
    LINE,
    MOUNTED,
    OURS,
    WHOLE,
    planned,
    there,
    views,
)


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
    assert write.lines[0].entry.options == PARTITION_OPTIONS
    (line,) = write.lines
    assert line.written_to(swap) == swap + LINE


def test_which_of_two_is_to_be_wiped() -> None:
    copy = there(owners={"data": (Owner("LABEL", "/dev/vdb1", "254:1"), Owner("LABEL", "/dev/vdc1", "254:33"))})
    with pytest.raises(VirtiofsError, match="/dev/vdb1 and /dev/vdc1 both have this label"):
        planned(copy, state="wiped")


@pytest.mark.parametrize("goal", ["unmounted", "absent", "wiped"])
def test_a_virtiofsd_holds_it(goal: str) -> None:
    daemon = "9 8 254:1 / / rw master:2 - ext4 /dev/vdb1 rw\n"
    with pytest.raises(VirtiofsError, match=r"virtiofsd \(process 7\) has it mounted on /"):
        planned(there(views=views(MOUNTED, daemon)), state=goal)


def test_a_service_whose_copy_goes_with_ours_does_not_hold_it() -> None:
    service = (
        "11 10 8:1 / / rw master:1 - ext4 /dev/sda1 rw\n12 11 254:1 / /shared/data rw master:2 - ext4 /dev/vdb1 rw\n"
    )
    (step,) = planned(there(views=views(MOUNTED, service)), state="unmounted").steps
    assert step == Unmount("/shared/data", immutable=True)
    private = service.replace(" master:1", "").replace(" master:2", "")
    with pytest.raises(VirtiofsError, match="has it mounted on /shared/data"):
        planned(there(views=views(MOUNTED, private)), state="unmounted")


@pytest.mark.parametrize("goal", ["unmounted", "absent", "wiped"])
def test_a_running_domain_holds_it(goal: str) -> None:
    with pytest.raises(VirtiofsError, match="running domain vm1 shares /shared/data"):
        planned(there(sharing={"/shared/data": ("vm1",)}), state=goal)


BARE = {"views": views(), "places": {"/shared/data": Place(True, True, True)}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "by hand"}, "is named 'by hand', so this module did not make it"),
        ({"type": "ESP"}, "has the foreign type ESP"),
        ({"content": Content(types=("xfs",), fstype="xfs")}, "holds xfs, which this module did not make"),
        ({"type": UNFINISHED, "content": Content(types=("xfs",), fstype="xfs", uuid="other")}, "holds xfs"),
        ({"readonly": True}, "its partition of /dev/vdb is read-only"),
        ({"uses": ("used as swap",)}, "its partition of /dev/vdb is used as swap"),
    ],
)
def test_a_partition_that_is_not_deleted(changes: dict[str, Any], words: str) -> None:
    part = dataclasses.replace(OURS, **changes)
    with pytest.raises(VirtiofsError, match=f"^data, (state|disk): .*{words}"):
        planned(there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))}, **BARE), state="wiped")


def test_a_partition_that_a_killed_run_erased_is_deleted() -> None:
    part = dataclasses.replace(OURS, content=Content(), type=UNFINISHED)
    steps = planned(there(disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))}, owners={}, **BARE), state="wiped").steps
    assert steps[-1] == DeletePartition("/dev/vdb", "data", 1)


def removed(item: dict[str, Any], **changes: Any) -> tuple[Step[Any], ...]:
    machine = there(disks={}, disk_of={}, **BARE, **changes)
    return plan(wanted({"partitions": [{"label": "data", **item}]}), machine).steps


def test_a_device_is_erased_once() -> None:
    item = {"device": "/dev/vdb1", "state": "wiped"}
    device = dataclasses.replace(WHOLE, node="/dev/vdb1", devnum="254:1", content=EXT4, identity="wwid 64")
    erase = WipeDevice("/dev/vdb1", "wwid 64", "data", "aaaa")
    assert removed(item, devices={"data": device})[-1] == erase
    blank = dataclasses.replace(device, content=Content())
    note = {"format_markers": {"data": {"device": "wwid 64", "filesystem": "aaaa"}}}
    assert removed(item, devices={"data": blank}, **note)[-1] == RemoveFormatMarker("data")
    assert WipeDevice not in [type(step) for step in removed(item, devices={"data": blank})]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content": Content(types=("xfs",), fstype="xfs")}, "holds xfs, which this module did not make"),
        ({"readonly": True}, "/dev/vdb1 is read-only"),
        ({"uses": ("held by dm-0",)}, "/dev/vdb1 is held by dm-0"),
    ],
)
def test_a_device_that_is_not_erased(changes: dict[str, Any], words: str) -> None:
    device = dataclasses.replace(WHOLE, **{"node": "/dev/vdb1", "content": EXT4, **changes})
    with pytest.raises(VirtiofsError, match=f"^data, (state|device): .*{words}"):
        removed({"device": "/dev/vdb1", "state": "wiped"}, devices={"data": device})


def test_an_image_goes_with_its_loop_device_and_its_unit() -> None:
    image = Image("/x.img", exists=True, size=MIB, content=EXT4, loops=("/dev/loop7",))
    changes: dict[str, Any] = {"images": {"data": image}, "units": {"data": "[Unit]"}}
    kinds = [type(step) for step in removed({"image": "/x.img", "state": "absent"}, **changes)]
    assert kinds == [RemoveLines, RemoveUnit, RemoveDirectory, DetachLoop]
    kinds = [type(step) for step in removed({"image": "/x.img", "state": "wiped"}, **changes)]
    assert kinds == [RemoveLines, RemoveUnit, RemoveDirectory, DetachLoop, DeleteImage]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content": Content(data=True)}, "/x.img holds data that no tool knows, which this module did not make"),
        ({"uses": ("open for writing in qemu (process 7)",)}, "/x.img is open for writing in qemu"),
        ({"loops": ("/dev/loop1", "/dev/loop2")}, "/x.img is attached more than once"),
    ],
)
def test_an_image_that_is_not_deleted(changes: dict[str, Any], words: str) -> None:
    image = dataclasses.replace(Image("/x.img", exists=True, size=MIB, content=EXT4), **changes)
    with pytest.raises(VirtiofsError, match=f"^data, (state|image): {words}"):
        removed({"image": "/x.img", "state": "wiped"}, images={"data": image})


def test_what_is_mounted_there_or_elsewhere_and_is_not_the_items() -> None:
    other = MOUNTED.replace("254:1", "254:9")
    with pytest.raises(VirtiofsError, match=r"data, path: what is mounted on /shared/data .* has another label"):
        planned(there(views=views(other)), state="absent")
    elsewhere = MOUNTED.replace("/shared/data", "/srv")
    with pytest.raises(VirtiofsError, match="data, path: its filesystem on /dev/vdb1 is mounted on /srv, not on"):
        planned(there(views=views(elsewhere)), state="absent")


def test_the_flag_of_a_bare_directory_goes_only_with_a_line_of_ours() -> None:
    full = {"views": views(), "places": {"/shared/data": Place(True, False, True)}}
    assert planned(there(**full), state="absent").steps[-1] == ClearImmutable("/shared/data")
    assert planned(there(fstab="", **full), state="absent").steps == ()


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        (LINE, True),
        (LINE.replace("/shared/data", "/srv"), True),
        (LINE.replace("LABEL=data", "/dev/vdb1"), True),
        (LINE.replace("LABEL=data", "/dev/vdb1").replace("/shared/data", "/srv"), False),
        (LINE.replace("LABEL=data", "/dev/vdc1"), False),
    ],
)
def test_which_lines_of_fstab_go_with_an_item(line: str, goes: bool) -> None:
    machine = there(fstab=line)
    (found,) = gathered(wanted({"partitions": [{"label": "data", "state": "absent"}]}).items, machine)
    (entry,) = machine.entries
    assert goes_with(found, entry, machine) is goes
