# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The share is gone from the domain while the guest's fstab still has it: the guest boots all the same."""

from __future__ import annotations

import pytest
from proof import domains, mounts


@pytest.fixture(scope="session")
def vm2(machine):
    return machine("vm2").read(
        {
            "fstab": mounts.FSTAB,
            "live": mounts.LIVE,
            "default target": "timeout 60 sh -c 'until systemctl is-active multi-user.target; do sleep 2; done'",
            "emergency": "systemctl is-active emergency.target rescue.target",
        },
        timeout=90,
    )


def test_the_domain_has_no_share_any_more(hv1):
    assert domains.parse(hv1.check("virsh dumpxml vm2")).tags == set()


def test_fstab_still_has_the_line(vm2):
    assert mounts.on(mounts.parse(vm2["fstab"]), "/mnt") is not None


def test_nothing_is_mounted(vm2):
    assert mounts.on(mounts.parse(vm2["live"]), "/mnt") is None


def test_the_guest_reaches_its_default_target(vm2):
    assert vm2["default target"].split()[-1] == "active"


def test_the_guest_is_in_no_emergency(vm2):
    assert set(vm2["emergency"].split()) == {"inactive"}
