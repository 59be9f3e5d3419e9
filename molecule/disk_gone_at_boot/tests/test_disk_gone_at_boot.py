# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk is gone when the hypervisor boots: it boots, and no guest fills the root filesystem instead."""

from __future__ import annotations

import pytest
from proof import mounts


@pytest.fixture(scope="session")
def on_host(hv1):
    return hv1.read(
        {
            "live": mounts.LIVE,
            "fstab": mounts.FSTAB,
            "emergency": "systemctl is-active emergency.target rescue.target",
            "libvirt": "virsh list --all",
            "bare directory": "touch /shared/proof_gone/on-the-root-filesystem; ls -A /shared/proof_gone",
            "state": "virsh domstate vm1",
        }
    )


def test_the_hypervisor_boots_into_no_emergency(on_host):
    assert set(on_host["emergency"].split()) == {"inactive"}


def test_libvirt_answers(on_host):
    assert "vm1" in on_host["libvirt"]


def test_the_filesystem_is_not_mounted(on_host):
    assert mounts.on(mounts.parse(on_host["live"]), "/shared/proof_gone") is None


def test_fstab_still_names_it(on_host):
    assert mounts.on(mounts.parse(on_host["fstab"]), "/shared/proof_gone") is not None


def test_nobody_can_write_to_the_directory_below_it(on_host):
    assert "not permitted" in on_host["bare directory"]
    assert "on-the-root-filesystem" not in on_host["bare directory"].split(":")[-1].splitlines()


def test_no_guest_writes_to_the_root_filesystem(on_host, hv1, machine):
    assert on_host["state"].strip() == "running"
    tried = machine("vm1").sh("findmnt --types virtiofs /srv/partition && echo x >/srv/partition/lost")
    assert "not permitted" in tried.stderr
    assert hv1.sh("ls -A /shared/proof_gone").text == ""


@pytest.fixture(scope="session")
def late(on_host, hv1):
    """The filesystem is found after all, as a disk is that was switched on too late."""
    disk = "/dev/disk/by-id/lab-hv1-disk0-part1"
    hv1.check(f"e2label {disk} proof_gone; udevadm trigger --action=add $(readlink -f {disk}); udevadm settle")
    hv1.check("mount /shared/proof_gone")
    return mounts.parse(hv1.check(mounts.LIVE))


def test_a_disk_that_comes_later_needs_no_more_than_a_mount(late):
    mount = mounts.on(late, "/shared/proof_gone")
    assert mount is not None
    assert {"nosuid", "nodev"} <= mount.options
