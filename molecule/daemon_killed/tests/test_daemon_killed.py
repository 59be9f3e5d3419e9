# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""virtiofsd is killed below a mounted share: nothing of ours hangs, the remedy is named, and it works."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from proof.exchange import crosses
from proof.playbook import play

SHARES = [
    {"name": "victim", "path": "/srv/proof/victim", "domains": ["vm2"], "mount": "/srv/victim"},
    {"name": "other", "path": "/srv/proof/other", "domains": ["vm2"], "mount": "/srv/other"},
    {"name": "parting", "path": "/srv/proof/parting", "domains": ["vm2"], "mount": "/srv/parting"},
]
LIMIT = "hv1,vm2"
# User processes in uninterruptible sleep.
STUCK = """\
grep -lsE '^State:\\s+D' /proc/[0-9]*/status | xargs --no-run-if-empty grep -ls '^VmSize' | wc -l
"""
KILL = """\
for pid in $(grep -lsa {0} /proc/[0-9]*/cmdline | cut -d/ -f3); do
    ! grep -qs virtiofsd "/proc/$pid/comm" || kill -9 "$pid"
done
sleep 1
for pid in $(grep -lsa {0} /proc/[0-9]*/cmdline | cut -d/ -f3); do
    ! grep -qs virtiofsd "/proc/$pid/comm" || exit 1
done
"""


def extra(apply="live", **more):
    return {"virtiofs_host_shares": SHARES, "virtiofs_host_apply": apply, **more}


@pytest.fixture(scope="session")
def vm2(machine):
    return machine("vm2")


@pytest.fixture(scope="session")
def killed(hv1, vm2):
    run = play("virtio.fs.share", extra=extra("restart"), limit=LIMIT)
    assert run.returncode == 0, run.output[-3000:]
    hv1.check(KILL.format("/srv/proof/victim"))


@pytest.fixture(scope="session")
def verified(killed):
    """The proof of all shares while one daemon is dead, and how long it took."""
    begun = time.monotonic()
    run = play("virtio.fs.verify", extra=extra(), limit=LIMIT, timeout=300)
    return run, time.monotonic() - begun


@pytest.fixture(scope="session")
def shared_again(verified):
    begun = time.monotonic()
    run = play("virtio.fs.share", extra=extra(), limit=LIMIT, timeout=300)
    return run, time.monotonic() - begun


@pytest.fixture(scope="session")
def let_go_of_the_other(shared_again, vm2):
    """Whoever has systemd read fstab now would have its first process wait with the dead share."""
    run = play("virtio.fs.unshare", extra=extra(virtiofs_unshare=["other"]), limit=LIMIT, timeout=300)
    return run, vm2.touch("grep -c virtiofs /etc/fstab; timeout 15 systemctl is-active ssh.service multi-user.target")


@pytest.fixture(scope="session")
def unmounted(let_go_of_the_other, hv1, vm2):
    """A share that goes, when nobody has found out yet that its daemon is dead too."""
    hv1.check(KILL.format("/srv/proof/parting"))
    begun = time.monotonic()
    run = play(str(Path(__file__).parents[1] / "let_go.yml"), timeout=300)
    return run, time.monotonic() - begun, vm2.touch("cut -d' ' -f5 /proc/self/mountinfo | grep /srv/")


@pytest.fixture(scope="session")
def healed(unmounted):
    return play("virtio.fs.share", extra=extra("restart", virtiofs_host_force_off=True), limit=LIMIT)


def test_the_proof_fails(verified):
    assert verified[0].returncode != 0


def test_the_proof_ends_in_time(verified):
    assert verified[1] < 150


def test_it_names_the_share_and_the_remedy(verified):
    messages = " ".join(one.message for one in verified[0].failures())
    assert "victim: its virtiofsd on the hypervisor is probably dead" in messages
    assert "virtiofs_host_apply: restart" in messages
    assert "/srv/other" not in messages


def test_at_most_one_process_is_stuck(verified, vm2):
    assert int(vm2.touch(STUCK).text) <= 1


def test_a_second_run_leaves_no_second_stuck_process(shared_again, vm2):
    assert int(vm2.touch(STUCK).text) <= 1


def test_the_playbook_ends_in_time_too(shared_again):
    assert shared_again[1] < 150


def test_the_hypervisor_says_that_the_daemon_is_dead(shared_again):
    (result,) = shared_again[0].of("virtiofs_domain", "hv1")
    assert "daemon_dead" in str(result.returned["restart_required"])


def test_systemd_is_not_made_to_wait_with_it(let_go_of_the_other):
    run, seen = let_go_of_the_other
    messages = " ".join(one.message for one in run.failures("vm2"))
    assert "would wait for the share victim" in messages
    assert seen.text.split() == ["3", "active", "active"]


def test_a_share_of_a_dead_daemon_is_unmounted_or_the_remedy_is_named(unmounted):
    run, seconds, mounted = unmounted
    assert seconds < 120
    for failure in run.failures("vm2"):
        # That it was tried, and not given up because of a question of ours.
        assert "cannot unmount /srv/parting" in failure.message
        assert "earlier process" not in failure.message
        assert "virtiofs_host_apply: restart" in failure.message
    assert sorted(mounted.text.split()) == ["/srv/other", "/srv/victim"]


def test_a_restart_that_may_force_heals_it(healed):
    assert [(one.host, one.task, one.message) for one in healed.failures()] == []
    assert healed.returncode == 0


@pytest.mark.parametrize("share", ["victim", "other", "parting"])
def test_bytes_go_through_again(healed, hv1, vm2, share):
    assert crosses(vm2, f"/srv/{share}", hv1, f"/srv/proof/{share}", "guest-to-host")
    assert crosses(hv1, f"/srv/proof/{share}", vm2, f"/srv/{share}", "host-to-guest")
