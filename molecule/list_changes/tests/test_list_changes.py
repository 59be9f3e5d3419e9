# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list shrinks, a mount point moves, a share gets a new name: what the list has made follows it, and no more."""

from __future__ import annotations

import hashlib

import pytest
from proof import domains, mounts
from proof.exchange import crosses
from proof.machine import wait_until
from proof.playbook import play

LIMIT = "hv1,vm1"


def share(name, mount, **more):
    return {"name": name, "path": f"/srv/proof/{name}", "domains": ["vm1"], "mount": mount, **more}


KEPT, LEAVES, LAST = share("kept", "/srv/kept"), share("leaves", "/srv/leaves"), share("last", "/srv/last")
MOVED = {**KEPT, "mount": "/srv/moved"}
RENAMED = {**MOVED, "name": "renamed"}
AGAIN = {**MOVED, "name": "again"}


def mark(of, tag, path):
    check = hashlib.sha256("\0".join((of, tag, path)).encode()).hexdigest()[:8]
    return f"comment=virtio.fs:{of}:{check}"


# Written by hand: without a mark, with one copied from another line, and with one of another hypervisor's list.
BY_HAND = {
    "/srv/by_hand": "noauto,nofail",
    "/srv/copied": f"noauto,nofail,{mark('hv1', 'leaves', '/srv/leaves')}",
    "/srv/of_hv2": f"noauto,nofail,{mark('hv2', 'leaves', '/srv/of_hv2')}",
}


def run(shares, *options, limit=LIMIT, **extra):
    # It has room for what is plugged in later, and is restarted once, for the first share.
    extra = {"virtiofs_host_spare_ports": 8, **extra, "virtiofs_host_shares": shares}
    return play("virtio.fs.share", extra=extra, limit=limit, options=options)


def changed(done):
    return [(one.host, one.task, one.actions) for one in done.results if one.changed]


def told(done, host):
    return [one.message for one in done.results if one.host == host and "no longer in it" in one.message]


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
                "record": "cat /var/lib/virtiofs/list.json",
            }
        )
        return on_host | machine("vm1").read(
            {"live": mounts.LIVE, "fstab": mounts.FSTAB, "boot": "cat /proc/sys/kernel/random/boot_id"}
        )

    return now


def tags(seen, state="running"):
    return domains.parse(seen[state]).tags


def mounted(seen, kind="live"):
    """The shares by path; in fstab, without what was written by hand."""
    found = {one.path: one.source for one in mounts.parse(seen[kind]) if one.fstype == "virtiofs"}
    return {path: tag for path, tag in found.items() if path not in BY_HAND}


def has_mounted(one, path):
    return one.sh(f"findmnt --types virtiofs {path}").returncode == 0


def by_hand(seen):
    return {one.path for one in mounts.parse(seen["fstab"]) if one.path in BY_HAND}


@pytest.fixture(scope="session")
def shared(hv1, machine, look):
    done = run([KEPT, LEAVES, LAST], virtiofs_host_apply="restart")
    assert done.returncode == 0, done.output[-3000:]
    hv1.check("echo keep me >/srv/proof/leaves/data")
    lines = "".join(f"leaves {path} virtiofs {options} 0 0\\n" for path, options in BY_HAND.items())
    machine("vm1").check(f"printf '{lines}' >>/etc/fstab")
    return look()


@pytest.fixture(scope="session")
def busy(shared, machine, look):
    """The mount point changes while a program stands in the old one."""
    machine("vm1").check("cd /srv/kept; setsid sleep 900 >/dev/null 2>&1 </dev/null & echo $! >/run/proof-user")
    done = run([MOVED, LEAVES, LAST])
    seen = look()
    machine("vm1").check("kill $(cat /run/proof-user); rm /run/proof-user")
    return done, seen


@pytest.fixture(scope="session")
def moved(busy, look):
    check = run([MOVED, LEAVES, LAST], "--check")
    done = run([MOVED, LEAVES, LAST])
    return check, done, look()


