# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a scenario finds it: real machines that have nothing of ours yet."""

from __future__ import annotations

import pytest
from proof.machine import Machine

GUESTS = ("vm1", "vm2", "vm3")


def test_the_hypervisor_runs_its_own_systemd_without_failed_units(hv1: Machine) -> None:
    assert hv1.check("cat /proc/1/comm").strip() == "systemd"
    assert hv1.check("systemctl --failed --no-legend --plain").strip() == ""


def test_the_hypervisor_runs_the_guests_in_its_own_libvirt(hv1: Machine) -> None:
    assert sorted(hv1.check("virsh --connect qemu:///system list --name").split()) == sorted(GUESTS)


@pytest.mark.parametrize("name", GUESTS)
def test_no_domain_has_a_share_or_shared_memory(hv1: Machine, name: str) -> None:
    definition = hv1.check(f"virsh --connect qemu:///system dumpxml --inactive {name}")
    assert "<filesystem" not in definition
    assert "<memoryBacking" not in definition


def test_the_disk_for_shares_is_blank(hv1: Machine) -> None:
    assert hv1.check("blkid --probe /dev/disk/by-id/lab-hv1-disk0 || test $? = 2") == ""


@pytest.mark.parametrize("package", ["virtiofsd", "python3-libvirt", "python3-lxml"])
def test_the_hypervisor_lacks_what_the_role_installs(hv1: Machine, package: str) -> None:
    assert hv1.sh(f"dpkg --status {package}").returncode != 0


def test_the_guests_answer_from_kernels_of_their_own(guests: tuple[Machine, ...]) -> None:
    boots = {guest.check("cat /proc/sys/kernel/random/boot_id") for guest in guests}
    assert len(boots) == len(GUESTS)
    for guest in guests:
        assert guest.check("hostname").strip() == guest.name
        assert guest.check("grep --count virtiofs /proc/self/mounts /etc/fstab || true").splitlines() == [
            "/proc/self/mounts:0",
            "/etc/fstab:0",
        ]
