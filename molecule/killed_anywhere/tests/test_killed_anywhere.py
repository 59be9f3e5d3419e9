# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wherever the controller of virtio.fs.share is killed, the next run has all as listed: nothing lost, nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest
from proof import domains, mounts
from proof.machine import Machine, wait_until
from proof.playbook import Run, play

LIMIT = "hv1,vm1"
# Each run has a share to add and one to take away, one of them with a partition; a third one stays.
KEPT: dict[str, object] = {"name": "kept", "path": "/srv/proof/kept", "domains": ["vm1"], "mount": "/srv/kept"}
DISK: dict[str, object] = {
    "name": "disk",
    "storage": {"disk": "/dev/disk/by-id/lab-hv1-disk0", "size": "64MiB", "label": "proof_disk"},
    "domains": ["vm1"],
    "mount": "/srv/disk",
}
PLAIN: dict[str, object] = {"name": "plain", "path": "/srv/proof/plain", "domains": ["vm1"], "mount": "/srv/plain"}
# Of about thirty tasks: those of the guest that unmounts, of the hypervisor, of the guest that mounts and proves.
KILLED_AT = (2, 4, 9, 13, 15, 17, 19, 22, 25, 28)
FILE = "the contents stay"
# Modules come through a pipe: all that is to be seen of one is its Python. The lab has a service that is one too.
IDLE = 'command -v pgrep >/dev/null && test -z "$(pgrep -x -a python3 | grep -v lab-loop-node)"'


def shares(number: int) -> list[dict[str, object]]:
    add, take = (DISK, PLAIN) if number % 2 else (PLAIN, DISK)
    return [KEPT, add, {**take, "state": "absent"}]


def is_idle(machine: Machine) -> bool:
    return machine.sh(IDLE).returncode == 0


def extra(number: int) -> dict[str, object]:
    return {
        "virtiofs_host_shares": shares(number),
        "virtiofs_host_apply": "restart",
        "virtiofs_host_spare_ports": 4,
        "virtiofs_host_shutdown_timeout": 180,
    }


@dataclass(frozen=True)
class Round:
    killed: Run
    again: Run
    kept: str
    host: dict[str, str]
    guest: dict[str, str]


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def first(hv1, vm1):
    """Both lists once, undisturbed."""
    for number in (0, 1):
        run = play("virtio.fs.share", extra=extra(number), limit=LIMIT)
        assert run.returncode == 0, run.output[-3000:]
    hv1.check(f"echo '{FILE}' >/srv/proof/kept/file; echo '{FILE}' >/shared/proof_disk/file")
    return run


@pytest.fixture(scope="session")
def rounds(first, hv1, vm1):
    found = {}
    for number, task in enumerate(KILLED_AT):
        killed = play("virtio.fs.share", extra=extra(number), limit=LIMIT, killed_at=task)
        # What the killed run had started may still be at work; a guest that it restarted may not be back.
        for one in (hv1, vm1):
            wait_until(f"modules on {one} end", 300, partial(is_idle, one), 3)
        again = play("virtio.fs.share", extra=extra(number), limit=LIMIT)
        found[task] = Round(
            killed,
            again,
            hv1.sh("cat /srv/proof/kept/file").text,
            hv1.read(
                {
                    "running": "virsh dumpxml vm1",
                    "defined": "virsh dumpxml vm1 --inactive",
                    "fstab": mounts.FSTAB,
                }
            ),
            vm1.read({"live": mounts.LIVE, "fstab": mounts.FSTAB}),
        )
        print(f"killed in task {task:2}: {killed.returncode}; next run: {again.returncode}", flush=True)
    return found


def tags(number: int) -> set[str]:
    return {"kept", "disk" if number % 2 else "plain"}


@pytest.mark.parametrize(("number", "task"), list(enumerate(KILLED_AT)))
class TestKilled:
    def test_it_was_killed(self, rounds, number, task):
        assert rounds[task].killed.returncode == -9

    def test_the_next_run_succeeds(self, rounds, number, task):
        assert rounds[task].again.returncode == 0, rounds[task].again.output[-3000:]

    def test_the_domain_has_what_is_listed(self, rounds, number, task):
        for state in ("running", "defined"):
            found = [share.tag for share in domains.parse(rounds[task].host[state]).shares]
            assert sorted(found) == sorted(tags(number))

    def test_the_guest_has_what_is_listed_once(self, rounds, number, task):
        for state in ("live", "fstab"):
            found = [one for one in mounts.parse(rounds[task].guest[state]) if one.fstype == "virtiofs"]
            assert sorted(one.source for one in found) == sorted(tags(number))

    def test_the_hypervisor_has_a_line_for_the_partition_once(self, rounds, number, task):
        found = [one for one in mounts.parse(rounds[task].host["fstab"]) if "proof_disk" in f"{one.source}{one.path}"]
        assert len(found) == number % 2

    def test_the_contents_of_the_other_share_stay(self, rounds, number, task):
        assert rounds[task].kept == FILE


def test_the_contents_of_the_partition_stay(rounds, hv1):
    mounted = hv1.sh("cat /shared/proof_disk/file").text
    assert mounted == FILE or "disk" not in tags(len(KILLED_AT) - 1)
    assert hv1.check("debugfs -R 'cat file' $(findfs LABEL=proof_disk) 2>/dev/null").strip() == FILE