@pytest.fixture(scope="session")
def left(moved, look):
    return run([MOVED, LAST]), run([MOVED, LAST]), look()


@pytest.fixture(scope="session")
def new_name_alone(left, look):
    """Told before a domain is restarted for it, though that would be allowed."""
    return run([RENAMED, LAST], virtiofs_host_apply="restart"), look()


@pytest.fixture(scope="session")
def nobody_asked(new_name_alone, look):
    """The guest is there, has the share mounted, and takes no part in the run."""
    return run([MOVED, LAST], limit="hv1", virtiofs_host_prune=True), look()


@pytest.fixture(scope="session")
def pruned(nobody_asked, look):
    check = run([MOVED, LAST], "--check", virtiofs_host_prune=True)
    done = run([MOVED, LAST], virtiofs_host_prune=True)
    return check, done, run([MOVED, LAST], virtiofs_host_prune=True), look()


@pytest.fixture(scope="session")
def renamed_by_prune(pruned, look):
    return run([RENAMED, LAST], virtiofs_host_prune=True), look()


@pytest.fixture(scope="session")
def renamed_by_absent(renamed_by_prune, hv1, machine, look):
    done = run([{**RENAMED, "state": "absent"}, AGAIN, LAST])
    # The name leads to the directory of before.
    there = crosses(hv1, "/srv/proof/kept", machine("vm1"), "/srv/moved", "host-to-guest")
    return done, look(), there


@pytest.fixture(scope="session")
def guest_was_off(renamed_by_absent, hv1, machine, look):
    """A share leaves the list, and is pruned, while its guest is off; then the guest takes part again."""
    hv1.check("virsh shutdown vm1")
    wait_until("vm1 is off", 120, lambda: "shut off" in hv1.check("virsh domstate vm1"))
    off = run([AGAIN], limit="hv1", virtiofs_host_prune=True)
    hv1.check("virsh start vm1")
    wait_until(
        "vm1 has booted and mounted what is left", 300, lambda: has_mounted(machine("vm1"), "/srv/moved"), pause=3
    )
    booted = look()
    on = run([AGAIN], virtiofs_host_prune=True)
    return off, booted, on, look()


def test_what_the_list_made_is_marked_in_fstab(shared):
    options = {one.path: one.options for one in mounts.parse(shared["fstab"])}
    for tag in ("kept", "leaves", "last"):
        assert mark("hv1", tag, f"/srv/{tag}") in options[f"/srv/{tag}"]


def test_a_mount_point_that_is_used_does_not_move_and_its_user_is_named(busy, shared):
    done, seen = busy
    assert done.returncode != 0
    (failed,) = done.failures("vm1")
    assert "it is to move from /srv/kept to /srv/moved, but /srv/kept is in use by sleep (" in failed.message
    assert mounted(seen) == mounted(shared)
    assert mounted(seen, "fstab") == mounted(shared, "fstab")


def test_a_mount_point_moves_the_new_one_first(moved):
    dummy, done, seen = moved
    assert done.returncode == 0, done.output[-3000:]
    (result,) = done.of("virtiofs_guest_mount", "vm1")
    assert [action.partition(" with ")[0] for action in result.actions] == [
        "mount kept on /srv/moved",
        "write the fstab line of kept on /srv/moved",
        "unmount kept from /srv/kept",
        "remove the fstab line of kept on /srv/kept",
        "have systemd read fstab and its units again",
    ]
    for kind in ("live", "fstab"):
        assert mounted(seen, kind) == {"/srv/moved": "kept", "/srv/leaves": "leaves", "/srv/last": "last"}


def test_check_mode_told_the_same_move(moved):
    check, done, dummy = moved
    (planned,), (real,) = (each.of("virtiofs_guest_mount", "vm1") for each in (check, done))
    assert planned.actions == real.actions


