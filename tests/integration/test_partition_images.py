# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filesystems in image files: made, attached, refused, taken away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from disk_lab import DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_image import MakeImage


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


def test_an_image_is_made_attached_and_mounted(lab: DiskLab) -> None:
    label = lab.label()
    image = lab.directory / "images" / "a b%.img"
    item = {"label": label, "image": str(image), "size": "40MiB"}
    lab.converged(item)
    assert image.stat().st_blocks * 512 < 40 * 2**20
    assert f"x-systemd.requires=virtiofs-image-{label}.service" in lab.fstab.read_text()
    unit = lab.units / f"virtiofs-image-{label}.service"
    assert 'a b%%.img"' in unit.read_text()
    (lab.root / label / "file").write_text("x")
    # As after a boot: nothing attached, nothing mounted.
    output("umount", str(lab.root / label))
    output("losetup", "--detach", output("losetup", "-nO", "NAME", "-j", str(image)))
    lab.converged(item)
    assert (lab.root / label / "file").read_text() == "x"


def test_a_new_image_is_on_the_disk_before_and_after_it_gets_its_name(
    lab: DiskLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        calls.append("fsync " + os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def renamed(source: str, destination: str) -> None:
        calls.append("rename")
        rename(source, destination)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    image = lab.directory / "images" / "a.img"
    MakeImage(str(image), 8 * 2**20, NewFilesystem(lab.label(), "ext4")).apply(lab.target())
    assert calls == ["fsync .a.img.virtiofs", "rename", "fsync images"]


def test_an_image_that_is_not_ours(lab: DiskLab) -> None:
    image = lab.directory / "file.img"
    image.write_bytes(b"precious")
    item = {"label": lab.label(), "image": str(image), "size": "16MiB"}
    assert "is not ours" in lab.refused(item)
    assert image.read_bytes() == b"precious"
    lab.converged({**item, "overwrite": True})


@pytest.mark.parametrize("state", ["present", "wiped"])
def test_an_image_that_is_no_regular_file(lab: DiskLab, state: str) -> None:
    theirs = lab.directory / "theirs"
    theirs.write_bytes(b"precious")
    (lab.directory / "link").symlink_to("theirs")
    os.mkfifo(lab.directory / "fifo")
    for path in (lab.directory, lab.directory / "link", lab.directory / "fifo", lab.disk(16)):
        item = {"label": lab.label(), "image": str(path), "size": "16MiB", "overwrite": True, "state": state}
        assert f"{path} is not a regular file" in lab.refused(item)
    assert theirs.read_bytes() == b"precious"


@pytest.mark.parametrize("there", [False, True])
def test_one_image_by_two_names_is_refused(lab: DiskLab, there: bool) -> None:
    (lab.directory / "real").mkdir()
    (lab.directory / "link").symlink_to("real")
    one, two = (
        {"label": lab.label(name), "image": f"{lab.directory}/{name}/x.img", "size": "16MiB"}
        for name in ("real", "link")
    )
    if there:
        lab.converged(one)
    message = lab.refused(one, two)
    assert message == f"{two['label']}, image: {two['image']} is {one['image']}, which {one['label']} has already"


def test_an_image_that_another_run_has_made_meanwhile_is_not_replaced(lab: DiskLab) -> None:
    path = lab.directory / "images" / "a.img"
    step = MakeImage(str(path), 32 * 2**20, NewFilesystem(lab.label(), "ext4"))
    step.apply(lab.target())
    before = path.stat().st_ino, path.read_bytes()
    with pytest.raises(VirtiofsError, match=r"a\.img was made by someone else in the meantime, run it again"):
        step.apply(lab.target())
    assert (path.stat().st_ino, path.read_bytes()) == before
    assert [entry.name for entry in path.parent.iterdir()] == ["a.img"]
    replace(step, replaced="ext4").apply(lab.target())
    assert path.stat().st_ino != before[0]


def test_an_image_goes_away(lab: DiskLab) -> None:
    image = lab.directory / "x.img"
    item = {"label": lab.label(), "image": str(image), "size": "32MiB"}
    lab.run(item)
    (lab.root / item["label"] / "file").write_text("kept")
    lab.converged({**item, "state": "absent"})
    assert not list(lab.units.iterdir())
    assert output("losetup", "-j", str(image)) == ""
    lab.converged(item)
    assert (lab.root / item["label"] / "file").read_text() == "kept"
    lab.converged({**item, "state": "wiped"})
    assert not image.exists()


@pytest.mark.parametrize("options", [["--offset", str(8 * 2**20)], ["--sizelimit", str(16 * 2**20)], ["--read-only"]])
def test_an_image_that_somebody_else_has_attached_too(lab: DiskLab, options: list[str]) -> None:
    image = str(lab.directory / "x.img")
    item = {"label": lab.label(), "image": image, "size": "32MiB"}
    lab.converged(item)
    theirs = output("losetup", "--find", "--show", *options, image)
    for given in (item, {**item, "state": "absent"}, {**item, "state": "wiped"}):
        assert "is attached more than once" in lab.refused(given)
    # Only theirs.
    output("umount", str(lab.root / item["label"]))
    (ours,) = set(output("losetup", "-nO", "NAME", "-j", image).split()) - {theirs}
    output("losetup", "--detach", ours)
    if options != ["--read-only"]:
        for given in (item, {**item, "state": "absent"}, {**item, "state": "wiped"}):
            assert f"is attached as {theirs} only in part" in lab.refused(given)
    output("losetup", "--detach", theirs)
    lab.converged({**item, "state": "wiped"})


def test_an_image_whose_loop_device_is_in_use(lab: DiskLab) -> None:
    image = str(lab.directory / "x.img")
    item = {"label": lab.label(), "image": image, "size": "32MiB"}
    lab.converged(item)
    lab.converged({**item, "state": "unmounted"})
    loop = output("losetup", "-nO", "NAME", "-j", image)
    descriptor = os.open(loop, os.O_RDONLY | os.O_EXCL)
    try:
        for state in ("absent", "wiped"):
            assert f"{loop}, which is opened exclusively" in lab.refused({**item, "state": state})
    finally:
        os.close(descriptor)
    lab.converged({**item, "state": "wiped"})
