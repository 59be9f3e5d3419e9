# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused with one sentence that a person can act on, before anything is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof.machine import at_once
from proof.playbook import play

HERE = Path(__file__).parent.parent
CASES = {
    "Unknown domain": ("hv1", {"nobody"}),
    "Tag of 37 bytes": ("hv1", {"x" * 37, "36"}),
    "Missing source": ("hv1", {"proof", "/srv/proof/nowhere"}),
    "The second of two items is wrong": ("hv1", {"vm2", "/srv/proof/nowhere"}),
    "Disk with an MBR": ("hv1", {"proof_new", "/run/proof/mbr", "dos"}),
    "Disk with a bare filesystem": ("hv1", {"proof_new", "/run/proof/bare", "ext4"}),
    "GPT without room": ("hv1", {"proof_new", "/run/proof/full", "16"}),
    "Disk in use": ("hv1", {"proof_new", "/run/proof/used", "mounted"}),
    "Label already taken": ("hv1", {"proof_bare"}),
    "Tag not there": ("vm1", {"nowhere"}),
    "No virtiofs in the guest": ("vm3", {"virtiofs", "5.4"}),
}
IMAGES = "sync; sha256sum /var/tmp/proof/*"
ON_HOST = {
    "disks": IMAGES,
    "fstab": "cat /etc/fstab; stat -c '%i %y' /etc/fstab",
    "definitions": "for vm in vm1 vm2 vm3; do virsh dumpxml $vm --inactive --security-info; done",
    "directories": "ls -ld /shared /srv/proof/*",
}
IN_GUEST = {
    "fstab": "cat /etc/fstab; stat -c '%i %y' /etc/fstab",
    "directories": "ls /srv",
    "mounts": "findmnt --list --noheadings --output TARGET,SOURCE",
}


@pytest.fixture(scope="session")
def observed(hv1, guests):
    def look():
        on_host = {f"hv1 {what}": text for what, text in hv1.read(ON_HOST).items()}
        in_guests = at_once(guests, lambda guest: guest.read(IN_GUEST))
        return on_host | {f"{name} {what}": text for name, seen in in_guests.items() for what, text in seen.items()}

    before = look()
    run = play(str(HERE / "bad_input.yml"))
    return before, run, look()


@pytest.fixture(params=CASES)
def refused(observed, request):
    host, dummy = CASES[request.param]
    return request.param, next(one for one in observed[1].results if (one.task, one.host) == (request.param, host))


def test_it_is_refused(refused):
    dummy, result = refused
    assert result.status == "failed"
    assert not result.changed


def test_the_sentence_names_what_is_wrong(refused):
    case, result = refused
    missing = {word for word in CASES[case][1] if word not in result.message}
    assert not missing, result.message


def test_it_is_one_sentence_for_a_person(refused):
    dummy, result = refused
    assert "\n" not in result.message.strip()
    assert len(result.message) < 400
    assert "Traceback" not in str(result.returned)
    assert "defect in virtio.fs" not in result.message


@pytest.mark.parametrize(
    "what", [f"hv1 {fact}" for fact in ON_HOST] + [f"{vm} {fact}" for vm in ("vm1", "vm2", "vm3") for fact in IN_GUEST]
)
def test_nothing_was_changed(observed, what):
    before, dummy, after = observed
    assert after[what] == before[what]


@pytest.fixture(scope="session")
def waiting_for_a_restart():
    """A share for a domain that has to be restarted first, while nobody has allowed that."""
    shares = [{"name": "waits", "path": "/srv/proof/waits", "domains": ["vm2"], "mount": "/mnt"}]
    return play("virtio.fs.share", extra={"virtiofs_host_shares": shares}, limit="hv1,vm2")


def test_the_guest_says_at_once_that_its_domain_waits_for_a_restart(waiting_for_a_restart):
    (failure,) = waiting_for_a_restart.failures("vm2")
    assert "restart" in failure.message
    assert "virtiofs_host_apply" in failure.message


def test_the_hypervisor_says_why(waiting_for_a_restart):
    (result,) = waiting_for_a_restart.of("virtiofs_domain", "hv1")
    (pending,) = result.returned["restart_required"]
    assert "vm2" in str(pending)
    assert "memory" in str(pending)


def test_the_run_has_failed(waiting_for_a_restart):
    assert waiting_for_a_restart.returncode != 0
