# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole playbook in check mode, on a hypervisor that has its domains and nothing of ours yet."""

from __future__ import annotations

import disks
import pytest
import topology
from proof.fingerprint import bytes_of_sparse_file
from proof.machine import at_once
from proof.playbook import play

NAMES = ("vm1", "vm2", "vm3")
ON_HOST = {
    "fstab": "cat /etc/fstab; stat -c '%i %y' /etc/fstab",
    "qemu.conf": "cat /etc/libvirt/qemu.conf; stat -c '%i %y' /etc/libvirt/qemu.conf",
    "packages": "dpkg-query --show",
    "directories": "ls -d /shared /srv/* /var/lib/virtiofs /var/lib/libvirt/memory 2>&1",
    "mounts": "findmnt --list --noheadings --output TARGET,SOURCE,OPTIONS",
    "partitions": "lsblk --noheadings --list --output NAME,SIZE,TYPE,FSTYPE,LABEL /dev/disk/by-id/lab-hv1-disk0",
    "libvirt daemon": "systemctl show libvirtd.service --property=MainPID",
    **{f"definition of {name}": f"virsh dumpxml {name} --inactive --security-info" for name in NAMES},
    **{f"running {name}": f"virsh dumpxml {name} --security-info" for name in NAMES},
}
IN_GUEST = {
    "fstab": "cat /etc/fstab; stat -c '%i %y' /etc/fstab",
    "mounts": "findmnt --list --noheadings --output TARGET,SOURCE,OPTIONS",
    "directories": "ls -d /mnt/* /srv/* 2>&1",
    "boot": "cat /proc/sys/kernel/random/boot_id",
}


@pytest.fixture(scope="session")
def lab(hv1, guests):
    """Looks at everything that could change."""
    image = disks.folder(topology.hypervisor("hv1")) / "disk0"

    def look():
        seen = {f"hv1: {what}": text for what, text in hv1.read(ON_HOST).items()}
        for name, facts in at_once(guests, lambda guest: guest.read(IN_GUEST)).items():
            seen |= {f"{name}: {what}": text for what, text in facts.items()}
        hv1.check("sync")
        return {**seen, "hv1: bytes of the disk": bytes_of_sparse_file(image)}

    return look


@pytest.fixture(scope="session")
def observed(lab):
    """Everything before, the playbook, everything after."""
    before = lab()
    run = play("virtio.fs.share", options=("--check", "--diff"))
    return before, run, lab()


@pytest.fixture(scope="session")
def dry_run(observed):
    return observed[1]


def test_nothing_of_ours_is_on_the_hypervisor(observed):
    installed = {line.split()[0] for line in observed[0]["hv1: packages"].splitlines()}
    assert not installed & {"virtiofsd", "python3-libvirt", "python3-lxml"}


def test_the_dry_run_succeeds(dry_run):
    assert [(one.host, one.task, one.message) for one in dry_run.failures()] == []
    assert dry_run.returncode == 0


@pytest.mark.parametrize("what", [f"hv1: {fact}" for fact in (*ON_HOST, "bytes of the disk")])
def test_the_hypervisor_is_as_before(observed, what):
    before, dummy, after = observed
    assert after[what] == before[what]


@pytest.mark.parametrize("fact", IN_GUEST)
@pytest.mark.parametrize("name", NAMES)
def test_the_guest_is_as_before(observed, name, fact):
    before, dummy, after = observed
    assert after[f"{name}: {fact}"] == before[f"{name}: {fact}"]


def test_it_shows_that_packages_would_be_installed(dry_run):
    assert any(one.changed and "package" in one.task.lower() for one in dry_run.results if one.host == "hv1")


@pytest.mark.parametrize("label", ["proof_vm1", "proof_vm2"])
def test_it_shows_the_partition_that_would_be_made(dry_run, label):
    (result,) = dry_run.of("virtiofs_partition", "hv1")
    assert result.changed
    assert any(label in action for action in result.actions), result.actions


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_the_domain_that_would_change(dry_run, name):
    (result,) = dry_run.of("virtiofs_domain", "hv1")
    assert result.changed
    assert any(name in action for action in result.actions), result.actions


@pytest.mark.parametrize(("name", "tag"), [("vm1", "vm1"), ("vm2", "vm2"), ("vm3", "media")])
def test_it_shows_the_mount_that_would_be_made_in_the_guest(dry_run, name, tag):
    (result,) = dry_run.of("virtiofs_guest_mount", name)
    assert result.changed
    assert any(tag in action for action in result.actions), result.actions


def test_it_shows_the_guests_fstab_as_it_would_be(dry_run):
    (result,) = dry_run.of("virtiofs_guest_mount", "vm3")
    (change,) = [one for one in result.returned["diff"] if one["after_header"] == "media on /srv/media"]
    assert "fstab: no" in change["before"]
    assert "fstab: rw,_netdev,nosuid,nodev,nofail" in change["after"]
