# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After ten shares were plugged in, the guest still boots and answers, and has all of them."""

from __future__ import annotations

import pytest
from proof import many, mounts
from proof.playbook import play


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def in_guest(vm1):
    return vm1.read(
        {
            "live": mounts.LIVE,
            "boot": "cat /proc/sys/kernel/random/boot_id",
            "boot before": "cat /root/proof-boot-before; rm /root/proof-boot-before",
            "failed": "systemctl --failed --no-legend --plain",
        }
    )


@pytest.fixture(scope="session")
def contents(hv1, vm1):
    """Of each share, what either side sees of what the guest and the host had written before the reboot."""
    sides = {}
    for side in ("host", "guest"):
        sides[side] = many.read(hv1, many.HOST, side), many.read(vm1, many.GUEST, side)
    return sides


def test_the_guest_was_rebooted(in_guest):
    assert in_guest["boot"].strip()
    assert in_guest["boot"] != in_guest["boot before"]


def test_no_unit_failed(in_guest):
    assert in_guest["failed"].strip() == ""


@pytest.mark.parametrize("number", many.NUMBERS)
def test_the_mount_is_back(in_guest, number):
    mount = mounts.on(mounts.parse(in_guest["live"]), many.GUEST.format(number))
    assert mount is not None
    assert (mount.source, mount.fstype) == (f"many{number}", "virtiofs")


@pytest.mark.parametrize("side", ["host", "guest"])
def test_the_contents_are_those_of_before(contents, side):
    seen_by_host, seen_by_guest = contents[side]
    assert [len(files) for files in seen_by_host.values()] == [many.FILES] * 10
    assert seen_by_guest == seen_by_host


def test_a_run_after_the_reboot_changes_nothing():
    run = play("virtio.fs.share", limit="hv1,vm1")
    assert run.returncode == 0, run.output[-3000:]
    assert [(one.host, one.task) for one in run.results if one.changed] == []
