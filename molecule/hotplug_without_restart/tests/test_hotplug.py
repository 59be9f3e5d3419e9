# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second share, a plain directory, reached a guest that went on running."""

from __future__ import annotations

import pytest
from proof import domains, mounts
from proof.exchange import exchange


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def on_host(hv1):
    return hv1.read(
        {
            "running": "virsh dumpxml vm1",
            "defined": "virsh dumpxml vm1 --inactive",
            "qemu": "cat /run/libvirt/qemu/vm1.pid",
            "qemu before": "cat /run/proof-qemu-before",
            "directory": "stat -c '%U %a %m' /srv/proof/second",
        }
    )


@pytest.fixture(scope="session")
def in_guest(vm1):
    return vm1.read(
        {
            "live": mounts.LIVE,
            "fstab": mounts.FSTAB,
            "boot": "cat /proc/sys/kernel/random/boot_id",
            "boot before": "cat /run/proof-boot-before",
        }
    )


@pytest.fixture(scope="session")
def exchanged(hv1, vm1):
    return exchange(hv1, "/srv/proof/second", vm1, "/srv/second")


def test_the_guest_was_not_rebooted(in_guest):
    assert in_guest["boot"].strip()
    assert in_guest["boot"] == in_guest["boot before"]


def test_qemu_was_not_restarted(on_host):
    assert on_host["qemu"].strip()
    assert on_host["qemu"] == on_host["qemu before"]


@pytest.mark.parametrize("state", ["running", "defined"])
def test_the_domain_has_both_shares(on_host, state):
    assert domains.parse(on_host[state]).tags == {"first", "second"}


def test_the_directory_was_made_for_root_and_readable(on_host):
    assert on_host["directory"].split()[:2] == ["root", "755"]


@pytest.mark.parametrize("tag", ["first", "second"])
def test_the_share_is_mounted(in_guest, tag):
    mount = mounts.on(mounts.parse(in_guest["live"]), f"/srv/{tag}")
    assert mount is not None
    assert (mount.source, mount.fstype) == (tag, "virtiofs")


@pytest.mark.parametrize("tag", ["first", "second"])
def test_the_share_is_in_fstab(in_guest, tag):
    line = mounts.on(mounts.parse(in_guest["fstab"]), f"/srv/{tag}")
    assert line is not None
    assert (line.source, line.fstype) == (tag, "virtiofs")


@pytest.mark.parametrize("way", ["to_host", "to_guest"])
def test_every_file_arrives_whole(exchanged, way):
    one = getattr(exchanged, way)
    assert len(one.written) > 200
    assert one.unlike == {}
