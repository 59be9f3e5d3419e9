# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before any filesystem is planned."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk, Image, Owner
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import Superblock
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.checks import check_devices, check_filesystems
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found, gathered
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import EXT4, GPT, OURS, WHOLE, planned, state, there, views

DISK = Disk("/dev/vdb", GPT, (OURS,))
ON_DISK = {"label": "data", "disk": "/dev/vdb", "size": "32MiB"}
PART = dataclasses.replace(WHOLE, node="/dev/vdb1", devnum="254:1", whole="/dev/vdb")


def found(*items: dict[str, Any], **changes: Any) -> tuple[tuple[Found, ...], State]:
    checked = wanted({"partitions": items}).items
    values = {"disks": {}, "disk_of": {}, "places": {item.path: Place() for item in checked}, **changes}
    machine = state(DISK, **values)
    return gathered(checked, machine), machine


def refused(*items: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(VirtiofsError) as refusal:
        check_devices(*found(*items, **changes))
    return str(refusal.value)


def test_one_device_by_two_links() -> None:
    items = ({"label": "a", "device": "/dev/link1"}, {"label": "b", "device": "/dev/link2"})
    message = refused(*items, devices={"a": WHOLE, "b": WHOLE})
    assert message == "b, device: /dev/link2 is /dev/vdb, which a has already"


def test_a_disk_and_a_device_that_are_one() -> None:
    items = ({"label": "a", "device": "/dev/link1"}, {**ON_DISK, "disk": "/dev/link2"})
    message = refused(*items, devices={"a": WHOLE}, disks={"/dev/vdb": DISK}, disk_of={"data": "/dev/vdb"})
    assert message == "data, disk: /dev/link2 is /dev/vdb, which a has already"


@pytest.mark.parametrize("first", ["whole", "part"])
def test_a_device_and_a_partition_of_it(first: str) -> None:
    whole, part = {"label": "whole", "device": "/dev/vdb"}, {"label": "part", "device": "/dev/vdb1"}
    whole_device = dataclasses.replace(WHOLE, whole="/dev/vdb")
    items = (whole, part) if first == "whole" else (part, whole)
    assert "overlap" in refused(*items, devices={"whole": whole_device, "part": PART})


def test_two_partitions_of_one_disk_are_two_devices() -> None:
    other = dataclasses.replace(PART, node="/dev/vdb2", devnum="254:2")
    items = ({"label": "a", "device": "/dev/vdb1"}, {"label": "b", "device": "/dev/vdb2"})
    check_devices(*found(*items, devices={"a": PART, "b": other}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Image("/a/x.img", real="/a/x.img", inode=(1, 2)), Image("/b/y.img", real="/b/y.img", inode=(1, 2))),
        (Image("/a/x.img", real="/c/x.img"), Image("/b/x.img", real="/c/x.img")),
    ],
)
def test_one_file_by_two_names(one: Image, other: Image) -> None:
    items = ({"label": "a", "image": one.path, "size": "64M"}, {"label": "b", "image": other.path, "size": "64M"})
    message = refused(*items, images={"a": one, "b": other})
    assert message == f"b, image: {other.path} is {one.path}, which a has already"
    elsewhere = dataclasses.replace(other, real="/d/x.img", inode=None if other.inode is None else (7, 2))
    check_devices(*found(*items, images={"a": one, "b": elsewhere}))


def test_an_argument_of_mkfs_that_names_a_device() -> None:
    item = {"label": "a", "device": "/dev/vdb", "mkfs_options": ["/x"]}
    message = refused(item, devices={"a": WHOLE}, named_devices={"a": "/x"})
    assert message.startswith("a, mkfs_options: '/x' names a device")


def test_a_partition_of_one_item_as_the_device_of_another() -> None:
    values = {"disks": {"/dev/vdb": DISK}, "disk_of": {"data": "/dev/vdb"}, "devices": {"b": PART}}
    items, _machine = found(ON_DISK, {"label": "b", "device": "/dev/vdb1"}, **values)
    with pytest.raises(VirtiofsError, match="b, device: /dev/vdb1 is the partition of /dev/vdb that data has"):
        check_filesystems(items)


@pytest.mark.parametrize(
    ("kind", "words"), [("LABEL", "has this label already"), ("PARTLABEL", "has this partition name already")]
)
def test_a_label_that_another_device_has(kind: str, words: str) -> None:
    with pytest.raises(VirtiofsError, match=f"data, label: /dev/vdc1 {words}, fstab could mount it instead"):
        planned(there(owners={"data": (Owner("LABEL", "/dev/vdb1", "254:1"), Owner(kind, "/dev/vdc1", "254:33"))}))


def test_an_entry_that_was_made_smaller_than_its_filesystem() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 16 * MIB), node=None, devnum="")
    machine = there(views=views(), disks={"/dev/vdb": Disk("/dev/vdb", GPT, (part,))})
    with pytest.raises(VirtiofsError, match="/dev/vdb has 16 MiB only, and the filesystem in it 32 MiB"):
        planned(machine)


def test_a_device_that_was_made_smaller_than_its_filesystem() -> None:
    cut = dataclasses.replace(WHOLE, content=EXT4, superblock=Superblock(96 * MIB, 1))
    items, _machine = found({"label": "data", "device": "/dev/vdb"}, devices={"data": cut})
    with pytest.raises(VirtiofsError, match="data, size: /dev/vdb has 64 MiB only, and the filesystem in it 96 MiB"):
        check_filesystems(items)


def test_what_an_unfinished_partition_says_of_its_size_means_nothing() -> None:
    part = dataclasses.replace(OURS, extent=Extent(MIB, 16 * MIB), type=UNFINISHED)
    values = {"disks": {"/dev/vdb": Disk("/dev/vdb", GPT, (part,))}, "disk_of": {"data": "/dev/vdb"}}
    items, _machine = found(ON_DISK, **values)
    check_filesystems(items)


def test_a_mount_point_inside_the_share_of_another_call() -> None:
    inside = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 254:1 / /shared/other rw - ext4 /dev/vdb1 rw\n"
    machine = state(Disk("/dev/vdb", WHOLE), views=views(inside), places={"/shared/other/data": Place()})
    with pytest.raises(VirtiofsError, match="inside the share that is mounted on /shared/other"):
        planned(machine, path="/shared/other/data")
