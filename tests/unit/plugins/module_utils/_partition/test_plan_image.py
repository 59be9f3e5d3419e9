# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems in image files: what is made, what grows, what is never written over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.device import Device, Image
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name, unit_text
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import Filesystem, ItemPlan
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan_image import plan_image
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import (
    AttachLoop,
    GrowImage,
    MakeImage,
    WriteUnit,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_disk import EXT4, WHOLE, views

PATH = "/var/x.img"
UNIT = unit_text(PATH, "data", "/sbin/losetup")
MACHINE = State(views(), losetup="/sbin/losetup", systemd=True)
OURS = Image(PATH, exists=True, size=64 * MIB, content=EXT4, room=10**12)
LOOP = replace(WHOLE, node="/dev/loop7", content=EXT4)


def planned(
    image: Image, device: Device | None = None, unit: str = UNIT, state: State = MACHINE, **options: Any
) -> tuple[Filesystem, ItemPlan]:
    (item,) = wanted({"partitions": [{"label": "data", "image": PATH, "size": "64MiB", **options}]}).items
    return plan_image(Found(item, Place(), device=device, image=image, unit=unit), image, state)


def test_a_new_image_is_made_and_attached_now_and_at_boot() -> None:
    filesystem, plan = planned(Image(PATH, room=10**12), unit="")
    assert plan == ItemPlan(
        units=(WriteUnit(unit_name("data"), UNIT),),
        formats=(MakeImage(PATH, 64 * MIB, NewFilesystem("data", "ext4")), AttachLoop(PATH)),
        waits=("data",),
    )
    assert filesystem == Filesystem(Source("data", image=PATH), "ext4", 64 * MIB)


def test_an_image_that_is_attached_is_taken_as_it_is() -> None:
    filesystem, plan = planned(replace(OURS, loops=("/dev/loop7",)), LOOP)
    assert plan == ItemPlan()
    assert (filesystem.new, filesystem.source) == (False, Source("data", image=PATH))


def test_an_image_that_is_not_attached_is() -> None:
    filesystem, plan = planned(OURS)
    assert plan == ItemPlan(formats=(AttachLoop(PATH),), waits=("data",))
    assert filesystem.new


def test_an_image_grows_and_never_shrinks() -> None:
    image = replace(OURS, loops=("/dev/loop7",))
    filesystem, plan = planned(image, LOOP, size="96MiB", grow=True)
    assert plan.formats == (GrowImage(PATH, 96 * MIB),)
    assert (filesystem.size, filesystem.grown) == (96 * MIB, True)
    without = planned(image, LOOP, size="96MiB")[1]
    assert without == ItemPlan(warnings=(f"data: it has 64 MiB on {PATH}, not 96 MiB, grow: true enlarges it",))
    with pytest.raises(VirtiofsError, match=r"data, size: 32 MiB is less than the 64 MiB that it has on /var/x.img"):
        planned(image, LOOP, size="32MiB", grow=True)


def test_a_loop_device_that_does_not_know_that_its_file_grew() -> None:
    image = replace(OURS, size=96 * MIB, loops=("/dev/loop7",))
    assert planned(image, LOOP, size="96MiB", grow=True)[1].formats == (GrowImage(PATH, 96 * MIB),)
    assert planned(image, LOOP, size="96MiB")[1].formats == ()


@pytest.mark.parametrize("content", [Content(), Content(types=("xfs",), fstype="xfs", label="data"), EXT4])
def test_a_file_of_somebody_else_is_not_lost(content: Content) -> None:
    image = replace(OURS, content=content)
    with pytest.raises(VirtiofsError, match=r"data, image: /var/x.img holds .* and is not ours"):
        planned(image, fstype="btrfs", size="200MiB")
    plan = planned(image, fstype="btrfs", size="200MiB", overwrite=True)[1]
    new = NewFilesystem("data", "btrfs")
    assert plan.formats[0] == MakeImage(PATH, 200 * MIB, new, replaced=content.description)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image(PATH, exists=True, loops=("/dev/loop7",)), "is in use as /dev/loop7"),
        (Image(PATH, exists=True, uses=("open for writing in qemu (process 7)",)), "is open for writing in qemu"),
    ],
)
def test_a_file_that_somebody_uses_is_not_replaced(image: Image, words: str) -> None:
    with pytest.raises(VirtiofsError, match=f"^data, image: {PATH} {words}"):
        planned(image, overwrite=True)


def test_what_is_warned_of() -> None:
    (attach,) = planned(OURS, state=replace(MACHINE, systemd=False))[1].warnings
    assert attach == f"data: systemd does not run here, so nothing attaches {PATH} at boot"
    (room,) = planned(Image(PATH, room=MIB))[1].warnings
    assert room == f"data: {PATH} may grow to 64 MiB, where 1 MiB are free"