def test_what_left_the_list_is_told_in_one_line_by_both_sides_and_stays(left, moved):
    first, second, seen = left
    for done in (first, second):
        assert done.returncode == 0, done.output[-3000:]
        (on_host,) = told(done, "hv1")
        (in_guest,) = told(done, "vm1")
        assert "leaves (domain vm1, /srv/proof/leaves, in the guest on /srv/leaves)" in on_host
        assert "leaves on /srv/leaves" in in_guest
    assert changed(second) == []
    assert mounted(seen) == mounted(moved[2])
    assert tags(seen) == {"kept", "leaves", "last"}


def test_a_new_name_alone_is_refused_before_anything_happens(new_name_alone, left):
    done, seen = new_name_alone
    assert done.returncode != 0
    (failed,) = done.failures("hv1")
    assert "the share 'kept' has a new name, 'renamed'" in failed.message
    assert "state: absent" in failed.message
    assert "virtiofs_host_prune: true" in failed.message
    assert changed(done) == []
    assert seen == left[2]


def test_a_guest_that_nobody_asked_keeps_what_it_has_mounted(nobody_asked, left):
    done, seen = nobody_asked
    assert done.returncode != 0
    (failed,) = done.failures("hv1")
    assert "share leaves of domain vm1 is mounted in the guest" in failed.message
    assert seen == left[2]


def test_prune_takes_it_from_the_guest_and_from_the_domain(pruned):
    done, seen = pruned[1], pruned[3]
    assert done.returncode == 0, done.output[-3000:]
    assert tags(seen) == tags(seen, "defined") == {"kept", "last"}
    for kind in ("live", "fstab"):
        assert mounted(seen, kind) == {"/srv/moved": "kept", "/srv/last": "last"}


def test_prune_keeps_the_data_and_restarts_nothing(pruned, shared):
    seen = pruned[3]
    assert seen["data"].strip() == "keep me"
    assert (seen["boot"], seen["qemu"]) == (shared["boot"], shared["qemu"])


def test_check_mode_told_what_prune_takes(pruned):
    check, done, *dummy = pruned
    for module, host in (("virtiofs_guest_mount", "vm1"), ("virtiofs_domain", "hv1")):
        assert check.of(module, host)[0].actions == done.of(module, host)[0].actions


def test_a_second_prune_has_nothing_to_do(pruned):
    again = pruned[2]
    assert again.returncode == 0
    assert changed(again) == []
    assert told(again, "hv1") == told(again, "vm1") == []


def test_lines_that_somebody_wrote_are_never_taken(pruned):
    assert by_hand(pruned[3]) == set(BY_HAND)


def test_with_prune_a_new_name_is_one_run(renamed_by_prune, shared):
    done, seen = renamed_by_prune
    assert done.returncode == 0, done.output[-3000:]
    assert tags(seen) == {"renamed", "last"}
    for kind in ("live", "fstab"):
        assert mounted(seen, kind) == {"/srv/moved": "renamed", "/srv/last": "last"}
    assert (seen["boot"], seen["qemu"]) == (shared["boot"], shared["qemu"])


def test_with_the_old_name_as_absent_a_new_name_is_one_run(renamed_by_absent):
    done, seen, there = renamed_by_absent
    assert done.returncode == 0, done.output[-3000:]
    assert tags(seen) == {"again", "last"}
    for kind in ("live", "fstab"):
        assert mounted(seen, kind) == {"/srv/moved": "again", "/srv/last": "last"}
    assert there


def test_a_guest_that_was_off_boots_without_the_share_and_lets_go_of_its_line_later(guest_was_off):
    off, booted, on, seen = guest_was_off
    assert off.returncode == 0, off.output[-3000:]
    assert tags(booted, "defined") == {"again"}
    assert mounted(booted) == {"/srv/moved": "again"}
    assert "/srv/last" in mounted(booted, "fstab")
    assert on.returncode == 0, on.output[-3000:]
    assert mounted(seen, "fstab") == {"/srv/moved": "again"}
    assert by_hand(seen) == set(BY_HAND)
