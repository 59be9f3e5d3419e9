# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten shares reached a guest that went on running, and bytes go through each of them both ways."""

from __future__ import annotations

import pytest
from proof import domains, many, mounts


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
        }
    )


@pytest.fixture(scope="session")
def in_guest(vm1):
    return vm1.read(
        {
            "live": mounts.LIVE,
            "fstab": mounts.FSTAB,
            "boot": "cat /proc/sys/kernel/random/boot_id",
            "boot before": "cat /root/proof-boot-before",
        }
    )


@pytest.fixture(scope="session")
def written_by_host(hv1):
    return many.write(hv1, many.HOST, "host")


@pytest.fixture(scope="session")
def written_by_guest(vm1):
    return many.write(vm1, many.GUEST, "guest")


@pytest.fixture(scope="session")
def read_by_guest(vm1, written_by_host):
    return many.read(vm1, many.GUEST, "host")


@pytest.fixture(scope="session")
def read_by_host(hv1, written_by_guest):
    return many.read(hv1, many.HOST, "guest")


def test_the_guest_was_not_rebooted(in_guest):
    assert in_guest["boot"].strip()
    assert in_guest["boot"] == in_guest["boot before"]


def test_qemu_was_not_restarted(on_host):
    assert on_host["qemu"].strip()
    assert on_host["qemu"] == on_host["qemu before"]


@pytest.mark.parametrize("state", ["running", "defined"])
def test_the_domain_has_all_shares(on_host, state):
    assert domains.parse(on_host[state]).tags == {"before", *many.TAGS}


@pytest.mark.parametrize("where", ["live", "fstab"])
@pytest.mark.parametrize("number", many.NUMBERS)
def test_the_share_is_mounted_now_and_at_boot(in_guest, number, where):
    mount = mounts.on(mounts.parse(in_guest[where]), many.GUEST.format(number))
    assert mount is not None
    assert (mount.source, mount.fstype) == (f"many{number}", "virtiofs")


@pytest.mark.parametrize("number", many.NUMBERS)
def test_what_the_host_writes_the_guest_reads(written_by_host, read_by_guest, number):
    assert len(written_by_host[number]) == many.FILES
    assert read_by_guest[number] == written_by_host[number]


@pytest.mark.parametrize("number", many.NUMBERS)
def test_what_the_guest_writes_the_host_reads(written_by_guest, read_by_host, number):
    assert len(written_by_guest[number]) == many.FILES
    assert read_by_host[number] == written_by_guest[number]


def test_no_two_shares_hold_the_same(written_by_host, written_by_guest, read_by_host, read_by_guest):
    for side in (written_by_host, written_by_guest):
        assert len({checksum for files in side.values() for checksum in files.values()}) == 10 * many.FILES
