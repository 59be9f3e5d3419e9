# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other side cannot lead a probe out of its share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._probe import directory as room
from ansible_collections.virtio.fs.plugins.module_utils._probe.directory import (
    NAME,
    Unproven,
    create,
    names,
    open_regular,
    probe_directory,
    remove_directory,
    share,
)


def test_a_symbolic_link_on_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(Unproven, match=r"link in .*/link is a symbolic link"), share(str(tmp_path / "link")):
        pass


@pytest.mark.parametrize("planted", ["link", "file"])
def test_what_stands_in_the_place_of_the_directory_is_not_entered(tmp_path: Path, planted: str) -> None:
    place = tmp_path / NAME
    place.symlink_to("/etc") if planted == "link" else place.touch()
    with (
        share(str(tmp_path)) as root,
        pytest.raises(Unproven, match="is not a directory"),
        probe_directory(root, make=True),
    ):
        pass


@pytest.mark.parametrize("planted", ["link", "fifo", "directory"])
def test_nothing_but_a_regular_file_is_opened(tmp_path: Path, planted: str) -> None:
    {"link": lambda p: p.symlink_to("/etc/passwd"), "fifo": os.mkfifo, "directory": Path.mkdir}[planted](tmp_path / "n")
    with share(str(tmp_path)) as root, pytest.raises(Unproven, match="is not a regular file"):
        open_regular(root, "n")


def test_a_new_file_takes_the_place_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    (tmp_path / "n").symlink_to("target")
    with share(str(tmp_path)) as root:
        os.close(create(root, "n"))
    assert (tmp_path / "target").read_text() == "kept"
    assert not (tmp_path / "n").is_symlink()


def test_only_so_many_names_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_ENTRIES", 3)
    for number in range(5):
        (tmp_path / str(number)).touch()
    with share(str(tmp_path)) as root:
        assert len(names(root)) == 3


def test_the_directory_goes_when_it_is_empty(tmp_path: Path) -> None:
    with share(str(tmp_path)) as root:
        with probe_directory(root, make=True) as directory:
            os.close(create(directory, "n"))
            remove_directory(root)
            assert (tmp_path / NAME).exists()
            os.unlink("n", dir_fd=directory)
        remove_directory(root)
    assert not (tmp_path / NAME).exists()
