# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mount points of a machine and their root, as they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._partition.read_tree import (
    can_be_immutable,
    read_place,
    read_root,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place, Root
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Wanted, WantedPartition
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable
from ansible_collections.virtio.fs.tests.unit.made_up_disk import views


def item(path: Path) -> WantedPartition:
    return WantedPartition("data", str(path))


def wanted(root: Path, *paths: Path) -> Wanted:
    return Wanted(tuple(WantedPartition(path.name, str(path)) for path in paths), str(root), 0o700, "/etc/fstab")


def test_whether_a_directory_can_be_immutable_is_asked_of_the_filesystem_that_it_is_on(tmp_path: Path) -> None:
    assert can_be_immutable("/proc/nowhere/at/all") is False
    assert can_be_immutable(str(tmp_path / "nowhere" / "yet")) is (immutable.is_immutable(str(tmp_path)) is not None)


def test_a_mount_point_that_is_there_or_not(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    assert not read_place(item(bare), views()).exists
    bare.mkdir()
    bare.chmod(0o750)
    status = bare.stat()
    place = read_place(item(bare), views())
    assert (place.exists, place.empty, place.mode, place.uid, place.gid) == (
        True,
        True,
        0o750,
        status.st_uid,
        status.st_gid,
    )
    (bare / "file").touch()
    assert not read_place(item(bare), views()).empty


def test_a_mount_point_that_is_a_link_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VirtiofsError, match=r"^data, path: .*/file is not a directory"):
        read_place(item(tmp_path / "file"), views())
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(VirtiofsError, match=r"^data, path: .*/link is a symbolic link"):
        read_place(item(tmp_path / "link" / "data"), views())


def test_what_in_the_root_is_not_ours(tmp_path: Path) -> None:
    root = tmp_path / "shared"
    assert read_root(wanted(root), views(), ()) == Root()
    for name in ("wanted", "in_fstab", "mounted", "on/the/way", "empty", "photos"):
        (root / name).mkdir(parents=True)
    (root / "photos" / "one.jpg").touch()
    (root / "note.txt").touch()
    (root / "link").symlink_to("photos")
    for name in ("wanted", "in_fstab", "mounted"):
        (root / name / "file").touch()
    entries = (
        Entry("LABEL=x", f"{root}/in_fstab", "ext4", ("rw",)),
        Entry("LABEL=y", f"{root}/on/the/way", "ext4", ("rw",)),
    )
    mounts = views(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 254:1 / {root}/mounted rw - ext4 /dev/vdb1 rw\n")
    found = read_root(wanted(root, root / "wanted"), mounts, entries)
    assert found.exists
    assert found.foreign == ("link", "note.txt", "photos")
    # Something beside the way to a mount point is not ours either.
    (root / "on" / "file").touch()
    assert "on" in read_root(wanted(root, root / "wanted"), mounts, entries).foreign


def test_a_root_that_is_a_link_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(VirtiofsError, match=r"^root: .*/link is a symbolic link"):
        read_root(wanted(tmp_path / "link"), views(), ())
    (tmp_path / "file").touch()
    with pytest.raises(VirtiofsError, match=r"^root: .*/file is not a directory"):
        read_root(wanted(tmp_path / "file"), views(), ())


def test_nothing_there_is_the_default() -> None:
    assert Place() == Place(exists=False, empty=True, immutable=None, can_be_immutable=True)
