# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_partition is asked for, checked before anything is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import PARTITION_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._partition import wanted as partition_wanted
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Wanted


def wanted(*items: dict[str, Any], **options: Any) -> Wanted:
    return partition_wanted.wanted({"partitions": items, **options})


def one(**options: Any) -> dict[str, Any]:
    return {"label": "data", "disk": "/dev/vdb", "size": "1GiB", **options}


def test_defaults() -> None:
    asked = wanted(one())
    (item,) = asked.items
    assert (asked.root, asked.root_mode, asked.fstab) == ("/shared", 0o700, "/etc/fstab")
    assert (item.path, item.new_fstype) == ("/shared/data", "ext4")
    assert item.entry("ext4", None) == Entry("LABEL=data", "/shared/data", "ext4", PARTITION_OPTIONS, 0, 2)
    assert {"rw", "noatime", "nosuid", "nodev", "nofail", "x-systemd.device-timeout=30s"} <= set(PARTITION_OPTIONS)


def test_what_is_left_out_stays_in_fstab_but_hardening_is_added_back() -> None:
    (item,) = wanted(one()).items
    there = Entry("LABEL=data", "/shared/data", "ext4", ("ro", "noauto"), 1, 0)
    assert item.entry("ext4", there) == Entry(
        "LABEL=data", "/shared/data", "ext4", ("ro", "noauto", "nosuid", "nodev"), 1, 0
    )


def test_given_options_replace_the_list() -> None:
    (item,) = wanted(one(mount_options=["ro"])).items
    assert item.options(("rw", "nofail")) == ("ro", "nosuid", "nodev")
    (item,) = wanted(one(mount_options=["ro", "suid"], allow_suid=True)).items
    assert item.options(None) == ("ro", "suid", "nodev")


def test_an_image_requires_its_unit() -> None:
    (item,) = wanted({"label": "a-b", "image": "/var/x.img", "size": "1G"}).items
    assert item.options(None)[-1] == "x-systemd.requires=virtiofs-image-a\\x2db.service"


