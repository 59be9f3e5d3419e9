# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A read-only share cannot be written by the guest, whatever its root does, and the host can write it.

On a libvirt that enforces it, and on an older one, where a read-only bind mount below the share does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from proof import domains, mounts
from proof.machine import Machine
from proof.playbook import Run, play

PATH = "/srv/proof/media"
WRITES = ["new file", "append", "remove", "new directory", "mode"]
DETOURS = ["after a remount", "after a second mount"]


@dataclass(frozen=True)
class Side:
    """A hypervisor with its guest."""

    host: Machine
    guest: Machine
    groups: Mapping[str, str]

    def play(self, playbook: str, **more: Any) -> Run:
        share = {"name": "media", "path": PATH, "mount": "/srv/media", "readonly": True, "domains": [self.guest.name]}
        extra = {**self.groups, "virtiofs_host_shares": [share], "virtiofs_host_apply": "restart", **more}
        return play(playbook, extra=extra, limit=f"{self.host.name},{self.guest.name}")


@pytest.fixture(scope="session")
def here(machine: Callable[[str], Machine]) -> Side:
    return Side(machine("hv1"), machine("vm1"), {})


@pytest.fixture(scope="session")
def old(machine: Callable[[str], Machine]) -> Side:
    groups = {"virtiofs_hypervisors": "other_hypervisors", "virtiofs_guests": "other_guests"}
    return Side(machine("hv2"), machine("old1"), groups)


@pytest.fixture(scope="session", params=["libvirt enforces it", "a bind mount enforces it"])
def side(request: pytest.FixtureRequest, here: Side, old: Side) -> Side:
    return here if request.param == "libvirt enforces it" else old


@pytest.fixture(scope="session")
def shared(side: Side) -> Run:
    run = side.play("virtio.fs.share")
    side.host.check(f"echo from the host >{PATH}/seen; sha256sum <{PATH}/seen")
    return run


@pytest.fixture(scope="session")
def attempts(shared: Run, side: Side) -> dict[str, str]:
    """What the guest's root gets for its attempts to write, first as mounted and then after its own remount."""
    return side.guest.read(
        {
            "read": "cat /srv/media/seen",
            "new file": "echo x >/srv/media/new",
            "append": "echo x >>/srv/media/seen",
            "remove": "rm /srv/media/seen",
            "new directory": "mkdir /srv/media/folder",
            "mode": "chmod 777 /srv/media/seen",
            "after a remount": "mount -o remount,rw /srv/media; echo x >/srv/media/new",
            "after a second mount": "mkdir -p /run/again; mount -t virtiofs -o rw media /run/again;"
            " echo x >/run/again/new; umount /run/again",
        }
    )


@pytest.fixture(scope="session")
def definition(shared: Run, side: Side) -> domains.Share:
    (share,) = domains.parse(side.host.check(f"virsh dumpxml {side.guest.name}")).shares
    return share


@pytest.fixture(scope="session")
def again(attempts: dict[str, str], definition: domains.Share, side: Side) -> Run:
    return side.play("virtio.fs.share")


@pytest.fixture(scope="session")
def gone(again: Run, side: Side) -> tuple[Run, dict[str, str]]:
    """The share is taken away, and this is what the hypervisor looks like then."""
    run = side.play("virtio.fs.unshare", virtiofs_unshare=["media"])
    name = side.guest.name
    return run, side.host.read(
        {
            "running": f"virsh dumpxml {name}",
            "defined": f"virsh dumpxml {name} --inactive",
            "mounts": mounts.LIVE,
            "fstab": "diff /run/proof-fstab-before /etc/fstab && echo same",
            "left": "find /var/lib/virtiofs/ro -mindepth 1 2>/dev/null",
            "writable": f"echo more >>{PATH}/seen && cat {PATH}/seen",
        }
    )


def test_the_playbook_and_its_proof_succeed(shared: Run) -> None:
    assert [(one.host, one.task, one.message) for one in shared.failures()] == []
    assert shared.returncode == 0


def test_the_guest_reads_what_the_host_wrote(attempts: dict[str, str]) -> None:
    assert attempts["read"].strip() == "from the host"


@pytest.mark.parametrize("attempt", WRITES)
def test_the_guest_cannot_write(attempts: dict[str, str], attempt: str) -> None:
    assert "Read-only file system" in attempts[attempt]


@pytest.mark.parametrize("attempt", DETOURS)
def test_the_guest_cannot_help_itself(attempts: dict[str, str], attempt: str) -> None:
    assert "Read-only file system" in attempts[attempt]


def test_nothing_arrived_on_the_host(attempts: dict[str, str], side: Side) -> None:
    seen = side.host.check(f"cat {PATH}/seen; ls -A {PATH}; stat --format %a {PATH}/seen")
    assert seen.split("\n") == ["from the host", "seen", "644", ""]


def test_the_newer_libvirt_enforces_it_itself(definition: domains.Share, side: Side, here: Side) -> None:
    assert definition.readonly == (side is here)
    assert (definition.source == PATH) == (side is here)


def test_the_older_one_shares_a_read_only_bind_mount(definition: domains.Share, side: Side, here: Side) -> None:
    found = mounts.on(mounts.parse(side.host.check(mounts.LIVE)), definition.source)
    if side is here:
        assert found is None
        return
    assert definition.source.startswith("/var/lib/virtiofs/ro/")
    assert found is not None
    assert {"ro", "nosuid", "nodev"} <= found.options
    kept = mounts.on(mounts.parse(side.host.check(mounts.FSTAB)), definition.source)
    assert kept is not None
    assert kept.source == PATH
    assert {"bind", "ro", "x-systemd.before=libvirtd.service"} <= kept.options


def test_a_second_run_changes_nothing(again: Run) -> None:
    assert again.returncode == 0
    assert [(one.host, one.task, one.actions) for one in again.results if one.changed] == []


def test_it_can_be_taken_away(gone: tuple[Run, dict[str, str]]) -> None:
    assert [(one.host, one.task, one.message) for one in gone[0].failures()] == []
    assert gone[0].returncode == 0


@pytest.mark.parametrize("state", ["running", "defined"])
def test_then_no_domain_has_it(gone: tuple[Run, dict[str, str]], state: str) -> None:
    assert domains.parse(gone[1][state]).tags == set()


def test_then_its_bind_mount_is_undone_and_the_directory_is_kept(gone: tuple[Run, dict[str, str]]) -> None:
    seen = gone[1]
    assert [mount.path for mount in mounts.parse(seen["mounts"]) if mount.path.startswith("/var/lib/virtiofs")] == []
    assert (seen["fstab"], seen["left"]) == ("same\n", "")
    assert seen["writable"] == "from the host\nmore\n"
