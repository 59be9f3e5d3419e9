# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount points that are refused: what is mounted there, written in fstab for them, or in their way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_lab import DiskLab, disk_lab, output

pytestmark = pytest.mark.guards_data


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


def test_something_else_is_mounted_on_the_path(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    (lab.root / label).mkdir(parents=True)
    output("mount", "-t", "tmpfs", "tmpfs", str(lab.root / label))
    assert "something else is mounted" in lab.refused({"label": label, "disk": disk, "size": "16MiB"})


def test_a_directory_of_a_btrfs_is_not_the_filesystem(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(160), "size": "rest", "fstype": "btrfs"}
    lab.converged(item)
    path = lab.root / item["label"]
    (path / "part").mkdir()
    output("btrfs", "subvolume", "create", str(path / "volume"))
    whole = lab.directory / "whole"
    whole.mkdir()
    output("umount", str(path))
    output("mount", f"{item['disk']}p1", str(whole))
    output("mount", "--bind", str(whole / "part"), str(path))
    assert "shows only /part of its filesystem" in lab.refused(item)
    output("umount", str(path))
    # Many keep what they use in a subvolume.
    output("mount", "-o", "subvol=volume", f"{item['disk']}p1", str(path))
    output("umount", str(whole))
    lab.converged(item)


def test_its_filesystem_is_mounted_in_a_way_of_their_own(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(), "size": "rest"}
    made = lab.undisturbed(item)
    assert not made.failed, made.msg
    path, other = lab.root / item["label"], lab.directory / "elsewhere"
    output("umount", str(path))
    other.mkdir()
    output("mount", f"{item['disk']}p1", str(other))
    assert f"is mounted on {other}, not on {path}" in lab.refused(item)
    (other / "sub").mkdir()
    output("mount", "--bind", str(other / "sub"), str(path))
    output("umount", str(other))
    assert f"{path} shows only /sub of its filesystem" in lab.refused(item)
    output("umount", str(path))
    theirs = lab.disk(16)
    output("mkfs.ext4", "-q", "-F", theirs)
    output("mount", theirs, str(path))
    assert f"something else is mounted on {path} ({theirs}, ext4)" in lab.refused(item)


def test_a_path_inside_a_share(lab: DiskLab) -> None:
    item = {"label": lab.label("a"), "disk": lab.disk(16), "size": "rest"}
    made = lab.undisturbed(item)
    assert not made.failed, made.msg
    inside = {"label": lab.label("b"), "disk": lab.disk(16), "size": "rest", "path": f"{lab.root}/{item['label']}/sub"}
    assert f"is inside the share that is mounted on {lab.root}/{item['label']}" in lab.refused(inside)


def test_fstab_has_another_line_for_the_path(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    with lab.fstab.open("a") as file:
        file.write(f"/dev/sdz1 {lab.root}/{label}/ ext4 defaults 0 2\n")
    assert "/dev/sdz1" in lab.refused({"label": label, "disk": disk, "size": "16MiB"})


def test_fstab_has_a_line_for_the_path_whose_label_differs_in_case(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    with lab.fstab.open("a") as file:
        file.write(f"LABEL={label.upper()} {lab.root}/{label} ext4 noauto\n")
    assert label.upper() in lab.refused({"label": label, "disk": disk, "size": "16MiB"})


def test_a_root_that_holds_what_is_not_ours(lab: DiskLab) -> None:
    disk = lab.disk()
    lab.root.mkdir(mode=0o755)
    (lab.root / "photos").mkdir()
    (lab.root / "photos" / "cat").write_text("meow")
    assert "photos" in lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB"})


def test_a_symbolic_link_in_the_path(lab: DiskLab) -> None:
    disk = lab.disk()
    (lab.directory / "real").mkdir()
    (lab.directory / "link").symlink_to("real")
    message = lab.refused({"label": lab.label(), "disk": disk, "size": "16MiB", "path": f"{lab.directory}/link/x"})
    assert "symbolic link" in message
