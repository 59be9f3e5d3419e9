# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A share that somebody typed by hand: the list that describes it marks it, once, and one more share can be added."""

from __future__ import annotations

import re

import pytest
from proof import domains, mounts
from proof.playbook import play

HAND_MADE = {
    "name": "vm3",
    "storage": {"disk": "/dev/disk/by-id/lab-hv1-disk0", "size": "2GiB", "label": "proof_vm3"},
    "domains": ["vm3"],
    "mount": "/mnt",
}
ONE_MORE = {"name": "more", "path": "/srv/proof/more", "domains": ["vm3"], "mount": "/srv/more"}
FACTS = {
    "fstab": "cat /etc/fstab",
    "table": "sfdisk --dump /dev/disk/by-id/lab-hv1-disk0",
    "definition": "virsh dumpxml vm3 --inactive --security-info",
    "qemu": "cat /run/libvirt/qemu/vm3.pid",
    "superblock": "blkid -p -o export $(findfs LABEL=proof_vm3)",
}


@pytest.fixture(scope="session")
def adopted(hv1, machine):
    guest = {"guest's fstab": "cat /etc/fstab"}
    before = hv1.read(FACTS) | machine("vm3").read(guest)
    run = play("virtio.fs.share", limit="hv1,vm3")
    return before, run, hv1.read(FACTS) | machine("vm3").read(guest)


@pytest.fixture(scope="session")
def again(adopted):
    return play("virtio.fs.share", limit="hv1,vm3")


@pytest.fixture(scope="session")
def one_more(again):
    return play("virtio.fs.share", extra={"virtiofs_host_shares": [HAND_MADE, ONE_MORE]}, limit="hv1,vm3")


def test_the_playbook_succeeds(adopted):
    assert [(one.host, one.task, one.message) for one in adopted[1].failures()] == []
    assert adopted[1].returncode == 0


def test_it_is_known_as_made_from_the_list_and_nothing_else_is_changed(adopted):
    changes = [(one.host, one.actions) for one in adopted[1].results if one.changed]
    assert ("vm3", ["write the fstab line of vm3 on /mnt", "have systemd read fstab and its units again"]) in changes
    tasks = {one.task for one in adopted[1].results if one.changed and one.host == "hv1"}
    assert tasks <= {"Have a place for what was made from the list", "Keep what was made from the list"}
    assert len(changes) == 1 + len(tasks)


def test_the_next_run_changes_nothing(again):
    assert again.returncode == 0
    assert [(one.host, one.task, one.actions) for one in again.results if one.changed] == []


@pytest.mark.parametrize("what", FACTS)
def test_what_was_typed_by_hand_is_still_there(adopted, what):
    before, dummy, after = adopted
    assert after[what] == before[what]


def test_the_line_in_the_guest_has_a_mark_more(adopted):
    before, dummy, after = adopted
    old, new = (text["guest's fstab"].splitlines() for text in (before, after))
    (changed,) = [position for position, line in enumerate(old) if line != new[position]]
    assert len(old) == len(new)
    assert re.fullmatch(r"vm3 /mnt virtiofs rw,_netdev,comment=virtio\.fs:hv1:[0-9a-f]{8} 0 0", new[changed])


def test_one_more_share_can_be_added(one_more):
    assert [(one.host, one.task, one.message) for one in one_more.failures()] == []
    assert one_more.returncode == 0


def test_it_needed_no_restart(one_more, adopted, hv1):
    assert hv1.read(FACTS)["qemu"] == adopted[0]["qemu"]


def test_both_shares_are_there(one_more, hv1, machine):
    assert domains.parse(hv1.check("virsh dumpxml vm3")).tags == {"vm3", "more"}
    live = mounts.parse(machine("vm3").check(mounts.LIVE))
    assert {mount.source for mount in live if mount.fstype == "virtiofs"} == {"vm3", "more"}


def test_the_partition_keeps_its_hand_made_line_in_fstab(one_more, hv1, adopted):
    assert hv1.read(FACTS)["fstab"] == adopted[0]["fstab"]
