# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the diff shows, from the plan as a whole."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Disk
from ansible_collections.virtio.fs.plugins.module_utils._partition.diff import item_change, root_change
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import gathered
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.tests.unit.made_up_disk import KEPT, LINE, WHOLE, planned, state, there

FSTAB = "fstab: " + LINE
FILESYSTEM = "size: 32 MiB\nfstype: ext4\n"


def shown(plan: Plan) -> dict[str, tuple[str, str]]:
    return {change["before_header"]: (change["before"], change["after"]) for change in plan.diff}


def test_a_new_filesystem() -> None:
    changes = shown(planned(state(Disk("/dev/vdb", WHOLE)), owner="7", mode="0750"))
    # The number of the owner is looked up by the reader.
    assert changes == {
        "/shared": ("", "owner: 0\ngroup: 0\nmode: 0700\n"),
        "data": ("", f"{FILESYSTEM}mounted: /shared/data\n{FSTAB}mode: 0750\n"),
    }


def test_nothing_to_do_shows_nothing() -> None:
    assert shown(planned(there())) == {}


def test_owner_and_mode_are_shown_when_they_are_asked_for() -> None:
    machine = there(uids={"data": 7})
    before, after = shown(planned(machine, owner="7", mode="2770"))["data"]
    assert before == f"{FILESYSTEM}mounted: /shared/data\n{FSTAB}owner: 0\nmode: 0755\n"
    assert after == f"{FILESYSTEM}mounted: /shared/data\n{FSTAB}owner: 7\nmode: 2770\n"


@pytest.mark.parametrize(("goal", "after"), [("unmounted", FILESYSTEM + FSTAB), ("absent", FILESYSTEM), ("wiped", "")])
def test_what_goes_away(goal: str, after: str) -> None:
    changes = shown(planned(there(), state=goal))
    assert changes == {"data": (f"{FILESYSTEM}mounted: /shared/data\n{FSTAB}", after)}


def test_a_line_that_moves_with_its_mount_point() -> None:
    machine = there(fstab=LINE.replace("/shared/data", "/old"))
    before, after = shown(planned(machine))["data"]
    assert "fstab: LABEL=data /old ext4" in before
    assert "/old" not in after
    assert FSTAB in after


def test_a_root_that_is_closed() -> None:
    changes = shown(planned(there(root=dataclasses.replace(KEPT, mode=0o755))))
    assert changes["/shared"] == ("owner: 0\ngroup: 0\nmode: 0755\n", "owner: 0\ngroup: 0\nmode: 0700\n")


def test_a_root_that_nobody_needs_is_not_shown_as_made() -> None:
    nothing = wanted({"partitions": []})
    assert root_change(nothing, state(Disk("/dev/vdb", WHOLE)), needed=False).after == ""
    assert root_change(nothing, state(Disk("/dev/vdb", WHOLE)), needed=True).after == "owner: 0\ngroup: 0\nmode: 0700\n"


def test_what_is_mounted_there_and_is_not_the_items_is_not_shown() -> None:
    machine = there(owners={})
    (found,) = gathered(wanted({"partitions": [{"label": "data", "state": "unmounted"}]}).items, machine)
    assert item_change(found, machine, None, None).before == FILESYSTEM + FSTAB
