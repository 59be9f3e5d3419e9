# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._directory import (
    Allow,
    Directory,
    Found,
    Make,
    Own,
    plan,
    read,
    wanted,
)
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


def converge(*directories: Directory) -> None:
    for step in plan(directories, read(directories)).steps:
        step.apply(None)
    assert not plan(directories, read(directories)).steps


def test_what_is_missing_is_made_with_its_parents(tmp_path: Path):
    path = tmp_path / "a" / "b"
    converge(Directory(str(path)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_the_mode_holds_whatever_the_umask(tmp_path: Path):
    before = os.umask(0o077)
    try:
        converge(Directory(str(tmp_path / "a"), mode=0o2775))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o2775


def test_what_is_there_keeps_what_is_not_given():
    found = {"/a": Found(33, 33, 0o700)}
    assert plan([Directory("/a")], found).steps == ()
    assert plan([Directory("/a", mode=0o750)], found).steps == (Allow("/a", 0o750),)


def test_the_mode_is_set_after_the_owner():
    found = {"/a": Found(0, 0, 0o755)}
    assert plan([Directory("/a", uid=33, mode=0o2755)], found).steps == (Own("/a", 33, 0), Allow("/a", 0o2755))


def test_a_new_directory_is_made_and_given_away():
    assert plan([Directory("/a", gid=33)], {}).steps == (Make("/a", 0o755), Own("/a", os.geteuid(), 33))


def test_a_file_or_a_symbolic_link_in_the_place_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(VirtiofsError, match="is no directory"):
        read([Directory(str(tmp_path / "file"))])
    with pytest.raises(VirtiofsError, match="is a symbolic link"):
        read([Directory(str(tmp_path / "link"))])


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"path": "srv"}, "directories, 'srv', path: write an absolute path"),
        ({"path": "/srv/../etc"}, "write an absolute path without '..'"),
        (
            {"path": "/srv", "owner": "nobody-knows"},
            "directories, /srv, owner: there is no user 'nobody-knows'",
        ),
        ({"path": "/srv", "mode": "rwx"}, "directories, /srv, mode: 'rwx' is not a mode"),
        ({"path": "/srv", "mode": "77777"}, "is not a mode"),
        ({"path": "/srv", "mode": 0o755}, "493 is not a mode"),
    ],
)
def test_an_item_that_is_wrong_is_refused_by_name(item: dict[str, Any], sentence: str):
    with pytest.raises(VirtiofsError) as raised:
        wanted([item])
    assert sentence in str(raised.value)


def test_names_and_numbers_are_resolved_and_slashes_are_one_path():
    assert wanted([{"path": "//srv//a/", "owner": "root", "group": "0", "mode": "0750"}]) == (
        Directory("/srv/a", 0, 0, 0o750),
    )


def test_the_mode_of_a_new_directory_leaves_one_that_is_there_alone(tmp_path: Path):
    path = tmp_path / "a"
    (new,) = wanted([{"path": str(path), "new_mode": "0700"}])
    converge(new)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    path.chmod(0o755)
    converge(new)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert plan([Directory("/a", mode=0o750, new_mode=0o700)], {}).steps == (Make("/a", 0o750),)
