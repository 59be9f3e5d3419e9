# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest need not be of its hypervisor's generation: an old kernel with the new virtiofsd, and the reverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from proof import mounts
from proof.exchange import MANY, Exchange, exchange
from proof.machine import Machine
from proof.playbook import Run, play

HOST_PATH, GUEST_PATH = "/srv/proof/data", "/srv/data"
GROUPS = {"virtiofs_hypervisors": "old_and_new_hypervisors", "virtiofs_guests": "old_and_new_guests"}


@dataclass(frozen=True)
class Pair:
    """A hypervisor and its guest, with their Debian releases, and where the daemon is."""

    host: Machine
    guest: Machine
    host_release: str
    guest_release: str
    daemon: str


@pytest.fixture(scope="session", params=["old guest", "new guest"])
def pair(request: pytest.FixtureRequest, machine: Callable[[str], Machine]) -> Pair:
    if request.param == "old guest":
        return Pair(machine("hv1"), machine("vm4"), "13", "12", "/usr/libexec/virtiofsd")
    return Pair(machine("hv2"), machine("old2"), "12", "13", "/usr/lib/qemu/virtiofsd")


@pytest.fixture(scope="session")
def exchanged(pair: Pair) -> Exchange:
    return exchange(pair.host, HOST_PATH, pair.guest, GUEST_PATH)


@pytest.fixture(scope="session")
def verified() -> Run:
    return play("virtio.fs.verify", extra=GROUPS)


def test_they_are_of_two_generations(pair: Pair) -> None:
    release = "{ . /etc/os-release && echo $VERSION_ID; uname -r; }"
    on_host, in_guest = pair.host.check(release).split(), pair.guest.check(release).split()
    assert (on_host[0], in_guest[0]) == (pair.host_release, pair.guest_release)
    # The container runs on another kernel than its Debian's; the guest does not.
    assert in_guest[1].startswith({"12": "6.1.", "13": "6.12."}[pair.guest_release])


def test_the_daemon_is_that_of_the_hypervisor(pair: Pair) -> None:
    # A container whose image has the other daemon too would prove nothing.
    running = pair.host.check(f"pgrep --full --list-full '[v]irtiofsd.*{HOST_PATH}'")
    assert pair.daemon in running


def test_the_guest_has_it_mounted_hardened(pair: Pair) -> None:
    mount = mounts.on(mounts.parse(pair.guest.check(mounts.LIVE)), GUEST_PATH)
    assert mount is not None
    assert mount.fstype == "virtiofs"
    assert {"rw", "nosuid", "nodev"} <= mount.options


@pytest.mark.parametrize("direction", ["to_host", "to_guest"])
def test_bytes_arrive(exchanged: Exchange, direction: str) -> None:
    one_way = getattr(exchanged, direction)
    assert len(one_way.written) > MANY
    assert one_way.unlike == {}


@pytest.mark.parametrize("direction", ["to_host", "to_guest"])
def test_a_rename_and_a_deletion_are_seen(exchanged: Exchange, direction: str) -> None:
    names = getattr(exchanged, direction).listed_after_changes
    assert "./after_the_move" in names
    assert not {"./before_the_move", "./doomed"} & names


def test_both_are_proven(verified: Run) -> None:
    assert [(one.host, one.message) for one in verified.failures()] == []
    assert verified.returncode == 0
