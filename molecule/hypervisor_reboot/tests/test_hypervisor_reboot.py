# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor was rebooted: mounts, loop images and the guest are back, and contents verify."""

from __future__ import annotations

import pytest
from proof import mounts
from proof.exchange import crosses

SHARES = pytest.mark.parametrize("share", ["partition", "image", "plain"])
STORAGE = pytest.mark.parametrize(("share", "path"), [("partition", "proof_reboot"), ("image", "proof_image")])


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def on_host(hv1):
    return hv1.read(
        {
            "live": mounts.LIVE,
            "failed units": "systemctl --failed --plain --no-legend",
            "root": "stat -c '%U %a' /shared",
            "loops": "losetup --noheadings --output NAME --associated /var/lib/proof/image.raw",
            "attached": (
                "cat /var/lib/proof/before; for loop in $(losetup -nO NAME -j /var/lib/proof/image.raw); do "
                'cat "/sys/block/${loop#/dev/}/diskseq"; done'
            ),
            "unit": "systemctl show -P ActiveState -P Result virtiofs-image-proof_image.service",
        }
    )


@pytest.fixture(scope="session")
def in_guest(vm1):
    facts = {"live": mounts.LIVE}
    for share in ("partition", "image", "plain"):
        facts[share] = f"cat /root/proof-{share}; cd /srv/{share} && sha256sum data"
    return vm1.read(facts)


def test_no_unit_of_the_hypervisor_has_failed(on_host):
    assert on_host["failed units"].strip() == ""


@STORAGE
def test_the_hypervisor_has_mounted_it_again(on_host, share, path):
    mount = mounts.on(mounts.parse(on_host["live"]), f"/shared/{path}")
    assert mount is not None
    assert {"nosuid", "nodev"} <= mount.options


def test_the_image_has_one_loop_device_and_it_is_a_new_one(on_host):
    (loop,) = on_host["loops"].split()
    before, now = on_host["attached"].split()
    assert before != now
    mount = mounts.on(mounts.parse(on_host["live"]), "/shared/proof_image")
    assert mount is not None
    assert mount.source == loop


def test_the_unit_has_attached_it(on_host):
    assert set(on_host["unit"].split()) == {"active", "success"}


def test_only_root_can_enter_the_shares_root(on_host):
    assert on_host["root"].strip() == "root 700"


@SHARES
def test_the_guest_has_mounted_it_again(in_guest, share):
    mount = mounts.on(mounts.parse(in_guest["live"]), f"/srv/{share}")
    assert mount is not None
    assert mount.fstype == "virtiofs"


@SHARES
def test_what_the_guest_wrote_is_there(in_guest, share):
    before, after = in_guest[share].splitlines()
    assert after == before


@STORAGE
def test_the_guest_writes_to_the_disk_and_not_to_the_directory_below_it(hv1, vm1, share, path):
    assert crosses(vm1, f"/srv/{share}", hv1, f"/shared/{path}", "guest-to-host")
