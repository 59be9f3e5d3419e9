# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A share goes only when the guest has unmounted it: from the running machine, the definition and the guest's fstab."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof import domains, mounts
from proof.playbook import play

HERE = Path(__file__).parent.parent
SHARES = [
    {"name": "kept", "path": "/srv/proof/kept", "domains": ["vm1"], "mount": "/srv/kept"},
    {"name": "leaves", "path": "/srv/proof/leaves", "domains": ["vm1"], "mount": "/srv/leaves"},
]
STATES = pytest.mark.parametrize("state", ["running", "defined"])


@pytest.fixture(scope="session")
def look(hv1, machine):
    """Both sides, as they are at the moment."""

    def now():
        on_host = hv1.read(
            {
                "running": "virsh dumpxml vm1",
                "defined": "virsh dumpxml vm1 --inactive",
                "qemu": "cat /run/libvirt/qemu/vm1.pid",
                "data": "cat /srv/proof/leaves/data",
            }
        )
        return on_host | machine("vm1").read(
            {"live": mounts.LIVE, "fstab": mounts.FSTAB, "boot": "cat /proc/sys/kernel/random/boot_id"}
        )

    return now


@pytest.fixture(scope="session")
def shared(hv1, look):
    extra = {"virtiofs_host_shares": SHARES, "virtiofs_host_apply": "restart"}
    run = play("virtio.fs.share", extra=extra, limit="hv1,vm1")
    assert run.returncode == 0, run.output[-3000:]
    hv1.check("echo keep me >/srv/proof/leaves/data")
    return look()


@pytest.fixture(scope="session")
def refused(shared, look):
    """Somebody takes the share away while the guest has it mounted."""
    run = play(str(HERE / "take_away_a_mounted_share.yml"))
    return run.named("Take it away", "hv1"), look()


@pytest.fixture(scope="session")
def unshared(refused, look):
    extra = {"virtiofs_host_shares": SHARES, "virtiofs_unshare": ["leaves"]}
    run = play("virtio.fs.unshare", extra=extra, limit="hv1,vm1")
    return run, look()


def test_it_is_refused_while_the_guest_has_it_mounted(refused):
    result, dummy = refused
    assert result.status == "failed"
    assert "mounted" in result.message
    assert "leaves" in result.message


@STATES
def test_the_refusal_left_the_share_where_it_was(refused, shared, state):
    dummy, after = refused
    assert after[state] == shared[state]


def test_the_refusal_left_the_mount_alone(refused):
    dummy, after = refused
    assert mounts.on(mounts.parse(after["live"]), "/srv/leaves") is not None


def test_unsharing_succeeds(unshared):
    run, dummy = unshared
    assert [(one.host, one.task, one.message) for one in run.failures()] == []
    assert run.returncode == 0


@STATES
def test_the_share_is_gone_from_the_domain_and_the_other_is_not(unshared, state):
    assert domains.parse(unshared[1][state]).tags == {"kept"}


def test_the_guest_has_let_go_of_it(unshared):
    assert mounts.on(mounts.parse(unshared[1]["live"]), "/srv/leaves") is None


def test_the_guest_does_not_mount_it_at_boot_any_more(unshared):
    assert mounts.on(mounts.parse(unshared[1]["fstab"]), "/srv/leaves") is None


def test_the_other_share_is_still_mounted(unshared):
    assert mounts.on(mounts.parse(unshared[1]["live"]), "/srv/kept") is not None


def test_the_data_is_kept(unshared):
    assert unshared[1]["data"].strip() == "keep me"


def test_nothing_was_restarted(unshared, shared):
    assert (unshared[1]["boot"], unshared[1]["qemu"]) == (shared["boot"], shared["qemu"])


def test_a_second_time_there_is_nothing_to_do(unshared):
    extra = {"virtiofs_host_shares": SHARES, "virtiofs_unshare": ["leaves"]}
    run = play("virtio.fs.unshare", extra=extra, limit="hv1,vm1")
    assert run.returncode == 0
    assert [(one.host, one.task, one.actions) for one in run.results if one.changed] == []


def test_it_refuses_to_run_without_names():
    run = play("virtio.fs.unshare", extra={"virtiofs_host_shares": SHARES}, limit="hv1,vm1")
    assert run.returncode != 0
    assert "virtiofs_unshare" in run.output
    assert [one.task for one in run.results if one.changed] == []
