# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems are mounted: root, fstab, options, bare directories."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import Remount, WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    KeepRoot,
    SetImmutable,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import DEFAULT_OPTIONS
from ansible_collections.virtio.fs.tests.unit.made_up_disk import (
    KEPT,
    LINE,
    MOUNTED,
    planned,
    there,
    views,
)


def test_drifted_options_are_remounted_and_fstab_is_left() -> None:
    loose = MOUNTED.replace("rw,nosuid,nodev,noatime", "rw,relatime")
    (step,) = planned(there(views=views(loose))).steps
    assert step == Remount("/shared/data", for_mount(DEFAULT_OPTIONS), fixed=True)


def test_a_missing_line_of_fstab_is_written_without_a_mount() -> None:
    (step,) = planned(there(fstab="")).steps
    assert isinstance(step, WriteLines)
    assert step.waiting == frozenset()


def test_a_line_whose_options_are_remounted_waits_for_that() -> None:
    steps = planned(there(), mount_options=["rw", "nofail", "noexec"]).steps
    assert [type(step) for step in steps] == [WriteLines, Remount]
    assert isinstance(steps[0], WriteLines)
    assert steps[0].waiting == {"/shared/data"}


def test_a_loosened_root_is_closed() -> None:
    assert planned(there(root=dataclasses.replace(KEPT, mode=0o755))).steps == (KeepRoot("/shared", 0o700, True),)
    with pytest.raises(VirtiofsError, match="root: /shared holds photos"):
        planned(there(root=dataclasses.replace(KEPT, mode=0o755, foreign=("photos",))))


def test_a_uuid_line_of_the_same_filesystem_becomes_a_label_line() -> None:
    (step,) = planned(there(fstab=LINE.replace("LABEL=data", "UUID=AAAA"))).steps
    assert isinstance(step, WriteLines)
    assert step.lines[0].entry.spec == "LABEL=data"
    with pytest.raises(VirtiofsError, match="fstab has another line for /shared/data"):
        planned(there(fstab=LINE.replace("LABEL=data", "UUID=BBBB")))


def test_a_second_line_of_somebody_else_for_the_mount_point_is_not_lost() -> None:
    with pytest.raises(VirtiofsError, match=r"fstab has another line for /shared/data \(/dev/sdz1\)"):
        planned(there(fstab=LINE + "/dev/sdz1 /shared/data/ xfs noauto 0 0\n"))


def test_a_bare_directory_is_guarded() -> None:
    bare = there(views=views(), places={"/shared/data": Place(True, True, False)})
    assert planned(bare, state="unmounted").steps == (SetImmutable("/shared/data"),)


def test_without_nofail_there_is_a_warning() -> None:
    assert any("nofail" in warning for warning in planned(there(), mount_options=["rw"]).warnings)


@pytest.mark.parametrize("possible", [True, False])
@pytest.mark.parametrize("goal", ["present", "unmounted"])
def test_a_bare_directory_that_cannot_be_guarded_is_a_warning(goal: str, possible: bool) -> None:
    places = {"/shared/data": Place(True, True, None if not possible else True, can_be_immutable=possible)}
    found = there(views=views(), places=places)
    warned = [each for each in planned(found, state=goal).warnings if "no immutable flag" in each]
    assert len(warned) == (0 if possible else 1)


def test_a_directory_that_is_not_empty_is_a_warning() -> None:
    for empty in (True, False):
        found = there(views=views(), places={"/shared/data": Place(True, empty, True)})
        warned = [each for each in planned(found).warnings if "/shared/data is not empty" in each]
        assert len(warned) == (0 if empty else 1)


def test_what_is_mounted_warns_of_nothing() -> None:
    places = {"/shared/data": Place(True, True, None, 0, 0, 0o755, can_be_immutable=False)}
    assert planned(there(places=places)).warnings == ()
