# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new definition does not start: the old one is put back, and the domain runs."""

from __future__ import annotations

import pytest
from proof.machine import wait_until
from proof.playbook import play

# Nothing on the hypervisor provides huge pages, so a definition that asks for them cannot start.
EXTRA = {
    "virtiofs_host_shares": [{"name": "proof", "path": "/srv/proof/share", "domains": ["vm2"], "mount": "/mnt"}],
    "virtiofs_host_apply": "restart",
    "virtiofs_host_memory": "hugepages",
}
FACTS = {
    "definition": "virsh dumpxml vm2 --inactive --security-info",
    "state": "virsh domstate vm2",
    "qemu": "cat /run/libvirt/qemu/vm2.pid",
}


@pytest.fixture(scope="session")
def rolled_back(hv1):
    before = hv1.read(FACTS)
    run = play("virtio.fs.share", extra=EXTRA, limit="hv1")
    (result,) = run.of("virtiofs_domain", "hv1")
    return before, result, hv1.read(FACTS)


def test_the_run_fails(rolled_back):
    assert rolled_back[1].status == "failed"


def test_the_error_has_the_cause_from_libvirt(rolled_back):
    assert "vm2" in rolled_back[1].message
    assert "huge" in rolled_back[1].message.lower()


def test_the_error_says_that_the_old_definition_is_back(rolled_back):
    assert "old definition" in rolled_back[1].message


def test_the_definition_is_the_old_one_byte_for_byte(rolled_back):
    before, dummy, after = rolled_back
    assert after["definition"] == before["definition"]


def test_the_domain_runs(rolled_back):
    assert rolled_back[2]["state"].strip() == "running"


def test_it_was_really_stopped_and_started(rolled_back):
    before, dummy, after = rolled_back
    assert after["qemu"] != before["qemu"]


def test_the_guest_answers(rolled_back, machine):
    wait_until("an answer from vm2", 180, lambda: machine("vm2").sh("true").returncode == 0, pause=2)
