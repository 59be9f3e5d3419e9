# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare Debian 12 or 13 becomes a hypervisor that can share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from proof.machine import Machine

DAEMONS = {"bare12": "/usr/lib/qemu/virtiofsd", "bare13": "/usr/libexec/virtiofsd"}


@pytest.fixture(scope="module", params=sorted(DAEMONS))
def bare(request: pytest.FixtureRequest, machine: Callable[[str], Machine]) -> Machine:
    """One of the two machines."""
    return machine(request.param)


def test_libvirt_and_qemu_answer(bare: Machine) -> None:
    said = bare.check("virsh --connect qemu:///system version --daemon")
    assert "hypervisor: QEMU" in said
    assert "daemon:" in said


def test_virtiofsd_is_where_this_release_has_it(bare: Machine) -> None:
    bare.check(f"test -x {DAEMONS[bare.name]}")


def test_the_python_of_the_machine_has_libvirt_and_lxml(bare: Machine) -> None:
    bare.check("/usr/bin/python3 -c 'import libvirt, lxml.etree'")


def test_the_filesystem_is_mounted_hardened(bare: Machine) -> None:
    source, options = bare.check("findmnt --noheadings --output LABEL,OPTIONS /shared/proof_own").split()
    assert source == "proof_own"
    assert {"nosuid", "nodev", "noatime"} <= set(options.split(","))


def test_only_root_can_enter_the_root_of_the_shares(bare: Machine) -> None:
    assert bare.check("stat --format '%a %U' /shared").strip() == "700 root"


def test_the_plain_directory_has_its_mode(bare: Machine) -> None:
    assert bare.check("stat --format '%a' /srv/proof/plain").strip() == "750"


def test_no_unit_failed(bare: Machine) -> None:
    assert bare.check("systemctl --failed --no-legend --plain").strip() == ""
