# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the hypervisor each share has its own hardened partition."""

from __future__ import annotations

from proof import mounts


def test_each_share_has_a_partition_of_the_one_disk_to_itself(on_host):
    paths = {on_host.devices[f"proof_{name}"]["path"] for name in ("vm1", "vm2", "vm3")}
    assert len(paths) == 3
    assert len({path.rpartition("p")[0] for path in paths}) == 1


def test_the_partition_has_the_size_that_was_asked_for(on_host):
    assert on_host.devices["proof_vm1"]["size"] == 1024**3
    assert abs(on_host.devices["proof_vm2"]["size"] - 12 * 1024**3 / 4) <= 1024**2
    assert on_host.devices["proof_vm3"]["size"] > 7 * 1024**3


def test_the_partition_is_named_like_its_filesystem(on_host, name):
    device = on_host.devices[f"proof_{name}"]
    assert (device["label"], device["partlabel"], device["fstype"]) == (f"proof_{name}", f"proof_{name}", "ext4")


def test_one_percent_of_the_blocks_is_reserved(on_host, name):
    assert 0.9 < on_host.reserved[name] < 1.1


def test_the_partition_is_mounted_below_the_shares_root(on_host, name):
    mount = mounts.on(on_host.live, f"/shared/proof_{name}")
    assert mount is not None
    assert mount.source == on_host.devices[f"proof_{name}"]["path"]


def test_the_host_opens_no_device_and_honours_no_set_uid_bit_of_a_guest(on_host, name):
    mount = mounts.on(on_host.live, f"/shared/proof_{name}")
    assert mount is not None
    assert {"rw", "noatime", "nosuid", "nodev"} <= mount.options


def test_fstab_finds_the_filesystem_by_its_label(on_host, name):
    line = mounts.on(on_host.fstab, f"/shared/proof_{name}")
    assert line is not None
    assert line.source == f"LABEL=proof_{name}"


def test_fstab_keeps_the_mount_options(on_host, name):
    line = mounts.on(on_host.fstab, f"/shared/proof_{name}")
    assert line is not None
    assert {"rw", "noatime", "nosuid", "nodev"} <= line.options


def test_the_host_boots_without_the_disk(on_host, name):
    line = mounts.on(on_host.fstab, f"/shared/proof_{name}")
    assert line is not None
    assert "nofail" in line.options


def test_only_root_can_enter_the_shares_root(on_host):
    assert on_host.root == "root 700"
