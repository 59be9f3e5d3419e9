# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount points and their root, in a temporary directory. Mounts are made in the integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import (
    ClearImmutable,
    KeepRoot,
    Mount,
    RemoveDirectory,
    SetImmutable,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target


def test_a_bare_mount_point_goes_and_one_with_files_stays(tmp_path: Path) -> None:
    path = tmp_path / "data"
    RemoveDirectory(str(path)).apply(Target())
    path.mkdir()
    (path / "file").touch()
    RemoveDirectory(str(path)).apply(Target())
    assert (path / "file").exists()
    (path / "file").unlink()
    RemoveDirectory(str(path)).apply(Target())
    assert not path.exists()


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VirtiofsError, match=r"^cannot prepare .*/file/shared: "):
        KeepRoot(str(tmp_path / "file" / "shared"), 0o700, False).apply(Target())


def test_a_root_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "shared").symlink_to("elsewhere")
    with pytest.raises(VirtiofsError, match=r"^cannot prepare .*/shared: "):
        KeepRoot(str(tmp_path / "shared"), 0o700, True).apply(Target())
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o755


def test_a_failed_mount_takes_back_its_line_and_its_directories(tmp_path: Path) -> None:
    fstab, path = tmp_path / "fstab", tmp_path / "on" / "the" / "way"
    fstab.write_text("# the machine's own\n")
    target = Target(str(fstab))
    entry = Entry("LABEL=data", str(path), "ext4", ("rw",))
    WriteLines((Line("data", entry),), frozenset({str(path)})).apply(target)
    assert "LABEL=data" in fstab.read_text()
    with pytest.raises(VirtiofsError):
        Mount(Source("data", device=str(tmp_path / "nowhere")), entry).apply(target)
    assert fstab.read_text() == "# the machine's own\n"
    assert not (tmp_path / "on").exists()


def test_their_summaries() -> None:
    entry = Entry("LABEL=data", "/shared/data", "ext4", ("rw",))
    steps = (
        KeepRoot("/shared", 0o700, False),
        KeepRoot("/shared", 0o750, True),
        SetImmutable("/shared/data"),
        Mount(Source("data"), entry),
        Unmount("/shared/data", immutable=True),
        ClearImmutable("/shared/data"),
        RemoveDirectory("/shared/data"),
    )
    assert [step.summary for step in steps] == [
        "make /shared with mode 0700",
        "give to root /shared with mode 0750",
        "make the bare directory /shared/data immutable",
        "mount data on /shared/data",
        "unmount /shared/data",
        "stop the bare directory /shared/data being immutable",
        "remove the directory /shared/data",
    ]
