# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which read-only bind mounts are there, as fstab and the kernel tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.read_binds import read_binds
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps_bind import entry_of
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(readonly_bind, "ROOT", str(tmp_path / "ro"))
    return tmp_path / "ro"


def test_a_line_without_its_mount_is_found(root: Path, tmp_path: Path) -> None:
    path, line = f"{root}/one", entry_of("/srv/one", f"{root}/one")
    file = tmp_path / "fstab"
    file.write_text(mounts_fstab.with_entry("/dev/sda1 / ext4 defaults 0 1\n", line))
    assert read_binds(str(file)) == {path: Bind(path, "/srv/one", mounted=False, kept=True)}


def test_a_line_that_somebody_changed_is_not_as_we_write_it(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "fstab"
    file.write_text(f"/srv/one {root}/one none bind,rw 0 0\n")
    assert not read_binds(str(file))[f"{root}/one"].kept


def test_what_stands_beside_is_none_of_ours(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "fstab"
    file.write_text(f"/srv/one {root}more/one none bind,ro 0 0\n/srv/one {root} none bind,ro 0 0\n")
    assert read_binds(str(file)) == {}
