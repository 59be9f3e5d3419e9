# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users 1000 and 1001 of the guest are alice and bob of the hypervisor, and nobody else is anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof.playbook import play

HOST = "/srv/proof/homes"
GUEST = "/srv/homes"
AS = "setpriv --reuid {0} --regid {0} --clear-groups --"
LIMIT = "hv1,vm3"
NEW = {
    "alice": f"{AS.format(1000)} touch {GUEST}/by_1000",
    "root": f"touch {GUEST}/by_root",
    # The directory is not for others to write to: root makes it one that is.
    "open": f"mkdir {GUEST}/open && chmod 1777 {GUEST}/open",
    "bob": f"{AS.format(1001)} touch {GUEST}/open/by_1001",
    "stranger": f"{AS.format(1500)} touch {GUEST}/open/by_1500; echo $?",
    "given to bob": f"touch {GUEST}/given && chown 1001:1001 {GUEST}/given",
    "given to a stranger": f"touch {GUEST}/kept; chown 1500 {GUEST}/kept; echo $?",
    "given to a strange group": f"chgrp 1500 {GUEST}/kept; echo $?",
}


@pytest.fixture(scope="session")
def vm3(machine):
    return machine("vm3")


@pytest.fixture(scope="session")
def said(vm3):
    return vm3.read(NEW)


@pytest.fixture(scope="session")
def on_host(hv1, said):
    names = "by_1000 by_root open/by_1001 given kept"
    hv1.check(
        f"cd {HOST} && setpriv --reuid alice --regid alice --clear-groups -- touch by_alice"
        " && touch by_hypervisors_root && chmod 644 by_hypervisors_root"
    )
    return _owners(hv1.check(f"cd {HOST} && stat -c '%n %U %G' {names}"))


@pytest.fixture(scope="session")
def in_guest(vm3, on_host):
    return _owners(vm3.check(f"cd {GUEST} && stat -c '%n %u %g' by_1000 open/by_1001 by_alice by_hypervisors_root"))


@pytest.fixture(scope="session")
def inspected():
    run = play(str(Path(__file__).parents[1] / "inspect.yml"))
    assert run.returncode == 0, run.output[-3000:]
    return {one.host: one.returned["probes"][0] for one in run.of("virtiofs_probe")}


@pytest.fixture(scope="session")
def with_idmap(hv1):
    """A run with what libvirt has for this, and the definition before and after."""
    before = hv1.check("virsh dumpxml vm3 --inactive")
    share = {"name": "homes", "path": HOST, "domains": ["vm3"], "idmap": {"uid": [_IDS], "gid": [_IDS]}}
    run = play("virtio.fs.share", extra={"virtiofs_host_shares": [share]}, limit=LIMIT)
    return run, before, hv1.check("virsh dumpxml vm3 --inactive")


_IDS = {"start": 0, "target": 100000, "count": 65536}


def _owners(text: str) -> dict[str, tuple[str, str]]:
    return {name: (user, group) for name, user, group in (line.split() for line in text.splitlines())}


def test_a_user_of_the_guest_is_the_one_of_the_hypervisor(on_host):
    assert on_host["by_1000"] == ("alice", "alice")
    assert on_host["open/by_1001"] == ("bob", "bob")


def test_root_of_the_guest_is_the_first_of_them(on_host):
    assert on_host["by_root"] == ("alice", "alice")


def test_what_is_given_away_arrives(on_host):
    assert on_host["given"] == ("bob", "bob")


def test_a_user_of_the_hypervisor_is_the_one_of_the_guest(in_guest):
    assert in_guest["by_alice"] == ("1000", "1000")


def test_the_guest_sees_its_own_users(in_guest):
    assert in_guest["by_1000"] == ("1000", "1000")
    assert in_guest["open/by_1001"] == ("1001", "1001")


def test_others_of_the_hypervisor_are_nobody(in_guest):
    assert in_guest["by_hypervisors_root"] == ("65534", "65534")


@pytest.mark.parametrize("what", ["stranger", "given to a stranger", "given to a strange group"])
def test_others_of_the_guest_are_forbidden(said, what):
    # The error that virtiofsd 1.13 gives.
    assert "Input/output error" in said[what]
    assert said[what].split()[-1] == "1"


def test_nothing_of_a_stranger_is_there(hv1, on_host):
    assert hv1.check(f"ls {HOST}/open").split() == ["by_1001"]
    assert on_host["kept"] == ("alice", "alice")


def test_the_probe_tells_the_same(inspected):
    assert (inspected["hv1"]["uid"], inspected["hv1"]["owner"]) == (2000, "alice")
    assert (inspected["vm3"]["uid"], inspected["vm3"]["gid"]) == (1000, 1000)
    assert inspected["vm3"]["writable"] is True
    assert (inspected["vm3"]["new_file_uid"], inspected["vm3"]["new_file_gid"]) == (1000, 1000)


def test_the_daemon_is_not_a_shell_that_waits_for_it(hv1):
    running = hv1.check(f"ps -C virtiofsd -o args= | grep -- '--shared-dir {HOST}'")
    assert "--translate-uid=map:1000:2000:1" in running
    assert "/usr/sbin/virtiofsd-with-" not in running


def test_a_root_daemon_refuses_what_libvirt_has_for_it(hv1):
    done = hv1.sh(f"timeout 10 /usr/libexec/virtiofsd --shared-dir {HOST} --socket-path /run/p.sock --uid-map=:0:1:1:")
    assert done.returncode != 0
    assert "unprivileged user" in done.stdout + done.stderr


def test_so_it_is_refused_before_the_first_change(with_idmap):
    run, before, after = with_idmap
    (failure,) = run.failures("hv1")
    assert "idmap" in failure.message
    assert "map_users" in failure.message
    assert before == after
