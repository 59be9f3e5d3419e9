# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The original recipe's memory: a file in memory_backing_dir and a NUMA cell."""

from __future__ import annotations

import pytest
from proof import domains, mounts
from proof.exchange import exchange

FOLDER = "/var/lib/libvirt/memory"


@pytest.fixture(scope="session")
def vm3(machine):
    return machine("vm3")


@pytest.fixture(scope="session")
def on_host(hv1):
    return hv1.read(
        {
            "running": "virsh dumpxml vm3",
            "defined": "virsh dumpxml vm3 --inactive",
            "mapped": "grep --only-matching --extended-regexp '/.*' /proc/$(cat /run/libvirt/qemu/vm3.pid)/maps",
            "arguments": "tr '\\0' '\\n' </proc/$(cat /run/libvirt/qemu/vm3.pid)/cmdline",
            "qemu.conf": "grep --extended-regexp '^memory_backing_dir' /etc/libvirt/qemu.conf",
            "failed units": "systemctl --failed --plain --no-legend",
            "other guests": "for vm in vm1 vm2; do virsh domstate $vm; done",
        }
    )


@pytest.fixture(scope="session")
def exchanged(hv1, vm3):
    return exchange(hv1, "/srv/proof/filed", vm3, "/mnt")


@pytest.mark.parametrize("state", ["running", "defined"])
def test_the_memory_of_the_domain_is_a_shared_file(on_host, state):
    domain = domains.parse(on_host[state])
    assert domain.memory_source == "file"
    assert "shared" in (domain.memory_access, *domain.cell_access)


@pytest.mark.parametrize("state", ["running", "defined"])
def test_the_domain_has_one_numa_cell_with_shared_access(on_host, state):
    assert domains.parse(on_host[state]).cell_access == ("shared",)


def test_qemu_uses_a_file_in_the_folder_that_was_asked_for(on_host):
    assert any(f'"mem-path":"{FOLDER}/' in line for line in on_host["arguments"].splitlines())


def test_qemu_has_mapped_that_file(on_host):
    assert any(path.startswith(f"{FOLDER}/") for path in on_host["mapped"].splitlines())


def test_qemu_conf_names_the_folder(on_host):
    assert on_host["qemu.conf"].split() == ["memory_backing_dir", "=", f'"{FOLDER}"']


def test_the_restart_of_the_daemon_left_the_other_guests_running(on_host):
    assert on_host["other guests"].split() == ["running", "running"]


def test_no_unit_of_the_hypervisor_has_failed(on_host):
    assert on_host["failed units"].strip() == ""


def test_the_share_is_mounted(vm3):
    mount = mounts.on(mounts.parse(vm3.check(mounts.LIVE)), "/mnt")
    assert mount is not None
    assert (mount.source, mount.fstype) == ("filed", "virtiofs")


@pytest.mark.parametrize("way", ["to_host", "to_guest"])
def test_every_file_arrives_whole(exchanged, way):
    one = getattr(exchanged, way)
    assert len(one.written) > 200
    assert one.unlike == {}
