# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a filesystem, from what all processes see."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views, is_on, same_filesystem
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, parse
from ansible_collections.virtio.fs.tests.unit.made_up_disk import MOUNTED, views

ROOT = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
DAEMON = "9 8 254:1 / / rw master:2 - ext4 /dev/vdb1 rw\n"
# A subvolume has a number of its own, which is that of no device.
BTRFS = ROOT + "2 1 0:45 /@ /shared/data rw - btrfs /dev/mapper/vg-data rw,subvol=/@\n"


def on(seen: Views, path: str) -> Mount:
    (mount,) = (mount for mount in seen.ours.mounts if mount.path == path)
    return mount


def test_a_mount_is_on_the_device_of_its_number() -> None:
    data = on(views(MOUNTED), "/shared/data")
    assert views().is_on(data, "254:1", "/dev/other")
    assert not views().is_on(data, "254:2", "/dev/vdb1")


def test_a_subvolume_is_on_the_device_that_its_source_is() -> None:
    data = on(views(BTRFS), "/shared/data")
    assert is_on(data, "253:0", "/dev/mapper/vg-data", {})
    assert not is_on(data, "253:0", "/dev/dm-0", {})
    assert is_on(data, "253:0", "/dev/dm-0", {"/dev/mapper/vg-data": "253:0"})
    assert not is_on(data, "253:1", "/dev/dm-1", {"/dev/mapper/vg-data": "253:0"})
    seen = replace(views(BTRFS), devnums={"/dev/mapper/vg-data": "253:0"})
    assert seen.anywhere("253:0", "/dev/dm-0") == ("mounted on /shared/data",)


def test_two_subvolumes_are_of_one_filesystem() -> None:
    one, other = parse(
        "2 1 0:45 /a /a rw - btrfs /dev/vdb1 rw,subvol=/a\n3 1 0:46 /b /b rw - btrfs /dev/vdb1 rw,subvol=/b\n"
    )
    assert same_filesystem(one, other)
    assert not same_filesystem(one, replace(other, source="/dev/vdc1"))
    assert not same_filesystem(one, replace(other, fstype="overlay"))


def test_who_has_a_device() -> None:
    seen = replace(views(MOUNTED, DAEMON), writers={"254:1": ("qemu (process 8)",)})
    assert seen.anywhere("254:1", "/dev/vdb1") == (
        "mounted on /shared/data",
        "mounted on / by virtiofsd (process 7)",
        "open for writing in qemu (process 8)",
    )
    assert seen.anywhere("254:9", "/dev/vdb9") == ()


def test_who_keeps_a_filesystem_when_our_mount_of_it_goes() -> None:
    daemon = views(MOUNTED, DAEMON)
    assert daemon.outliving(on(daemon, "/shared/data")) == ("virtiofsd (process 7) has it mounted on /",)
    twice = views(MOUNTED + "3 1 254:1 / /srv rw - ext4 /dev/vdb1 rw\n")
    assert twice.outliving(on(twice, "/shared/data")) == ("it is also mounted on /srv",)
    assert views(MOUNTED).outliving(on(views(MOUNTED), "/shared/data")) == ()


def test_a_copy_under_a_parent_that_follows_ours_goes_when_ours_goes() -> None:
    copy = "11 10 8:1 / / rw master:1 - ext4 /dev/sda1 rw\n12 11 254:1 / /shared/data rw - ext4 /dev/vdb1 rw\n"
    service = views(MOUNTED, copy)
    assert service.outliving(on(service, "/shared/data")) == ()
    elsewhere = views(MOUNTED, copy.replace("/shared/data", "/srv"))
    assert elsewhere.outliving(on(elsewhere, "/shared/data")) == ("virtiofsd (process 7) has it mounted on /srv",)
    private = views(MOUNTED, copy.replace(" master:1", ""))
    assert private.outliving(on(private, "/shared/data")) != ()
