# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain is restarted when somebody has allowed it and there is no other way, and never otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from proof import domains
from proof.playbook import Run, play

ONE = [{"name": "one", "path": "/srv/proof/one", "domains": ["vm1"], "mount": "/srv/one"}]
TWO = [*ONE, {"name": "two", "path": "/srv/proof/two", "domains": ["vm1"], "mount": "/srv/two"}]


@dataclass(frozen=True)
class After:
    run: Run
    seen: dict[str, str]

    @property
    def pending(self) -> list[str]:
        (result,) = self.run.of("virtiofs_domain", "hv1")
        return [str(one) for one in result.returned["restart_required"]]

    def tags(self, state: str) -> set[str]:
        return domains.parse(self.seen[state]).tags


@pytest.fixture(scope="session")
def converge(hv1):
    """The playbook, and then what the hypervisor looks like."""

    def with_shares(shares, apply, limit="hv1,vm1"):
        extra = {"virtiofs_host_shares": shares, "virtiofs_host_apply": apply, "virtiofs_host_spare_ports": 2}
        run = play("virtio.fs.share", extra=extra, limit=limit)
        facts = {
            "running": "virsh dumpxml vm1",
            "defined": "virsh dumpxml vm1 --inactive",
            "vm1": "cat /run/libvirt/qemu/vm1.pid",
            "vm2": "cat /run/libvirt/qemu/vm2.pid",
        }
        return After(run, hv1.read(facts))

    return with_shares


@pytest.fixture(scope="session")
def before(hv1):
    return hv1.read({"vm1": "cat /run/libvirt/qemu/vm1.pid", "vm2": "cat /run/libvirt/qemu/vm2.pid"})


@pytest.fixture(scope="session")
def not_allowed(before, converge):
    return converge(ONE, "live", limit="hv1")


@pytest.fixture(scope="session")
def not_allowed_again(not_allowed, converge):
    return converge(ONE, "live", limit="hv1")


@pytest.fixture(scope="session")
def refused(not_allowed_again, converge, machine):
    """Allowed, but the guest has something else where the share is to be mounted."""
    machine("vm1").check("mkdir -p /srv/one && mount -t tmpfs somebody /srv/one")
    after = converge(ONE, "restart")
    machine("vm1").check("umount /srv/one")
    return after


@pytest.fixture(scope="session")
def allowed(refused, converge):
    return converge(ONE, "restart")


@pytest.fixture(scope="session")
def allowed_again(allowed, converge):
    return converge(TWO, "restart")


def test_without_leave_the_domain_runs_on(not_allowed, before):
    assert not_allowed.seen["vm1"] == before["vm1"]


def test_without_leave_the_share_waits_in_the_definition(not_allowed):
    assert not_allowed.tags("defined") == {"one"}
    assert not_allowed.tags("running") == set()


def test_what_waits_is_reported_with_its_reason(not_allowed):
    (pending,) = not_allowed.pending
    assert "vm1" in pending
    assert "memory" in pending


def test_a_guest_that_could_not_mount_is_asked_before_and_its_domain_runs_on(refused, before):
    assert refused.seen["vm1"] == before["vm1"]
    assert refused.run.returncode != 0
    said = str(refused.run.named("Tell which domains are not restarted, and why", "hv1").message)
    assert (
        "domain vm1 is not restarted for what its guest vm1 could not mount: share one, path: somebody (tmpfs)" in said
    )


def test_what_waits_is_reported_every_time_and_is_no_change(not_allowed_again):
    (result,) = not_allowed_again.run.of("virtiofs_domain", "hv1")
    assert not result.changed
    assert len(not_allowed_again.pending) == 1


def test_with_leave_the_domain_is_restarted(allowed, before):
    assert allowed.run.returncode == 0, allowed.run.output[-3000:]
    assert allowed.seen["vm1"] != before["vm1"]
    assert allowed.tags("running") == {"one"}


def test_then_nothing_waits(allowed):
    assert allowed.pending == []


def test_with_leave_but_without_need_nothing_is_restarted(allowed_again, allowed):
    assert allowed_again.run.returncode == 0, allowed_again.run.output[-3000:]
    assert allowed_again.tags("running") == {"one", "two"}
    assert allowed_again.seen["vm1"] == allowed.seen["vm1"]


def test_a_domain_that_no_share_names_is_never_restarted(allowed_again, before):
    assert allowed_again.seen["vm2"] == before["vm2"]