def test_owner_group_and_mode() -> None:
    (item,) = wanted(one(owner="alice", group="50", mode="2770")).items
    assert (item.owner, item.group, item.mode) == ("alice", "50", 0o2770)
    (item,) = wanted(one()).items
    assert (item.owner, item.group, item.mode) == (None, None, None)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (one(label=""), "empty label"),
        (one(label="a/b"), "'a/b', label"),
        (one(label="a b"), "label"),
        (one(label="a\nb"), "label"),
        (one(label='a"b'), "label"),
        (one(label="dät"), "label"),
        (one(label=".."), "label"),
        (one(label="a" * 17), "data|a{17}, label: it has 17 bytes, ext4 keeps 16"),
        (one(label="a" * 13, fstype="xfs"), "label: it has 13 bytes, xfs keeps 12"),
        (one(size="5MiB"), "data, size: ext4 needs at least 8 MiB"),
        (one(size="100MiB", fstype="xfs"), "data, size: xfs needs at least 300 MiB"),
        (one(size="lots"), "data, size: 'lots' is not a size"),
        (one(size=None), "data, size: the disk needs one"),
        (one(device="/dev/vdc"), "data, device: give either disk or device"),
        ({"label": "data"}, "data, disk: with state present"),
        ({"label": "data", "state": "wiped"}, "data, disk: with state wiped"),
        ({"label": "data", "device": "/dev/vdb", "size": "1G"}, "data, size: a device is used whole"),
        ({"label": "data", "image": "/x.img", "size": "50%"}, "data, size: an image needs a size of its own"),
        (one(disk="vdb"), "data, disk: 'vdb' is not an absolute path"),
        (one(path="/"), "data, path: '/' is a system directory"),
        (one(path="/etc"), "data, path: '/etc' is a system directory"),
        (one(path="srv/x"), "data, path: 'srv/x' is not an absolute path"),
        (one(path="/srv/../etc"), r"data, path: '/srv/../etc' contains '\.\.'"),
        (one(path="/srv/a\nb"), "data, path: .* control character"),
        (one(reserved_percent=51), "data, reserved_percent: 51 is not from 0 to 50"),
        (one(reserved_percent=1, fstype="btrfs"), "data, reserved_percent: only ext4"),
        (one(passno=10), "data, passno"),
        (one(mount_options=["suid"]), "data, mount_options: suid .* allow_suid: true"),
        (one(mount_options=["rw", "dev"]), "data, mount_options: dev .* allow_dev: true"),
        (one(mount_options=["rw,suid"]), "data, mount_options: 'rw,suid' is more than one option"),
        (one(mount_options=["rw\n/dev/x / ext4"]), "data, mount_options: .* control character"),
        (one(mkfs_options=[""]), "data, mkfs_options"),
        (one(fstype="btrfs", mkfs_options=["/dev/vdc"]), "data, mkfs_options: '/dev/vdc' names a device"),
        (one(mkfs_options=["-L", "other"]), "data, mkfs_options: '-L' would replace the label"),
        (one(mkfs_options=["-Uclear"]), "data, mkfs_options: '-Uclear' would replace the label or the UUID"),
        (one(fstype="btrfs", mkfs_options=["--uuid=x"]), "data, mkfs_options: '--uuid=x' would replace"),
        (one(mkfs_options=["-J", "device=/dev/vdc"]), "data, mkfs_options: 'device=/dev/vdc' names a device"),
        (one(fstype="btrfs", mkfs_options=["dev/vdc"]), "data, mkfs_options: 'dev/vdc' names a device"),
        (one(fstype="xfs", mkfs_options=["-llogdev=dev/vdc"]), "data, mkfs_options: '-llogdev=dev/vdc' names a device"),
        (one(mount_options=["x-systemd.automount"]), "data, mount_options: x-systemd.automount mounts it when it is"),
        (one(mount_options=["X-mount.subdir=a"]), "data, mount_options: 'X-mount.subdir=a' would mount a part"),
        (one(mount_options=["ro", "loop"]), "data, mount_options: 'loop' would mount something else"),
        (one(mount_options=["offset=4096"]), "data, mount_options: 'offset=4096' would mount something else"),
        (one(mount_options=["bind"]), "data, mount_options: 'bind' would mount something else"),
        (one(mode=0o755), "data, mode: 493 is not a mode"),
        (one(mode="999"), "data, mode: '999' is not a mode"),
    ],
)
def test_bad_items_are_named_with_the_option(item: dict[str, Any], words: str) -> None:
    with pytest.raises(VirtiofsError, match=words):
        wanted(item)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ((one(), one()), "data, label: two items have it"),
        ((one(), one(label="b", path="/shared/data/sub")), "b, path: .* are nested"),
        ((one(size="rest"), one(label="b")), "data, size: rest is for the last item of a disk, see b"),
        ((one(size="60%"), one(label="b", size="50%")), "b, size: the items of /dev/vdb add up to 110%"),
        (
            ({"label": "a", "device": "/dev/vdb"}, {"label": "b", "device": "/dev/vdb"}),
            "b, device: a has /dev/vdb already",
        ),
        (
            (one(), {"label": "b", "image": "/shared/data/x.img", "size": "1G"}),
            "b, image: /shared/data/x.img is inside the share data",
        ),
        (
            ({"label": "b", "image": "/shared/of-another-call/x.img", "size": "1G"},),
            "b, image: /shared/of-another-call/x.img is inside /shared, where guests write",
        ),
    ],
)
def test_items_are_checked_against_each_other(items: tuple[dict[str, Any], ...], words: str) -> None:
    with pytest.raises(VirtiofsError, match=words):
        wanted(*items)


@pytest.mark.parametrize("state", ["absent", "unmounted"])
@pytest.mark.parametrize("image", ["/shared/x.img", "/shared/data/x.img", "/shared/b/x.img"])
def test_an_image_where_guests_write_can_be_taken_away(state: str, image: str) -> None:
    wanted(one(), {"label": "b", "image": image, "state": state})


def test_an_image_is_deleted_beside_the_shares_but_not_where_a_guest_can_exchange_directories() -> None:
    wanted({"label": "b", "image": "/shared/x.img", "state": "wiped"})
    with pytest.raises(VirtiofsError, match=r"b, image: .* is inside /shared, where guests write"):
        wanted({"label": "b", "image": "/shared/other/x.img", "state": "wiped"})


@pytest.mark.parametrize("root", ["/", "/srv", "/home", "/mnt", "/etc/x", "/proc/x", "/usr/share/x", "shared", "/a/.."])
def test_a_root_that_belongs_to_the_system(root: str) -> None:
    with pytest.raises(VirtiofsError, match="root: "):
        wanted(one(), root=root)


def test_a_mount_point_outside_the_root_is_warned_about() -> None:
    asked = wanted(one(path="/srv/data"), one(label="b"))
    assert len(partition_wanted.outside(asked.items, asked.root)) == 1


@pytest.mark.parametrize(("path", "root"), [("/shared/", "/shared"), ("/data", "/data/shared")])
def test_a_mount_point_that_would_hide_the_root_is_refused(path: str, root: str) -> None:
    item = one(path=path)
    with pytest.raises(VirtiofsError, match=f"data, path: {path.rstrip('/')} would hide the root {root}"):
        wanted(item, root=root)
    # One that was put there before can be taken away.
    wanted({**item, "state": "absent"}, root=root)
