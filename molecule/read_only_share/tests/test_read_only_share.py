# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A read-only share cannot be written by the guest, whatever its root does, and the host can write it."""

from __future__ import annotations

import pytest
from proof import domains
from proof.playbook import play

SHARES = [
    {"name": "media", "path": "/srv/proof/media", "domains": ["vm1"], "mount": "/srv/media", "readonly": True},
]
EXTRA = {"virtiofs_host_shares": SHARES, "virtiofs_host_apply": "restart"}


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def shared(hv1):
    run = play("virtio.fs.share", extra=EXTRA, limit="hv1,vm1")
    hv1.check("echo from the host >/srv/proof/media/seen; sha256sum </srv/proof/media/seen")
    return run


@pytest.fixture(scope="session")
def attempts(shared, vm1):
    """What the guest's root gets for its attempts to write, first as mounted and then after its own remount."""
    return vm1.read(
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


def test_the_playbook_and_its_proof_succeed(shared):
    assert [(one.host, one.task, one.message) for one in shared.failures()] == []
    assert shared.returncode == 0


def test_the_guest_reads_what_the_host_wrote(attempts):
    assert attempts["read"].strip() == "from the host"


@pytest.mark.parametrize("attempt", ["new file", "append", "remove", "new directory", "mode"])
def test_the_guest_cannot_write(attempts, attempt):
    assert "Read-only file system" in attempts[attempt]


@pytest.mark.parametrize("attempt", ["after a remount", "after a second mount"])
def test_the_guest_cannot_help_itself(attempts, attempt):
    assert "Read-only file system" in attempts[attempt]


def test_nothing_arrived_on_the_host(attempts, hv1):
    seen = hv1.check("cat /srv/proof/media/seen; ls -A /srv/proof/media")
    assert seen.split("\n") == ["from the host", "seen", ""]


def test_this_libvirt_enforces_it_itself(shared, hv1):
    (share,) = domains.parse(hv1.check("virsh dumpxml vm1")).shares
    assert (share.source, share.readonly) == ("/srv/proof/media", True)


def test_a_second_run_changes_nothing(shared):
    again = play("virtio.fs.share", extra=EXTRA, limit="hv1,vm1")
    assert again.returncode == 0
    assert [(one.host, one.task, one.actions) for one in again.results if one.changed] == []
