# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems go away, and what keeps them."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Owner
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import RemoveLines, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_disk import (
    DeletePartition,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    RemoveDirectory,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import DEFAULT_OPTIONS
from ansible_collections.virtio.fs.tests.unit.made_up_disk import (
    LINE,
    MOUNTED,
    planned,
    there,
    views,
)


def test_unmounted_absent_and_wiped() -> None:
    assert planned(there(), state="unmounted").steps == (Unmount("/shared/data", immutable=True),)
    absent = planned(there(), state="absent").steps
    assert [type(step) for step in absent] == [Unmount, RemoveLines, RemoveDirectory]
    wiped = planned(there(), state="wiped").steps
    assert wiped[:3] == absent
    assert wiped[3:] == (DeletePartition("/dev/vdb", "data", 1),)


def test_a_line_of_swap_with_the_same_label_stays() -> None:
    swap = "LABEL=data none swap sw 0 0\n"
    gone = planned(there(fstab=swap + LINE), state="absent").steps[1]
    assert isinstance(gone, RemoveLines)
    assert [entry.path for entry in gone.entries] == ["/shared/data"]
    (write,) = planned(there(fstab=swap)).steps
    assert isinstance(write, WriteLines)
    assert write.lines[0].entry.options == DEFAULT_OPTIONS
    (line,) = write.lines
    assert line.written_to(swap) == swap + LINE


def test_which_of_two_is_to_be_wiped() -> None:
    copy = there(owners={"data": (Owner("LABEL", "/dev/vdb1", "254:1"), Owner("LABEL", "/dev/vdc1", "254:33"))})
    with pytest.raises(VirtiofsError, match="/dev/vdb1 and /dev/vdc1 both have this label"):
        planned(copy, state="wiped")


@pytest.mark.parametrize("goal", ["unmounted", "absent", "wiped"])
def test_a_virtiofsd_holds_it(goal: str) -> None:
    daemon = "9 8 254:1 / / rw master:2 - ext4 /dev/vdb1 rw\n"
    with pytest.raises(VirtiofsError, match=r"virtiofsd \(process 7\) has it mounted on /"):
        planned(there(views=views(MOUNTED, daemon)), state=goal)


def test_a_service_whose_copy_goes_with_ours_does_not_hold_it() -> None:
    service = (
        "11 10 8:1 / / rw master:1 - ext4 /dev/sda1 rw\n"
        "12 11 254:1 / /shared/data rw master:2 - ext4 /dev/vdb1 rw\n"
    )
    (step,) = planned(there(views=views(MOUNTED, service)), state="unmounted").steps
    assert step == Unmount("/shared/data", immutable=True)
    private = service.replace(" master:1", "").replace(" master:2", "")
    with pytest.raises(VirtiofsError, match="has it mounted on /shared/data"):
        planned(there(views=views(MOUNTED, private)), state="unmounted")


@pytest.mark.parametrize("goal", ["unmounted", "absent", "wiped"])
def test_a_running_domain_holds_it(goal: str) -> None:
    with pytest.raises(VirtiofsError, match="running domain vm1 shares /shared/data"):
        planned(there(sharing={"/shared/data": ("vm1",)}), state=goal)
